"""Random numbers with an address: the value at a position depends on the key and the position, not on the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from mfjax import checks
from mfjax.types import Array, Key

_ROUNDS = 8


def words(key: Key, step: Array | int, count: int, width: int = 1) -> Array:
    """Return random 32-bit words for the positions step * count .. (step + 1) * count - 1 of the stream of `key`.

    A word is a hash of its position and of seeds drawn from the key, so a batch of any size sees the same stream and
    draws only its own words, at a tenth of the cost of the default generator.

    Args:
        key: names the stream; any key type; not consumed.
        step: int32 scalar, which batch; positions are below 2^32.
        count: positions in a batch.
        width: words of each position.

    Returns:
        uint32 [count, width], the same under `jax_enable_x64`.

    Raises:
        ValueError: for what is no key, a negative step, or positions beyond 2^32.

    Example:
        >>> key = jax.random.key(0)
        >>> whole, second = words(key, 0, 6), words(key, 1, 3)
        >>> bool((whole[3:] == second).all())
        True

    Source: the 32-bit integer hash `triple32` (Wellons, 2018), of measured bias 0.02, applied to the position and
    again to the sum of that and the column. It spreads as random numbers for sampling must; it is no cipher.
    """
    checks.key("key", key)
    checks.whole("count", count, least=0)
    checks.whole("width", width, least=0)
    checks.count("step", step, most=2**32 // max(count, 1) - 1, remedy="positions are below 2^32")
    seeds = jax.random.bits(jax.random.fold_in(key, 0), (2,), jnp.uint32)
    position = jnp.asarray(step).astype(jnp.uint32) * jnp.uint32(count) + jnp.arange(count, dtype=jnp.uint32)
    column = _hash(jnp.arange(width, dtype=jnp.uint32) ^ seeds[1])
    return _hash(_hash(position ^ seeds[0])[:, None] + column[None, :])


def _hash(values: Array) -> Array:
    values = (values ^ (values >> 17)) * jnp.uint32(0xED5AD4BB)
    values = (values ^ (values >> 11)) * jnp.uint32(0xAC4C1B51)
    values = (values ^ (values >> 15)) * jnp.uint32(0x31848BAB)
    return values ^ (values >> 14)


def below(words: Array, bound: Array | int) -> Array:
    r"""Return integers in 0 .. bound - 1 (0 where the bound is 0), one a word.

    .. math:: \lfloor word \cdot bound / 2^{32} \rfloor

    Each value has a probability of 1 / bound, off by at most 2^-32.

    Args:
        words: uint32 [...].
        bound: integer [...] that broadcasts against `words`, at least 0 and below 2^31.

    Returns:
        int32 [...].

    Raises:
        ValueError: for words of another dtype, or a bound outside its range where it can be seen.

    Example:
        >>> below(jnp.array([0, 2**31, 2**32 - 1], jnp.uint32), 10).tolist()
        [0, 5, 9]
    """
    check_words("words", words)
    checks.count("bound", bound, most=2**31 - 1)
    bound = jnp.broadcast_to(jnp.asarray(bound).astype(jnp.uint32), words.shape)
    return lax.mulhi(words, bound).astype(jnp.int32)


def check_words(name: str, words: Array, shape: tuple[int | None, ...] | None = None) -> None:
    """Raise ValueError unless `words` are random words as of `words`, of `shape`, None standing for any size."""
    dtype = getattr(words, "dtype", type(words).__name__)
    if dtype != jnp.uint32:
        raise ValueError(f"{name}: {dtype} is not uint32; pass what streams.words returns")
    if shape is not None:
        checks.shape(name, words, shape, "pass the words of streams.words for each example")


def permutation(key: Key, positions: Array, size: int) -> Array:
    """Return what stands at `positions` in a pseudo-random permutation of 0 .. size - 1, without shuffling.

    A Feistel network of eight rounds permutes the smallest power of two that holds `size`; a value that falls outside
    is permuted again until it lands inside (cycle walking), fewer than two passes on average.

    Args:
        key: names the permutation; consumed.
        positions: int32 [...], each in 0 .. size - 1.
        size: length of the permutation, at least 1.

    Returns:
        int32 [...], the same under `jax_enable_x64`.

    Raises:
        ValueError: for what is no key, a size below 1, or positions outside it where they can be seen.

    Example:
        >>> sorted(permutation(jax.random.key(0), jnp.arange(5), 5).tolist())
        [0, 1, 2, 3, 4]

    Source: Black and Rogaway (2002), Ciphers with arbitrary finite domains; the hash of `words` is the round function.
    """
    checks.key("key", key)
    checks.whole("size", size)
    positions = checks.ids("positions", positions, size, "the permutation")
    num_bits = max((size - 1).bit_length(), 2)
    low_bits = num_bits // 2
    low_mask, high_mask = jnp.uint32((1 << low_bits) - 1), jnp.uint32((1 << (num_bits - low_bits)) - 1)
    round_keys = jax.random.bits(key, (_ROUNDS,), jnp.uint32)

    def encrypt(values):
        low, high = values & low_mask, values >> low_bits
        for number in range(0, _ROUNDS, 2):
            high ^= _hash(low ^ round_keys[number]) & high_mask
            low ^= _hash(high ^ round_keys[number + 1]) & low_mask
        return (high << low_bits) | low

    def walk(values):
        return jnp.where(values < size, values, encrypt(values))

    start = encrypt(positions.astype(jnp.uint32))
    return lax.while_loop(lambda values: (values >= size).any(), walk, start).astype(jnp.int32)
