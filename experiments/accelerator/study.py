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
from typing import Any

import jax

from experiments.accelerator import correctness, limits, peers, programs, sweeps
from experiments.accelerator.ledger import Ledger, Line, table
from mfjax.studies import options, results
from mfjax.studies.options import Checked, option

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


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Check mfjax on JAX's default device, and time it beside the limits of the device and the library implicit."""

    budget: float = option(400.0, "seconds that it may take", least=1.0, most=36_000.0)
    sections: tuple[str, ...] = option(tuple(SECTIONS), "what to do, separated by commas", tuple(SECTIONS))
    tiny: bool = option(False, "tiny sizes, to try the command out on a CPU")
    out: Path | None = option(
        None, "folder for accelerator.json; none writes nothing", place="output", writes=("accelerator.json",)
    )


KEYS = "starts, fits and draws: jax.random.key(0) to key(3); made-up data: numpy's seeds 0 to 2"


def run(options_: Options) -> list[Line]:
    """Run the sections within the budget, print the table, and return its lines."""
    options.begin(options_)
    recorded: dict[str, Any] = options.to_json(options_)
    manifest = results.manifest("experiments.accelerator", [], {}, KEYS, recorded)
    path = None if options_.out is None else options_.out / "accelerator.json"
    sizes = sweeps.TINY if options_.tiny else sweeps.SIZES
    ledger = Ledger(options_.budget, sizes, path, manifest)
    print(manifest["device"], manifest["versions"], flush=True)
    alone = len(options_.sections) == 1
    # The same call is timed again and again, with the same key.
    with warnings.catch_warnings(), jax.debug_key_reuse(False):
        warnings.filterwarnings("ignore", "cg_steps:", UserWarning)  # sweeps that are timed end far from solved
        for name in options_.sections:
            measure, share = SECTIONS[name]
            ledger.until(1.0 if alone else share)
            ledger.attempt(name, "all of it", partial(measure, ledger, tiny=options_.tiny), needs=0)
    print(table(ledger.lines))
    bad = [line for line in ledger.lines if line.status in ("wrong", "failed")]
    print(f"{len(bad)} of {len(ledger.lines)} lines are wrong or failed, on {jax.devices()[0].device_kind}")
    return ledger.lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    options.main(run, Options, arguments, program="experiments.accelerator")
