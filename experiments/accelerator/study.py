"""`python -m experiments.accelerator`: correctness first, then times beside what the hardware's limits allow.

One process, made-up data, no network. `accelerator.json` is written after every measurement, so that what was measured
outlives a run that is stopped. Every section gets its share of the budget; what did not fit is told as left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import jax

from experiments.accelerator import correctness, limits, peers, programs, sweeps
from experiments.accelerator.ledger import Ledger, Line, table
from mfjax.studies import command_line, manifests
from mfjax.studies.options import Checked, OneOf, Place, Within

SECTIONS: dict[str, tuple[Callable[..., None], float]] = {
    "correct": (correctness.measure, 0.2),
    "limits": (limits.measure, 0.35),
    "als": (sweeps.measure, 0.65),
    "bpr": (programs.epochs, 0.72),
    "evaluation": (programs.evaluations, 0.8),
    "models": (programs.models, 0.9),
    "peers": (peers.measure, 1.0),
}
"""Name -> what measures it, and by which share of the budget it has to end."""


KEYS = "starts, fits and draws: jax.random.key(0) to key(3); made-up data: numpy's seeds 0 to 2"


@dataclass(frozen=True)
class Options(Checked):
    """Check mfjax on JAX's default device, and time it beside the limits of the device and the library implicit."""

    budget: Annotated[float, Within(1.0, 36_000.0)] = 400.0
    """Seconds that it may take."""
    sections: Annotated[tuple[str, ...], OneOf(tuple(SECTIONS))] = tuple(SECTIONS)
    """What to do."""
    tiny: bool = False
    """Take tiny sizes, to try the command out on a CPU."""
    out: Annotated[Path | None, Place("output", ("accelerator.json",))] = None
    """Folder for accelerator.json; None writes no file."""

    def run(self) -> list[Line]:
        """Run the sections within the budget, print the table, and return its lines."""
        command_line.begin(self)
        manifest = manifests.manifest("experiments.accelerator", [], {}, KEYS, self)
        path = None if self.out is None else self.out / "accelerator.json"
        ledger = Ledger(self.budget, sweeps.TINY if self.tiny else sweeps.SIZES, path, manifest)
        print(manifest["device"], manifest["versions"], flush=True)
        # The same call is timed again and again, with the same key.
        with warnings.catch_warnings(), jax.debug_key_reuse(False):
            warnings.filterwarnings("ignore", "cg_steps:", UserWarning)  # sweeps that are timed end far from solved
            for name in self.sections:
                measure, share = SECTIONS[name]
                ledger.until(1.0 if len(self.sections) == 1 else share)
                ledger.attempt(name, "all of it", partial(measure, ledger, tiny=self.tiny), needs=0)
        print(table(ledger.lines))
        bad = [line for line in ledger.lines if line.status in ("wrong", "failed")]
        print(f"{len(bad)} of {len(ledger.lines)} lines are wrong or failed, on {jax.devices()[0].device_kind}")
        return ledger.lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.accelerator")
