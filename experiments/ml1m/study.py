"""`python -m experiments.ml1m`: a complete study of recommenders on MovieLens-1M, or on any other ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from experiments.ml1m.models import MODELS, SEARCHED
from experiments.ml100k import study as ml100k
from mfjax import ranking, saving
from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.recommend import Model as Saved
from mfjax.reports import buckets, study_choosing, study_tables
from mfjax.reports.buckets import Bucket
from mfjax.reports.command import Studied
from mfjax.reports.inspection import Inspected
from mfjax.reports.sections import Section
from mfjax.search import Trial
from mfjax.studies import Model, command_line, extras, manifests, protocols, running
from mfjax.studies.findings import Results
from mfjax.studies.options import MOST, OneOf, Within
from mfjax.studies.settings import Setting
from mfjax.studies.tasks import Tasks
from mfjax.types import Factors, Interactions, Key

MOVIES = {"ml-1m": 3883}
"""Movies of a release where more are listed than rated; the published coverage is a share of all that are listed."""
FIRST_USERS = 1000
"""Users behind the published coverage."""
KEYS = f"fits of searches of {' and '.join(SEARCHED)}: as those of the model under the first seed"


def first_coverage(k: int) -> str:
    """Return the name of the coverage of the lists of the first users."""
    return f"coverage_first_{FIRST_USERS}@{k}"


def with_first_users(found: Results, dataset: Dataset) -> Results:
    """Return the results with the coverage of the lists of the first users, of the first length."""
    num_items, k = MOVIES.get(dataset.name, dataset.interactions.num_items), found.cutoffs[0]
    lists = found.recommended[:, :, :FIRST_USERS, :k]
    shares = [[len(np.unique(of_seed[of_seed >= 0])) / num_items for of_seed in one] for one in lists]
    return replace(found, pooled=found.pooled | {first_coverage(k): np.array(shares)})


@dataclass(frozen=True)
class Options(ml100k.Options):
    """A study on MovieLens-1M: baselines, factor models, a search, behaviour by activity, similar items, saved models.

    Each user's last five ratings by time are hidden, the one before is for validation. Models are fitted on the
    positives of the rest, rank all items that have one except what the user rated in train, and are judged by the
    ranks of the hidden positives.
    """

    program: ClassVar[str] = "experiments.ml1m"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS
    keeps_models: ClassVar[bool] = True

    dataset: str = "ml-1m"
    """ml-1m, ml-100k, or the path of any ratings folder or file."""
    test: float | None = 5.0
    """leave-last: number of ratings that are hidden of each user. global-time, random: share of all ratings."""
    validation: float = 1.0
    """Ratings or share, as for test, that are held out for searches."""
    models: tuple[str, ...] = tuple(MODELS)
    """Models to fit."""
    trials: Annotated[int, Within(0, MOST)] = 30
    """Settings to try on validation for als-tuned and als-recent; 0 takes the recorded ones."""
    tune: int = 0
    """Number of settings to try for each other model; the best joins the default."""
    tune_method: str = "tpe"
    """How settings are searched: random, halving, tpe (extra tune), gradient (least squares)."""
    metrics: tuple[str, ...] = ("recall@10", "ndcg@10", "recall", "ndcg", "mrr@10", "hit_rate@10")
    """Metrics; the first two make the first table, and are compared."""
    k: tuple[int, ...] = (10, 1, 5, 20)
    """Lengths of the list of recommendations; the first is that of lists, and of activity."""
    compare: tuple[str, ...] = ("none",)
    """Models whose settings are tested in pairs, p values adjusted by Holm's method; all, or none."""
    inspect: Annotated[str, OneOf(tuple(MODELS))] = "als"
    """The model that --user, --similar and --explain ask."""
    user: str | None = None
    """Raw id of a user whose history and recommendations are printed."""
    similar: str | None = None
    """Title of an item whose nearest items are printed."""
    explain: bool = False
    """Print which items of the user speak for each recommendation."""

    def agree(self) -> None:
        """Raise ValueError for questions that no model answers."""
        if self.explain and self.user is None:
            raise ValueError("explain: needs a user whose recommendations to explain; pass --user too")
        if (self.user or self.similar) and self.inspect not in self.models:
            raise ValueError(f"inspect: {self.inspect} is not among --models; add it, or pass one of them")

    def run(self) -> Studied:
        """Run the study, and say that no list holds what its user has seen."""
        if self.trials and self.tune_method == "tpe" and {*SEARCHED} & {*self.models}:
            extras.require("optuna")
        studied = super().run()
        found, repeats = studied.results, [name for name in self.models if MODELS[name].repeats]
        but = f" ({', '.join(repeats)}: none that its user liked in train)" if repeats else ""
        # Every list was looked at when it was made.
        num_lists = len(found.settings) * len(found.seeds) * len(found.users)
        print(f"Checked: none of {num_lists:,} lists holds an item that its user rated in train{but}.\n")
        return studied

    def load(self) -> Dataset:
        """Return the ratings."""
        return datasets.load(self.dataset, self.data_dir)

    def kept(self, pairs: Interactions) -> Interactions:
        """Return all ratings: those that are no positives are split too, and are not recommended again."""
        return super(ml100k.Options, replace(self, positives=None)).kept(pairs)

    def choices(self, protocol: str, pairs: Interactions) -> dict[str, Any]:
        """Return the options of a protocol; a user with fewer ratings than twice those hidden stays in train."""
        found = super().choices(protocol, pairs)
        return found | {"min_count": 2 * found["test"] + found["validation"]} if protocol == "leave-last" else found

    def tasks(self, dataset: Dataset, key: Key) -> Tasks:
        """Return what models are fitted on and judged by, once it is known that --user and --similar make sense."""
        found = super().tasks(dataset, key)
        tasks = found if self.positives is None else protocols.liked(found, self.positives)
        model = MODELS[self.inspect]
        Inspected(dataset, tasks.test[0], self.inspect, model, model.parameters({})).check(**self.asked())
        return tasks

    def asked(self) -> dict[str, Any]:
        """Return the questions to the model that is inspected."""
        return {"user": self.user, "similar": self.similar, "explain": self.explain}

    def about(self, dataset: Dataset, tasks: Tasks) -> str:
        """Return the sizes of the study in words."""
        if self.protocol != "leave-last":
            return super().about(dataset, tasks)
        (task,), counts = tasks.test, tasks.test[0].train.item_counts()
        share = (len(self.kept(dataset.interactions)) - len(task.excluded)) / (self.validation + (self.test or 1))
        popular, vocabulary = np.argsort(-counts, kind="stable")[:5], dataset.interactions.item_vocabulary
        raw = popular if vocabulary is None else vocabulary.decode(popular)
        named = ", ".join(f"{name} ({counts[item]:,})" for name, item in zip(raw.tolist(), popular, strict=True))
        users, judged = ((part.user_counts() > 0).sum() for part in (task.train, task.hidden))
        return (
            f"{dataset.name}: {len(task.excluded):,} train, {share * self.validation:,.0f} validation and "
            f"{share * (self.test or 1):,.0f} test ratings; {len(task.train):,} train positives of {users:,} users and "
            f"{int(task.candidates.sum()):,} items; {judged:,} users with a test positive. Most train positives: items "
            f"{named}."
        )

    def searched(self, tasks: Tasks, fixed: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Trial]]:
        """Return the trials of als-tuned and als-recent, and with --tune of the other models."""
        models = self.named()
        found = {name: self.under_own_key(name, models.pop(name)) for name in SEARCHED if name in models}
        trials = study_choosing.search(self, tasks, found, fixed, self.trials) if self.trials else {}
        return trials | (study_choosing.search(self, tasks, models, fixed, self.tune) if self.tune else {})

    def under_own_key(self, name: str, model: Model) -> Model:
        """Return a model that every trial fits whole, from the start of the test's first fit."""
        return replace(
            model,
            path=None,
            fit=lambda key, task, parameters: model.fit(running.model_key(name, self.first_seed), task, parameters),
        )

    def joined(self, name: str, fixed: Mapping[str, Any], trials: Sequence[Trial]) -> list[Mapping[str, Any]]:
        """Return the best setting of a search, which takes the place of a recorded one, and joins a default."""
        return super().joined(name, fixed, trials)[: 1 if name in SEARCHED else 2]

    def studied(self, dataset: Dataset) -> Studied:
        """Return the study, with the coverage of the lists of the first users."""
        studied = super().studied(dataset)
        return replace(studied, results=with_first_users(studied.results, dataset))

    def manifest(self, studied: Studied) -> dict[str, Any]:
        """Return what the study can be repeated from, with the keys of its searches."""
        found = super().manifest(studied)
        return found | ({"keys": f"{found['keys']}; {KEYS}"} if self.trials and studied.trials else {})

    def headline(self, found: Results) -> Results:
        """Return the results by the first two measures."""
        return found.only(measures=found.measures[:2])

    def sections(self, studied: Studied) -> list[Section]:
        """Return the tables of any study, and those of lists, of users by activity, and of what was asked."""
        found = studied.results
        more = [*study_tables.by_length(found), *study_tables.lists(found), buckets.section(self.buckets(studied))]
        inspected = self.inspected(studied)
        return [*super().sections(studied), *more, *(inspected.sections(**self.asked()) if inspected else [])]

    def buckets(self, studied: Studied) -> list[Bucket]:
        """Return the first measure by the activity of users."""
        found = studied.results
        return buckets.measure(found, buckets.activity(studied.tasks.test[0]), found.measures[0])

    def inspected(self, studied: Studied) -> Inspected | None:
        """Return the first setting of the model that is asked, or None where it was not fitted."""
        for setting in studied.results.only([self.inspect]).settings:
            what = self.inspect, MODELS[self.inspect], dict(setting.parameters), studied.fitted[str(setting)]
            return Inspected(studied.dataset, studied.tasks.test[0], *what)
        return None

    def plots(self, studied: Studied) -> list[Any]:
        """Return the plots of the study."""
        from experiments.ml1m import report  # matplotlib is slow to import

        return report.plots(self, studied)

    def write(self, studied: Studied, sections: Sequence[Section], rows: Sequence[Any]) -> None:
        """Write what every study writes, the groups of users, and the models."""
        from experiments.ml1m import report

        assert self.out is not None
        super().write(studied, [*sections, *report.examples(self, studied)], rows)
        manifests.write(self.out / "buckets.json", {"buckets": [asdict(one) for one in self.buckets(studied)]})
        for setting in studied.results.settings:
            if isinstance(studied.fitted[str(setting)], Factors):
                saving.save(self.out / "models" / f"{setting}.mfjax", self.model(studied, setting))
        print(f"wrote buckets.json and models in {self.out}")

    def model(self, studied: Studied, setting: Setting) -> Saved:
        """Return the factors of a setting's first seed with all that is needed to use them from raw ids."""
        (task, *_), pairs = studied.tasks.test, studied.dataset.interactions
        model, factors = MODELS[setting.model], studied.fitted[str(setting)]
        assert isinstance(factors, Factors) and model.config is not None
        assert pairs.user_vocabulary is not None and pairs.item_vocabulary is not None
        config = model.config(dict(setting.parameters), task)
        if isinstance(config, ranking.Config):
            config = replace(config, optimizer=None)  # a file holds none; newcomers are folded in alike
        return Saved(
            learned=factors,
            user_vocabulary=pairs.user_vocabulary,
            item_vocabulary=pairs.item_vocabulary,
            seen=task.exclude,
            objective=model.about,
            config=config,
            manifest=self.manifest(studied),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)
