"""Seconds of several ways to do one thing, in turns, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax


class Seconds(NamedTuple):
    """First call, compilation included, and the median of the later ones."""

    first: float
    warm: float


def once(call: Callable[[], Any]) -> float:
    """Return the seconds of one call; the result is waited for."""
    begin = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - begin


def median(call: Callable[[], Any], *, repeats: int, most: float = math.inf) -> float:
    """Return the median seconds of a warm call, made `repeats` times, or until about `most` seconds are spent."""
    once(call)
    times: list[float] = []
    while len(times) < repeats and (not times or sum(times) < most):
        times.append(once(call))
    return statistics.median(times)


def in_turns(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, Seconds]:
    """Return the seconds of every call, made one after the other, `repeats` times round after a first one.

    A turn is two calls, of which the second counts: the first finds the caches full of another's data.
    """
    first = {name: once(call) for name, call in calls.items()}
    later: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            once(call)
            later[name].append(once(call))
    return {name: Seconds(first[name], statistics.median(later[name])) for name in calls}


def peak_mb(function: Callable[..., None], *args: Any) -> float:
    """Return the peak memory in MB of a fresh process that calls the function, interpreter and libraries included."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_measured, args=(send, function, args))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"{function.__name__} ended with exit code {child.exitcode}")
    return receive.recv()


def _measured(send: Any, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    function(*args)
    send.send(memory_mb())


def memory_mb() -> float:
    """Return the peak memory of this process so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # The resource usage of a process begins with that of the one that started it; this begins anew.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 2**10
    # macOS counts in bytes, others in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
