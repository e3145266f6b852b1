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
from mfjax.studies.command_line import (
    MOST,
    MOST_CORES,
    MOST_DIM,
    MOST_LENGTH,
    MOST_SEED,
    OneOf,
    Place,
    Within,
    Words,
)
from mfjax.studies.kept import Kept
from mfjax.studies.model import Model
from mfjax.studies.protocols import Catalogue

ProtocolName = Literal["auto", "leave-last", "global-time", "random", "folds", "strong", "given"]


@dataclass(frozen=True)
class Fields(Kept):
    """The options of a study.

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

    protocol: ProtocolName = "auto"
    """What is hidden. auto: the test part of data that come split, else each user's last row where there are times,
    else rows at random."""
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
