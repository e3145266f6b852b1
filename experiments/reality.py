"""`python -m experiments.reality`: what the defaults of the library give on many data sets.

Defaults that were found on one or two sets may be good there alone. Here each model is fitted with its defaults on set
after set, all split the same way, and a table says what share of the best model's score it has on each. With `--tune`
each has a small search too, and the table says what the search gains.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mfjax.data import datasets
from mfjax.data.published.datasets import Dataset
from mfjax.data.published.recipes import SETS
from mfjax.reports import study_options
from mfjax.reports.command import Options as StudyOptions
from mfjax.reports.command import Studied
from mfjax.reports.sections import Section
from mfjax.reports.study_fields import ProtocolName
from mfjax.studies import Setting, command_line, manifests
from mfjax.types import Interactions

STARS = 5
"""The largest value of ratings that are stars."""


@dataclass(frozen=True)
class Options(StudyOptions):
    """Fit models with their defaults on many data sets, and compare them across the sets.

    Example: python -m experiments.reality --sets ml-100k ml-1m shop=shop.csv --out reality

    docs/results/defaults.md shows the table.
    """

    program: ClassVar[str] = "experiments.reality"

    sets: tuple[str, ...] = ("ml-100k", "ml-1m")
    """Data sets: the name of a published set, or a file or folder; NAME=PATH says what a file or folder is called, and
    that it is the published set of this name where there is one."""
    positives: float | None = 4.0
    """Least value that is a like in sets whose values are up to five stars; rows of other sets are all likes."""
    protocol: ProtocolName = "random"
    """What is hidden from the models; at random, so that sets with and without times are treated alike."""
    validation: float = 0.1
    """Share of the rows that --tune and --patience judge by."""
    users_core: int = 5
    """Keep users with at least this many likes; users and items are dropped until all that are left have enough."""
    items_core: int = 5
    """Keep items with at least this many likes."""
    models: tuple[str, ...] = ("popularity", "item-knn", "item-knn-mean", "ials", "bpr", "softmax", "softmax-cosine")
    """Models to fit."""
    metrics: tuple[str, ...] = ("ndcg", "recall")
    """Measures; shares of the best are of the first."""
    k: tuple[int, ...] = (20,)
    """Cutoffs of the metrics."""
    compare: tuple[str, ...] = ("none",)
    """Models whose settings are tested in pairs, set by set; or all, or none."""

    def load(self) -> Dataset:
        """Return the first set."""
        name, path = _named(self.sets[0])
        if name in SETS and path != name:
            return datasets.load(name, path)
        return replace(datasets.load(path), name=name)

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the likes of users and items with enough of them."""
        several = len(pairs) > 0 and np.ptp(pairs.values) > 0
        of_stars = several and pairs.values.min() >= 0 and pairs.values.max() <= STARS
        chosen = self if of_stars else replace(self, positives=None)
        return super(Options, chosen).kept(pairs).with_values(1.0)

    def run(self) -> Any:
        """Run the study of every set, print the table of all, and return set -> study."""
        names, paths = zip(*map(_named, self.sets), strict=True)
        if len(set(names)) < len(names):
            raise ValueError(f"sets: {', '.join(names)}; name each set once, and call equal names apart (NAME=PATH)")
        for path in paths:
            if path not in SETS and not Path(path).exists():
                raise ValueError(f"sets: {path} is not there, and no published set ({', '.join(SETS)})")
        found: dict[str, Studied] = {}
        for name, one in zip(names, self.sets, strict=True):
            out = None if self.out is None else self.out / name
            found[name] = StudyOptions.run(replace(self, sets=(one,), out=out))
        fixed = study_options.parameters(self)
        defaults = {name: model.parameters(fixed.get(name, {})) for name, model in self.named().items()}
        scores = {name: _scores(studied, defaults) for name, studied in found.items()}
        measure = next(iter(found.values())).results.measures[0]
        print(across(scores, measure).text())
        if self.out is not None:
            print(f"wrote {manifests.write(self.out / 'reality.json', {'measure': measure, 'scores': scores})}")
        return found


def across(scores: Mapping[str, Mapping[str, float]], measure: str) -> Section:
    """Return the table of all sets, set -> setting -> score: with the share of the best, its mean and its least."""
    lines = [["model", *scores, "mean share", "least share"]]
    for setting in dict.fromkeys(setting for one in scores.values() for setting in one):
        shares = [one[setting] / max(one.values()) for one in scores.values() if setting in one]
        told = [f"{one[setting]:.4f}" if setting in one else "" for one in scores.values()]
        lines.append([setting, *told, f"{np.mean(shares):.2f}", f"{min(shares):.2f}"])
    note = f"{measure}, and its share of the best model's on each set: the mean over sets, and the least."
    return Section("All sets", note, lines)


def _scores(studied: Studied, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return setting -> the first measure, the mean over seeds; what a search found has one name on all sets."""
    settings = studied.results.settings
    chosen = [setting for setting in settings if dict(setting.parameters) != defaults[setting.model]]
    alone = Counter(setting.model for setting in chosen)

    def name(setting: Setting) -> str:
        if setting not in chosen:
            return setting.model
        return f"{setting.model}, chosen" if alone[setting.model] == 1 else str(setting)

    means = studied.results.means()[:, :, 0].mean(axis=1)
    return {name(setting): float(mean) for setting, mean in zip(settings, means, strict=True)}


def _named(one: str) -> tuple[str, str]:
    """Return what a set is called in tables and folders, and its path or published name."""
    name, _, path = one.partition("=")
    return (name, path) if path else (Path(name).name, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program=Options.program)


if __name__ == "__main__":
    sys.exit(main())
