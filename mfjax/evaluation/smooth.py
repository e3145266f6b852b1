"""Differentiable ranking metrics, for derivatives with respect to a model or to its hyperparameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mfjax import checks, recommend
from mfjax.evaluation.evaluation_set import EvaluationSet
from mfjax.histories import agreement
from mfjax.types import Array, Factors, Scorer


def ndcg(model: Factors | Scorer, held_out: EvaluationSet, *, sharpness: float = 10.0) -> Array:
    r"""Return NDCG over the whole catalogue with soft ranks, the mean over users: higher is better.

    .. math::
        \tilde r_{ui} = 1 + \sum_{j \ne i} \sigma\Big(\frac{\beta}{\sigma_u} (s_{uj} - s_{ui})\Big), \qquad
        \frac{1}{|U|} \sum_u
        \frac{\sum_{i \in R_u} 1 / \log_2(1 + \tilde r_{ui})}{\sum_{k=1}^{|R_u|} 1 / \log_2(1 + k)}

    over the items j that can be recommended; sigma_u is the standard deviation of their scores, so the value does not
    depend on the scale of the scores, as long as sigma_u is well above 1e-6. A target that can not be recommended is a
    miss, as in `evaluate`.

    Args:
        model: factors or scorer.
        held_out: users, targets, what is excluded.
        sharpness: beta > 0; larger is closer to NDCG, and flatter between its jumps.

    Returns:
        float scalar in [0, 1].

    Raises:
        ValueError: for a model and an evaluation set of different users or items, and a sharpness that is not positive.

    Example:
        >>> import numpy as np
        >>> from mfjax import evaluation, histories
        >>> from mfjax.types import Interactions
        >>> tests = Interactions(np.array([0]), np.array([1]), np.ones(1, np.float32), 1, 3)
        >>> held_out = evaluation.evaluation_set(histories.ragged(tests))
        >>> model = Factors(users=jnp.ones((1, 1)), items=jnp.array([[3.0], [2.0], [1.0]]))
        >>> print(f"{ndcg(model, held_out, sharpness=100.0):.4f}")
        0.6309

    Source: Qin, Liu & Li 2010, A general approximation framework for direct optimization of information retrieval
    measures, eq. 7, whose scores are not divided by sigma_u.
    """
    checks.kind("held_out", held_out, EvaluationSet, "pass what evaluation.evaluation_set makes of the targets")
    checks.number("sharpness", sharpness, above=0)
    checks.shape("sharpness", sharpness, (), "pass one number")
    scorer = recommend.scorer(model)
    sizes = agreement.num_users(scorer), agreement.num_items(scorer)
    agreement.lists("targets", held_out.targets, *sizes, "the model has")

    def of_block(block: tuple[Array, Array]) -> Array:
        users, real = block  # [batch]
        scores = recommend.masked_scores(scorer, users, held_out.exclude, held_out.candidates)
        open_items = scores > -jnp.inf  # [batch, num_items]
        scores = jnp.where(open_items, scores, 0.0)
        count = jnp.maximum(jnp.sum(open_items, axis=1, keepdims=True), 1)  # [batch, 1]
        centred = jnp.where(open_items, scores - jnp.sum(scores, axis=1, keepdims=True) / count, 0.0)
        deviation = jnp.sqrt(jnp.sum(centred**2, axis=1, keepdims=True) / count + 1e-12)
        scaled = sharpness * centred / deviation  # [batch, num_items]
        ids, _, mask = held_out.targets.rows(users)  # [batch, R]

        def gain(column: tuple[Array, Array]) -> Array:
            target, is_real = column  # [batch]
            row = jnp.arange(users.shape[0])
            above = jax.nn.sigmoid(scaled - scaled[row, target][:, None])
            rank = 0.5 + jnp.sum(jnp.where(open_items, above, 0.0), axis=1)  # sigmoid(0) = 1/2 is the item itself
            return jnp.where(is_real & open_items[row, target], 1.0 / jnp.log2(1.0 + rank), 0.0)

        # Checkpoints: the scores of one block and the comparisons with one target are in memory at a time.
        gains = jnp.sum(jax.lax.map(jax.checkpoint(gain), (ids.T, mask.T)), axis=0)  # [R, batch] -> [batch]
        places = jnp.arange(1, ids.shape[1] + 1)
        ideal = jnp.sum(jnp.where(mask, 1.0 / jnp.log2(1.0 + places)[None, :], 0.0), axis=1)  # [batch]
        return jnp.sum(jnp.where(real, gains / jnp.maximum(ideal, 1e-12), 0.0))

    total = jnp.sum(jax.lax.map(jax.checkpoint(of_block), (held_out.blocks.users, held_out.blocks.mask)))
    return total / jnp.sum(held_out.blocks.mask)
