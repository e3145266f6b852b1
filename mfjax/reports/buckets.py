"""Results by the activity of users: values and intervals of one measure within each bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mfjax.evaluation import Groups, groups
from mfjax.reports.sections import Section
from mfjax.statistics import bootstrap_means
from mfjax.studies.findings import Results
from mfjax.studies.task import Task

RATINGS_EDGES, POSITIVES_EDGES = (20, 100), (10, 50)


@dataclass(frozen=True)
class Bucket:
    """One setting within one bucket of users.

    Attributes:
        model: name of the setting.
        metric: of the values.
        by: what is counted: "train ratings" or "train positives".
        label: the counts of the bucket, such as "20-99".
        users: how many users are in it.
        mean: over seeds and users.
        low, high: 95 % bootstrap interval over users, each user's value being its mean over seeds.
    """

    model: str
    metric: str
    by: str
    label: str
    users: int
    mean: float
    low: float
    high: float


_means = jax.jit(bootstrap_means, static_argnames=("num_resamples", "block_size"))


def activity(task: Task) -> dict[str, Groups]:
    """Return the users by all they rated in train, and by the positives among it."""
    return {
        "train ratings": groups.activity(task.excluded.user_counts(), RATINGS_EDGES),
        "train positives": groups.activity(task.train.user_counts(), POSITIVES_EDGES),
    }


def measure(
    results: Results, partitions: Mapping[str, Groups], metric: str, *, num_resamples: int = 10_000
) -> list[Bucket]:
    """Return every setting in every bucket that has users with a value: a ratio of sums, each the mean over seeds."""
    at, finish = results.measures.index(metric), np.sqrt if metric.endswith("rmse") else np.asarray
    sums, counts = results.sums[:, :, at].mean(1), results.counts[:, :, at].mean(1)  # [setting, user]
    known = (counts > 0).any(0)
    of_label = {
        (by, label): known & (partition.ids[results.users] == group)
        for by, partition in partitions.items()
        for group, label in enumerate(partition.labels)
    }
    of_label = {label: inside for label, inside in of_label.items() if inside.any()}
    inside = np.stack([*of_label.values()])[:, None]  # [bucket, 1, user]
    # All users are drawn, and each bucket's value is a ratio: one program for buckets of all sizes.
    both = np.stack([inside * sums, inside * counts])  # [2, bucket, setting, user]
    drawn = np.asarray(
        _means(
            jax.random.key(0), jnp.asarray(both.reshape(-1, both.shape[-1]), jnp.float32), num_resamples=num_resamples
        )
    ).reshape(*both.shape[:-1], num_resamples)
    means, found = finish(np.divide(*both.sum(-1))), []
    for bucket, ((by, label), members) in enumerate(of_label.items()):
        for number, setting in enumerate(map(str, results.settings)):
            total, count = drawn[:, bucket, number]
            low, high = np.quantile(finish(total[count > 0] / count[count > 0]), (0.025, 0.975))
            users, mean = int(members.sum()), float(means[bucket, number])
            found.append(Bucket(setting, metric, by, label, users, mean, float(low), float(high)))
    return found


def section(found: Sequence[Bucket]) -> Section:
    """Return the buckets as a table, a line per setting."""
    columns = {(one.by, one.label): one.users for one in found}
    head = [f"{by} {label} ({users:,})" for (by, label), users in columns.items()]
    cells = {(one.model, one.by, one.label): f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]" for one in found}
    lines = [["model", *head]]
    for model in dict.fromkeys(one.model for one in found):
        lines.append([model, *(cells[model, *column] for column in columns)])
    note = "By number of train ratings and of train positives (users in brackets); 95 % interval over users."
    return Section(f"{found[0].metric} by activity", note, lines)
