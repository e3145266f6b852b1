"""`python -m experiments.benchmark`: mfjax beside implicit and irspack, the same work in the same minutes.

Every task runs each contestant in turns, so that a noisy machine is noisy for all; first calls, which compile, and warm
calls, by their median, are told apart. Peers are left out, with a note, where the extra `peers` is not installed.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

from experiments.benchmark import against, peers
from experiments.benchmark.tasks import TASKS, Case, Timing
from mfjax import checks, data, devices
from mfjax.data import datasets, synthetic
from mfjax.data.leaks import check_no_leak
from mfjax.data.published import sources
from mfjax.data.published.datasets import Dataset
from mfjax.data.published.recipes import SETS
from mfjax.studies import command_line, manifests
from mfjax.studies.options import MOST, MOST_CORES, MOST_DIM, Checked, OneOf, Place, Within
from mfjax.studies.tables import align
from mfjax.types import Interactions

KEYS = "starts and fits: key(0); made-up data, and the tenth and the tables of top-k: numpy's seed 0"


@dataclass(frozen=True)
class Options(Checked):
    """Time mfjax and its peers on the same matrix: sweeps of ALS, time to an objective, BPR, top-k, evaluation."""

    data: tuple[str, ...] = ("ml-100k",)
    """ml-100k, ml-1m, gowalla, or numbers such as 1e6 of made-up interactions; the train part of a set with parts."""
    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the files of --data; None looks in the cache, then fetches MovieLens."""
    interactions: Annotated[Path | None, Place("file")] = None
    """A file of interactions (csv or parquet: user, item) instead of --data."""
    dims: Annotated[tuple[int, ...], Within(1, MOST_DIM)] = (64,)
    """Numbers of factors."""
    tasks: Annotated[tuple[str, ...], OneOf(tuple(TASKS))] = tuple(TASKS)
    """What to time."""
    k: Annotated[int, Within(1, MOST)] = 10
    """Length of the lists of top-k, and cutoff of evaluation."""
    repeats: Annotated[int, Within(1, MOST)] = 7
    """Warm calls of each contestant."""
    beside_peers: bool = True
    """Time the peers too, where they are installed."""
    against: str | None = None
    """A commit to compare with: this benchmark runs there and here in turns, and fails where it is slower here."""
    cores: Annotated[int | None, Within(1, MOST_CORES)] = None
    """CPU cores to use; None takes all."""
    memory: bool = False
    """Measure the peak memory of a sweep too, in a process of its own."""
    out: Annotated[Path | None, Place("output", ("benchmark.json",))] = None
    """Folder for benchmark.json and the plots; None writes no file."""

    def agree(self) -> None:
        """Raise ValueError for data that is neither there nor a number of interactions to make up."""
        for name in self.data:
            if _count(name) is None and name not in SETS and not Path(name).exists():
                raise ValueError(f"data: {name!r} is unknown; pass ml-100k, ml-1m, or a number such as 1e6")

    def run(self) -> list[Timing]:
        """Run the benchmark, print its table, write its results and plots, and return its lines."""
        command_line.begin(self, *(["matplotlib"] if self.out is not None else []))
        if self.against is not None:
            changes = against.compare(self.against, self._arguments())
            print(against.table(self.against, changes))
            against.check(self.against, changes)
            return []
        devices.use_cores(self.cores)
        if self.beside_peers and not peers.available():
            print('No peers: python -m pip install -e ".[peers]" for implicit and irspack.\n')
        taken, splits, lines = self._datasets(), {}, []
        for dataset in taken if "top-k" in self.tasks else []:
            check_no_leak(split := self._case(dataset, self.dims[0]).split)
            splits[f"top-k {dataset.name}"] = split.checksum()
        for dataset, dim in itertools.product(taken, self.dims):
            case = self._case(dataset, dim)
            for task in self.tasks:
                found = TASKS[task](case)
                print(table(found), "\n", flush=True)
                lines += found
        if self.out is not None:
            from experiments.benchmark import plots  # needs matplotlib

            manifest = manifests.manifest("experiments.benchmark", taken, splits, KEYS, self)
            document = {"rows": [asdict(line) for line in lines], "manifest": manifest}
            written = [manifests.write(self.out / "benchmark.json", document)]
            written += plots.write(self.out, lines, {one.name: len(one.interactions) for one in taken})
            print("wrote " + ", ".join(map(str, written)))
        return lines

    def _arguments(self) -> list[str]:
        """Return the command line of these options, without the commit and the folder."""
        found = []
        for field in fields(self):
            value, name = getattr(self, field.name), "--" + field.name.replace("_", "-")
            if field.name in ("against", "out") or value == field.default:
                continue
            if isinstance(value, bool):
                found.append(name if value else name.replace("--", "--no-", 1))
            else:
                found += [name, *map(str, value if isinstance(value, tuple) else (value,))]
        return found

    def _case(self, dataset: Dataset, dim: int) -> Case:
        return Case(
            name=dataset.name,
            interactions=dataset.parts.get("train", dataset.interactions),
            dim=dim,
            repeats=self.repeats,
            memory=self.memory,
            k=self.k,
            beside_peers=self.beside_peers,
            test=dataset.parts.get("test"),
        )

    def _datasets(self) -> list[Dataset]:
        if self.interactions is None:
            return [_dataset(name, self.data_dir) for name in self.data]
        path = self.interactions
        return [_made(path.stem, data.read(path), str(path), sources.digest(path))]


def _dataset(name: str, folder: Path | None) -> Dataset:
    count = _count(name)
    if count is None:
        return datasets.load(name, folder)
    made_up = synthetic.of_size(0, count)
    total = hashlib.sha256(made_up.users.tobytes() + made_up.items.tobytes())
    return _made(name, made_up, f"mfjax.data.synthetic.of_size(0, {count})", total.hexdigest())


def _count(name: str) -> int | None:
    """Return the number of interactions to make up, or None for a name. Raises ValueError for a wrong number."""
    try:
        number = float(name)
    except ValueError:
        return None
    checks.number("data", number, least=100, most=1e9, remedy="pass such as 1e6, or ml-100k")
    if number != int(number):
        raise ValueError(f"data: {name} is not a whole number; pass such as 1e6, or ml-100k")
    return int(number)


def _made(name: str, interactions: Interactions, source: str, checksum: str) -> Dataset:
    return Dataset(name, interactions, titles=None, years=None, genres=None, checksum=checksum, source=source)


def table(lines: Sequence[Timing]) -> str:
    """Return the lines of a task as text."""
    names = sorted({name for line in lines for name in line.peers})
    head = ["task", "data", "dim", "solver", "first, s", "warm, s", *(f"{name}, s" for name in names), "ratio"]
    rows = [head + (["peak, MB"] if any(line.peak_mb for line in lines) else [])]
    for line in lines:
        seconds = [f"{line.first_s:.3f}", f"{line.warm_s:.4f}"]
        others = [f"{line.peers[name]:.4f}" if name in line.peers else "-" for name in names]
        ratio = "-" if line.ratio_best_peer is None else f"{line.ratio_best_peer:.2f}"
        row = [line.task, line.data, str(line.dim), line.solver, *seconds, *others, ratio]
        rows.append(row + ([f"{line.peak_mb:.0f}" if line.peak_mb else "-"] if len(rows[0]) > len(row) else []))
    return align(rows, left=4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.benchmark")
