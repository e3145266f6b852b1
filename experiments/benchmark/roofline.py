"""`python -m experiments.benchmark.roofline`: how near a sweep of ALS comes to the machine's arithmetic and memory.

The machine's limits are measured too: a large matrix product by XLA for arithmetic, and for bandwidth passes over an
array of the size of a chunk's gathered rows, which stays in the cache that a sweep lives in, and over a large one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from experiments.benchmark import timing
from experiments.benchmark.tasks import Case, ours
from mfjax import devices
from mfjax.data import datasets
from mfjax.studies import command_line
from mfjax.studies.options import MOST, MOST_DIM, Checked, Place, Within
from mfjax.studies.tables import align


@dataclass(frozen=True)
class Options(Checked):
    """Compare a sweep of ALS with the machine's measured limits, on one device."""

    data: Literal["ml-100k", "ml-1m"] = "ml-100k"
    """What the sweep goes over."""
    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    dim: Annotated[int, Within(1, MOST_DIM)] = 64
    """Number of factors."""
    repeats: Annotated[int, Within(1, MOST)] = 7
    """Warm calls of each."""

    def run(self) -> Roofline:
        """Measure, print the table, and return the figures."""
        devices.use_cores(1)
        dataset = datasets.load(self.data, self.data_dir)
        case = Case(dataset.name, dataset.interactions, self.dim, self.repeats, False)
        model = ours(case, case.config())
        seconds = timing.in_turns({"sweep": partial(model.sweep, model.state)}, case.repeats)["sweep"].warm
        gathered = 2.0 * len(case.interactions) * self.dim
        found = Roofline(
            seconds=seconds,
            flops=2.0 * PASSES * gathered,
            moved=4.0 * (2 + PASSES) * gathered,
            peak_flops=_matrix_product(self.repeats),
            cache_bandwidth=_bandwidth(CHUNK_BYTES, self.repeats),
            memory_bandwidth=_bandwidth(1 << 28, self.repeats),
        )
        print(table(found))
        return found


@dataclass(frozen=True)
class Roofline:
    """Figures of one device.

    Attributes:
        seconds: of a sweep with two steps of conjugate gradient.
        flops: arithmetic of a sweep: five products of every gathered row with a vector, two operations a number.
        moved: bytes of a sweep: every gathered row is read, written, and read five times.
        peak_flops: operations a second of a matrix product.
        cache_bandwidth, memory_bandwidth: bytes a second to and from an array of a chunk's size, and a large one.
    """

    seconds: float
    flops: float
    moved: float
    peak_flops: float
    cache_bandwidth: float
    memory_bandwidth: float


PASSES = 5
CHUNK_BYTES = 4096 * 64 * 4


def _matrix_product(repeats: int, size: int = 2048) -> float:
    square = jnp.ones((size, size))
    product = jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))
    return 2.0 * size**3 / timing.in_turns({"": lambda: product(square)}, repeats)[""].warm


def _bandwidth(size: int, repeats: int, total: int = 1 << 31) -> float:
    """Return bytes a second, read and written, of scaling an array of `size` bytes again and again."""
    numbers = jnp.ones(size // 4)
    program = jax.jit(lambda x: jax.lax.fori_loop(0, total // (2 * size), lambda _, x: x * 1.0001, x))
    return total / timing.in_turns({"": lambda: program(numbers)}, repeats)[""].warm


def table(found: Roofline) -> str:
    """Return the figures as text."""
    flops, moved = found.flops / found.seconds, found.moved / found.seconds
    lines = [["", "sweep", "machine", "share"]]
    for name, reached, limit, unit in (
        ("arithmetic", flops, found.peak_flops, "GFlop/s"),
        ("cache bandwidth", moved, found.cache_bandwidth, "GB/s"),
        ("memory bandwidth", moved, found.memory_bandwidth, "GB/s"),
    ):
        lines.append([name, f"{reached / 1e9:.0f} {unit}", f"{limit / 1e9:.0f} {unit}", f"{reached / limit:.0%}"])
    return f"a sweep takes {1e3 * found.seconds:.1f} ms on one device\n{align(lines)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.benchmark.roofline")


if __name__ == "__main__":
    sys.exit(main())
