"""`python -m experiments.benchmark.scale`: one sweep of ALS on more devices, more processes and more interactions.

Every measurement runs in processes of its own (`experiments.benchmark.scale_worker`), so that devices can be counted
anew and peak memory is that of the one run.
"""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from experiments.benchmark.scale_worker import ASKED, NUM_INTERACTIONS, NUM_USERS
from mfjax.studies import command_line, manifests
from mfjax.studies.options import MOST, MOST_CORES, MOST_DIM, Checked, OneOf, Place, Within
from mfjax.studies.tables import align

PARTS = ("devices", "interactions", "rows", "catalogues")
KEYS = "starts and fits: key(0); positives of the ranking step: numpy's seed 0"
SIZE = Within(100, 1e9, whole=True)


@dataclass(frozen=True)
class Options(Checked):
    """Measure how ALS scales: with devices and processes, with interactions and with items, and BPR's step with the
    table's rows."""

    parts: Annotated[tuple[str, ...], OneOf(PARTS)] = PARTS
    """What to measure."""
    devices: Annotated[tuple[int, ...], Within(1, MOST_CORES)] = (1, 2, 4, 8)
    """Numbers of CPU devices."""
    interactions: Annotated[tuple[float, ...], SIZE] = (1e5, 1e6, 1e7)
    """Numbers of made-up interactions."""
    rows: Annotated[tuple[float, ...], SIZE] = (1e4, 1e5, 1e6)
    """Numbers of items of the ranking step."""
    catalogues: Annotated[tuple[float, ...], SIZE] = (1e4, 1e5, 1e6)
    """Numbers of items that a model is fitted to, asked for its best and judged by."""
    size: Annotated[float, SIZE] = 1e6
    """Interactions of the runs over devices."""
    dim: Annotated[int, Within(1, MOST_DIM)] = 64
    """Number of factors."""
    repeats: Annotated[int, Within(1, MOST)] = 5
    """Warm calls of each run."""
    out: Annotated[Path | None, Place("output", ("scale.json",))] = None
    """Folder for scale.json; None writes no file."""

    def run(self) -> list[Run]:
        """Run the measurements, print their tables, write scale.json, and return them."""
        command_line.begin(self)
        parts = {"devices": devices, "interactions": interactions, "rows": rows, "catalogues": catalogues}
        runs = [one for part in self.parts for one in parts[part](self)]
        if self.out is not None:
            sources = sorted({(one.size, _source(one)) for one in runs if one.part != "rows"})
            made = [MadeUp(f"{size}", "", source) for size, source in sources]
            manifest = manifests.manifest("experiments.benchmark.scale", made, {}, KEYS, self)
            document = {"runs": [asdict(one) for one in runs], "manifest": manifest}
            print(f"wrote {manifests.write(self.out / 'scale.json', document)}")
        return runs


class MadeUp(NamedTuple):
    """Interactions that follow from their seed and number."""

    name: str
    checksum: str
    source: str


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes:
        part: of PARTS.
        devices, processes: CPU devices in all, and the processes they are in.
        size: interactions, or rows of the item table.
        seconds: median of the warm sweeps or steps.
        first_s: the first one, compilation included.
        build_s: seconds to build the histories.
        peak_mb, base_mb: peak memory of a process, and what it held before there was any data.
        data_mb: bytes of the interactions and of both tables.
        difference: largest difference of a factor from one device's, relative to the largest factor.
        by_rows: whether every device holds a share of the tables, or the whole of them.
        top_k_s, evaluation_s: seconds of lists of 20 and of their metrics for ASKED users.
    """

    part: str
    devices: int
    processes: int
    size: int
    seconds: float
    first_s: float
    build_s: float
    peak_mb: float
    base_mb: float
    data_mb: float
    difference: float | None = None
    by_rows: bool = False
    top_k_s: float | None = None
    evaluation_s: float | None = None


def _source(one: Run) -> str:
    """Return what made the interactions of a run up."""
    if one.part != "catalogues":
        return f"mfjax.data.synthetic.of_size(0, {one.size})"
    sizes = f"num_users={NUM_USERS}, num_items={one.size}, num_interactions={NUM_INTERACTIONS}"
    return f"mfjax.data.synthetic.power_law(0, {sizes})"


def devices(options: Options) -> list[Run]:
    """Sweep the same interactions on more and more devices, and on two processes over loopback; the last of either
    again with tables shared out by rows."""
    common = {"part": "devices", "size": int(options.size), "dim": options.dim, "repeats": options.repeats}
    layouts = [(count, 1, False) for count in options.devices]
    layouts += [(2, 2, False), (options.devices[-1], 1, True), (2, 2, True)]
    found: list[Run] = []
    reference = None
    with tempfile.TemporaryDirectory() as folder:
        for count, processes, by_rows in layouts:
            path = Path(folder) / f"{len(found)}.npz"
            spec = common | {"devices": count // processes, "save": str(path), "by_rows": by_rows}
            measured = _start(spec, processes)
            factors = np.load(path)
            reference = factors if reference is None else reference
            of_run = {"devices": count, "by_rows": by_rows, "difference": _difference(factors, reference)}
            found.append(Run(**measured | of_run))
    lines = [["devices", "processes", "tables", "sweep, ms", "speed-up", "difference"]]
    for one in found:
        speed = found[0].seconds / one.seconds
        texts = [f"{1e3 * one.seconds:.1f}", f"{speed:.2f}", f"{one.difference:.1e}"]
        lines.append([str(one.devices), str(one.processes), "by rows" if one.by_rows else "whole", *texts])
    print(f"{int(options.size):,} interactions, dim {options.dim}\n{align(lines)}\n", flush=True)
    return found


def _difference(one: Any, other: Any) -> float:
    return float(max(np.abs(one[name] - other[name]).max() / np.abs(other[name]).max() for name in ("users", "items")))


def interactions(options: Options) -> list[Run]:
    """Sweep more and more interactions on all cores; print the slope of seconds in a log-log plot."""
    found = _of_sizes(options, "interactions", options.interactions, None)
    lines = [["interactions", "build, s", "first, s", "sweep, s", "slope", "peak, MB", "of data"]]
    for previous, one in zip([None, *found], found, strict=False):
        slope = "-" if previous is None else f"{_slope(previous, one):.2f}"
        memory = [f"{one.peak_mb:.0f}", f"{(one.peak_mb - one.base_mb) / one.data_mb:.2f}"]
        seconds = [f"{one.build_s:.2f}", f"{one.first_s:.2f}", f"{one.seconds:.4f}"]
        lines.append([f"{one.size:,}", *seconds, slope, *memory])
    print(f"dim {options.dim}, {found[0].devices} devices; memory above the libraries', as a multiple of the data's")
    print(align(lines))
    if len(found) > 2:
        line = np.polyfit(np.log([one.size for one in found]), np.log([one.seconds for one in found]), 1)
        print(f"the line through all of them has slope {line[0]:.2f}")
    print(flush=True)
    return found


def _slope(one: Run, other: Run) -> float:
    return math.log(other.seconds / one.seconds) / math.log(other.size / one.size)


def rows(options: Options) -> list[Run]:
    """Take row-sparse steps of BPR on larger and larger item tables."""
    found = _of_sizes(options, "rows", options.rows, 1)
    lines = [["items", "step, ms", "of the first"]]
    for one in found:
        lines.append([f"{one.size:,}", f"{1e3 * one.seconds:.3f}", f"{one.seconds / found[0].seconds:.2f}"])
    print(f"BPR with row-sparse Adagrad, dim {options.dim}, batches of 1,024\n{align(lines)}\n", flush=True)
    return found


def catalogues(options: Options) -> list[Run]:
    """Fit as many interactions with larger and larger catalogues, and ask for the best of them."""
    found = _of_sizes(options, "catalogues", options.catalogues, None)
    lines = [["items", "build, s", "first, s", "sweep, s", "top-20, s", "evaluation, s", "peak, MB"]]
    for one in found:
        seconds = (one.build_s, one.first_s, one.seconds, one.top_k_s, one.evaluation_s)
        lines.append([f"{one.size:,}", *(f"{value:.2f}" for value in seconds), f"{one.peak_mb:.0f}"])
    print(f"{NUM_INTERACTIONS:,} interactions of {NUM_USERS:,} users, dim {options.dim}, {found[0].devices} devices;")
    print(f"the 20 best items of {ASKED:,} users, and their recall and NDCG\n{align(lines)}\n", flush=True)
    return found


def _of_sizes(options: Options, part: str, sizes: Sequence[float], devices: int | None) -> list[Run]:
    common = {"part": part, "dim": options.dim, "repeats": options.repeats, "devices": devices}
    return [Run(**_start(common | {"size": int(size)}, 1)) for size in sizes]


def _start(spec: dict[str, Any], processes: int) -> dict[str, Any]:
    """Run one measurement and return what its first process says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    specs = [spec | {"process": number, "processes": processes, "address": address} for number in range(processes)]
    command = [sys.executable, "-m", "experiments.benchmark.scale_worker"]
    children = [subprocess.Popen([*command, json.dumps(one)], stdout=subprocess.PIPE, text=True) for one in specs]
    said = [child.communicate()[0] for child in children]
    if any(child.returncode for child in children):
        raise ValueError(f"parts: a run of {spec} failed; its message is above")
    return json.loads(said[0].splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.benchmark.scale")


if __name__ == "__main__":
    sys.exit(main())
