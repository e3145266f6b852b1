"""What a study found: every measure for every setting, seed and user, with tables, comparisons and exports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet

from mfjax import checks, compilation, statistics
from mfjax.data.writing.interactions import Library, in_library
from mfjax.data.writing.runs import write_run
from mfjax.evaluation.named import as_names
from mfjax.files import atomic_path
from mfjax.statistics import Comparison, Components, bootstrap_means, holm
from mfjax.statistics.paired import Test
from mfjax.studies.fits import Fitted
from mfjax.studies.judging import TRAIN_ERROR, is_error, of_test
from mfjax.studies.settings import Setting
from mfjax.studies.tables import Row, align, cells
from mfjax.studies.task import Task
from mfjax.types import Vocabulary

_bootstrap = compilation.jit(bootstrap_means, static_argnames="num_resamples")


@dataclass(frozen=True, eq=False)
class Results:
    """The measurements of a study, [setting, seed, measure, user]. The mean over users is a ratio of sums.

    Attributes:
        settings: what was run, in order.
        seeds: of the fits.
        measures: names, such as "ndcg@10" and "rmse"; those of each test where tasks name one, such as "rmse@folds".
        users: int32 [users], ids of those that were judged.
        sums, counts: float64 [setting, seed, measure, user]; a user that a measure skipped has count 0.
        pooled: measure of all users together ("coverage@10") -> float64 [setting, seed].
        seconds: of every fit of each setting, in order.
        recommended: int32 [setting, seed, user, k], lists, best first, -1 where there is no item; of the last task that
            judged the user.
        cutoffs: the k of the metrics.
        user_vocabulary, item_vocabulary: those of the data.
        lists: whether items were ranked among a list for each user and not the catalogue.
    """

    settings: tuple[Setting, ...]
    seeds: tuple[int, ...]
    measures: tuple[str, ...]
    users: np.ndarray
    sums: np.ndarray
    counts: np.ndarray
    pooled: dict[str, np.ndarray]
    seconds: tuple[tuple[float, ...], ...]
    recommended: np.ndarray
    cutoffs: tuple[int, ...]
    user_vocabulary: Vocabulary | None = None
    item_vocabulary: Vocabulary | None = None
    lists: bool = False

    @classmethod
    def of(
        cls,
        settings: Sequence[Setting],
        seeds: Sequence[int],
        measures: Sequence[str],
        cutoffs: Sequence[int],
        tasks: Sequence[Task],
        judged: Mapping[tuple[Setting, int, int], Fitted],
    ) -> Results:
        """Return the measurements of all fits, (setting, seed, number of the task) -> measurements.

        A fit that stands for several seeds has its seconds under the first.
        """
        users = np.unique(np.concatenate([one.judged.users for one in judged.values()]))
        tests = [task.test for task in tasks]
        names = [of_test(measure, test) for test in dict.fromkeys(tests) for measure in measures]
        shape = len(settings), len(seeds), len(names), len(users)
        sums, counts = np.zeros(shape), np.zeros(shape)
        first = next(iter(judged.values())).judged
        longest = first.recommended.shape[1]
        pooled = {of_test(name, test): np.zeros(shape[:2]) for test in dict.fromkeys(tests) for name in first.pooled}
        seconds = tuple(
            tuple(second for (one, _, _), fitted in judged.items() if one == setting for second in fitted.seconds)
            for setting in settings
        )
        recommended = np.full((*shape[:2], shape[3], longest), -1, np.int32)
        for at, setting in enumerate(settings):
            for column, seed in enumerate(seeds):
                for number, test in enumerate(tests):
                    one = judged[setting, seed, number].judged
                    rows = np.array([names.index(of_test(measure, test)) for measure in measures])
                    place = np.ix_(rows, np.searchsorted(users, one.users))
                    sums[at, column][place] += one.sums
                    counts[at, column][place] += one.counts
                    for name, value in one.pooled.items():
                        pooled[of_test(name, test)][at, column] += value / tests.count(test)
                    recommended[at, column, place[1][0]] = one.recommended
        data = tasks[0].train
        return cls(
            tuple(settings), tuple(seeds), tuple(names), users, sums, counts, pooled, seconds, recommended,
            tuple(cutoffs), data.user_vocabulary, data.item_vocabulary, any(task.lists is not None for task in tasks),
        )  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"Results({len(self.settings)} settings, {len(self.seeds)} seeds, {len(self.users)} users: "
            f"{', '.join(self.measures)})"
        )

    def only(self, models: Sequence[str] | None = None, measures: Sequence[str] | None = None) -> Results:
        """Return the results of the settings of some models by some measures; None for all."""
        places = [at for at, setting in enumerate(self.settings) if models is None or setting.model in models]
        names = self.measures if measures is None else measures
        rows = [self._place(name) for name in names]
        return replace(
            self,
            settings=tuple(self.settings[at] for at in places),
            measures=tuple(names),
            sums=self.sums[places][:, :, rows],
            counts=self.counts[places][:, :, rows],
            pooled={name: values[places] for name, values in self.pooled.items()},
            seconds=tuple(self.seconds[at] for at in places),
            recommended=self.recommended[places],
        )

    def means(self) -> np.ndarray:
        """Return the measure of all users, float64 [setting, seed, measure]; NaN where it has a value of none."""
        sums, counts = self.sums.sum(-1), self.counts.sum(-1)
        with np.errstate(invalid="ignore"):
            found = [_finish(name, sums[:, :, at] / counts[:, :, at]) for at, name in enumerate(self.measures)]
        return np.stack(found, axis=-1)

    def per_user(self, measure: str) -> dict[str, np.ndarray]:
        """Return setting -> values of every user under every seed, float64 [seed, user]; NaN where one was skipped."""
        at = self._place(measure)
        with np.errstate(invalid="ignore"):
            values = _finish(measure, self.sums[:, :, at] / self.counts[:, :, at])
        return {str(setting): values[number] for number, setting in enumerate(self.settings)}

    def rows(self, *, resamples: int = 10_000, timings: bool = True) -> list[Row]:
        """Return one row per setting and measure, with 95 % intervals.

        Intervals are a bootstrap over users of the ratio of sums, a user's sums being their mean over seeds; those of
        measures of all users together are the range over seeds. Seconds are there with `timings`: they differ between
        runs.
        """
        if resamples not in self._rows:
            self._rows[resamples] = self._drawn(resamples)
        found = self._rows[resamples]
        return list(found) if timings else [replace(row, seconds_first=None, seconds_warm=None) for row in found]

    @cached_property
    def _rows(self) -> dict[int, list[Row]]:
        """Rows by the number of resamples, once drawn: the table, the file and the page show the same."""
        return {}

    def _drawn(self, resamples: int) -> list[Row]:
        means, found = self.means(), []
        for number in range(len(self.settings)):
            users = (self.counts[number] > 0).any(axis=0).sum(axis=-1)
            for at, (low, high) in enumerate(self._intervals(number, resamples)):
                found.append(self._row(number, self.measures[at], means[number, :, at], low, high, int(users[at])))
            for name, values in self.pooled.items():
                # The error of the train rows is one number a seed, and no mean over users.
                ends = (0.025, 0.975) if name.partition("@")[0] == TRAIN_ERROR else (0.0, 1.0)
                low, high = np.quantile(values[number], ends)
                found.append(self._row(number, name, values[number], low, high, len(self.users)))
        return found

    def _intervals(self, number: int, resamples: int) -> list[tuple[float, float]]:
        """Return the 95 % interval of every measure of a setting, over the users that the measure has a value of."""
        sums, counts = self.sums[number].mean(0), self.counts[number].mean(0)  # [measure, user]
        found: dict[int, tuple[float, float]] = {}
        judged = [(of_measure > 0).tobytes() for of_measure in counts]
        for users in dict.fromkeys(judged):
            # Measures of the same users are drawn together: one program, and the same draws.
            places, known = [at for at, one in enumerate(judged) if one == users], np.frombuffer(users, bool)
            if not known.any():
                found |= dict.fromkeys(places, (math.nan, math.nan))
                continue
            of_users = np.concatenate([sums[places][:, known], counts[places][:, known]])
            drawn = _bootstrap(jax.random.key(0), jnp.asarray(of_users, jnp.float32), num_resamples=resamples)
            for at, total, count in zip(places, *np.split(np.asarray(drawn), 2), strict=True):
                low, high = np.quantile(_finish(self.measures[at], total / count), (0.025, 0.975))
                found[at] = float(low), float(high)
        return [found[at] for at in range(len(self.measures))]

    def _row(self, number: int, name: str, per_seed: np.ndarray, low: float, high: float, users: int) -> Row:
        seconds = self.seconds[number]
        return Row(
            model=str(self.settings[number]),
            metric=name,
            mean=float(per_seed.mean()),
            low=float(low),
            high=float(high),
            per_seed=tuple(map(float, per_seed)),
            users=users,
            seconds_first=seconds[0],
            seconds_warm=float(np.median(seconds[1:] or seconds)),
        )

    def cells(self, *, timings: bool = False, resamples: int = 10_000) -> list[list[str]]:
        """Return a table, its head first: a line per setting, every measure with its 95 % interval over users."""
        return cells(self.rows(resamples=resamples), self.measures, timings=timings)

    def table(self, *, timings: bool = False, resamples: int = 10_000) -> str:
        """Return the cells of the table in columns."""
        return align(self.cells(timings=timings, resamples=resamples))

    def best(self, measure: str) -> Setting:
        """Return the setting with the best mean, the first of equals: the least of an error, else the greatest."""
        means = self.means()[:, :, self._place(measure)].mean(1)
        return self.settings[int(np.argmin(means) if is_error(measure) else np.argmax(means))]

    def compare(
        self, measures: Sequence[str] | str | None = None, *, test: Test = "t", resamples: int = 10_000
    ) -> list[Comparison]:
        """Return every pair of settings on every measure, with p values adjusted by Holm; see `statistics.compare`.

        A user's value is its mean over seeds; users without a value of a measure under some setting are left out of it.
        Of rating errors the squares (or magnitudes) are compared, a user's mean each.
        """
        names = tuple(self.measures if measures is None else as_names(measures))
        if (names, test, resamples) not in self._pairs:
            self._pairs[names, test, resamples] = self._compared(names, test, resamples)
        return list(self._pairs[names, test, resamples])

    @cached_property
    def _pairs(self) -> dict[tuple[tuple[str, ...], Test, int], list[Comparison]]:
        """Comparisons, once made: the terminal, the file and the page show the same."""
        return {}

    def _compared(self, names: Sequence[str], test: Test, resamples: int) -> list[Comparison]:
        judged = {name: (self.counts[:, :, self._place(name)] > 0).all(axis=(0, 1)).tobytes() for name in names}
        found: list[Comparison] = []
        for users in dict.fromkeys(judged.values()):
            # Measures of the same users are compared together: one program, and the same draws.
            values: dict[str, dict[str, np.ndarray]] = {str(setting): {} for setting in self.settings}
            for name in [name for name in names if judged[name] == users]:
                at, known = self._place(name), np.frombuffer(users, bool)
                means = (self.sums[:, :, at][..., known] / self.counts[:, :, at][..., known]).mean(1)
                for number, setting in enumerate(self.settings):
                    values[str(setting)][name] = means[number]
            found += statistics.compare(jax.random.key(0), values, test=test, num_resamples=resamples)
        adjusted = holm(np.array([row.p for row in found]))
        return [row._replace(p_holm=float(p)) for row, p in zip(found, adjusted, strict=True)]

    def variance(self, measure: str) -> dict[str, Components]:
        """Return setting -> what seeds and users add to the variance of a measure; needs at least two seeds."""
        if len(self.seeds) < 2:
            raise ValueError(f"seeds: {len(self.seeds)}; run at least two, to tell their variance")
        found = self.per_user(measure)
        return {name: statistics.components(values[:, np.isfinite(values).all(0)]) for name, values in found.items()}

    def frame(self, library: Library = "pandas") -> Any:
        """Return the long form: a row per setting, seed, measure and user that was judged."""
        columns: dict[str, list[np.ndarray]] = {name: [] for name in ("setting", "seed", "measure", "user", "value")}
        raw = np.array(self._raw_users().tolist(), object)
        for name in self.measures:
            for setting, values in self.per_user(name).items():
                for seed, of_seed in zip(self.seeds, values, strict=True):
                    known = np.isfinite(of_seed)
                    size = int(known.sum())
                    for column, content in zip(
                        columns.values(),
                        (np.full(size, setting), np.full(size, seed), np.full(size, name), raw[known], of_seed[known]),
                        strict=True,
                    ):
                        column.append(content)
        return in_library(pa.table({name: np.concatenate(parts).tolist() for name, parts in columns.items()}), library)

    def write_per_user(self, path: Any) -> None:
        """Write the long form of `frame` as Parquet, whole or not at all."""
        with atomic_path(Path(path)) as unfinished:
            pyarrow.parquet.write_table(self.frame("arrow"), unfinished)

    def write_run(self, path: Any, setting: Setting | str | None = None) -> None:
        """Write the lists of one setting under the first seed with raw ids; see `data.write_run`.

        Args:
            path: ends in .trec, .run, .csv, .tsv or .parquet.
            setting: or its name; None for the first.
        """
        names = [str(one) for one in self.settings]
        name = names[0] if setting is None else str(setting)
        checks.choice("setting", name, names)
        lists = self.recommended[names.index(name), 0]
        if not lists.shape[1]:
            raise ValueError("measures: only ratings were predicted, and nothing is listed; ask for a ranking metric")
        items = np.maximum(lists, 0)
        raw = items if self.item_vocabulary is None else self.item_vocabulary.decode(items)
        write_run(path, self._raw_users(), raw, mask=lists >= 0, tag=name.replace(" ", "_"))

    def _raw_users(self) -> np.ndarray:
        return self.users if self.user_vocabulary is None else self.user_vocabulary.decode(self.users)

    def _place(self, measure: str) -> int:
        checks.choice("measure", measure, self.measures)
        return self.measures.index(measure)


def _finish(measure: str, ratio: np.ndarray) -> np.ndarray:
    return np.sqrt(ratio) if measure.partition("@")[0].endswith("rmse") else ratio
