"""`python -m experiments.benchmark`: mfjax beside implicit and irspack, the same work in the same minutes.

Every task runs each contestant in turns, so that a noisy machine is noisy for all; first calls, which compile, and warm
calls, by their median, are told apart. Peers are left out, with a note, where the extra `peers` is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments import devices, options, peers, plots_benchmark, results
from experiments.benchmark_tasks import TASKS, Case, Line
from experiments.options import option
from mfjax.data import movielens, synthetic, tables
from mfjax.data.movielens import Dataset
from mfjax.types import Interactions


@dataclass(frozen=True, kw_only=True)
class Options:
    """Time mfjax and its peers on the same matrix: sweeps of ALS, time to an objective, BPR, top-10, evaluation."""

    data: tuple[str, ...] = option(("ml-100k",), "ml-100k, ml-1m, or numbers such as 1e6 of made-up interactions")
    data_dir: Path | None = option(None, "folder with the MovieLens files; none looks in the cache, then fetches them")
    interactions: Path | None = option(None, "a file of interactions (csv or parquet: user, item) instead of --data")
    dims: tuple[int, ...] = option((64,), "numbers of factors, separated by commas")
    tasks: tuple[str, ...] = option(tuple(TASKS), "what to time, separated by commas", tuple(TASKS))
    repeats: int = option(7, "warm calls of each contestant")
    cores: int | None = option(None, "CPU cores to use; none takes all")
    memory: bool = option(False, "also measure the peak memory of a sweep, in a process of its own")
    out: Path | None = option(None, "folder for benchmark.json and the plots; none writes nothing")


def run(options_: Options) -> list[Line]:
    """Run the benchmark, print its table, write its results and plots, and return its lines."""
    if not peers.available():
        print('No peers: python -m pip install -e ".[peers]" for implicit and irspack.\n')
    lines: list[Line] = []
    datasets = _datasets(options_)
    for dataset in datasets:
        for dim in options_.dims:
            case = Case(dataset.name, dataset.interactions, dim, options_.repeats, options_.memory)
            for task in options_.tasks:
                found = TASKS[task](case)
                print(table(found), "\n", flush=True)
                lines += found
    if options_.out is not None:
        manifest = results.manifest("experiments.benchmark", datasets[0], {}, "key(0)", options.to_json(options_))
        document = {"rows": [asdict(line) for line in lines], "manifest": manifest}
        written = [results.write_json(options_.out / "benchmark.json", document)]
        written += plots_benchmark.write(options_.out, lines, {one.name: len(one.interactions) for one in datasets})
        print("wrote " + ", ".join(map(str, written)))
    return lines


def _datasets(options_: Options) -> list[Dataset]:
    if options_.interactions is not None:
        read = tables.read_parquet if options_.interactions.suffix == ".parquet" else tables.read_csv
        return [_made(options_.interactions.stem, read(options_.interactions), str(options_.interactions))]
    return [_dataset(name, options_.data_dir) for name in options_.data]


def _dataset(name: str, folder: Path | None) -> Dataset:
    try:
        count = int(float(name))
    except ValueError:
        return movielens.load(name, folder)
    made_up = synthetic.of_size(0, count)
    return _made(name, made_up, "mfjax.data.synthetic.power_law")


def _made(name: str, interactions: Interactions, source: str) -> Dataset:
    return Dataset(name, interactions, titles=None, years=None, genres=None, checksum="", source=source)


def table(lines: Sequence[Line]) -> str:
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
    options.main(devices.on_cores(run), Options, arguments, program="experiments.benchmark")


if __name__ == "__main__":
    main()
