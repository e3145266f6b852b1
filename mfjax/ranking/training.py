"""Factors trained by gradients of a ranking loss: `init`, `step`, `epoch`, and `fit` around them.

A step takes a batch of examples, each a positive pair (u, i) with negatives j of the user, and descends the objective
of `mfjax.ranking.objective`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mfjax import checks, compilation
from mfjax.ranking import sparse_updates, streams
from mfjax.ranking.objective import Lambdas, Scoring, Tables, compared, gather, gradients, scores, unit
from mfjax.ranking.sampler import Negatives
from mfjax.ranking.values import (
    Config,
    Data,
    Info,
    Order,
    State,
    check_config,
    check_data,
    check_factors,
    check_state,
    check_step,
    starts,
)
from mfjax.training import Algorithm
from mfjax.types import Array, Factors, Key


def init(key: Key, config: Config, *, num_users: int, num_items: int, factors: Factors | None = None) -> State:
    """Return a random start, factors N(0, init_scale^2 / dim) and biases 0, or a warm start from fitted `factors`.

    A warm start scores as `factors` does, but with cosine scores by the directions of their rows; it keeps their item
    biases, and what is the same for all items of a user does not rank.

    Raises:
        ValueError: for sizes below 1, a config of another kind or with numbers out of range, or factors of another
            shape or with item biases that the config has not.
    """
    checks.key("key", key)
    check_config(config)
    checks.whole("num_users", num_users, remedy="pass data.num_users")
    checks.whole("num_items", num_items, remedy="pass data.num_items")
    key_users, key_items = jax.random.split(key)
    dtype = jnp.result_type(float)
    if factors is None:
        scale = config.init_scale / jnp.sqrt(config.dim)
        # Drawn in float32 whatever the default is, so that all start alike.
        users = (scale * jax.random.normal(key_users, (num_users, config.dim), jnp.float32)).astype(dtype)
        items = (scale * jax.random.normal(key_items, (num_items, config.dim), jnp.float32)).astype(dtype)
        biases = jnp.zeros(num_items, dtype)
    else:
        check_factors(factors, config, num_users, num_items)
        # Copies, because `fit` gives the buffers of its state away.
        users, items = jnp.copy(factors.users), factors.items * jnp.asarray(config.temperature, factors.items.dtype)
        biases = jnp.zeros(num_items, items.dtype) if factors.item_biases is None else jnp.copy(factors.item_biases)
    tables = Tables(users, items, biases if config.biases else None)
    return State(tables, starts(tables, config), jnp.int32(0))


def factors(state: State, config: Config) -> Factors:
    """Return the model of a state, whose scalar products are the scores that it was trained by.

    With cosine scores its rows are those of the tables divided by their lengths; items are divided by the temperature.

    Raises:
        ValueError: for arguments of another kind, or numbers out of range.
    """
    checks.kind("state", state, State, "pass what ranking.fit or ranking.init returned")
    check_config(config)
    users, items, biases = state.tables
    if config.score == "cosine":
        users, items = unit(users), unit(items)
    return Factors(users, items / jnp.asarray(config.temperature, items.dtype), item_biases=biases)


def steps_per_epoch(data: Data, config: Config) -> int:
    """Return the number of steps in which as many examples are seen as there are positives."""
    check_data(data)
    checks.kind("config", config, Config, "pass a ranking.Config")
    return -(-data.users.shape[0] // config.batch_size)


def examples(key: Key, state: State, data: Data, config: Config) -> tuple[Array, Array, Negatives]:
    """Return users [batch], items [batch] and negatives of the next step.

    What stands at a position of an epoch depends on the key, the epoch and the position, whatever the batch size
    (negatives that come from the batch or from the scores excepted). Positions past the last have no real negatives.

    Raises:
        ValueError: as `step`.
    """
    check_step(key, state, data, config)
    num_positives, batch = data.users.shape[0], config.batch_size
    epoch, step = jnp.divmod(state.step, steps_per_epoch(data, config))
    key_positives, key_negatives = jax.random.split(jax.random.fold_in(key, epoch))
    position = step * batch + jnp.arange(batch, dtype=jnp.int32)
    inside = position < num_positives
    chosen = _ORDERS[config.order](key_positives, step, position, num_positives)
    users, items = data.users[chosen], data.items[chosen]
    words = streams.words(key_negatives, step, batch, data.sampler.width)
    negatives = data.sampler(words, users, items, partial(_score, state.tables, config))
    checks.shape("sampler: weights", negatives.weights, (batch, None), "return the weights of each example's negatives")
    return users, items, negatives._replace(weights=jnp.where(inside[:, None], negatives.weights, 0.0))


def _replaced(key: Key, step: Array, position: Array, size: int) -> Array:
    """Return which positives a step takes, drawn with replacement."""
    return streams.below(streams.words(key, step, position.shape[0])[:, 0], size)


def _permuted(key: Key, step: Array, position: Array, size: int) -> Array:
    """Return which positives a step takes, each once an epoch; past the last position anything."""
    return streams.permutation(key, jnp.where(position < size, position, 0), size)


_ORDERS: dict[Order, Callable[[Key, Array, Array, int], Array]] = {"replacement": _replaced, "permutation": _permuted}


def _score(tables: Tables, config: Config, users: Array, ids: Array) -> Array:
    rows = gather(tables, users, jnp.zeros_like(users), ids)
    return scores(compared(rows, config.score), jnp.asarray(config.temperature, tables.users.dtype))[1]


def step(key: Key, state: State, data: Data, config: Config) -> tuple[State, Info]:
    """Take one step on the next batch. The key is the same for all steps: the draws depend on it and on `state.step`.

    Raises:
        ValueError: for arguments of another kind, such as a `Ragged` for data or a seed for a key, and for a state that
            is not of this data and config; for numbers out of range, where they can be seen.

    Example:
        >>> from mfjax.histories import Ragged
        >>> from mfjax.ranking import data
        >>> positives = Ragged(jnp.array([0, 1, 2]), jnp.array([0, 1]), jnp.ones(2), num_columns=2, longest=1)
        >>> config = Config(dim=4, batch_size=2)
        >>> key_init, key_steps = jax.random.split(jax.random.key(0))
        >>> state = init(key_init, config, num_users=2, num_items=2)
        >>> state, info = jax.jit(step)(key_steps, state, data(positives), config)
        >>> int(state.step), int(info.num_examples)
        (1, 2)
    """
    users, items, negatives = examples(key, state, data, config)
    rows = gather(state.tables, users, items, negatives.ids)
    # Of the dtype of the tables, which a scan needs to stay what it is.
    of_tables = partial(jnp.asarray, dtype=state.tables.users.dtype)
    lambdas = Lambdas(*map(of_tables, (config.reg_user, config.reg_positive, config.reg_negative, config.reg_bias)))
    scoring = Scoring(config.score, of_tables(config.temperature))
    slopes, loss, auc = gradients(rows, of_tables(negatives.weights), config.loss, lambdas, scoring)
    item_ids = jnp.concatenate([items, negatives.ids.reshape(-1)])
    touched = (
        (users, slopes.user),
        (item_ids, _joined(slopes.positive, slopes.negative)),
        (item_ids, _joined(slopes.positive_bias, slopes.negative_bias)),
    )
    rate = of_tables(config.learning_rate)
    moved = [_descend(*each, config, rate) for each in zip(state.tables, state.optimizer, touched, strict=True)]
    tables, optimizer = Tables(*(table for table, _ in moved)), tuple(optimizer for _, optimizer in moved)
    active = jnp.any(negatives.weights > 0, axis=1)
    # One sum of all, for a sum costs a step more than what it adds up.
    loss, auc, rejected, num_examples = jnp.sum(jnp.stack([loss, auc, negatives.rejected, active]), axis=1)
    num_left = data.users.shape[0] - state.step % steps_per_epoch(data, config) * config.batch_size
    return State(tables, optimizer, state.step + 1), Info(
        loss=loss / jnp.maximum(num_examples, 1),
        auc=auc / jnp.maximum(num_examples, 1),
        rejected=rejected / config.batch_size,
        num_examples=num_examples.astype(jnp.int32),
        num_skipped=jnp.minimum(num_left, config.batch_size) - num_examples.astype(jnp.int32),
    )


def _joined(positive: Array | None, negative: Array | None) -> Array | None:
    """Return the gradients of the items of a batch, positives then negatives."""
    if positive is None or negative is None:
        return None
    return jnp.concatenate([positive, negative.reshape(-1, *positive.shape[1:])])


def _descend(
    table: Array | None, optimizer: Any, touched: tuple[Array, Any], config: Config, rate: Array
) -> tuple[Any, Any]:
    """Return a table and its optimiser state after a step on the rows it was touched in."""
    if table is None:
        return None, None
    if config.optimizer is None:
        return sparse_updates.plain(table, *touched, rate), None
    update = sparse_updates.dense if config.dense_updates else sparse_updates.sparse
    return update(config.optimizer, table, optimizer, *touched, rate)


def epoch(key: Key, state: State, data: Data, config: Config) -> tuple[State, Info]:
    """Take the steps of one epoch, as many examples as there are positives, and return their mean info.

    Raises:
        ValueError: as `step`.
    """
    check_step(key, state, data, config)
    state, info = jax.lax.scan(
        lambda state, _: step(key, state, data, config), state, length=steps_per_epoch(data, config)
    )
    share = info.num_examples / jnp.maximum(jnp.sum(info.num_examples), 1)
    return state, Info(
        loss=jnp.sum(share * info.loss),
        auc=jnp.sum(share * info.auc),
        rejected=jnp.sum(share * info.rejected),
        num_examples=jnp.sum(info.num_examples, dtype=jnp.int32),
        num_skipped=jnp.sum(info.num_skipped, dtype=jnp.int32),
    )


def algorithm(data: Data, config: Config, *, factors: Factors | None = None) -> Algorithm:
    """Return training by epochs as an algorithm, for the transforms of `mfjax.training.transforms`.

    Raises:
        ValueError: as `init`.
    """
    check_data(data)
    check_config(config)
    if factors is not None:
        check_factors(factors, config, data.num_users, data.num_items)
    return Algorithm(
        init=partial(init, config=config, num_users=data.num_users, num_items=data.num_items, factors=factors),
        step=partial(epoch, data=data, config=config),
    )


def fit(
    key: Key,
    data: Data,
    config: Config,
    *,
    num_epochs: int = 50,
    factors: Factors | None = None,
    state: State | None = None,
    on_epoch: Callable[[State, Info], None] | None = None,
) -> State:
    """Return the state after `num_epochs` compiled epochs.

    Args:
        key: draws the start and all examples.
        data: positives and sampler, from `ranking.data`.
        config: how to train; another value of its numbers does not compile again.
        num_epochs: epochs to take.
        factors: a model to start from, such as one fitted by least squares, instead of a random start.
        state: where to go on from; with the same key this goes on exactly as one longer run.
        on_epoch: called on the host after every epoch. The state it sees lives until it returns: the next epoch
            reuses its memory, so copy what is to be kept.

    Raises:
        ValueError: as `init` and `step`, for a negative number of epochs, for both factors and a state, or when
            training diverged.

    Example:
        >>> from mfjax.histories import Ragged
        >>> from mfjax.ranking import data
        >>> positives = Ragged(jnp.array([0, 1, 2]), jnp.array([0, 1]), jnp.ones(2), num_columns=2, longest=1)
        >>> state = fit(jax.random.key(0), data(positives), Config(dim=4, batch_size=2), num_epochs=30)
        >>> model = factors(state, Config(dim=4, batch_size=2))
        >>> (model.users @ model.items.T > 0).tolist()
        [[True, False], [False, True]]
    """
    checks.key("key", key)
    check_data(data)
    check_config(config)
    checks.whole("num_epochs", num_epochs, least=0, remedy="pass the number of epochs to take")
    if on_epoch is not None:
        checks.function("on_epoch", on_epoch, "pass a function of a state and an info")
    if state is not None:
        if factors is not None:
            raise ValueError("factors: a state is passed too, which has factors of its own; pass one of the two")
        check_state(state, data, config)
    key_init, key_examples = jax.random.split(key)
    if state is None:
        now = init(key_init, config, num_users=data.num_users, num_items=data.num_items, factors=factors)
    else:
        now = jax.tree.map(jnp.copy, state)
    info = None
    for _ in range(num_epochs):
        now, info = _compiled_epoch(key_examples, now, data, config)
        if on_epoch is not None:
            on_epoch(now, info)
    # Inside a program of the caller's own the loss can not be seen.
    loss = None if info is None else checks.seen(info.loss)
    if loss is not None and not np.isfinite(loss):
        raise ValueError(f"learning_rate: {config.learning_rate} made the loss {loss}; lower it, or raise the regs")
    return now


# The state's memory is given to the result, so that tables of any size are updated in place.
_compiled_epoch = compilation.jit(epoch, donate_argnames="state")
