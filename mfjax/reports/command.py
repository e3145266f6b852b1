"""`mfjax study DATA`: models on any data under any protocol, with sweeps, tuning, comparison and a page."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import tyro

from mfjax import devices
from mfjax.data.datasets import Dataset
from mfjax.data.source import Source
from mfjax.data.splits import Ties
from mfjax.metrics.conventions import PRESETS
from mfjax.reports import study_page
from mfjax.studies import compiled, protocols, results, study
from mfjax.studies.catalogue import MODELS
from mfjax.studies.choosing import tune
from mfjax.studies.findings import Results
from mfjax.studies.protocols import Catalogue, Tasks
from mfjax.studies.running import Progress, run
from mfjax.studies.sentences import comparisons, sampled_warning

ProtocolName = Literal["auto", "leave-last", "global-time", "random", "folds", "strong", "given"]

COMMAND = "mfjax study"
UNRECORDED = ("config", "out", "cores", "compilation_cache")
"""Options that no manifest holds: the same study with another of these is the same study."""


@dataclass(frozen=True)
class Study(Source):
    """Fit models on a part of the data, judge them on what was hidden, and say which differences are real.

    Everything is repeatable: --out DIR writes results.json, and --config DIR/results.json runs the same again. A study
    that is stopped goes on where it was, with the same --out.
    """

    protocol: ProtocolName = "auto"
    """What is hidden. auto: the parts of data that comes split, else by time where there are times, else at random."""
    positives: float | None = None
    """Keep interactions of at least this value, all alike; None keeps every one with its value."""
    users_core: int = 0
    """Keep users with at least so many rows (and items, see items-core), until all have."""
    items_core: int = 0
    """Keep items with at least so many rows."""
    test: float | None = None
    """leave-last: rows of each user that are hidden (default 1). global-time, random: share of all rows (.2)."""
    validation: float = 0.0
    """The same, held out for --tune before the test rows."""
    folds: int = 5
    """Parts that are hidden in turn under folds."""
    test_users: int = 0
    """strong: users that are held out; 0 for a tenth."""
    validation_users: int = 0
    """strong: users that are held out for --tune."""
    targets: float = 0.2
    """strong: share of a held-out user's rows that is hidden, the others are folded in."""
    ties: Ties = "file-order"
    """Which of a user's rows of one time is the last."""
    catalogue: Catalogue = "all"
    """Which items are ranked: all, or those with a row in train."""
    negatives: int = 0
    """Rank hidden items among so many drawn ones, instead of the catalogue."""
    split_seed: int = 0
    """Draws splits and negatives."""
    models: tuple[str, ...] = ("popularity", "item-knn", "ease", "ials")
    """Models to fit."""
    sweep: tuple[str, ...] = ()
    """Values of a parameter, such as ease.reg=10,100,1000; several make a grid."""
    set: tuple[str, ...] = ()
    """A parameter in place of its default, such as ials.dim=128."""
    tune: int = 0
    """Settings to try for each model on the validation part; 0 takes the defaults."""
    seeds: int = 1
    """Fits of every model that is random."""
    metrics: tuple[str, ...] = ("recall", "ndcg")
    """recall, ndcg, precision, map, mrr, hit_rate, auc; rmse and mae for ratings. The first chooses under --tune."""
    k: tuple[int, ...] = (10,)
    """Lengths of the list."""
    convention: str = "default"
    """What metrics mean: default, trec, sklearn, rax, implicit, ranx, rectools, strong-generalisation."""
    compare: bool = True
    """Test every pair of settings on the first measure, p adjusted by Holm."""
    out: Path | None = None
    """Folder for results.json, report.html, per_user.parquet and the finished fits; None writes nothing."""
    cores: int | None = None
    """CPU cores to fit on; None for all."""
    compilation_cache: bool = True
    """Keep compiled programs, so that the next study begins at once."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Options from a TOML file, or from the results.json of a study; what the command line says holds."""

    def run(self) -> None:
        """Run the study and print its tables."""
        if self.compilation_cache:
            compiled.keep()
        devices.use_cores(self.cores)
        dataset = self.load()
        tasks = self.tasks(dataset)
        told = study_page.about(dataset, tasks, self.protocol_of(dataset))
        print(told, end="\n\n", flush=True)
        chosen = parameters(self.set)
        if self.tune:
            chosen = self.tuned(tasks, chosen)
        found = run(
            tasks.test,
            list(self.models),
            sweep=swept(self.sweep),
            parameters=chosen,
            seeds=self.seeds,
            metrics=self.metrics,
            cutoffs=self.k,
            convention=PRESETS[self.convention_name()],
            folder=self.out,
            progress=tell,
        )
        print(found.table())
        if found.lists:
            print(f"\n{sampled_warning(found)}")
        compared = comparisons(found) if self.compare and len(found.settings) > 1 else []
        for line in compared:
            print(line)
        if self.out is not None:
            self.write(dataset, tasks, found, chosen if self.tune else {}, told, compared)

    def convention_name(self) -> str:
        """Return the name of the convention. Raises ValueError for an unknown one."""
        if self.convention not in PRESETS:
            raise ValueError(f"convention: {self.convention!r} is unknown; pass one of {', '.join(PRESETS)}")
        return self.convention

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
            parts = {part: self.kept(pairs, core=False) for part, pairs in dataset.parts.items()}
            tasks = protocols.given(parts, lists=protocols.listed(dataset), catalogue=self.catalogue)
        else:
            tasks = protocols.PROTOCOLS[name](self.kept(dataset.interactions), key, **self.choices(name, dataset))
        return protocols.sampled(tasks, jax.random.fold_in(key, 1), num=self.negatives) if self.negatives else tasks

    def kept(self, pairs: Any, *, core: bool = True) -> Any:
        """Return the interactions that the study is about."""
        if self.positives is not None:
            pairs = protocols.positives(pairs, self.positives)
        if core and (self.users_core or self.items_core):
            pairs = protocols.core(pairs, users=self.users_core, items=self.items_core)
        return pairs

    def choices(self, name: str, dataset: Dataset) -> dict[str, Any]:
        """Return the options of a protocol."""
        chosen: dict[str, Any] = {"catalogue": self.catalogue}
        if name == "leave-last":
            rows = {"test": 1 if self.test is None else self.test, "validation": self.validation}
            return chosen | {part: _whole(part, count) for part, count in rows.items()} | {"ties": self.ties}
        if name == "folds":
            return chosen | {"k": self.folds}
        if name == "strong":
            users = self.test_users or max(dataset.interactions.num_users // 10, 1)
            return chosen | {
                "test_users": users,
                "validation_users": self.validation_users,
                "targets": self.targets,
            }
        shares = {"test": 0.2 if self.test is None else self.test, "validation": self.validation}
        return chosen | shares | ({"ties": self.ties} if name == "global-time" else {})

    def tuned(self, tasks: Tasks, chosen: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
        """Return the parameters that validation prefers, and print them."""
        measure = self.metrics[0] if "@" in self.metrics[0] else f"{self.metrics[0]}@{self.k[0]}"
        measure = self.metrics[0] if self.metrics[0] in ("rmse", "mae", "auc") else measure
        found = tune(
            tasks.validation,
            list(self.models),
            trials=self.tune,
            measure=measure,
            parameters=chosen,
            convention=PRESETS[self.convention_name()],
            folder=self.out,
            on_trial=lambda name, trial: print(
                f"tune {name}: setting {trial.number + 1} of {self.tune}, {trial.score():.4f}", file=sys.stderr
            ),
        )
        for name, values in found.items():
            if values:
                print(f"{name}: {', '.join(f'{parameter} {value:.4g}' for parameter, value in values.items())}")
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
        assert self.out is not None
        options = {name: value for name, value in asdict(self).items() if name not in UNRECORDED}
        manifest = results.manifest(
            COMMAND, [dataset], {str(self.split_seed): tasks.checksum}, study.KEYS, options, settings=chosen
        )
        rows = found.rows(timings=False)
        written = [results.write(self.out, rows, manifest), self.out / "per_user.parquet"]
        found.write_per_user(written[-1])
        written.append(study_page.write(self.out, found, manifest, told=told, compared=compared))
        print("\nwrote " + ", ".join(map(str, written)))


def tell(progress: Progress) -> None:
    """Write a line on stderr for a fit that has ended; on a terminal the next one writes over it."""
    how = "found" if progress.found else f"{progress.seconds:.2f} s"
    line = f"[{progress.done}/{progress.total}] {progress.setting} seed {progress.seed}: {how}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="\n" if progress.done == progress.total else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def swept(words: tuple[str, ...]) -> dict[str, dict[str, list[float]]]:
    """Return model -> parameter -> values of words such as "ease.reg=10,100".

    Raises:
        ValueError: for a word of another form, an unknown model, or a parameter that is named twice.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for word in words:
        where, _, text = word.partition("=")
        model, _, name = where.partition(".")
        try:
            values = [float(value) for value in text.split(",")]
        except ValueError:
            raise ValueError(f"sweep: {word!r} is not of the form MODEL.PARAMETER=VALUE,VALUE") from None
        if model not in MODELS:
            raise ValueError(f"sweep: {model!r} is no model; choose from {', '.join(MODELS)}")
        if name in found.setdefault(model, {}):
            raise ValueError(f"sweep: {word!r} names a parameter again; give all of its values at once")
        found[model][name] = values
    return found


def parameters(words: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return model -> parameter -> value of words such as "ials.dim=128". Raises ValueError as `swept`."""
    found: dict[str, dict[str, float]] = {}
    for model, values in swept(words).items():
        for name, given in values.items():
            if len(given) > 1:
                raise ValueError(f"set: {model}.{name} has {len(given)} values; sweep them, or give one")
            found.setdefault(model, {})[name] = given[0]
    return found


def _whole(name: str, number: float) -> int:
    if number != int(number):
        raise ValueError(f"{name}: {number} is not a number of rows; leave-last hides whole rows, such as 1")
    return int(number)
