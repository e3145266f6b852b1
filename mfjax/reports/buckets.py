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
    both = np.stack([results.sums[:, :, at].mean(1), results.counts[:, :, at].mean(1)])  # [2, setting, user]
    inside = {
        (by, label): (both[1] > 0).any(0) & (partition.ids[results.users] == group)
        for by, partition in partitions.items()
        for group, label in enumerate(partition.labels)
    }
    # All users are drawn, and each bucket's value is a ratio: one program for buckets of all sizes.
    values = np.stack([members * both for members in inside.values()])  # [bucket, 2, setting, user]
    flat = jnp.asarray(values.reshape(-1, values.shape[-1]), jnp.float32)
    drawn = np.asarray(_means(jax.random.key(0), flat, num_resamples=num_resamples)).reshape(*values.shape[:-1], -1)
    found = []
    for ((by, label), members), sums, resampled in zip(inside.items(), values.sum(-1), drawn, strict=True):
        for number, setting in enumerate(map(str, results.settings) if members.any() else ()):
            total, count = resampled[:, number]
            low, high = np.quantile(finish(total[count > 0] / count[count > 0]), (0.025, 0.975))
            mean = finish(sums[0, number] / sums[1, number])
            found.append(Bucket(setting, metric, by, label, int(members.sum()), float(mean), float(low), float(high)))
    return found


def section(found: Sequence[Bucket]) -> Section:
    """Return the buckets as a table, a line per setting."""
    columns = {(one.by, one.label): f"{one.by} {one.label} ({one.users:,})" for one in found}
    cells = {(one.model, one.by, one.label): f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]" for one in found}
    models = dict.fromkeys(one.model for one in found)
    lines = [
        ["model", *columns.values()],
        *([model, *(cells[model, *column] for column in columns)] for model in models),
    ]
    note = "By number of train ratings and of train positives (users in brackets); 95 % interval over users."
    return Section(f"{found[0].metric} by activity", note, lines)
