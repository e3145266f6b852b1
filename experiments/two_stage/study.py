"""`python -m experiments.two_stage`: when does a second stage pay, on MovieLens-100K?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.latency import latency
from experiments.ml100k.models import MODELS
from experiments.two_stage import published_runs
from mfjax import compilation
from mfjax.data import datasets
from mfjax.data.splits import TIES, Ties
from mfjax.recommend import two_stage
from mfjax.statistics import bootstrap
from mfjax.studies import extras, results, study
from mfjax.studies import options as command_line
from mfjax.studies.options import MOST, MOST_LENGTH, Checked, option
from mfjax.studies.records import Splits, check_lists
from mfjax.studies.task import Task, last_positive, test_task
from mfjax.types import Factors, Scorer


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Rerank the candidates of one model by another, for several numbers of candidates.

    For every pair: the share of hidden items among the candidates (the ceiling of the second stage), recall and NDCG of
    both stages together, the paired difference from the retriever alone, and the time of each stage.
    """

    pairs: tuple[str, ...] = option(
        ("als:bpr", "als:lambdarank", "popularity:als-tuned"), "retriever:reranker pairs, separated by commas"
    )
    candidates: tuple[int, ...] = option(
        (10, 50, 100, 200, 500), "numbers of candidates, separated by commas", least=1, most=2**31 - 1
    )
    seeds: int = option(3, "number of seeds", least=1, most=MOST)
    ties: Ties = option("file-order", "which of a user's positives of equal time is the last", TIES[:-1])
    k: int = option(10, "length of the recommended list", least=1, most=MOST_LENGTH)
    out: Path | None = option(
        None,
        "folder for two_stage.json and the plots; none writes nothing",
        place="output",
        writes=("two_stage.json", "item_spaces.png", "training.png"),
    )
    data_dir: Path | None = option(
        None, "folder with the MovieLens files; none looks in the cache, then fetches them", place="folder"
    )
    progress: bool = option(True, "show a progress bar")

    def agree(self) -> None:
        """Raise ValueError for a word that is no pair."""
        for text in self.pairs:
            _pair(text)


@dataclass(frozen=True)
class Line:
    """One retriever, reranker and number of candidates; means over users and seeds.

    Attributes:
        gain, low, high: NDCG of both stages less that of the retriever alone, with its 95 % interval over users.
        retrieve_ms, rerank_ms: median milliseconds of a batch of 256 users in each stage.
    """

    retriever: str
    reranker: str
    candidates: int
    ceiling: float
    recall: float
    ndcg: float
    gain: float
    low: float
    high: float
    retrieve_ms: float
    rerank_ms: float


KEYS = (
    "model: fold_in(key(seed), crc32(name)), seeds from 0; models of the plots: fold_in(key(0), crc32(name)); "
    "bootstrap: key(0)"
)


def run(options: Options) -> list[Line]:
    """Run the experiment, print its table, write its results and plots, and return its lines."""
    command_line.begin(options, *(["matplotlib"] if options.out is not None else []))
    pairs = [_pair(text) for text in options.pairs]
    dataset = datasets.load("ml-100k", options.data_dir)
    splits = Splits()
    split = last_positive(dataset.interactions, min_rating=4.0, ties=options.ties, key=None)
    task = test_task(splits.add("all", split))
    if (longest := max(options.candidates)) > task.train.num_items:
        raise ValueError(
            f"candidates: {longest} is more than the {task.train.num_items:,} items; pass a smaller number"
        )
    names = dict.fromkeys(name for pair in pairs for name in pair)
    fitted = {}
    for name in extras.bar(names, unit="model", disable=not options.progress, leave=False):
        seeds = range(options.seeds)
        fitted[name] = [MODELS[name].fit(study.model_key(name, seed), task, None) for seed in seeds]
    lines = [
        measure(pair, [fitted[name] for name in pair], task, candidates, options.k)
        for pair in extras.bar(pairs, unit="pair", disable=not options.progress, leave=False)
        for candidates in options.candidates
    ]
    print(table(lines, options.k))
    if options.out is not None:
        _write(options, dataset, splits, task, lines)
    return lines


def _pair(text: str) -> tuple[str, str]:
    names = text.split(":")
    unknown = [name for name in names if name not in MODELS]
    if len(names) != 2 or unknown:
        raise ValueError(f"pairs: {text!r} is not retriever:reranker; choose both from {', '.join(MODELS)}")
    return names[0], names[1]


_ceiling = compilation.jit(two_stage.ceiling, static_argnames="candidates")


def measure(
    names: tuple[str, str], stages: Sequence[Sequence[Scorer | Factors]], task: Task, candidates: int, k: int
) -> Line:
    """Return one line: `stages` holds the retrievers and the rerankers, one per seed."""
    users = jnp.asarray(np.flatnonzero(task.hidden.user_counts()), jnp.int32)
    ceilings, both, alone, recalls = [], [], [], []
    for retriever, reranker in zip(*stages, strict=True):
        reached = _ceiling(retriever, users, task.targets, candidates=candidates, exclude=task.exclude)
        ceilings.append(float(jnp.nanmean(reached)))
        together = two_stage.scorer(retriever, reranker, candidates=candidates, exclude=task.exclude)
        found = [task.evaluate(model, cutoffs=(k,), metrics=("recall", "ndcg")) for model in (together, retriever)]
        for evaluation in found:
            check_lists(":".join(names), evaluation, task.excluded)
        measured, baseline = (evaluation.per_user for evaluation in found)
        both.append(measured[f"ndcg@{k}"])
        recalls.append(measured[f"recall@{k}"])
        alone.append(baseline[f"ndcg@{k}"])
    gain = bootstrap(jax.random.key(0), jnp.asarray(np.mean(both, axis=0) - np.mean(alone, axis=0)))
    speed = latency(stages[0][0], stages[1][0], users[:256], candidates=candidates, exclude=task.exclude)
    return Line(
        *names,
        candidates,
        ceiling=float(np.mean(ceilings)),
        recall=float(np.mean(recalls)),
        ndcg=float(np.mean(both)),
        gain=float(gain.mean),
        low=float(gain.low),
        high=float(gain.high),
        retrieve_ms=1e3 * speed.retrieve,
        rerank_ms=1e3 * speed.rerank,
    )


def table(lines: Sequence[Line], k: int) -> str:
    """Return the lines as text."""
    head = ["retriever", "reranker", "C", "ceiling", f"recall@{k}", f"ndcg@{k}", "gain in ndcg over the retriever"]
    rows = [[*head, "retrieve, ms", "rerank, ms"]]
    for line in lines:
        verdict = "wins" if line.low > 0 else "loses" if line.high < 0 else "even"
        figures = [f"{line.ceiling:.3f}", f"{line.recall:.4f}", f"{line.ndcg:.4f}"]
        gain = f"{line.gain:+.4f} [{line.low:+.4f}, {line.high:+.4f}] {verdict}"
        times = [f"{line.retrieve_ms:.1f}", f"{line.rerank_ms:.1f}"]
        rows.append([line.retriever, line.reranker, str(line.candidates), *figures, gain, *times])
    return results.align(rows, left=2)


def _write(options: Options, dataset: datasets.Dataset, splits: Splits, task: Task, lines: Sequence[Line]) -> None:
    from experiments.two_stage import plots  # needs matplotlib

    folder = options.out
    assert folder is not None
    recorded = command_line.to_json(options)
    manifest = results.manifest("experiments.two_stage", [dataset], splits.checksums, KEYS, recorded)
    written = [results.write_json(folder / "two_stage.json", {"lines": list(map(asdict, lines)), "manifest": manifest})]
    bpr_items, curve = published_runs.train_bpr(task)
    spaces = published_runs.spaces_of(task, bpr_items)
    written.append(plots.item_spaces(folder / "item_spaces.png", task, spaces))
    written.append(plots.training(folder / "training.png", curve))
    print("\nwrote " + ", ".join(map(str, written)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    command_line.main(run, Options, arguments, program="experiments.two_stage")
