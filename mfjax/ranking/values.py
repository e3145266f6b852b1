"""The values of training by ranking losses, and what they must be: Config, Data, State, Info."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax

from mfjax import checks
from mfjax.histories import Ragged, agreement
from mfjax.ranking import losses, sampling, sparse_updates
from mfjax.ranking.complement import check_lists
from mfjax.ranking.losses import Loss
from mfjax.ranking.objective import SCORES, Score, Tables
from mfjax.ranking.sampler import Sampler, check_sampler
from mfjax.types import Array, Factors, Key

Order = Literal["replacement", "permutation"]

ORDERS: tuple[Order, ...] = get_args(Order)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    """How a model is trained. Numbers are traced data; what changes shapes or code is static.

    Attributes:
        learning_rate: step size of one example; scales the updates of `optimizer` when there is one.
        reg_user, reg_positive, reg_negative, reg_bias: the lambdas of the objective.
        init_scale: the initial factors are N(0, init_scale^2 / dim).
        temperature: tau, by which scalar products are divided; such as .1 for cosine scores.
        score: "dot" scores by the scalar product of two rows, "cosine" by that of the rows divided by their lengths
            (static).
        loss: from `mfjax.ranking.losses`, or any function of that signature (static).
        optimizer: an Optax transformation of unit learning rate, such as `optax.adam(1.0)`; None for plain stochastic
            gradient descent (static).
        dense_updates: whether the optimiser steps on whole tables, for small ones, instead of touched rows (static).
        order: "replacement" draws positives with replacement, "permutation" takes each once an epoch (static).
        dim: the number of factors (static).
        batch_size: examples a step (static).
        biases: whether items have biases (static).

    Raises:
        ValueError: for a static field of another kind or range. Numbers are looked at where they are used, by `init`,
            `step`, `epoch` and `fit`: finite and at least 0, the temperature above 0.
    """

    learning_rate: float | Array = 0.05
    reg_user: float | Array = 0.01
    reg_positive: float | Array = 0.01
    reg_negative: float | Array = 0.01
    reg_bias: float | Array = 0.01
    init_scale: float | Array = 0.1
    temperature: float | Array = 1.0
    score: Score = field(default="dot", metadata={"static": True})
    loss: Loss = field(default=losses.bpr, metadata={"static": True})
    optimizer: optax.GradientTransformation | None = field(default=None, metadata={"static": True})
    dense_updates: bool = field(default=False, metadata={"static": True})
    order: Order = field(default="replacement", metadata={"static": True})
    dim: int = field(default=64, metadata={"static": True})
    batch_size: int = field(default=4096, metadata={"static": True})
    biases: bool = field(default=True, metadata={"static": True})

    def __post_init__(self) -> None:
        checks.function("loss", self.loss, "pass such as losses.bpr")
        if type(self.loss).__hash__ is None:
            raise ValueError(
                f"loss: a {type(self.loss).__name__} cannot be hashed, as a static field must; pass a function"
            )
        kinds = (optax.GradientTransformation, type(None))
        checks.kind("optimizer", self.optimizer, kinds, "pass such as optax.adam(1.0), or None")
        checks.choice("order", self.order, ORDERS)
        checks.choice("score", self.score, SCORES)
        checks.whole("dim", self.dim, remedy="pass the number of factors")
        checks.whole("batch_size", self.batch_size, remedy="pass the number of examples a step")
        for name in ("dense_updates", "biases"):
            checks.kind(name, getattr(self, name), bool, "pass True or False")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Data:
    """What a model is trained on.

    Attributes:
        users, items: int32 [n], the positive pairs.
        sampler: gives the negatives.
        num_users, num_items: sizes of the tables (static).
    """

    users: Array
    items: Array
    sampler: Sampler
    num_users: int = field(metadata={"static": True})
    num_items: int = field(metadata={"static": True})


class State(NamedTuple):
    """The state between two steps: what is learned, and the state of the optimiser.

    Attributes:
        tables: what is learned.
        optimizer: the optimiser's state for each of the tables, None where there is no optimiser or no table.
        step: int32 scalar, the number of steps taken.
    """

    tables: Tables
    optimizer: tuple[Any, Any, Any]
    step: Array


class Info(NamedTuple):
    """Diagnostics of a step, or their means over an epoch.

    Attributes:
        loss: float32 scalar, mean loss of an example, without regularisation; NaN or infinite when training diverged.
        auc: float32 scalar, share of the sampled pairs with s_ui > s_uj, equal scores counting one half.
        rejected: float32 scalar, share of the draws that exact sampling kept from being false negatives.
        num_examples: int32 scalar, examples that were trained on; the sum over an epoch.
        num_skipped: int32 scalar, examples without a negative (users who have seen every item); their sum an epoch.
    """

    loss: Array
    auc: Array
    rejected: Array
    num_examples: Array
    num_skipped: Array


_NUMBERS = ("learning_rate", "reg_user", "reg_positive", "reg_negative", "reg_bias", "init_scale")


def check_config(config: Config) -> None:
    """Raise ValueError unless `config` is one, and its numbers, where they can be seen, are finite and at least 0."""
    checks.kind("config", config, Config, "pass a ranking.Config")
    for name in _NUMBERS:
        checks.number(name, getattr(config, name), least=0, remedy="pass 0 to switch it off")
        checks.shape(name, getattr(config, name), (), "pass one number, or vmap over several")
    checks.number("temperature", config.temperature, above=0, remedy="pass 1 to leave products as they are")
    checks.shape("temperature", config.temperature, (), "pass one number, or vmap over several")


def check_data(data: Data) -> None:
    """Raise ValueError for anything but `Data`."""
    checks.kind("data", data, Data, "pass ranking.data(histories.ragged(interactions))")


def check_likes(name: str, lists: Ragged) -> None:
    """Raise ValueError unless `lists` is a `Ragged` of values above 0, as far as they can be seen, without weights."""
    check_lists(name, lists)
    agreement.no_weights(name, lists)
    offsets, values = checks.seen(lists.offsets), checks.seen(lists.values)
    if offsets is None or values is None or (values[: offsets[-1]] > 0).all():
        return
    bad = values[: offsets[-1]]
    bad = bad[~(bad > 0)][0]
    what = "negative" if bad < 0 else "zero" if bad == 0 else "not a number"
    remedy = "pass interactions.select(interactions.values > 0)"
    raise ValueError(f"{name}: a value of {bad} is {what}; {remedy}")


def check_factors(factors: Factors, config: Config, num_users: int, num_items: int) -> None:
    """Raise ValueError unless a warm start from `factors` fits the config and the sizes."""
    checks.kind("factors", factors, Factors, "pass the Factors of a fit, such as als.factors(state, config)")
    remedy = "fit them on the same ids and dim"
    checks.floats("factors.users", factors.users, (num_users, config.dim), remedy)
    checks.floats("factors.items", factors.items, (num_items, config.dim), remedy)
    if factors.item_biases is not None:
        checks.floats("factors.item_biases", factors.item_biases, (num_items,), remedy)
        if not config.biases:
            raise ValueError(
                "factors: they have item biases, which biases=False leaves out; "
                "pass biases=True, or factors._replace(item_biases=None)"
            )


def starts(tables: Tables, config: Config) -> tuple[Any, Any, Any]:
    """Return the optimiser's state of each table, before the first step."""
    return (_start(tables.users, config), _start(tables.items, config), _start(tables.item_biases, config))


def _start(table: Array | None, config: Config) -> Any:
    return None if table is None or config.optimizer is None else config.optimizer.init(table)


def check_state(state: State, data: Data, config: Config) -> None:
    """Raise ValueError unless the state is one of this data and config."""
    checks.kind("state", state, State, "pass what ranking.fit or ranking.init returned")
    remedy = "pass a state of the same data and config, or none to start anew"
    tables = state.tables
    checks.kind("state.tables", tables, Tables, remedy)
    checks.floats("state: users", tables.users, (data.num_users, config.dim), remedy)
    checks.floats("state: items", tables.items, (data.num_items, config.dim), remedy)
    if (tables.item_biases is not None) != config.biases:
        held = "no item biases" if tables.item_biases is None else "item biases"
        raise ValueError(f"state: it has {held}, where the config has biases={config.biases}; {remedy}")
    if tables.item_biases is not None:
        checks.floats("state: item_biases", tables.item_biases, (data.num_items,), remedy)
    checks.count("state: step", state.step)
    checks.shape("state: step", state.step, (), remedy)
    wanted = jax.eval_shape(partial(starts, config=config), tables)
    if not sparse_updates.same_shapes(wanted, state.optimizer):
        raise ValueError(f"state: its optimizer's state is not that of the config's optimizer; {remedy}")


def check_step(key: Key, state: State, data: Data, config: Config) -> None:
    """Raise ValueError unless these are the arguments of a step."""
    checks.key("key", key)
    check_data(data)
    check_config(config)
    check_state(state, data, config)


def data(positives: Ragged, sampler: Sampler | None = None) -> Data:
    """Return the training data of positive pairs (row = user id), with uniform negatives unless told otherwise.

    Every pair is a like, however large its value. So values of 0 and below, which mean anything but a like, are
    refused; a sampler may be told of such pairs, so that they are no negatives either.

    Args:
        positives: the pairs, all of a value above 0.
        sampler: gives the negatives, made for the same users and items; None for `sampling.uniform(positives)`.

    Raises:
        ValueError: when there are no pairs, for a value that is 0, negative or NaN, for weights, which the losses do
            not know, for positives or a sampler of another kind or size, and while a program is traced, where the
            number of pairs can not be seen.

    Example:
        >>> disliked = Ragged(jnp.array([0, 2]), jnp.array([0, 1]), jnp.array([1.0, -1.0]), num_columns=2, longest=2)
        >>> data(disliked)
        Traceback (most recent call last):
        ...
        ValueError: positives: a value of -1.0 is negative; pass interactions.select(interactions.values > 0)
    """
    check_likes("positives", positives)
    sizes = positives.num_rows, positives.num_columns
    if sampler is not None:
        check_sampler(sampler, sizes)
    offsets = checks.seen(positives.offsets)
    if offsets is None:
        raise ValueError("positives: they are traced, so that they can not be counted; call ranking.data outside jit")
    num_pairs = int(offsets[-1])
    if num_pairs == 0:
        raise ValueError("positives: there are no pairs; check the filter or split that made them")
    users = jnp.repeat(
        jnp.arange(positives.num_rows, dtype=jnp.int32), positives.lengths(), total_repeat_length=num_pairs
    )
    sampler = sampling.uniform(positives) if sampler is None else sampler
    return Data(users, positives.ids, sampler, *sizes)
