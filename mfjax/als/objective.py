r"""An objective: what an entry's value, its item's count and its weight make of the three numbers of the quadratic.

Where interactions have weights w, the value r says what is liked or disliked, and w how sure it is:

.. math:: \text{an observed pair's squared error counts } w_{ui} \text{ times what it does without weights,}

and in `implicit`, whose confidence is made from a size already, that size is w:

=====================  =================================================================================
objective              what an observed pair adds to the loss
=====================  =================================================================================
`explicit`             w (r - s)^2
`popularity_weighted`  w w_i (r - s)^2
`ials`                 w ([r > 0] - s)^2, beside the background's w0 p_i s^2, which is every pair's
`zeros_observed`       w (r - s)^2, in place of the s^2 of a pair that is not
`implicit`             conf(w) ([r > 0] - s)^2, such as conf = 1 + alpha w, in place of the same s^2
=====================  =================================================================================

A pair of weight 0 is as one that was not seen; in `zeros_observed` and with the confidence "value" it counts for
nothing at all. n_u of `als.regularization` and c_i count entries, whatever their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from mfjax import checks
from mfjax.types import Array


class Entry(NamedTuple):
    """The three numbers of a history entry, each of the shape of its values."""

    quadratic: Array
    linear: Array
    constant: Array


Weighing = Literal["part", "pair", "size"]
"""What the weight w of an entry does to its three numbers:

- "part": the entry's part of the loss counts w times: (w a, w q, w c);
- "pair": so does the pair's part of a background of w0: (w (a + w0) - w0, w q, w c);
- "size": w takes the place of the value's size: (a, q, c) are those of the value w where r > 0, and of -w elsewhere.
"""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Objective:
    """A pytree: its numbers are traced, so `vmap` over alpha works and changing it does not recompile.

    Attributes:
        entry: (values, item_counts) -> Entry, elementwise; a plain function, or a `jax.tree_util.Partial` whose
            arguments are traced. A function that is made anew compiles anew.
        unobserved_weight: w0, the weight of the background.
        popularity_exponent: the background weight of item i is p_i = max(c_i, 1)^exponent / mean of the same;
            0 weighs all items alike.
        offset: subtracted from every value before `entry` sees it, and added to every score; the mean of the
            ratings for biased models.
        weighing: what weights do, where interactions have any (static).

    Raises:
        ValueError: for another word for `weighing`; numbers are looked at where they are used.
    """

    entry: Callable[[Array, Array], Entry]
    unobserved_weight: float | Array = 0.0
    popularity_exponent: float | Array = 0.0
    offset: float | Array = 0.0
    weighing: Weighing = field(default="part", metadata={"static": True})

    def __post_init__(self) -> None:
        checks.choice("weighing", self.weighing, get_args(Weighing))
        # A plain function is no pytree; placeholders, which JAX rebuilds objects with, are not callable.
        if callable(self.entry) and not isinstance(self.entry, Partial):
            object.__setattr__(self, "entry", Partial(self.entry))

    def item_weights(self, item_counts: Array) -> Array:
        """Return p_i, float32 [num_items], with mean 1."""
        weights = jnp.maximum(item_counts, 1.0) ** self.popularity_exponent
        return weights / jnp.mean(weights)

    def numbers(self, values: Array, item_counts: Array, weights: Array | None = None) -> Entry:
        """Return a, q and c of entries with these values, counts of their items, and weights if they have any.

        Raises:
            ValueError: for a function `entry` that returns anything but an Entry of numbers, of the values' shape or of
                none.

        Example:
            >>> squares = Objective(entry=lambda values, item_counts: Entry(jnp.ones_like(values), values, values**2))
            >>> found = squares.numbers(jnp.array([4.0, 2.0]), jnp.ones(2), jnp.array([1.0, 0.5]))
            >>> found.quadratic.tolist(), found.linear.tolist()
            ([1.0, 0.5], [4.0, 1.0])
        """
        values = values - self.offset
        if weights is not None and self.weighing == "size":
            values, weights = jnp.where(values > 0, weights, -weights), None
        entry = self.entry(values, item_counts)
        checks.kind("entry", entry, Entry, "let the objective's function return an objectives.Entry")
        for number in entry:
            checks.number("entry", number, remedy="let the objective's function return numbers")
            if jnp.shape(number):
                checks.shape("entry", number, values.shape, "let the function return one number for each value")
        if weights is None:
            return entry
        held = jnp.asarray(self.unobserved_weight if self.weighing == "pair" else 0.0, weights.dtype)
        return Entry(weights * (entry.quadratic + held) - held, weights * entry.linear, weights * entry.constant)


def check_fits(name: str, value: Any, dtype: jnp.dtype) -> None:
    """Raise ValueError for a number that is finite, but infinite in `dtype`, as far as it can be seen."""
    number = checks.seen(value)
    if number is not None and (np.abs(np.asarray(number, np.float64)) > float(jnp.finfo(dtype).max)).any():
        raise ValueError(f"{name}: {value} is infinite in {jnp.dtype(dtype).name}; pass a smaller number")
