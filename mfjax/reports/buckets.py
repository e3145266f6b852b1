"""Results by the activity of users: means and intervals of one metric within each bucket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from mfjax.evaluation import Groups, groups
from mfjax.reports.sections import Section
from mfjax.statistics import bootstrap_means
from mfjax.studies.study import Values
from mfjax.studies.task import Task

RATINGS_EDGES, POSITIVES_EDGES = (20, 100), (10, 50)


@dataclass(frozen=True)
class Bucket:
    """One model within one bucket of users.

    Attributes:
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
    measured: Sequence[Values], partitions: Mapping[str, Groups], metric: str, *, num_resamples: int = 10_000
) -> list[Bucket]:
    """Return every model in every bucket that has users."""
    means = np.stack([one.per_user[metric].mean(axis=0) for one in measured])  # [model, user]
    labels = [(by, group) for by, partition in partitions.items() for group in range(len(partition.labels))]
    inside = np.stack([partitions[by].ids[measured[0].users] == group for by, group in labels])  # [bucket, user]
    # All users are drawn, and each bucket's mean is a ratio: one program for buckets of all sizes.
    weighted = np.concatenate([inside, (inside[:, None] * means[None]).reshape(-1, means.shape[1])])
    drawn = np.asarray(_means(jax.random.key(0), jnp.asarray(weighted, jnp.float32), num_resamples=num_resamples))
    shares, sums = drawn[: len(labels)], drawn[len(labels) :].reshape(len(labels), len(measured), num_resamples)
    found = []
    for (by, group), members, share, total in zip(labels, inside, shares, sums, strict=True):
        if not members.any():
            continue
        low, high = np.quantile(total[:, share > 0] / share[share > 0], (0.025, 0.975), axis=-1)
        mean, label = means[:, members].mean(axis=1, dtype=np.float64), partitions[by].labels[group]
        found += [
            Bucket(one.model, metric, by, label, int(members.sum()), float(mean[i]), float(low[i]), float(high[i]))
            for i, one in enumerate(measured)
        ]
    return found


def section(found: Sequence[Bucket]) -> Section:
    """Return the buckets as a table, a line per model."""
    columns = {(one.by, one.label): one.users for one in found}
    head = [f"{by} {label} ({users:,})" for (by, label), users in columns.items()]
    cells = {(one.model, one.by, one.label): f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]" for one in found}
    lines = [["model", *head]]
    for model in dict.fromkeys(one.model for one in found):
        lines.append([model, *(cells[model, *column] for column in columns)])
    note = "By number of train ratings and of train positives (users in brackets); 95 % interval over users."
    return Section(f"{found[0].metric} by activity", note, lines)
