"""What the device can do: bytes and operations a second, and what the parts of a half-step cost alone."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accelerator.ledger import Ledger, seconds, turn
from mfjax.types import Array

SECTION = "limits"
PRECISIONS = ("highest", "high", "default")


def measure(ledger: Ledger, *, tiny: bool) -> None:
    """Measure all limits; `tiny` at sizes for a CPU."""
    parts = (_copy, _products, _eigenvectors, _gathers, _segment_sums, _loops)
    for part in parts:
        ledger.attempt(SECTION, part.__name__.strip("_"), partial(part, ledger, tiny), needs=5)


def _random(*shape: int, seed: int = 0) -> Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def _copy(ledger: Ledger, tiny: bool) -> None:
    numbers = _random(1 << (18 if tiny else 27))
    taken = turn(lambda x: x * 1.0001, numbers, turns=10)
    ledger.rates["bandwidth"] = 2 * numbers.nbytes / taken
    ledger.add(SECTION, f"copy of {numbers.nbytes >> 20} MiB", ms=1e3 * taken, GB_s=ledger.rates["bandwidth"] / 1e9)


def _products(ledger: Ledger, tiny: bool) -> None:
    size = 256 if tiny else 8192
    square = _random(size, size)
    part = np.asarray(square[:256, :256], np.float64)
    for precision in PRECISIONS:
        product = partial(jnp.matmul, precision=precision)
        taken = turn(lambda x, product=product: product(square, x) / size, square, turns=4)  # type: ignore[misc]
        found = np.asarray(product(square[:256, :256], square[:256, :256]), np.float64)
        error = np.linalg.norm(found - part @ part) / np.linalg.norm(part @ part)
        rate = 2 * size**3 / taken
        if precision == "highest":
            ledger.rates["arithmetic"] = rate
        ledger.add(SECTION, f"product {size}, {precision}", ms=1e3 * taken, TFlop_s=rate / 1e12, error=float(error))


def _eigenvectors(ledger: Ledger, tiny: bool) -> None:
    for dim, models in (
        ((16, 1), (16, 2)) if tiny else ((64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (64, 64))
    ):
        table = _random(models, 4 * dim, dim)
        gramians = jnp.einsum("mnd,mne->mde", table, table, precision="highest")
        start = gramians[0] if models == 1 else gramians

        def body(x: Array, start: Array = start) -> Array:
            return start + 1e-9 * jax.lax.linalg.eigh(x, symmetrize_input=False)[0]

        ledger.add(SECTION, f"eigh of {models} x {dim}", ms=1e3 * turn(body, start, turns=5))


def _gathers(ledger: Ledger, tiny: bool) -> None:
    count = 1 << (12 if tiny else 23)
    for rows, dim, kind in ((4_000, 64, "float32"), (27_000, 256, "float32"), (138_000, 256, "bfloat16")):
        table = _random(rows // (100 if tiny else 1), dim).astype(kind)
        ids = jnp.asarray(np.random.default_rng(1).integers(0, table.shape[0], count, dtype=np.int32))

        @jax.jit
        def dot(table: Array, ids: Array, x: Array) -> Array:
            return jnp.sum(table.at[ids].get(mode="promise_in_bounds").astype(jnp.float32) * x[None], axis=1)

        taken = seconds(partial(dot, table, ids, jnp.ones(dim)))
        moved = count * dim * table.dtype.itemsize
        name = f"{count} rows of {table.shape[0]} x {dim} {kind}, gathered into products"
        floor = 1e3 * moved / ledger.rates["bandwidth"]
        ledger.add(SECTION, name, ms=1e3 * taken, floor_ms=floor, GB_s=moved / taken / 1e9)


def _segment_sums(ledger: Ledger, tiny: bool) -> None:
    """Sums of segments to rows, of which the longest has 2,000, as the most rated item of MovieLens-20M has."""
    rows, dim = (300, 16) if tiny else (26_744, 256)
    lengths = np.maximum(2000 / np.arange(1, rows + 1) ** 0.6, 1).astype(int)
    owners = jnp.asarray(np.repeat(np.arange(rows, dtype=np.int32), lengths))
    values = _random(len(owners), dim)
    floor = 1e3 * 4 * dim * (len(owners) + rows) / ledger.rates["bandwidth"]
    flush = {"xla_gpu_ftz": True} if jax.default_backend() == "gpu" else None
    for name, ascending in (("as they come", False), ("ids sorted", True)):
        for how, compiler in (("", None), (", small numbers flushed", flush)):
            if how and compiler is None:
                continue
            add = partial(jax.ops.segment_sum, num_segments=rows, indices_are_sorted=ascending)
            program = jax.jit(add, compiler_options=compiler)
            taken = seconds(partial(program, values, owners))
            again = bool(jnp.all(program(values, owners) == program(values, owners)))
            name_ = f"segment sum {len(owners)} x {dim} to {rows}, {name}{how}"
            ledger.add(SECTION, name_, ms=1e3 * taken, floor_ms=floor, same_bits_again=again)


def _loops(ledger: Ledger, tiny: bool) -> None:
    """What a turn of a loop costs, of which the program or only the host knows the number of turns."""
    turns, small = 20 if tiny else 500, jnp.ones((64, 64))

    def body(_: int, x: Array) -> Array:
        for _ in range(5):
            x = jax.lax.optimization_barrier(x * 1.0001 + 1e-6)
        return x

    known = jax.jit(lambda x: jax.lax.fori_loop(0, turns, body, x))
    unknown = jax.jit(lambda count, x: jax.lax.fori_loop(0, count, body, x))
    for name, call in (("known", lambda: known(small)), ("unknown", lambda: unknown(turns, small))):
        taken = seconds(call) / turns
        ledger.add(SECTION, f"a turn of 5 tiny kernels, number of turns {name}", ms=1e3 * taken)
