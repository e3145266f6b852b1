"""The library implicit on the same device, where its CUDA extension is there."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from experiments.accelerator.ledger import Ledger
from experiments.accelerator.sweeps import interactions
from experiments.benchmark.peers import matrix_of
from experiments.benchmark.timing import once

SECTION = "peers"
LIBRARIES = (
    "nvidia/**/libcudart.so.13",
    "nvidia/**/libcublasLt.so.13",
    "nvidia/**/libcublas.so.13",
    "nvidia/**/libcurand.so.10",
    "rapids_logger/**/librapids_logger.so",
    "librmm/**/librmm.so",
)
"""What the extension links to, as the packages of CUDA on PyPI have it."""


def measure(ledger: Ledger, *, tiny: bool) -> None:
    """Time sweeps of ALS, with three steps of conjugate gradient as is its default, and epochs of BPR."""
    if importlib.util.find_spec("implicit") is None:
        ledger.add(SECTION, "implicit", status="left out", reason="it is not installed")
        return
    _load_libraries()
    import implicit.gpu

    if not implicit.gpu.HAS_CUDA:
        ledger.add(SECTION, "implicit", status="left out", reason="its CUDA extension does not load")
        return
    for name, dims in (("ml-1m", (64, 256)), ("ml-20m", (256, 64))):
        for dim in dims:
            needs = 10 if name == "ml-1m" else 20
            ledger.attempt(SECTION, f"ALS {name} {dim}", partial(_als, ledger, name, dim), needs=needs)
    ledger.attempt(SECTION, "BPR", partial(_bpr, ledger), needs=10)


def _load_libraries() -> None:
    for root in map(Path, sys.path):
        for pattern in LIBRARIES:
            for path in sorted(root.glob(pattern)) if root.is_dir() else []:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def _als(ledger: Ledger, name: str, dim: int) -> None:
    from implicit.gpu.als import AlternatingLeastSquares

    model = partial(AlternatingLeastSquares, factors=dim, random_state=0)
    _time(ledger, f"implicit, sweep {name} d={dim}, 3 steps", model, name)


def _bpr(ledger: Ledger) -> None:
    from implicit.gpu.bpr import BayesianPersonalizedRanking

    model = partial(BayesianPersonalizedRanking, factors=63, random_state=0)
    _time(ledger, "implicit, epoch of BPR ml-1m d=64", model, "ml-1m")


def _time(ledger: Ledger, told: str, model: Callable[..., Any], data: str) -> None:
    """Write down what an iteration takes: that of many, less what a fit of one takes."""
    matrix = matrix_of(interactions(ledger.sizes[data]))

    def fit(iterations: int) -> float:
        return once(lambda: model(iterations=iterations).fit(matrix, show_progress=False))

    fit(1)
    few, many = fit(1), fit(11)
    ledger.add(SECTION, told, ms=1e3 * (many - few) / 10)
