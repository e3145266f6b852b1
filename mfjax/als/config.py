r"""What an ALS model is, and what its numbers mean for the rows of either side.

.. math:: \lambda_u = \lambda \, (n_u + w_0 \textstyle\sum_i p_i)^\nu
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.als import objectives
from mfjax.als.objective import Objective, check_fits
from mfjax.histories import By, Side
from mfjax.types import Array

NUM_BIAS_COORDINATES = 2
"""Columns that biases take at the front of a table: the own bias, and a 1 for the other side's."""

Solver = Literal["conjugate_gradient", "cholesky"]

SOLVERS: tuple[Solver, ...] = get_args(Solver)

GatheredDtype = Literal["float32", "bfloat16"]

GATHERED_DTYPES: tuple[GatheredDtype, ...] = get_args(GatheredDtype)

Derivative = Literal["steps", "solution"]

DERIVATIVES: tuple[Derivative, ...] = get_args(Derivative)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Config:
    """What an ALS model minimises, and how. Numbers are traced data; what changes shapes or code is static.

    Attributes:
        objective: the quadratic to minimise, from `mfjax.als.objectives`.
        reg: lambda.
        reg_exponent: nu; 0 regularises every row alike, 1 in proportion to its entries (ALS-WR, iALS).
        bias_reg: lambda of the biases; only used with `biases`.
        feature_reg: mu, what holds the map of features to 0, as `als.features` has it; only used with features.
        relaxation: omega in (0, 2), see `als.step`; 1 is plain alternating least squares.
        init_scale: the initial factors are N(0, init_scale^2 / dim).
        dim: the number of factors (static).
        biases: whether rows have biases (static).
        solver: "conjugate_gradient" or "cholesky" (static).
        cg_steps: steps of conjugate gradient a half-step (static). Two do the work of an exact solve where every row
            shares a background and is regularised; explicit ratings with weak regularisation need more, see
            `als.Info.residual`.
        cg_tolerance: see `conjugate_gradient.conjugate_gradient` (static).
        gathered_dtype: dtype in which chunks read the other side's factors: "float32", or "bfloat16", which moves half
            the bytes, is rounded to 8 bits, and pays where memory is what limits; solves are in float32 all the same
            (static).
        derivative: what `jax.grad` gives of a half-step by conjugate gradient: "steps", the derivative of the steps
            that were taken, or "solution", that of an exact solve (static).

    Raises:
        ValueError: for static fields that are unknown or out of range; numbers are looked at where they are used.
    """

    objective: Objective = field(default_factory=objectives.ials)
    reg: float | Array = 0.003
    reg_exponent: float | Array = 1.0
    bias_reg: float | Array = 0.003
    feature_reg: float | Array = 1.0
    relaxation: float | Array = 1.0
    init_scale: float | Array = 0.1
    dim: int = field(default=64, metadata={"static": True})
    biases: bool = field(default=False, metadata={"static": True})
    solver: Solver = field(default="conjugate_gradient", metadata={"static": True})
    cg_steps: int = field(default=2, metadata={"static": True})
    cg_tolerance: float | None = field(default=None, metadata={"static": True})
    gathered_dtype: GatheredDtype = field(default="float32", metadata={"static": True})
    derivative: Derivative = field(default="steps", metadata={"static": True})

    def __post_init__(self) -> None:
        checks.whole("dim", self.dim, remedy="pass the number of factors")
        checks.choice("biases", self.biases, (False, True))
        checks.choice("solver", self.solver, SOLVERS)
        checks.whole("cg_steps", self.cg_steps, remedy="pass 1 or more, or solver='cholesky'")
        if self.cg_tolerance is not None:
            checks.number("cg_tolerance", self.cg_tolerance, above=0, below=1, remedy="pass None for all steps")
        checks.choice("gathered_dtype", self.gathered_dtype, GATHERED_DTYPES)
        checks.choice("derivative", self.derivative, DERIVATIVES)

    @property
    def width(self) -> int:
        """The number of columns of the tables: dim, or dim + 2 with biases."""
        return self.dim + NUM_BIAS_COORDINATES * self.biases


def check(config: Config, dtype: jnp.dtype | type = float) -> None:
    """Raise ValueError for what is no config, or for numbers that can be seen to be out of range.

    Args:
        config: to look at.
        dtype: of the tables, in which the numbers must be finite; JAX's default, unless it is known.

    Example:
        >>> check(Config(reg=1e300))
        Traceback (most recent call last):
        ...
        ValueError: reg: 1e+300 is infinite in float32; pass a smaller number
    """
    checks.kind("config", config, Config, "pass an als.Config")
    objective = config.objective
    checks.kind("objective", objective, Objective, "pass such as objectives.implicit(alpha=40.0)")
    checks.function("entry", objective.entry, "pass a function (values, item_counts) -> objectives.Entry")
    off, dtype = "pass 0 to switch it off", jnp.result_type(dtype)
    _check_number("reg", config.reg, dtype, off, least=0)
    _check_number("bias_reg", config.bias_reg, dtype, off, least=0)
    _check_number("feature_reg", config.feature_reg, dtype, "pass such as 1.0", least=0)
    _check_number("init_scale", config.init_scale, jnp.dtype(jnp.float32), "pass such as 0.1", least=0)
    _check_number("reg_exponent", config.reg_exponent, dtype, "pass 0 to regularise all rows alike")
    _check_number("unobserved_weight", objective.unobserved_weight, dtype, off, least=0)
    _check_number("popularity_exponent", objective.popularity_exponent, dtype, off)
    _check_number("offset", objective.offset, dtype, off)
    remedy = "steps converge between 0 and 2; pass 1 for plain ALS"
    _check_number("relaxation", config.relaxation, dtype, remedy, above=0, below=2)


def _check_number(name: str, value: Any, dtype: jnp.dtype, remedy: str, **bounds: float) -> None:
    checks.number(name, value, remedy=remedy, **bounds)
    checks.shape(name, value, (), "pass one number; jax.vmap over configs takes many")
    check_fits(name, value, dtype)


def table_of(name: str, value: Any, shape: tuple[int | None, int], remedy: str) -> Array:
    """Return a table of factors as an array of JAX.

    Raises:
        ValueError: for what is no array of numpy or JAX, of another shape, or neither float32 nor float64.
    """
    found = checks.floats(name, value, shape, remedy)
    if found.dtype not in (jnp.float32, jnp.float64):
        raise ValueError(f"{name}: has the dtype {found.dtype}; factors are float32, or float64 under jax_enable_x64")
    return found


class Role(NamedTuple):
    """What distinguishes solving users from solving items.

    Attributes:
        row_weights, column_weights: float [num_rows], [num_columns], the background weight p of either side.
        strength: float [num_rows], the factor of lambda.
        reg: float [width], lambda of every coordinate.
        free: float [width], 0 for the coordinate that is held at 1.
    """

    row_weights: Array
    column_weights: Array
    strength: Array
    reg: Array
    free: Array


def role_of(side: Side, config: Config, by: By, dtype: jnp.dtype | type = jnp.float32) -> Role:
    """Return the role of the side `by` in numbers of `dtype`, the tables'.

    Raises:
        ValueError: for another name of a side, and as `check`.
    """
    checks.choice("by", by, get_args(By))
    check(config, dtype)
    counts, column_counts = side.counts.astype(dtype), side.column_counts.astype(dtype)
    row_weights, column_weights = jnp.ones_like(counts), jnp.ones_like(column_counts)
    if by == "user":
        column_weights = config.objective.item_weights(column_counts).astype(dtype)
    else:
        row_weights = config.objective.item_weights(counts).astype(dtype)
    strength = regularization(counts, row_weights * jnp.sum(column_weights), config).astype(dtype)
    reg, free = jnp.broadcast_to(jnp.asarray(config.reg, dtype), config.dim), jnp.ones(config.dim, dtype)
    if config.biases:
        own, held = (0, 1) if by == "user" else (1, 0)
        bias_reg = jnp.asarray(config.bias_reg, dtype)
        reg = jnp.concatenate([jnp.zeros(NUM_BIAS_COORDINATES, dtype).at[own].set(bias_reg), reg])
        free = jnp.concatenate([jnp.ones(NUM_BIAS_COORDINATES, dtype).at[held].set(0.0), free])
    return Role(row_weights, column_weights, strength, reg, free)


def regularization(counts: Array, background: Array, config: Config) -> Array:
    """Return (n + w0 background)^nu for every row, the factor of `reg`; 0^0 is 1, and 0 to any other power is 0."""
    base = counts + config.objective.unobserved_weight * background
    power = jnp.where(base > 0, base, 1.0) ** config.reg_exponent
    return jnp.where(base > 0, power, jnp.where(jnp.equal(config.reg_exponent, 0.0), 1.0, 0.0))
