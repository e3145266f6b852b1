"""`python -m experiments.two_stage`: when does a second stage pay, on MovieLens-100K?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark.latency import latency
from experiments.ml100k import study
from experiments.ml100k.models import MODELS
from experiments.two_stage import plots
from mfjax import compilation
from mfjax.metrics import DEFAULT
from mfjax.recommend import two_stage
from mfjax.statistics import bootstrap
from mfjax.studies import command_line, extras, manifests, running
from mfjax.studies.judging import judge
from mfjax.studies.options import MOST, MOST_LENGTH, Checked, Place, Within
from mfjax.studies.settings import settings_of
from mfjax.studies.tables import align
from mfjax.studies.task import Task
from mfjax.types import Factors, Scorer

KEYS = f"{manifests.KEYS}, seeds from 0; models of the plots: seed 0; bootstrap: key(0)"
_bootstrap, _ceiling = compilation.jit(bootstrap), compilation.jit(two_stage.ceiling, static_argnames="candidates")


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


@dataclass(frozen=True)
class Options(Checked):
    """Rerank the candidates of one model by another, for several numbers of candidates.

    For every pair: the share of hidden items among the candidates (the ceiling of the second stage), recall and NDCG of
    both stages together, the paired difference from the retriever alone, and the time of each stage.
    """

    pairs: tuple[str, ...] = ("als:bpr", "als:lambdarank", "popularity:als-tuned")
    """Pairs of models, retriever:reranker."""
    candidates: Annotated[tuple[int, ...], Within(1, 2**31 - 1)] = (10, 50, 100, 200, 500)
    """Numbers of candidates."""
    seeds: Annotated[int, Within(1, MOST)] = 3
    """Number of seeds."""
    ties: Literal["file-order", "reverse", "item-id", "item-id-descending"] = "file-order"
    """Which of a user's positives of equal time is the last."""
    k: Annotated[int, Within(1, MOST_LENGTH)] = 10
    """Length of the recommended list."""
    out: Annotated[Path | None, Place("output", ("two_stage.json", "item_space.svg", "training.svg"))] = None
    """Folder for two_stage.json and the plots; None writes no file."""
    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    progress: bool = True
    """Show a progress bar."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next run starts sooner."""

    def agree(self) -> None:
        """Raise ValueError for a word that is no pair."""
        for text in self.pairs:
            if text.count(":") != 1 or not set(text.split(":")) <= set(MODELS):
                raise ValueError(f"pairs: {text!r} is not retriever:reranker; choose both from {', '.join(MODELS)}")

    def run(self) -> list[Line]:
        """Run the experiment, print its table, write its results and plots, and return its lines."""
        command_line.begin(self, *["tqdm"] * self.progress, *["matplotlib"] * (self.out is not None))
        protocol = study.Options(data_dir=self.data_dir, ties=self.ties)
        dataset = protocol.load()
        tasks = protocol.tasks(dataset, protocol.split_key(0))
        (task,) = tasks.test
        if (longest := max(self.candidates)) > (there := task.train.num_items):
            raise ValueError(f"candidates: {longest} is more than the {there:,} items; pass a smaller number")
        pairs = [(one, other) for one, _, other in (text.partition(":") for text in self.pairs)]
        models = {name: MODELS[name] for pair in pairs for name in pair}
        stages = {
            one.model: [running.fit(models[one.model], one, seed, task) for seed in range(self.seeds)]
            for one in self.bar(settings_of(models, {}, {}), "model")
        }
        lines = [
            measure(pair, [stages[name] for name in pair], task, candidates, self.k)
            for pair in self.bar(pairs, "pair")
            for candidates in self.candidates
        ]
        print(table(lines, self.k))
        if self.out is not None:
            manifest = manifests.manifest("experiments.two_stage", [dataset], {"all": tasks.checksum}, KEYS, self)
            document = {"lines": [asdict(line) for line in lines], "manifest": manifest}
            written = [manifests.write(self.out / "two_stage.json", document), *plots.write(self.out, task)]
            print("\nwrote " + ", ".join(map(str, written)))
        return lines

    def bar(self, steps: Sequence, unit: str) -> Sequence:
        """Return the steps, told of while they are taken."""
        return extras.bar(steps, unit=unit, leave=False) if self.progress else steps


def measure(
    pair: tuple[str, str], stages: Sequence[Sequence[Scorer | Factors]], task: Task, candidates: int, k: int
) -> Line:
    """Return one line: `stages` holds the retrievers and the rerankers, one per seed."""
    users = jnp.asarray(np.flatnonzero(task.hidden.user_counts()), jnp.int32)
    asked: dict[str, Any] = {"metrics": ("recall", "ndcg"), "cutoffs": (k,), "convention": DEFAULT}
    ceilings, both, alone = [], [], []
    for retriever, reranker in zip(*stages, strict=True):
        reached = _ceiling(retriever, users, task.targets, candidates=candidates, exclude=task.exclude)
        ceilings.append(float(jnp.nanmean(reached)))
        together = two_stage.scorer(retriever, reranker, candidates=candidates, exclude=task.exclude)
        both.append(judge(together, task, **asked).sums)
        alone.append(judge(retriever, task, **asked).sums)
    # The sums of recall and of NDCG, [2, users].
    measured, baseline = (np.mean(sums, axis=0) for sums in (both, alone))
    gain = _bootstrap(jax.random.key(0), jnp.asarray(measured[1] - baseline[1]))
    speed = latency(stages[0][0], stages[1][0], users[:256], candidates=candidates, exclude=task.exclude)
    recall, ndcg = measured.mean(axis=1).tolist()
    return Line(
        *pair, candidates, ceiling=float(np.mean(ceilings)), recall=recall, ndcg=ndcg,
        gain=float(gain.mean), low=float(gain.low), high=float(gain.high),
        retrieve_ms=1e3 * speed.retrieve, rerank_ms=1e3 * speed.rerank,
    )  # fmt: skip


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
    return align(rows, left=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.two_stage")
