"""`mfjax fit DATA`: one model, fitted on all interactions, in a file that can be asked."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import jax
import numpy as np
import tyro

from mfjax import devices, saving
from mfjax.commands import making, output
from mfjax.data import filters
from mfjax.data.describing.source import Source
from mfjax.data.published.datasets import Dataset
from mfjax.reports import study_options
from mfjax.studies import MODELS, manifests, running
from mfjax.studies.kept import Kept
from mfjax.studies.model import Model
from mfjax.studies.options import MOST_CORES, MOST_SEED, OneOf, Within, Words
from mfjax.studies.settings import Setting, settings_of, shown
from mfjax.studies.task import Task
from mfjax.types import Interactions


@dataclass(frozen=True)
class Fit(Kept, Source):
    """Fit a model on all of the data, and keep it in a file with its raw ids.

    The commands mfjax recommend, similar and explain then read the file. mfjax study says which model and which
    parameters are best.

    Example: mfjax fit shop.csv --model ials --set dim=128 reg=0.01 --out model.mfjax
    """

    program: ClassVar[str] = "mfjax fit"
    catalogue_of_models: ClassVar[Mapping[str, Model]] = MODELS

    model: Annotated[str, tyro.conf.arg(metavar="MODEL"), OneOf(tuple(MODELS))] = "ials"
    """Model to fit: explicit and item-bias predict ratings; popularity, item-knn, item-knn-mean, ease, ials, als, bpr,
    bpr-hard, warp, softmax, softmax-cosine and lambdarank rank items."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PARAMETER=VALUE ..."), Words()] = ()
    """Value of a parameter to use in place of its default, such as: --set dim=128 reg=0.01."""
    part: Annotated[str | None, tyro.conf.arg(metavar="PART")] = None
    """Part to fit of data that come split, such as train; None for all of the data."""
    seed: Annotated[int, tyro.conf.arg(metavar="SEED"), Within(0, MOST_SEED)] = 0
    """Seed of the random start, and of negatives."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("model.mfjax")
    """File to write."""
    overwrite: bool = False
    """Write over a file that is there."""
    cores: Annotated[int | None, tyro.conf.arg(metavar="CORES"), Within(1, MOST_CORES)] = None
    """Number of CPU cores to fit on; None for all."""
    progress: bool = True
    """Report progress on stderr."""
    compilation_cache: bool = True
    """Keep compiled programs on disk, so that the next fit starts sooner."""

    def run(self) -> None:
        """Fit the model, write its file, and say what was fitted."""
        making.check(self.model, self.catalogue_of_models)
        setting = self.setting()
        output.check("out", self.out, self.overwrite)
        devices.use_cores(self.cores)
        dataset = self.load()
        pairs = self.pairs(dataset)
        if self.progress:
            print(f"fitting {self.model} on {len(pairs):,} interactions", file=sys.stderr, flush=True)
        started = time.perf_counter()
        model = self.fitted(setting, pairs, dataset)
        seconds = time.perf_counter() - started
        saving.save(self.out, model)
        told = [
            f"{dataset.name}: {_values(pairs)}",
            f"{self.model}: {', '.join(f'{name} {shown(value)}' for name, value in setting.parameters) or 'fitted'}; "
            f"seed {self.seed}; {seconds:.1f} s",
            f"wrote {self.out} ({self.out.stat().st_size / 1e6:.1f} MB): {model!r}",
            "",
            *_next(self.out, pairs),
        ]
        print("\n".join(told))

    def setting(self) -> Setting:
        """Return the model with its parameters.

        Raises:
            ValueError: for what is no parameter, and no number for one.
        """
        words = [word if "." in word.partition("=")[0] else f"{self.model}.{word}" for word in self.set]
        chosen: dict[str, Any] = {}
        for name, values in study_options.words(words, "set", self.catalogue_of_models).items():
            if name != self.model:
                raise ValueError(f"set: {name} is not the model that is fitted, {self.model}; leave its parameter out")
            for parameter, given in values.items():
                if len(given) > 1:
                    raise ValueError(
                        f"set: {parameter} has {len(given)} values; give one, or compare them: mfjax study"
                    )
                chosen[parameter] = given[0]
        try:
            return settings_of({self.model: self.catalogue_of_models[self.model]}, {}, {self.model: chosen})[0]
        except ValueError as error:
            raise ValueError(f"set: {str(error).removeprefix(f'parameters: {self.model}: ')}") from None

    def pairs(self, dataset: Dataset) -> Interactions:
        """Return the interactions to fit, of users and items that have some.

        Raises:
            ValueError: where there are none, or ratings that are all the same.
        """
        if self.part is None:
            pairs = dataset.interactions
        elif self.part in dataset.parts:
            pairs = dataset.parts[self.part]
        else:
            there = f"the parts {', '.join(dataset.parts)}" if dataset.parts else "no parts"
            raise ValueError(f"part: {self.part!r:.40} is not there, {dataset.name} has {there}; pass another, or none")
        pairs = filters.compact(self.kept(pairs))
        if self.catalogue_of_models[self.model].predicts_ratings and np.ptp(pairs.values) == 0:
            raise ValueError(
                f"model: {self.model} predicts ratings, and all values are {pairs.values[0]:g}; name the column of "
                "ratings (--value), or pass a model that ranks, such as ials"
            )
        return pairs

    def fitted(self, setting: Setting, pairs: Interactions, dataset: Dataset) -> Any:
        """Return the model of raw ids, with the manifest of the fit."""
        model, task = self.catalogue_of_models[self.model], Task.of_all(pairs)
        parameters = dict(setting.parameters)
        learned = running.fit(model, setting, self.seed, task)
        # The last bits of ALS follow the number of cores, so that the same fit asks for as many.
        options = replace(self, cores=jax.device_count("cpu"))
        manifest = manifests.manifest(
            self.program, [dataset], {}, manifests.KEYS, options, settings={self.model: parameters}
        )
        return making.kept(
            learned,
            task,
            name=self.model,
            config=None if model.config is None else model.config(parameters, task),
            ratings=model.predicts_ratings,
            manifest=manifest,
        )


def _values(pairs: Interactions) -> str:
    """Return the sizes of interactions in words."""
    least, most = pairs.values.min(), pairs.values.max()
    span = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    return f"{pairs.num_users:,} users, {pairs.num_items:,} items, {len(pairs):,} pairs of value {span}"


def _next(path: Path, pairs: Interactions) -> list[str]:
    """Return commands that ask the model, for raw ids that it has."""
    assert pairs.user_vocabulary is not None and pairs.item_vocabulary is not None
    file = shlex.quote(str(path))
    user, item = (
        shlex.quote(str(vocabulary.raw[:1].tolist()[0]))
        for vocabulary in (pairs.user_vocabulary, pairs.item_vocabulary)
    )
    return [f"mfjax recommend {file} --users {user} --k 10", f"mfjax similar {file} --items {item}"]
