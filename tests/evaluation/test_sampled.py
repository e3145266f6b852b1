"""mfjax.evaluation.sampled: drawn candidate lists, and estimates of full metrics from sampled ranks."""

from __future__ import annotations

import itertools

import jax
import numpy as np
import pytest
import scipy.stats

from mfjax.evaluation import evaluate, sampled
from mfjax.histories import ragged
from mfjax.types import Factors, Interactions
from tests.borders import REFUSED, answer


def pairs(users, items, num_users, num_items):
    return Interactions(np.array(users), np.array(items), np.ones(len(users), np.float32), num_users, num_items)


def lists_of(lists):
    offsets, ids = np.asarray(lists.offsets), np.asarray(lists.ids)
    return [ids[start:stop].tolist() for start, stop in itertools.pairwise(offsets)]


TARGETS = ragged(pairs([0, 2, 2], [3, 1, 5], 4, 40))
SEEN = ragged(pairs([0, 0, 2, 3], [7, 9, 0, 1], 4, 40))


def test_a_list_holds_the_targets_and_distinct_items_that_were_not_seen(key):
    found = lists_of(sampled.candidates(key, TARGETS, exclude=SEEN, num=10))
    assert [len(one) for one in found] == [11, 0, 12, 0]
    assert 3 in found[0] and not {7, 9} & set(found[0])
    assert {1, 5} <= set(found[2]) and 0 not in found[2]
    assert all(one == sorted(set(one)) for one in found)


def test_where_few_items_are_open_all_are_taken(key):
    found = lists_of(sampled.candidates(key, TARGETS, exclude=SEEN, num=60))
    assert found[0] == [item for item in range(40) if item not in (7, 9)]
    everything = ragged(pairs([0] * 4, range(4), 1, 4))
    assert lists_of(sampled.candidates(key, ragged(pairs([0], [2], 1, 4)), exclude=everything)) == [[2]]


def test_a_users_list_depends_on_the_key_and_the_user_alone(key):
    alone = lists_of(sampled.candidates(key, ragged(pairs([2, 2], [1, 5], 4, 40)), exclude=SEEN, num=10))
    together = lists_of(sampled.candidates(key, TARGETS, exclude=SEEN, num=10))
    assert alone[2] == together[2]
    more = lists_of(sampled.candidates(key, TARGETS, exclude=SEEN, num=20))
    assert set(together[2]) < set(more[2])


def test_every_open_item_is_drawn_alike():
    users, items = 4000, 12
    targets = ragged(pairs(range(users), np.arange(users) % items, users, items))
    found = sampled.candidates(jax.random.key(3), targets, num=4)
    others = [item for user, one in enumerate(lists_of(found)) for item in one if item != user % items]
    counts = np.bincount(others, minlength=items)
    assert counts.sum() == 4 * users and scipy.stats.chisquare(counts).pvalue > 1e-3


def test_estimates_come_closer_to_the_full_metric_than_sampled_ranks_do():
    num_items, num_sampled, rng = 2000, 99, np.random.default_rng(0)
    metric = lambda rank: (rank <= 10) / np.log2(rank + 1.0)  # noqa: E731
    table = sampled.corrected(metric, num_items=num_items, num_sampled=num_sampled)
    errors, raw = [], []
    for ranks in (rng.integers(1, 300, 20_000), np.where(rng.random(20_000) < 0.2, 3, rng.integers(1, 2001, 20_000))):
        drawn = 1 + rng.hypergeometric(ranks - 1, num_items - ranks, num_sampled)
        full = metric(ranks).mean()
        errors.append(abs(table[drawn - 1].mean() - full))
        raw.append(abs(metric(drawn).mean() - full))
    assert all(ours < plain / 2 for ours, plain in zip(errors, raw, strict=True))


def test_the_rank_estimate_is_the_metric_at_the_unbiased_rank():
    table = sampled.corrected(lambda rank: rank, num_items=101, num_sampled=20, estimator="rank")
    assert table.tolist() == [1 + 5.0 * place for place in range(21)]


def test_least_squares_is_the_least():
    """The values solve the problem that the formula states: any other does worse."""
    num_items, num_sampled, gamma = 60, 9, 0.2
    metric = lambda rank: 1.0 / rank  # noqa: E731
    best = sampled.corrected(metric, num_items=num_items, num_sampled=num_sampled, variance=gamma)

    def objective(values):
        total = 0.0
        for rank in range(1, num_items + 1):
            chance = scipy.stats.hypergeom.pmf(np.arange(num_sampled + 1), num_items - 1, rank - 1, num_sampled)
            mean = (chance * values).sum()
            total += (mean - metric(rank)) ** 2 + gamma * ((chance * values**2).sum() - mean**2)
        return total

    rng = np.random.default_rng(1)
    assert all(objective(best) < objective(best + 1e-3 * rng.standard_normal(num_sampled + 1)) for _ in range(20))


def test_ranks_among_a_list_are_those_of_evaluate(key):
    model = Factors(users=jax.random.normal(key, (4, 3)), items=jax.random.normal(jax.random.key(1), (40, 3)))
    lists = sampled.candidates(jax.random.key(5), TARGETS, exclude=SEEN, num=9)
    found = evaluate(model, TARGETS, candidates=lists, metrics=("mrr@all",))
    scores = np.asarray(model.users) @ np.asarray(model.items).T
    one = lists_of(lists)[0]
    assert found.per_user["mrr@all"][0] == pytest.approx(1 / (1 + sum(scores[0, i] > scores[0, 3] for i in one)))


@pytest.mark.parametrize(
    "call",
    [
        lambda: sampled.candidates(0, TARGETS),
        lambda: sampled.candidates(jax.random.key(0), TARGETS, num=0),
        lambda: sampled.candidates(jax.random.key(0), TARGETS, exclude=ragged(pairs([0], [0], 1, 1))),
        lambda: sampled.corrected(lambda rank: rank, num_items=10, num_sampled=10),
        lambda: sampled.corrected(lambda rank: rank, num_items=10, num_sampled=3, estimator="best"),
        lambda: sampled.corrected("ndcg", num_items=10, num_sampled=3),
        lambda: sampled.corrected(lambda rank: rank, num_items=10, num_sampled=3, variance=-1.0),
    ],
)
def test_borders(call):
    assert answer(call) is REFUSED
