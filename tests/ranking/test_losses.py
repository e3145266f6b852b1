"""Losses against their formulas written as loops, against rax, and at the edges."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rax

from mfjax.ranking import losses

BATCH, NUM = 5, 7
LOSSES = {
    **losses.LOSSES,
    "lambdarank@3": partial(losses.lambdarank, k=3),
    "pairwise_softmax, tanh": partial(losses.pairwise_softmax, temperature=0.3, surrogate="tanh"),
    "pairwise_softmax, atan": partial(losses.pairwise_softmax, temperature=0.3, surrogate="atan"),
}


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((BATCH, NUM)) < 0.3, 0.0, rng.uniform(0.5, 4.0, (BATCH, NUM)))
    weights[2] = 0
    parts = rng.normal(size=BATCH), rng.normal(size=(BATCH, NUM)), weights
    return tuple(jnp.asarray(part, jnp.float32) for part in parts)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def discount(rank, k=None):
    return 1 / np.log2(rank + 1) if k is None or rank <= k else 0.0


def bpr(positive, negatives, weights):
    terms = [-np.log(sigmoid(positive - s)) for s, w in zip(negatives, weights, strict=True) if w > 0]
    return np.mean(terms) if terms else 0.0


def hinge(positive, negatives, weights):
    terms = [max(0.0, 1 - positive + s) for s, w in zip(negatives, weights, strict=True) if w > 0]
    return np.mean(terms) if terms else 0.0


def logistic(positive, negatives, weights):
    terms = [-np.log(sigmoid(-s)) for s, w in zip(negatives, weights, strict=True) if w > 0]
    return np.sum(terms) - np.log(sigmoid(positive)) if terms else 0.0


def cosine_contrastive(positive, negatives, weights):
    terms = [max(0.0, s - 0.8) for s, w in zip(negatives, weights, strict=True) if w > 0]
    return 1 - positive + 150 * np.mean(terms) if terms else 0.0


def warp(positive, negatives, weights):
    trials = 0
    for s, w in zip(negatives, weights, strict=True):
        trials += w > 0
        if w > 0 and 1 + s > positive:
            rank = int(sum(weights) / trials + 1e-3)
            return sum(1 / r for r in range(1, rank + 1)) * (1 - positive + s)
    return 0.0


def softmax(positive, negatives, weights):
    return -np.log(np.exp(positive) / (np.exp(positive) + np.sum(weights * np.exp(negatives))))


def pairwise_softmax(positive, negatives, weights, temperature=0.05, sigma=lambda d: 1 + d):
    terms = [w * max(0.0, sigma(s - positive)) ** (1 / temperature) for s, w in zip(negatives, weights, strict=True)]
    return np.log1p(sum(terms))


def lambdarank(positive, negatives, weights, k=None):
    total = 0.0
    positive_rank = 1 + sum(w for s, w in zip(negatives, weights, strict=True) if s > positive)
    for s, w in zip(negatives, weights, strict=True):
        rank = 1 + sum(v for t, v in zip(negatives, weights, strict=True) if t > s) + (positive >= s)
        total -= w * abs(discount(positive_rank, k) - discount(rank, k)) * np.log(sigmoid(positive - s))
    return total


TRUTH = {
    "bpr": bpr,
    "hinge": hinge,
    "logistic": logistic,
    "cosine_contrastive": cosine_contrastive,
    "warp": warp,
    "softmax": softmax,
    "lambdarank": lambdarank,
    "lambdarank@3": partial(lambdarank, k=3),
    "pairwise_softmax": pairwise_softmax,
    "pairwise_softmax, tanh": partial(pairwise_softmax, temperature=0.3, sigma=lambda d: 1 + np.tanh(d)),
    "pairwise_softmax, atan": partial(pairwise_softmax, temperature=0.3, sigma=lambda d: 1 + np.arctan(d)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_formula_in_every_mode(scores, name):
    truth = [TRUTH[name](*map(np.float64, example)) for example in zip(*scores, strict=True)]
    loss = LOSSES[name]

    @jax.jit
    def modes(*scores):
        mapped = jax.vmap(loss)(*(part[None] for part in scores))[0]
        scanned = jax.lax.scan(lambda _, part: (0, loss(*part)), 0, tuple(part[None] for part in scores))[1][0]
        return loss(*scores), mapped, scanned

    for value in (loss(*scores), *modes(*scores)):
        np.testing.assert_allclose(value, truth, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_padding_changes_nothing_and_no_negative_is_no_loss(scores, name):
    positive, negatives, weights = scores

    @jax.jit
    def value_and_gradient(positive, negatives, weights):
        total = lambda *scores: (lambda each: (each.sum(), each))(LOSSES[name](*scores, weights))  # noqa: E731
        return jax.grad(total, (0, 1), has_aux=True)(positive, negatives)

    gradients, each = value_and_gradient(*scores)
    padding = jnp.full((BATCH, 2), 1e30)
    padded = value_and_gradient(
        positive, jnp.concatenate([negatives, padding], 1), jnp.concatenate([weights, jnp.zeros((BATCH, 2))], 1)
    )
    # A small pairwise softmax is a difference of larger numbers, and has their rounding.
    rounding = 1e-6 if name.startswith("pairwise_softmax") else 0.0
    np.testing.assert_allclose(padded[1], each, rtol=1e-6, atol=rounding)
    np.testing.assert_allclose(padded[0][1][:, :NUM], gradients[1], rtol=1e-5, atol=max(rounding, 1e-7))
    assert not padded[0][1][:, NUM:].any()
    assert each[2] == 0 and gradients[0][2] == 0 and not gradients[1][2].any()
    huge = value_and_gradient(positive * 1e4, negatives * 1e4, weights)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(huge))
    nothing = value_and_gradient(positive, negatives, jnp.zeros_like(weights))
    assert not any(leaf.any() for leaf in jax.tree.leaves(nothing))


@pytest.mark.parametrize("name", LOSSES)
def test_no_weights_mean_ones(scores, name):
    positive, negatives, _ = scores
    ones = LOSSES[name](positive, negatives, jnp.ones_like(negatives))
    np.testing.assert_allclose(LOSSES[name](positive, negatives), ones, rtol=1e-6)


def test_softmax_of_everything_is_the_cross_entropy(scores):
    positive, negatives, _ = scores
    logits = jnp.concatenate([positive[:, None], negatives], axis=1)
    np.testing.assert_allclose(losses.softmax(positive, negatives), -jax.nn.log_softmax(logits)[:, 0], rtol=1e-5)


def test_pairwise_softmax_is_near_the_softmax_for_small_differences(scores):
    small = tuple(part * 1e-3 for part in scores[:2])
    of_softmax = losses.softmax(*(part / 0.05 for part in small), scores[2])
    for surrogate in ("relu", "tanh", "atan"):
        found = losses.pairwise_softmax(*small, scores[2], surrogate=surrogate)
        np.testing.assert_allclose(found, of_softmax, rtol=1e-4)


@pytest.fixture(scope="module")
def lists():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (6, 9)).astype(np.float32)
    labels[1] = 0
    mask = rng.random((6, 9)) < 0.8
    mask[2] = False
    scores = rng.normal(size=(6, 9)).astype(np.float32)
    return jnp.asarray(scores), jnp.asarray(labels), jnp.asarray(mask)


@pytest.mark.parametrize("k", [None, 3])
@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("gain", ["exponential", "binary"])
def test_lambda_weights_are_those_of_rax(lists, k, normalized, gain):
    scores, labels, mask = lists
    ours = losses.ndcg_weight(scores, labels, mask, k=k, normalized=normalized, gain=gain)
    gain_fn = (lambda label: jnp.exp2(label) - 1) if gain == "exponential" else (lambda label: 1.0 * (label > 0))
    with jax.numpy_rank_promotion("allow"):
        # rax takes its gains for the labels that it sorts by, which is the same order.
        theirs = rax.dcg_lambdaweight(scores, labels, where=mask, topn=k, normalize=normalized, gain_fn=gain_fn)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape) / scores.shape[-1], atol=1e-6, rtol=1e-6)


def test_pairwise_logistic_is_that_of_rax_and_its_gradient_the_published_one(lists):
    scores, labels, mask = lists
    loss = partial(losses.pairwise_logistic, lambda_weight=losses.ndcg_weight)
    with jax.numpy_rank_promotion("allow"):
        plain = rax.pairwise_logistic_loss(scores, labels, where=mask, reduce_fn=None).sum(axis=-1)
    np.testing.assert_allclose(losses.pairwise_logistic(scores, labels, mask), plain, rtol=1e-5)
    gradient = jax.grad(lambda scores: loss(scores, labels, mask).sum())(scores)
    weight = np.asarray(losses.ndcg_weight(scores, labels, mask), np.float64)
    expected = np.zeros(scores.shape)
    for row, i, j in np.ndindex(*weight.shape):
        if labels[row, i] > labels[row, j]:
            force = weight[row, i, j] / (1 + np.exp(float(scores[row, i] - scores[row, j])))
            expected[row, i] -= force
            expected[row, j] += force
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert jnp.isfinite(gradient).all() and not gradient[2].any()


def test_lambdarank_is_the_list_of_one_positive(scores):
    positive, negatives, _ = scores
    both = jnp.concatenate([positive[:, None], negatives], axis=1)
    labels = jnp.zeros_like(both).at[:, 0].set(1.0)
    weight = partial(losses.ndcg_weight, k=4)
    expected = losses.pairwise_logistic(both, labels, lambda_weight=weight)
    np.testing.assert_allclose(losses.lambdarank(positive, negatives, k=4), expected, rtol=1e-5)


def test_unknown_gain_is_refused(lists):
    with pytest.raises(ValueError, match="gain: 'linear' is unknown"):
        losses.ndcg_weight(*lists, gain="linear")


def test_bpr_is_smooth_where_the_scores_are_equal():
    second = jax.hessian(lambda margin: losses.bpr(jnp.reshape(margin, 1), jnp.zeros((1, 1)))[0])(0.0)
    assert second == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (losses.hinge, {"margin": -1.0}, "margin: -1.0 is"),
        (losses.cosine_contrastive, {"margin": 2.0}, "margin: 2.0 is"),
        (losses.cosine_contrastive, {"negative_weight": -1.0}, "negative_weight: -1.0 is"),
        (losses.pairwise_softmax, {"temperature": 0.0}, "temperature: 0.0 is"),
        (losses.pairwise_softmax, {"surrogate": "exp"}, "surrogate: 'exp' is unknown; pass 'relu', 'tanh' or 'atan'"),
        (losses.lambdarank, {"k": 0}, "k: 0 is"),
    ],
)
def test_numbers_of_a_loss_out_of_range(scores, loss, options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        loss(*scores, **options)
