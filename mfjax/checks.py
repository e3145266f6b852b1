"""Checks of arguments at a border: each refusal names the argument, the value and the remedy.

While JAX traces a program its values can not be seen: then only kinds, dtypes and shapes are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def seen(value: Any) -> np.ndarray | None:
    """Return `value` as a numpy array, or None while it is traced or is no array at all.

    Example:
        >>> seen(jnp.float32(2.5))
        array(2.5, dtype=float32)
        >>> seen(object()) is None
        True
    """
    if isinstance(value, jax.core.Tracer):
        return None
    if isinstance(value, jax.Array) and not value.is_fully_addressable:
        return None
    if not isinstance(value, (bool, int, float, complex, np.ndarray, np.generic, jax.Array, list, tuple)):
        return None
    try:
        return np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        return None


def kind(name: str, value: Any, wanted: type | tuple[type, ...], remedy: str) -> None:
    """Raise ValueError unless `value` is an instance of `wanted`.

    Example:
        >>> kind("data", [1], dict, "pass a dict")
        Traceback (most recent call last):
        ...
        ValueError: data: a list is not what is needed; pass a dict
    """
    if not isinstance(value, wanted):
        raise ValueError(f"{name}: a {type(value).__name__} is not what is needed; {remedy}")


def choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise ValueError unless `value` is one of `choices`.

    Example:
        >>> choice("by", "users", ("user", "item"))
        Traceback (most recent call last):
        ...
        ValueError: by: 'users' is unknown; pass 'user' or 'item'
    """
    known = list(choices)
    if not any(type(value) is type(one) and value == one for one in known):
        raise ValueError(f"{name}: {value!r} is unknown; pass {_either(known)}")


def _either(known: list[Any]) -> str:
    words = [repr(one) for one in known]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def whole(name: str, value: Any, *, least: int = 1, most: int = 2**31 - 1, remedy: str = "") -> None:
    """Raise ValueError unless `value` is a plain whole number (Python's or numpy's) in least .. most.

    Example:
        >>> whole("k", 0)
        Traceback (most recent call last):
        ...
        ValueError: k: 0 is not a whole number of at least 1
    """
    fits = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= value <= most
    if not fits:
        bounds = f"of at least {least}" if most == 2**31 - 1 else f"from {least} to {most}"
        raise ValueError(f"{name}: {value!r} is not a whole number {bounds}" + (f"; {remedy}" if remedy else ""))


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    remedy: str = "",
) -> None:
    """Raise ValueError unless every number of `value` that can be seen is finite and within the bounds.

    Python's, numpy's and JAX's numbers and arrays are looked at alike; one that is traced, or lies on other hosts too,
    passes.

    Example:
        >>> number("reg", np.float32(-1), least=0, remedy="pass 0 to switch it off")
        Traceback (most recent call last):
        ...
        ValueError: reg: -1.0 is not a finite number of at least 0; pass 0 to switch it off
    """
    array = seen(value)
    if array is None and isinstance(value, jax.Array):
        if not jnp.issubdtype(value.dtype, jnp.number):
            raise ValueError(f"{name}: an array of {value.dtype} is not a number" + (f"; {remedy}" if remedy else ""))
        return
    wrong: Any = value
    if (array is not None and array.dtype.kind in "iuf") or getattr(array, "dtype", None) == jnp.bfloat16:
        numbers = np.asarray(array, np.float64).reshape(-1)
        good = np.isfinite(numbers)
        for bound, holds in (
            (least, np.greater_equal),
            (above, np.greater),
            (most, np.less_equal),
            (below, np.less),
        ):
            if bound is not None:
                good &= holds(numbers, bound)
        if good.all():
            return
        wrong = numbers[~good][0]
    told = (("of at least", least), ("above", above), ("of at most", most), ("below", below))
    bounds = " and ".join(f"{word} {bound:g}" for word, bound in told if bound is not None)
    said = wrong if isinstance(wrong, float) else repr(wrong)
    raise ValueError(
        f"{name}: {said} is not a finite number" + (f" {bounds}" if bounds else "") + (f"; {remedy}" if remedy else "")
    )


def key(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is one PRNG key of `jax.random.key`.

    Example:
        >>> key("key", 0)
        Traceback (most recent call last):
        ...
        ValueError: key: 0 is not a PRNG key; pass such as jax.random.key(0)
    """
    is_key = isinstance(value, jax.Array) and (
        jnp.issubdtype(value.dtype, jax.dtypes.prng_key) or (value.dtype == jnp.uint32 and value.shape[-1:] == (2,))
    )
    if not is_key:
        raise ValueError(f"{name}: {value!r} is not a PRNG key; pass such as jax.random.key(0)")
    if value.ndim - (value.dtype == jnp.uint32):
        raise ValueError(f"{name}: {value.shape} are many keys; pass one, jax.vmap takes many")


def shape(name: str, value: Any, wanted: tuple[int | None, ...], remedy: str) -> None:
    """Raise ValueError unless `value` has the shape `wanted`, None standing for any size.

    Example:
        >>> shape("weights", np.ones(3), (4,), "pass one weight for each item")
        Traceback (most recent call last):
        ...
        ValueError: weights: shape (3,) is not (4,); pass one weight for each item
    """
    try:
        found = np.shape(value)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name}: {value!r:.80} is no array; {remedy}") from None
    fits = len(found) == len(wanted) and all(b is None or a == b for a, b in zip(found, wanted, strict=True))
    if not fits:
        sizes = ", ".join("n" if size is None else str(size) for size in wanted)
        raise ValueError(f"{name}: shape {found} is not ({sizes}{',' if len(wanted) == 1 else ''}); {remedy}")


def ids(name: str, value: Any, size: int, of: str) -> jax.Array:
    """Return `value` as int32 ids of a table of `size` rows.

    Args:
        name: of the argument.
        value: whole numbers, of any shape: an array, a list or one number.
        size: ids are below it.
        of: what has the rows, for the message, such as "the model's users".

    Raises:
        ValueError: for numbers that are not whole, a mask, or, where values can be seen, an id outside 0 .. size - 1.

    Example:
        >>> ids("users", [0, 7], 2, "the model's users")
        Traceback (most recent call last):
        ...
        ValueError: users: id 7 is outside 0..1, the model's users; map raw ids with a Vocabulary
    """
    dtype: Any = getattr(value, "dtype", None)
    if not isinstance(value, jax.core.Tracer):
        array = np.asarray(value) if dtype is None and isinstance(value, Sized) and not len(value) else seen(value)
        if array is None and not isinstance(value, jax.Array):
            raise ValueError(f"{name}: {value!r:.80} is no array of ids; pass whole numbers, such as jnp.array([0, 1])")
        if array is not None:
            value, dtype = (array.astype(np.int32), np.int32) if array.size == 0 else (value, array.dtype)
    if not jnp.issubdtype(dtype, jnp.integer):
        what = "is a mask" if jnp.issubdtype(dtype, jnp.bool_) else f"has the dtype {dtype}"
        remedy = "pass np.flatnonzero(mask)" if jnp.issubdtype(dtype, jnp.bool_) else "pass whole numbers"
        raise ValueError(f"{name}: {what}, where ids of {of} are needed; {remedy}")
    array = seen(value)
    if array is not None and array.size and (array.min() < 0 or array.max() >= size):
        bad = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"{name}: id {bad} is outside 0..{size - 1}, {of}; map raw ids with a Vocabulary")
    return jnp.asarray(value, jnp.int32) if array is None else jnp.asarray(array.astype(np.int32))


def floats(name: str, value: Any, wanted: tuple[int | None, ...] | None, remedy: str) -> jax.Array:
    """Return `value` as an array of a floating dtype and of the shape `wanted` (None standing for any size or shape).

    Raises:
        ValueError: for what is no array of numpy or JAX, or of another dtype or shape.

    Example:
        >>> floats("scores", jnp.arange(3), (3,), "pass floats")
        Traceback (most recent call last):
        ...
        ValueError: scores: has the dtype int32, where floats are needed; pass floats
    """
    kind(name, value, (np.ndarray, jax.Array, jax.ShapeDtypeStruct), remedy)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise ValueError(f"{name}: has the dtype {value.dtype}, where floats are needed; {remedy}")
    if wanted is not None:
        shape(name, value, wanted, remedy)
    return jnp.asarray(value) if isinstance(value, np.ndarray) else value


def count(name: str, value: Any, *, least: int = 0, most: int = 2**31 - 1, remedy: str = "") -> None:
    """Raise ValueError unless `value` holds whole numbers in least .. most, as far as they can be seen.

    For numbers that may be traced, arrays of any shape among them; `whole` is for those that may not.

    Example:
        >>> count("step", jnp.int32(-1))
        Traceback (most recent call last):
        ...
        ValueError: step: -1 is not a whole number of at least 0
    """
    dtype = value.dtype if isinstance(value, jax.Array) else getattr(seen(value), "dtype", None)
    array = seen(value)
    fits = dtype is not None and jnp.issubdtype(dtype, jnp.integer)
    if not fits or (array is not None and array.size and not (array.min() >= least and array.max() <= most)):
        bounds = f"of at least {least}" if most == 2**31 - 1 else f"from {least} to {most}"
        wrong = value if array is None or not fits else array.min() if array.min() < least else array.max()
        raise ValueError(f"{name}: {wrong} is not a whole number {bounds}" + (f"; {remedy}" if remedy else ""))


def function(name: str, value: Any, remedy: str) -> None:
    """Raise ValueError unless `value` can be called.

    Example:
        >>> function("loss", "bpr", "pass such as losses.bpr")
        Traceback (most recent call last):
        ...
        ValueError: loss: 'bpr' is no function; pass such as losses.bpr
    """
    if not callable(value):
        raise ValueError(f"{name}: {value!r:.80} is no function; {remedy}")


def mask(name: str, value: Any, wanted: tuple[int | None, ...]) -> jax.Array:
    """Return `value` as a bool array of the shape `wanted`, None standing for any size.

    Raises:
        ValueError: for another dtype, such as 0s and 1s, or another shape.

    Example:
        >>> mask("mask", jnp.array([1, 0]), (2,))
        Traceback (most recent call last):
        ...
        ValueError: mask: has the dtype int32, where a bool is needed; pass such as x > 0
    """
    array: Any = value if isinstance(value, jax.Array) else seen(value)
    kind(name, array if array is not None else value, (np.ndarray, jax.Array), "pass a bool array")
    if array.dtype != jnp.bool_:
        raise ValueError(f"{name}: has the dtype {array.dtype}, where a bool is needed; pass such as x > 0")
    shape(name, array, wanted, "pass one bool for each entry")
    return jnp.asarray(array)


def finite(name: str, values: Any) -> np.ndarray:
    """Return numbers on the host as float64, of any shape.

    Raises:
        ValueError: for masked arrays, for what holds no real numbers, and for NaN and infinity.

    Example:
        >>> finite("values", [0.5, float("nan")])
        Traceback (most recent call last):
        ...
        ValueError: values: number 1 is nan, not finite; drop such users, for all models alike
    """
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{name}: a masked array; drop the users that are masked, for all models alike")
    try:
        array = np.asarray(values)
        fits = array.dtype.kind in "biufO" or array.dtype == jnp.bfloat16
        numbers = array.astype(np.float64) if fits else None
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None:
        raise ValueError(f"{name}: {values!r:.80} holds no real numbers; pass an array of floats")
    bad = ~np.isfinite(numbers).reshape(-1)
    if bad.any():
        place = int(np.argmax(bad))
        raise ValueError(
            f"{name}: number {place} is {numbers.reshape(-1)[place]}, not finite; drop such users, for all models alike"
        )
    return numbers
