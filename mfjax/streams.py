"""Random numbers with an address: the value at a position depends on the key and the position, not on the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from mfjax.types import Array, Key

_BLOCK = 1024  # positions that share one derived key
_ROUNDS = 8


def words(key: Key, step: Array | int, count: int, width: int = 1) -> Array:
    """Return random 32-bit words for the positions step * count .. (step + 1) * count - 1 of the stream of `key`.

    Positions are cut into fixed blocks of 1024 and each block has its own key, `fold_in(key, block)`. So batches of
    any size see the same stream, and a batch costs what its own blocks cost, wherever it stands.

    Args:
        key: names the stream; any key type.
        step: int32 scalar, which batch.
        count: positions in a batch; a multiple of 1024 wastes no word.
        width: words of each position.

    Returns:
        uint32 [count, width].

    Example:
        >>> key = jax.random.key(0)
        >>> whole, second = words(key, 0, 6), words(key, 1, 3)
        >>> bool((whole[3:] == second).all())
        True
    """
    start = jnp.int32(step) * count
    first, skipped = start // _BLOCK, start % _BLOCK
    blocks = first + jnp.arange(-(-count // _BLOCK) + (count % _BLOCK > 0), dtype=jnp.int32)
    # Not vmap: the batched form of the hardware generators would let neighbouring blocks share a key.
    bits = lax.map(lambda block: jax.random.bits(jax.random.fold_in(key, block), (_BLOCK, width)), blocks)
    return lax.dynamic_slice_in_dim(bits.reshape(blocks.size * _BLOCK, width), skipped, count)


def below(words: Array, bound: Array | int) -> Array:
    r"""Return integers in 0 .. bound - 1 (0 where the bound is 0), one a word.

    .. math:: \lfloor word \cdot bound / 2^{32} \rfloor

    Each value has a probability of 1 / bound, off by at most 2^-32.

    Args:
        words: uint32 [...].
        bound: integer [...] that broadcasts against `words`, at least 0 and below 2^31.

    Returns:
        int32 [...].

    Example:
        >>> below(jnp.array([0, 2**31, 2**32 - 1], jnp.uint32), 10).tolist()
        [0, 5, 9]
    """
    bound = jnp.broadcast_to(jnp.asarray(bound).astype(jnp.uint32), words.shape)
    return lax.mulhi(words, bound).astype(jnp.int32)


def permutation(key: Key, positions: Array, size: int) -> Array:
    """Return what stands at `positions` in a pseudo-random permutation of 0 .. size - 1, without shuffling.

    A Feistel network of eight rounds permutes the smallest power of two that holds `size`; a value that falls outside
    is permuted again until it lands inside (cycle walking), fewer than two passes on average.

    Args:
        key: names the permutation; consumed.
        positions: int32 [...], each in 0 .. size - 1.
        size: length of the permutation, at least 1.

    Returns:
        int32 [...].

    Example:
        >>> sorted(permutation(jax.random.key(0), jnp.arange(5), 5).tolist())
        [0, 1, 2, 3, 4]

    Source: Black and Rogaway (2002), Ciphers with arbitrary finite domains. The round function is the mixing step of
    a 32-bit hash: it spreads, it is no cipher.
    """
    num_bits = max((size - 1).bit_length(), 2)
    low_bits = num_bits // 2
    low_mask, high_mask = jnp.uint32((1 << low_bits) - 1), jnp.uint32((1 << (num_bits - low_bits)) - 1)
    round_keys = jax.random.bits(key, (_ROUNDS,))

    def encrypt(values):
        low, high = values & low_mask, values >> low_bits
        for number in range(0, _ROUNDS, 2):
            high ^= _mix(low, round_keys[number]) & high_mask
            low ^= _mix(high, round_keys[number + 1]) & low_mask
        return (high << low_bits) | low

    def walk(values):
        return jnp.where(values < size, values, encrypt(values))

    start = encrypt(positions.astype(jnp.uint32))
    return lax.while_loop(lambda values: (values >= size).any(), walk, start).astype(jnp.int32)


def _mix(values: Array, round_key: Array) -> Array:
    values = (values ^ round_key) * jnp.uint32(0x9E3779B1)
    values = (values ^ (values >> 15)) * jnp.uint32(0x85EBCA77)
    return values ^ (values >> 13)
