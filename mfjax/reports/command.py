"""`mfjax study DATA`: models on any data under any protocol, with sweeps, tuning, comparison and a page.

`Options` is what every study has, and runs it; `Study` adds where the interactions are. The commands of `experiments/`
are classes of options too: other defaults, other models, and a table more.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import jax
import tyro

from mfjax import devices
from mfjax.data.describing.source import Source
from mfjax.data.published.datasets import Dataset
from mfjax.data.splits import Ties
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options, study_tables
from mfjax.reports.sections import Section
from mfjax.search import Trial, best
from mfjax.studies import MODELS, choosing, manifests, protocols
from mfjax.studies.command_line import (
    MOST,
    MOST_CORES,
    MOST_DIM,
    MOST_LENGTH,
    MOST_SEED,
    Checked,
    OneOf,
    Place,
    Within,
    Words,
)
from mfjax.studies.findings import Results
from mfjax.studies.judging import RATING_MEASURES
from mfjax.studies.manifests import Recorded
from mfjax.studies.model import Model
from mfjax.studies.protocols import Catalogue, Tasks
from mfjax.studies.running import Progress, run
from mfjax.studies.sentences import about, sampled_warning
from mfjax.types import Factors, Interactions, Key, Scorer

NUM_SHOWN = 5
"""Trials of a search that its table shows."""

ProtocolName = Literal["auto", "leave-last", "global-time", "random", "folds", "strong", "given"]


@dataclass(frozen=True)
class Studied:
    """What a study read, split, searched, fitted and found.

    Attributes:
        dataset: what was read.
        tasks: of the first seed.
        splits: name -> checksum of the split.
        trials: model -> the trials of its search.
        results: of the test.
        fitted: setting -> the model of the first seed and the first test, where the study keeps models.
    """

    dataset: Dataset
    tasks: Tasks
    splits: Mapping[str, str]
    trials: Mapping[str, Sequence[Trial]]
    results: Results
    fitted: Mapping[str, Scorer | Factors] = field(default_factory=dict)


@dataclass(frozen=True)
class Options(Checked):
    """What a study hides, what it fits, and what it tells."""

    program: ClassVar[str] = "mfjax study"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS
    keeps_models: ClassVar[bool] = False
    meant_for: ClassVar[Mapping[str, Sequence[str]]] = study_options.MEANT_FOR

    protocol: ProtocolName = "auto"
    """What is hidden. auto: the test part of data that come split, else each user's last row where there are times,
    else rows at random."""
    positives: float | None = None
    """Keep the interactions of at least this value, and forget the values; None keeps all, with their values."""
    users_core: Annotated[int, Within(0, MOST)] = 0
    """Keep users with at least this many rows; users and items are dropped until all that are left have enough."""
    items_core: Annotated[int, Within(0, MOST)] = 0
    """Keep items with at least this many rows."""
    test: float | None = None
    """leave-last: number of rows that are hidden of each user (1). global-time, random: share of all rows (0.2)."""
    validation: Annotated[float, Within(0)] = 0.0
    """Rows or share, as for test, that are held out for --tune."""
    folds: Annotated[int, Within(2, 1000)] = 5
    """folds: number of parts, each of which is hidden once."""
    test_users: Annotated[int, Within(0, MOST)] = 0
    """strong: number of users that are held out of training; 0 for a tenth."""
    validation_users: Annotated[int, Within(0, MOST)] = 0
    """strong: number of further users that are held out for --tune."""
    targets: Annotated[float, Within(0, 1)] = 0.2
    """strong: share of a held-out user's rows that are hidden; the other rows are folded in."""
    ties: Ties = "file-order"
    """Which of several rows of the same time counts as the last."""
    catalogue: Catalogue = "all"
    """Which items are ranked: all, or those with a row in train."""
    negatives: Annotated[int, Within(0, MOST)] = 0
    """Rank hidden items among this many random items instead of the catalogue; 0 for the catalogue."""
    split_seed: Annotated[int, Within(0, MOST_SEED)] = 0
    """Seed of the split and of the negatives."""
    models: tuple[str, ...] = ("popularity", "item-knn", "ease", "ials")
    """Models to fit: random, popularity, item-knn, ease, ials, als, bpr, warp, softmax, lambdarank; explicit and
    item-bias predict ratings."""
    sweep: Annotated[tuple[str, ...], Words()] = ()
    """Values of a parameter to compare, such as ease.reg=10,100,1000; several parameters of a model make a grid."""
    set: Annotated[tuple[str, ...], Words()] = ()
    """Value of a parameter in place of its default, such as ials.dim=128."""
    dim: Annotated[int | None, Within(1, MOST_DIM)] = None
    """Number of factors of every factor model; None takes each model's own."""
    tune: Annotated[int, Within(0, MOST)] = 0
    """Number of settings to try for each model on the validation part; the best joins the default."""
    tune_method: Annotated[str, OneOf(choosing.METHOD_NAMES)] = "random"
    """How --tune searches: random, halving, tpe (extra tune), gradient (least squares)."""
    tune_by: str | None = None
    """Measure that --tune goes by, such as ndcg@10; None for the first."""
    seeds: Annotated[int, Within(1, MOST)] = 1
    """Number of fits of each random model, which differ by their seed."""
    first_seed: Annotated[int, Within(0, MOST_SEED)] = 0
    """The first seed; the others follow it."""
    metrics: tuple[str, ...] = ("recall", "ndcg")
    """recall, ndcg, precision, map, mrr, hit_rate, auc; rmse and mae for ratings."""
    k: Annotated[tuple[int, ...], Within(1, MOST_LENGTH)] = (10,)
    """Lengths of the list of recommendations."""
    convention: Annotated[str, OneOf(tuple(PRESETS))] = "default"
    """Definitions of the metrics: default, trec, sklearn, rax, implicit, ranx, rectools, strong-generalisation."""
    clip: bool = True
    """Move predicted ratings into the range of the train ratings."""
    compare: tuple[str, ...] = ("all",)
    """Models whose settings are tested in pairs, p values adjusted by Holm's method; all, or none."""
    timings: bool = False
    """Tell the seconds of fits; never with --sweep or --tune."""
    out: Annotated[Path | None, Place("output", ("results.json", "report.html"))] = None
    """Folder for results.json, report.html, per_user.parquet and the finished fits; None writes no file."""
    cores: Annotated[int | None, Within(1, MOST_CORES)] = None
    """Number of CPU cores to fit on; None for all."""
    progress: bool = True
    """Tell of every fit that has ended, on stderr."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next study starts sooner."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE"), Place("file")] = None
    """TOML file of options, or results.json of an earlier study; options of the command line take precedence."""

    def load(self) -> Dataset:
        """Return what the study is of; a class of options says where it is."""
        raise NotImplementedError

    def run(self) -> Studied:
        """Run the study, print its tables, write its files, and return all of it."""
        study_options.check(self)
        devices.use_cores(self.cores)
        dataset = self.load()
        repeated = Recorded.read(self.config) if self.config is not None and self.config.suffix == ".json" else None
        if repeated is not None:
            repeated.check(dataset.checksum)
        study_options.check_meant(self, self.protocol_of(dataset))
        studied = self.studied(dataset)
        sections = self.sections(studied)
        for section in sections:
            print(section.text())
        if studied.results.lists:
            print(f"{sampled_warning(studied.results)}\n")
        rows = studied.results.rows(timings=self.is_timed())
        if repeated is not None:
            rows = repeated.with_seconds(rows)
            print(repeated.verdict(rows))
        if self.out is not None:
            self.write(studied, sections, rows)
        return studied

    def studied(self, dataset: Dataset) -> Studied:
        """Return the study: split, searched, fitted and measured."""
        splits: dict[str, str] = {}

        @cache
        def tasks_of(split_seed: int) -> Tasks:
            found = self.tasks(dataset, self.split_key(split_seed))
            splits[str(split_seed)] = found.checksum
            return found

        seeds = range(self.first_seed, self.first_seed + self.seeds)
        first = tasks_of(self.split_seed_of(seeds[0]))
        print(f"{self.about(dataset, first)}\n", flush=True)
        fixed = study_options.parameters(self)
        trials = self.searched(first, fixed)
        fitted: dict[str, Scorer | Factors] = {}

        def tell(progress: Progress) -> None:
            if self.progress:
                study_options.tell(progress, tests=len(first.test))
            if self.keeps_models and (progress.seed, progress.task) == (seeds[0], 0) and progress.fitted is not None:
                fitted[str(progress.setting)] = progress.fitted

        found = run(
            lambda seed: tasks_of(self.split_seed_of(seed)).test,
            self.named(),
            sweep=study_options.swept(self),
            parameters=fixed | {name: self.joined(name, fixed, each) for name, each in trials.items()},
            seeds=seeds,
            metrics=self.metrics,
            cutoffs=self.k,
            convention=PRESETS[self.convention],
            clip=self.clip,
            # Models that are kept are fitted in every run.
            folder=None if self.keeps_models else self.out,
            warm=self.is_timed(),
            progress=tell,
        )
        return Studied(dataset, first, splits, trials, found, fitted)

    def named(self) -> dict[str, Model]:
        """Return the models of the study by name."""
        return {name: self.catalogue_of_models[name] for name in self.models}

    def joined(self, name: str, fixed: Mapping[str, Any], trials: Sequence[Trial]) -> list[Mapping[str, Any]]:
        """Return the best setting of a search, and the default beside it."""
        here = dict(fixed.get(name, {}))
        return [{**here, **best(list(trials)).values}, here]

    def is_timed(self) -> bool:
        """Return whether seconds are told: those of a sweep or a search depend on what is compiled before."""
        return self.timings and not self.sweep and not self.tune

    def split_seed_of(self, seed: int) -> int:
        """Return the seed of the split that a model of a seed is fitted on: one split for all."""
        return self.split_seed

    def split_key(self, split_seed: int) -> Key:
        """Return the key of a split."""
        return jax.random.key(split_seed)

    def protocol_of(self, dataset: Dataset) -> str:
        """Return the protocol that "auto" stands for."""
        if self.protocol != "auto":
            return self.protocol
        if {"train", "test"} <= set(dataset.parts):
            return "given"
        return "leave-last" if dataset.interactions.timestamps is not None else "random"

    def holds_out(self, protocol: str) -> bool:
        """Return whether a protocol holds something out that settings are chosen by; whether data that come split do,
        the data tell."""
        always = protocol in ("folds", "given")
        return always or bool(self.validation_users if protocol == "strong" else self.validation)

    def about(self, dataset: Dataset, tasks: Tasks) -> str:
        """Return the sizes of the study in words."""
        return about(dataset, tasks, self.protocol_of(dataset))

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return what models are fitted on and judged by."""
        name = self.protocol_of(dataset)
        if name == "given":
            parts = {part: self.kept(pairs) for part, pairs in dataset.parts.items()}
            tasks = protocols.given(parts, lists=protocols.listed(dataset), catalogue=self.catalogue)
        else:
            pairs = self.kept(dataset.interactions)
            tasks = protocols.PROTOCOLS[name](pairs, key, **self.choices(name, pairs))
        if not self.negatives:
            return tasks
        return protocols.sampled(tasks, jax.random.fold_in(key, 1), num=self.negatives)

    def choices(self, protocol: str, pairs: Interactions) -> dict[str, Any]:
        """Return the options of a protocol of some interactions."""
        return study_options.choices(self, protocol, pairs)

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the interactions that the study is about."""
        if self.positives is not None:
            pairs = protocols.positives(pairs, self.positives)
        if self.users_core or self.items_core:
            pairs = protocols.core(pairs, users=self.users_core, items=self.items_core)
        return pairs

    def searched(self, tasks: Tasks, fixed: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Trial]]:
        """Return model -> the trials of its search on validation."""
        return self.search(tasks, self.named(), fixed, self.tune) if self.tune else {}

    def search(
        self, tasks: Tasks, models: Mapping[str, Model], fixed: Mapping[str, Mapping[str, Any]], num_trials: int
    ) -> dict[str, list[Trial]]:
        """Return the trials of those models that have a space."""
        measure = study_options.tuned_measure(self)

        def tell(name: str, trial: Trial) -> None:
            if self.progress:
                score = abs(trial.score()) if measure in RATING_MEASURES else trial.score()
                told = f"tune {name}: setting {trial.number + 1} of {num_trials}, {measure} {score:.4f}"
                print(told, file=sys.stderr, flush=True)

        searchable = {name: model for name, model in models.items() if model.space}
        return choosing.search(
            tasks.validation,
            searchable,
            trials=num_trials,
            method=self.tune_method,
            measure=measure,
            parameters={name: values for name, values in fixed.items() if name in searchable},
            seed=self.first_seed,
            convention=PRESETS[self.convention],
            folder=self.out,
            on_trial=tell,
        )

    def sections(self, studied: Studied) -> list[Section]:
        """Return the tables of the study, in order."""
        searches = [self.search_section(name, trials) for name, trials in studied.trials.items()]
        models = study_tables.models(self.headline(studied.results), timings=self.timings)
        return [*searches, models, *study_tables.differences(self.compared(studied.results))]

    def headline(self, found: Results) -> Results:
        """Return the results that the first table shows, and that are tested in pairs."""
        return found

    def compared(self, found: Results) -> Results:
        """Return the results that are tested in pairs."""
        first = self.headline(found)
        return first if self.compare == ("all",) else first.only([] if self.compare == ("none",) else self.compare)

    def search_section(self, name: str, trials: Sequence[Trial]) -> Section:
        """Return the best trials of a search as a table; of equal scores the earlier is the better."""
        measure = study_options.tuned_measure(self)
        ended = [trial for trial in trials if trial.status == "finished"]
        ranked = sorted(ended, key=lambda one: (-one.score(), one.number))[:NUM_SHOWN]
        lines = [[measure, "trial", *ranked[0].values]]
        for trial in ranked:
            values = [f"{value:.4g}" for value in trial.values.values()]
            lines.append([f"{abs(trial.score()):.4f}", str(trial.number), *values])
        note = f"{len(trials)} settings by {self.tune_method}, the best on validation."
        return Section(f"Search of {name}", note, lines, left=0)

    def plots(self, studied: Studied) -> list[Any]:
        """Return the plots of the page besides those of every study."""
        return []

    def title(self, studied: Studied) -> str:
        """Return the heading of the page."""
        return f"Recommenders on {studied.dataset.name}"

    def manifest(self, studied: Studied) -> dict[str, Any]:
        """Return what the study can be repeated from."""
        # The last bits of ALS follow the number of cores, so that the same study asks for as many.
        options = replace(self, cores=jax.device_count("cpu"))
        keys = f"{manifests.KEYS}; {choosing.KEYS}" if studied.trials else manifests.KEYS
        chosen = {name: best(list(trials)).values for name, trials in studied.trials.items()}
        return manifests.manifest(self.program, [studied.dataset], studied.splits, keys, options, settings=chosen)

    def write(self, studied: Studied, sections: Sequence[Section], rows: Sequence[Any]) -> None:
        """Write what was found to the folder `out`."""
        from mfjax.reports import study_page  # plots need an extra, and half a second

        assert self.out is not None
        found, manifest = studied.results, self.manifest(studied)
        document = {"rows": [asdict(row) for row in rows], "manifest": manifest}
        written = [manifests.write(self.out / "results.json", document), self.out / "per_user.parquet"]
        found.write_per_user(written[-1])
        compared = self.compared(found)
        if len(compared.settings) > 1 and len(found.users) > 1:
            pairs = [one._asdict() for one in compared.compare()]
            written.append(manifests.write(self.out / "comparisons.json", {"comparisons": pairs}))
        more = [*study_tables.lists(found), *study_tables.pairs(compared)]
        titles = {section.title for section in sections}
        told = [self.about(studied.dataset, studied.tasks), *([sampled_warning(found)] if found.lists else [])]
        written.append(
            study_page.write(
                self.out,
                found,
                title=self.title(studied),
                about=told,
                sections=[*sections, *(section for section in more if section.title not in titles)],
                compared=(),
                plots=self.plots(studied),
                manifest=manifest,
            )
        )
        print("wrote " + ", ".join(map(str, written)))


@dataclass(frozen=True)
class Study(Options, Source):
    """Fit models on a part of the data, judge them on what was hidden, and say which differences are real.

    Every study can be repeated: --out DIR writes results.json, and --config DIR/results.json runs the same study again.
    A study that was killed can be resumed: run it again with the same --out.
    """

    def load(self) -> Dataset:
        """Return the interactions of the source."""
        return Source.load(self)
