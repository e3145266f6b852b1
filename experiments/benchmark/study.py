"""`python -m experiments.benchmark`: mfjax beside implicit and irspack, the same work in the same minutes.

Every task runs each contestant in turns, so that a noisy machine is noisy for all; first calls, which compile, and warm
calls, by their median, are told apart. Peers are left out, with a note, where the extra `peers` is not installed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.benchmark import peers
from experiments.benchmark.tasks import TASKS, Case, Timing, held_out
from mfjax import checks, data, devices
from mfjax.data import datasets, synthetic
from mfjax.data.published import sources
from mfjax.data.published.datasets import Dataset
from mfjax.data.published.recipes import SETS
from mfjax.studies import options, results
from mfjax.studies.options import MOST, MOST_CORES, MOST_DIM, Checked, option
from mfjax.studies.records import Splits
from mfjax.types import Interactions


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Time mfjax and its peers on the same matrix: sweeps of ALS, time to an objective, BPR, top-10, evaluation."""

    data: tuple[str, ...] = option(("ml-100k",), "ml-100k, ml-1m, or numbers such as 1e6 of made-up interactions")
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    interactions: Path | None = option(
        None, "a file of interactions (csv or parquet: user, item) instead of --data", place="file"
    )
    dims: tuple[int, ...] = option((64,), "numbers of factors, separated by commas", least=1, most=MOST_DIM)
    tasks: tuple[str, ...] = option(tuple(TASKS), "what to time, separated by commas", tuple(TASKS))
    repeats: int = option(7, "warm calls of each contestant", least=1, most=MOST)
    cores: int | None = option(None, "CPU cores to use; none takes all", least=1, most=MOST_CORES)
    memory: bool = option(False, "also measure the peak memory of a sweep, in a process of its own")
    out: Path | None = option(
        None, "folder for benchmark.json and the plots; none writes nothing", place="output", writes=("benchmark.json",)
    )

    def agree(self) -> None:
        """Raise ValueError for data that is neither there nor a number of interactions to make up."""
        for name in self.data:
            if _count(name) is None and name not in SETS and not Path(name).exists():
                raise ValueError(f"data: {name!r} is unknown; pass ml-100k, ml-1m, or a number such as 1e6")


KEYS = "starts and fits: key(0); made-up data, and the tenth and the tables of top-10: numpy's seed 0"


def run(options_: Options) -> list[Timing]:
    """Run the benchmark, print its table, write its results and plots, and return its lines."""
    options.begin(options_, *(["matplotlib"] if options_.out is not None else []))
    if not peers.available():
        print('No peers: python -m pip install -e ".[peers]" for implicit and irspack.\n')
    lines: list[Timing] = []
    taken, splits = _datasets(options_), Splits()
    if "top-10" in options_.tasks:
        for dataset in taken:
            splits.add(f"top-10 {dataset.name}", held_out(dataset.interactions))
    for dataset in taken:
        for dim in options_.dims:
            case = Case(dataset.name, dataset.interactions, dim, options_.repeats, options_.memory)
            for task in options_.tasks:
                found = TASKS[task](case)
                print(table(found), "\n", flush=True)
                lines += found
    if options_.out is not None:
        from experiments.benchmark import plots  # needs matplotlib

        recorded = options.to_json(options_)
        manifest = results.manifest("experiments.benchmark", taken, splits.checksums, KEYS, recorded)
        document = {"rows": [asdict(line) for line in lines], "manifest": manifest}
        written = [results.write_json(options_.out / "benchmark.json", document)]
        written += plots.write(options_.out, lines, {one.name: len(one.interactions) for one in taken})
        print("wrote " + ", ".join(map(str, written)))
    return lines


def _datasets(options_: Options) -> list[Dataset]:
    if options_.interactions is not None:
        path = options_.interactions
        return [_made(path.stem, data.read(path), str(path), sources.digest(path))]
    return [_dataset(name, options_.data_dir) for name in options_.data]


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
    return results.align(rows, left=4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    options.main(devices.on_cores(run), Options, arguments, program="experiments.benchmark", cached=False)
