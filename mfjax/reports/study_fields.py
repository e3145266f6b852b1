"""What every study can be asked, on a command line or in Python: the options with ranges, defaults and help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from mfjax.data.splits import Ties
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_options
from mfjax.studies import MODELS, choosing
from mfjax.studies.kept import Kept
from mfjax.studies.model import Model
from mfjax.studies.options import (
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
from mfjax.studies.tasks import Catalogue

ProtocolName = Literal["auto", "leave-last", "global-time", "random", "folds", "strong", "liang", "given"]


@dataclass(frozen=True)
class Split(Checked):
    """What is hidden from the models."""

    group: ClassVar[str] = "split"

    protocol: ProtocolName = "auto"
    """What is hidden from the models. auto: the test part of data that come split; else each user's last row where
    there are times; else rows at random. liang: strong, with the users and rows of published tables."""
    test: Annotated[float | None, tyro.conf.arg(metavar="ROWS|SHARE")] = None
    """leave-last: number of rows of each user that are hidden; None for 1. global-time, random: share of all rows that
    is hidden; None for 0.2."""
    validation: Annotated[float, tyro.conf.arg(metavar="ROWS|SHARE"), Within(0)] = 0.0
    """Rows or share, as for --test, that are held out for --tune. Of data that come split: of their train part, which
    is fitted whole in the end."""
    folds: Annotated[int, tyro.conf.arg(metavar="PARTS"), Within(2, 1000)] = 5
    """folds: number of parts, each of which is hidden once."""
    test_users: Annotated[int, tyro.conf.arg(metavar="USERS"), Within(0, MOST)] = 0
    """strong, liang: number of users that are held out of training; 0 for a tenth."""
    validation_users: Annotated[int, tyro.conf.arg(metavar="USERS"), Within(0, MOST)] = 0
    """strong, liang: number of further users that are held out for --tune."""
    targets: Annotated[float, tyro.conf.arg(metavar="SHARE"), Within(0, 1)] = 0.2
    """strong, liang: share of a held-out user's rows that are hidden; the other rows are folded in."""
    ties: Ties = "file-order"
    """Which of several rows of the same time counts as the last."""
    catalogue: Catalogue = "all"
    """Which items are ranked: all, or those with a row in train."""
    negatives: Annotated[int, tyro.conf.arg(metavar="ITEMS"), Within(0, MOST)] = 0
    """Rank hidden items among this many random items instead of the catalogue; 0 for the catalogue."""
    split_seed: Annotated[int, tyro.conf.arg(metavar="SEED"), Within(0, MOST_SEED)] = 0
    """Seed of the split and of the negatives."""


@dataclass(frozen=True)
class Fitted(Checked):
    """What is fitted."""

    group: ClassVar[str] = "model"

    models: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL ...")] = ("popularity", "item-knn", "ease", "ials")
    """Models to fit: random, popularity, item-knn, item-knn-mean, ease, ials, als, bpr, bpr-hard, warp, softmax,
    softmax-cosine, lambdarank; explicit and item-bias predict ratings."""
    sweep: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL.PARAMETER=VALUE,VALUE ..."), Words()] = ()
    """Values of a parameter to compare, such as ease.reg=10,100,1000; several parameters of a model make a grid."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL.PARAMETER=VALUE ..."), Words()] = ()
    """Value of a parameter to use in place of its default, such as ials.dim=128."""
    dim: Annotated[int | None, tyro.conf.arg(metavar="FACTORS"), Within(1, MOST_DIM)] = None
    """Number of factors of every factor model; None takes the default of each model."""
    seeds: Annotated[int, tyro.conf.arg(metavar="SEEDS"), Within(1, MOST)] = 1
    """Number of fits of each random model, which differ by their seed."""
    first_seed: Annotated[int, tyro.conf.arg(metavar="SEED"), Within(0, MOST_SEED)] = 0
    """The first seed; the others follow it."""


@dataclass(frozen=True)
class Tuned(Checked):
    """How settings are chosen."""

    group: ClassVar[str] = "tuning"

    tune: Annotated[int, tyro.conf.arg(metavar="TRIALS"), Within(0, MOST)] = 0
    """Number of settings to try for each model on the validation part; the best one is added to the table."""
    tune_method: Annotated[str, tyro.conf.arg(metavar="METHOD"), OneOf(choosing.METHOD_NAMES)] = "random"
    """How --tune searches: random, halving, tpe (extra tune), gradient (least squares)."""
    tune_by: Annotated[str | None, tyro.conf.arg(metavar="METRIC@K")] = None
    """Measure that --tune and --patience maximise, such as ndcg@10; None for the first of --metrics."""
    patience: Annotated[int, tyro.conf.arg(metavar="LOOKS"), Within(0, MOST)] = 0
    """Look at the validation part after every step or epoch, stop after this many looks without a better score, and fit
    for as long as was best; 0 for the steps and epochs of each setting."""


@dataclass(frozen=True)
class Measured(Checked):
    """What is measured of the models."""

    group: ClassVar[str] = "measure"

    metrics: Annotated[tuple[str, ...], tyro.conf.arg(metavar="METRIC ...")] = ("recall", "ndcg")
    """Measures: recall, ndcg, precision, map, mrr, hit_rate, auc; rmse and mae for ratings."""
    k: Annotated[tuple[int, ...], tyro.conf.arg(metavar="K ..."), Within(1, MOST_LENGTH)] = (10,)
    """Cutoffs of the metrics: lengths of the list of recommendations."""
    convention: Annotated[str, tyro.conf.arg(metavar="PRESET"), OneOf(tuple(PRESETS))] = "default"
    """Definitions of the metrics: default, trec, sklearn, rax, implicit, ranx, rectools, strong-generalisation."""
    clip: bool = True
    """Move predicted ratings into the range of the train ratings."""
    compare: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL ...")] = ("all",)
    """Models whose settings are tested in pairs, with p values adjusted by Holm's method; or all, or none."""
    timings: bool = False
    """Show the seconds of fits in the table; never with --sweep, --tune or --patience."""


@dataclass(frozen=True)
class Run(Checked):
    """How a study is run, and what it writes."""

    group: ClassVar[str] = "run"

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER"), Place("output", ("results.json", "report.html"))] = (
        None
    )
    """Folder for results.json, report.html, per_user.parquet and the finished fits; None writes no file."""
    cores: Annotated[int | None, tyro.conf.arg(metavar="CORES"), Within(1, MOST_CORES)] = None
    """Number of CPU cores to fit on; None for all."""
    progress: bool = True
    """Report every fit that has ended, on stderr."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next study starts sooner."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE"), Place("file")] = None
    """TOML file of options, or results.json of an earlier study; options of the command line take precedence."""


@dataclass(frozen=True)
class Fields(Run, Measured, Tuned, Fitted, Split, Kept):
    """The options of a study, those of its last base first.

    Attributes of the class:
        program: the command that it is, for manifests.
        catalogue_of_models: the models that can be named.
        keeps_models: whether the fitted models of the first seed are handed on.
        meant_for: option -> the protocols that it says something to.
    """

    program: ClassVar[str] = "mfjax study"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS
    keeps_models: ClassVar[bool] = False
    meant_for: ClassVar[Mapping[str, Sequence[str]]] = study_options.MEANT_FOR
