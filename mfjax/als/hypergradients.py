r"""Derivatives of a validation loss with respect to hyperparameters: through the steps, or at their fixed point.

A step maps a state to the next under hyperparameters h; after it has been repeated,

.. math:: \frac{dW}{dh} = \frac{\partial W}{\partial h} + \frac{\partial W}{\partial \theta} \frac{d\theta}{dh}

`unrolled` gives d theta / dh of the very steps that were taken. `fixed_point` gives that of the point that they lead
to, without the path: its memory does not grow with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from mfjax import checks
from mfjax.als import steps
from mfjax.als.config import Config
from mfjax.histories import Histories
from mfjax.types import Array, Factors

Step = Callable[[Any, Any, Any], Any]
"""(state, hyper, data) -> state; differentiable in state and hyper, whose leaves are floats."""


def unrolled(step: Step, state: Any, hyper: Any, data: Any, *, num_steps: int) -> Any:
    """Return the state after `num_steps` steps; forward and reverse derivatives pass through every one.

    Reverse mode keeps the states and takes each step again on the way back: about 4 forward runs in all, memory of
    `num_steps` states. Forward mode (`jax.jvp`, `jax.jacfwd`) costs about one forward run a hyperparameter, and the
    memory of one step.

    Raises:
        ValueError: for a step that is no function, or a number of steps that is not whole.

    Example:
        >>> step = lambda state, hyper, data: 0.5 * state + hyper
        >>> jax.grad(lambda hyper: unrolled(step, 0.0, hyper, None, num_steps=3))(1.0)
        Array(1.75, dtype=float32, weak_type=True)
    """
    _check(step, num_steps)
    kept = jax.checkpoint(lambda state: step(state, hyper, data))
    return jax.lax.scan(lambda state, _: (kept(state), None), state, length=num_steps)[0]


@partial(jax.custom_vjp, nondiff_argnums=(0, 4))
def fixed_point(step: Step, state: Any, hyper: Any, data: Any, num_steps: int) -> Any:
    r"""Return the state after `num_steps` steps; its reverse derivative is that of the fixed point it has come to.

    .. math::
        \theta^* = T(\theta^*, h) \implies
        \Big(\frac{d\theta^*}{dh}\Big)^{\!\top} g = \Big(\frac{\partial T}{\partial h}\Big)^{\!\top} \lambda, \qquad
        \Big(I - \frac{\partial T}{\partial \theta}\Big)^{\!\top} \lambda = g

    lambda is found by GMRES, one transposed step a product, to a relative residual of eps^0.6. The state counts as
    arrived: take steps enough. The step must be differentiated as the map that it is: the steps of an iterative solver
    are not, which start from the answer and have nothing left to do. A loss that is the same for every rotation of the
    factors (any that sees scores alone) makes the system consistent, though I - dT/dtheta is singular along rotations.
    The derivatives with respect to `state` and `data` are 0.

    Args:
        step: (state, hyper, data) -> state, every leaf of the state a float.
        state: the start.
        hyper: pytree of floats.
        data: what else the step reads.
        num_steps: steps taken.

    Raises:
        ValueError: for a step that is no function, or a number of steps that is not whole.

    Example:
        >>> step = lambda state, hyper, data: 0.5 * state + hyper
        >>> print(jax.grad(lambda hyper: fixed_point(step, jnp.float32(0), hyper, None, 50))(jnp.float32(1)))
        2.0

    Source: Lorraine, Vicol & Duvenaud 2020, Optimizing millions of hyperparameters by implicit differentiation, eq. 3.
    """
    _check(step, num_steps)
    return jax.lax.fori_loop(0, num_steps, lambda _, state: step(state, hyper, data), state)


def _forward(step, state, hyper, data, num_steps):
    found = fixed_point(step, state, hyper, data, num_steps)
    return found, (found, hyper, data)


def _backward(step, num_steps, kept, cotangent):
    found, hyper, data = kept
    _, transposed = jax.vjp(lambda state, hyper: step(state, hyper, data), found, hyper)

    def residual(multiplier: Any) -> Any:
        return jax.tree.map(jnp.subtract, multiplier, transposed(multiplier)[0])

    tolerance = min(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(cotangent)) ** 0.6
    multiplier, _ = jax.scipy.sparse.linalg.gmres(
        residual, cotangent, tol=tolerance, maxiter=100, restart=20, solve_method="incremental"
    )
    zeros = jax.tree.map(jnp.zeros_like, found)
    return zeros, transposed(multiplier)[1], None


fixed_point.defvjp(_forward, _backward)


def _check(step: Step, num_steps: int) -> None:
    checks.function("step", step, "pass a function of a state, hyperparameters and data")
    checks.whole("num_steps", num_steps, least=0, remedy="pass the number of steps to take")


THROUGH = ("steps", "fixed_point")


def factors(
    start: steps.State,
    hyper: Any,
    data: Histories,
    *,
    config_of: Callable[[Any], Config],
    num_steps: int,
    through: Literal["steps", "fixed_point"] = "steps",
) -> Factors:
    """Return the factors of ALS as a differentiable function of hyperparameters.

    Args:
        start: from `als.init`.
        hyper: pytree of floats, such as {"log_reg": ..., "log_alpha": ...}.
        data: histories.
        config_of: hyper -> config.
        num_steps: steps taken.
        through: "steps" for `unrolled`, through half-steps whose derivative is what the config says: by default that of
            the very steps that conjugate gradient took. "fixed_point" for `fixed_point`, where a half-step is
            differentiated as an exact solve, whatever the config says; so let it be one, by Cholesky or by enough
            steps of conjugate gradient (on MovieLens-100K, 8 give the derivatives to 1 %, in a third of the time).

    Raises:
        ValueError: for another name or number of steps, arguments of another kind, or a start that does not fit.

    Example:
        >>> import numpy as np
        >>> from mfjax import als, histories
        >>> from mfjax.types import Interactions
        >>> pairs = Interactions(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones(3, np.float32), 2, 2)
        >>> data = histories.build(pairs)
        >>> start = als.init(jax.random.key(0), als.Config(dim=2), num_users=2, num_items=2)
        >>> def squares(log_reg):
        ...     config_of = lambda log_reg: als.Config(reg=jnp.exp(log_reg), dim=2)
        ...     model = als.hypergradients.factors(start, log_reg, data, config_of=config_of, num_steps=5)
        ...     return jnp.sum((model.users @ model.items.T) ** 2)
        >>> bool(jax.jit(jax.grad(squares))(jnp.log(0.01)) < 0)
        True
    """
    checks.choice("through", through, THROUGH)
    checks.whole("num_steps", num_steps, least=0, remedy="pass the number of steps to take")
    checks.kind("start", start, steps.State, "pass what als.init returns")
    checks.function("config_of", config_of, "pass a function of the hyperparameters that returns an als.Config")

    def step(state: steps.State, hyper: Any, data: Histories) -> steps.State:
        config = config_of(hyper)
        checks.kind("config_of", config, Config, "let it return an als.Config")
        # At the fixed point nothing is left for conjugate gradient to do, so that its steps have no derivative.
        if through == "fixed_point":
            config = replace(config, derivative="solution")
        return steps.step(state, data, config, measured=False)[0]

    def plain_step(tables: tuple[Array, Array], hyper: Any, data: Histories) -> tuple[Array, Array]:
        # At step 0 there is no relaxation, which has the same fixed point and would only depend on the way to it.
        after = step(steps.State(*tables, jnp.int32(0)), hyper, data)
        return after.users, after.items

    if through == "steps":
        state = unrolled(step, start, hyper, data, num_steps=num_steps)
    else:
        users, items = fixed_point(plain_step, (start.users, start.items), hyper, data, num_steps)
        state = steps.State(users, items, start.step + num_steps)
    return steps.factors(state, config_of(hyper))
