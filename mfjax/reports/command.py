"""`mfjax study DATA`: models on any data under any protocol, with sweeps, tuning, comparison and a page.

`Options` is what every study has, and runs it; `Study` adds where the interactions are. The commands of `experiments/`
are classes of options too: other defaults, other models, and a table more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import jax

from mfjax import devices
from mfjax.data.describing.source import Source
from mfjax.data.published.datasets import Dataset
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_choosing, study_options, study_tables
from mfjax.reports.sections import Section
from mfjax.reports.study_fields import Fields
from mfjax.search import Trial, best
from mfjax.studies import choosing, manifests, protocols
from mfjax.studies.findings import Results
from mfjax.studies.manifests import Recorded
from mfjax.studies.model import Model
from mfjax.studies.running import Progress, fit, run
from mfjax.studies.sentences import about, sampled_warning
from mfjax.studies.settings import Chosen
from mfjax.studies.tasks import Tasks
from mfjax.types import Factors, Interactions, Key, Scorer

NUM_SHOWN = 5
"""Trials of a search that its table shows."""


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
class Options(Fields):
    """What a study hides, what it fits, and what it tells; and the study itself."""

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
        chosen: Chosen = fixed | {name: self.joined(name, fixed, each) for name, each in trials.items()}
        sweep = study_options.swept(self)
        if self.patience:
            chosen, sweep = study_choosing.stopped(self, first, sweep, chosen), {}
        fitted: dict[str, Scorer | Factors] = {}

        def tell(progress: Progress) -> None:
            if self.progress:
                study_options.tell(progress, tests=len(first.test))
            if self.keeps_models and (progress.seed, progress.task) == (seeds[0], 0):
                setting, model = progress.setting, progress.fitted
                if model is None:  # its measurements are on disk, and the model is not
                    model = fit(self.catalogue_of_models[setting.model], setting, seeds[0], first.test[0])
                fitted[str(setting)] = model

        found = run(
            lambda seed: tasks_of(self.split_seed_of(seed)).test,
            self.named(),
            sweep=sweep,
            parameters=chosen,
            seeds=seeds,
            metrics=self.metrics,
            cutoffs=self.k,
            convention=PRESETS[self.convention],
            clip=self.clip,
            folder=self.out,
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
        return self.timings and not (self.sweep or self.tune or self.patience)

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
        if protocol in ("folds", "given"):
            return True
        return bool(self.validation_users if protocol in study_options.OF_USERS else self.validation)

    def about(self, dataset: Dataset, tasks: Tasks) -> str:
        """Return the sizes of the study in words."""
        return about(dataset, tasks, self.protocol_of(dataset))

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return what models are fitted on and judged by."""
        name = self.protocol_of(dataset)
        if name == "given":
            parts = {part: self.kept(pairs) for part, pairs in dataset.parts.items()}
            lists = protocols.listed(dataset)
            tasks = protocols.given(parts, key, validation=self.validation, lists=lists, catalogue=self.catalogue)
        else:
            pairs = self.kept(dataset.interactions)
            tasks = protocols.PROTOCOLS[name](pairs, key, **self.choices(name, pairs))
        if not self.negatives:
            return tasks
        return protocols.sampled(tasks, jax.random.fold_in(key, 1), num=self.negatives)

    def choices(self, protocol: str, pairs: Interactions) -> dict[str, Any]:
        """Return the options of a protocol of some interactions."""
        return study_options.choices(self, protocol, pairs)

    def searched(self, tasks: Tasks, fixed: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Trial]]:
        """Return model -> the trials of its search on validation."""
        return study_choosing.search(self, tasks, self.named(), fixed, self.tune) if self.tune else {}

    def sections(self, studied: Studied) -> list[Section]:
        """Return the tables of the study, in order."""
        searches = [self.search_section(name, trials) for name, trials in studied.trials.items()]
        models = study_tables.models(self.headline(studied.results), timings=self.is_timed())
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

    Example: mfjax study ratings.csv --models ease ials --sweep ease.reg=10,100,1000 --seeds 3 --out results

    docs/how_to/studies.md has a command for each protocol; docs/how_to/read_data.md says how DATA is read.
    """

    def load(self) -> Dataset:
        """Return the interactions of the source."""
        return Source.load(self)
