"""`mfjax study DATA`: models on any data under any protocol, with sweeps, tuning, comparison and a page."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

from mfjax import devices
from mfjax.data.describing.source import Source
from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import Ties
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options
from mfjax.search import Trial
from mfjax.studies import compiled, protocols, results, study
from mfjax.studies.choosing import tune
from mfjax.studies.findings import Results
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.protocols import Catalogue, Tasks
from mfjax.studies.running import Progress, run
from mfjax.studies.sentences import about, comparisons, sampled_warning
from mfjax.types import Interactions

ProtocolName = Literal["auto", "leave-last", "global-time", "random", "folds", "strong", "given"]

COMMAND = "mfjax study"
UNRECORDED = ("config", "out", "compilation_cache")
"""Options that no manifest holds: the same study with another of these is the same study."""


@dataclass(frozen=True)
class Study(Source):
    """Fit models on a part of the data, judge them on what was hidden, and say which differences are real.

    Every study can be repeated: --out DIR writes results.json, and --config DIR/results.json runs the same study again.
    A study that was killed can be resumed: run it again with the same --out.
    """

    protocol: ProtocolName = "auto"
    """What is hidden. auto: the test part of data that come split, else each user's last row where there are times,
    else rows at random."""
    positives: float | None = None
    """Keep the interactions of at least this value, and forget the values; None keeps all, with their values."""
    users_core: int = 0
    """Keep users with at least this many rows; users and items are dropped until all that are left have enough."""
    items_core: int = 0
    """Keep items with at least this many rows."""
    test: float | None = None
    """leave-last: number of rows that are hidden of each user (1). global-time, random: share of all rows (0.2)."""
    validation: float = 0.0
    """Rows or share, as for test, that are held out for --tune."""
    folds: int = 5
    """folds: number of parts, each of which is hidden once."""
    test_users: int = 0
    """strong: number of users that are held out of training; 0 for a tenth."""
    validation_users: int = 0
    """strong: number of further users that are held out for --tune."""
    targets: float = 0.2
    """strong: share of a held-out user's rows that are hidden; the other rows are folded in."""
    ties: Ties = "file-order"
    """Which of several rows of the same time counts as the last."""
    catalogue: Catalogue = "all"
    """Which items are ranked: all, or those with a row in train."""
    negatives: int = 0
    """Rank hidden items among this many random items instead of the catalogue; 0 for the catalogue."""
    split_seed: int = 0
    """Seed of the split and of the negatives."""
    models: tuple[str, ...] = ("popularity", "item-knn", "ease", "ials")
    """Models to fit: random, popularity, item-knn, ease, ials, als, bpr, warp, softmax, lambdarank; explicit and
    item-bias predict ratings."""
    sweep: tuple[str, ...] = ()
    """Values of a parameter to compare, such as ease.reg=10,100,1000; several parameters of a model make a grid."""
    set: tuple[str, ...] = ()
    """Value of a parameter in place of its default, such as ials.dim=128."""
    tune: int = 0
    """Number of random settings to try for each model on the validation part; 0 keeps the defaults."""
    seeds: int = 1
    """Number of fits of each random model, which differ by their seed."""
    metrics: tuple[str, ...] = ("recall", "ndcg")
    """recall, ndcg, precision, map, mrr, hit_rate, auc; rmse and mae for ratings. --tune and the comparison use the
    first."""
    k: tuple[int, ...] = (10,)
    """Lengths of the list of recommendations."""
    convention: str = "default"
    """Definitions of the metrics: default, trec, sklearn, rax, implicit, ranx, rectools, strong-generalisation."""
    compare: bool = True
    """Test every pair of settings on the first measure; p values are adjusted by Holm's method."""
    out: Path | None = None
    """Folder for results.json, report.html, per_user.parquet and the finished fits; None writes no file."""
    cores: int | None = None
    """Number of CPU cores to fit on; None for all."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next study starts sooner."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """TOML file of options, or results.json of an earlier study; options of the command line take precedence."""

    def run(self) -> None:
        """Run the study and print its tables."""
        study_options.check(self)
        if self.compilation_cache:
            compiled.keep()
        devices.use_cores(self.cores)
        dataset = self.load()
        protocol = self.protocol_of(dataset)
        study_options.check_meant(self, protocol)
        tasks = self.tasks(dataset)
        told = about(dataset, tasks, protocol)
        print(told, end="\n\n", flush=True)
        fixed = study_options.parameters(self.set)
        chosen = self.tuned(tasks, fixed) if self.tune else fixed
        found = run(
            tasks.test,
            self.models,
            sweep=study_options.swept(self.sweep),
            parameters=chosen,
            seeds=self.seeds,
            metrics=self.metrics,
            cutoffs=self.k,
            convention=PRESETS[self.convention],
            folder=self.out,
            progress=partial(tell, tests=len(tasks.test)),
        )
        print(found.table())
        if found.lists:
            print(f"\n{sampled_warning(found)}")
        enough = len(found.settings) > 1 and len(found.users) > 1
        compared = comparisons(found) if self.compare and enough else []
        for line in compared:
            print(line)
        if self.out is not None:
            self.write(dataset, tasks, found, chosen if self.tune else {}, told, compared)

    def protocol_of(self, dataset: Dataset) -> str:
        """Return the protocol that "auto" stands for."""
        if self.protocol != "auto":
            return self.protocol
        if {"train", "test"} <= set(dataset.parts):
            return "given"
        return "leave-last" if dataset.interactions.timestamps is not None else "random"

    def tasks(self, dataset: Dataset) -> Tasks:
        """Return what models are fitted on and judged by."""
        name, key = self.protocol_of(dataset), jax.random.key(self.split_seed)
        if name == "given":
            parts = {part: self.kept(pairs) for part, pairs in dataset.parts.items()}
            tasks = protocols.given(parts, lists=protocols.listed(dataset), catalogue=self.catalogue)
        else:
            pairs = self.kept(dataset.interactions)
            tasks = protocols.PROTOCOLS[name](pairs, key, **study_options.choices(self, name, pairs))
        if not self.negatives:
            return tasks
        return protocols.sampled(tasks, jax.random.fold_in(jax.random.key(self.split_seed), 1), num=self.negatives)

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the interactions that the study is about."""
        if self.positives is not None:
            pairs = protocols.positives(pairs, self.positives)
        if self.users_core or self.items_core:
            pairs = protocols.core(pairs, users=self.users_core, items=self.items_core)
        return pairs

    def tuned(self, tasks: Tasks, fixed: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
        """Return the parameters that validation prefers, and print them."""
        measure = study_options.tuned_measure(self)

        def tell_trial(name: str, trial: Trial) -> None:
            score = abs(trial.score()) if measure in RATING_MEASURES else trial.score()
            told = f"tune {name}: setting {trial.number + 1} of {self.tune}, {measure} {score:.4f}"
            print(told, file=sys.stderr, flush=True)

        found = tune(
            tasks.validation,
            self.models,
            trials=self.tune,
            measure=measure,
            parameters=fixed,
            convention=PRESETS[self.convention],
            folder=self.out,
            on_trial=tell_trial,
        )
        for name, values in found.items():
            if values:
                print(f"{name}: {study_options.told(values)}")
        print(flush=True)
        return found

    def write(
        self,
        dataset: Dataset,
        tasks: Tasks,
        found: Results,
        chosen: dict[str, Any],
        told: str,
        compared: list[str],
    ) -> None:
        """Write what was found to the folder `out`."""
        from mfjax.reports import study_page  # plots need an extra, and half a second

        assert self.out is not None
        options = {name: value for name, value in asdict(self).items() if name not in UNRECORDED}
        # The last bits of ALS follow the number of cores, so that the same study asks for as many.
        options["cores"] = jax.device_count("cpu")
        manifest = results.manifest(
            COMMAND, [dataset], {str(self.split_seed): tasks.checksum}, study.KEYS, options, settings=chosen
        )
        rows = found.rows(timings=False)
        written = [results.write(self.out, rows, manifest), self.out / "per_user.parquet"]
        found.write_per_user(written[-1])
        title = f"Recommenders on {dataset.name}"
        written.append(study_page.write(self.out, found, title=title, told=told, compared=compared, manifest=manifest))
        print("\nwrote " + ", ".join(map(str, written)))


def tell(progress: Progress, *, tests: int = 1) -> None:
    """Write a line on stderr for a fit that has ended; on a terminal the next one writes over it."""
    how = "found" if progress.found else f"{progress.seconds:.2f} s"
    which = f"{progress.setting} seed {progress.seed}" + (f" test {progress.task + 1}" if tests > 1 else "")
    line = f"[{progress.done}/{progress.total}] {which}: {how}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="\n" if progress.done == progress.total else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)
