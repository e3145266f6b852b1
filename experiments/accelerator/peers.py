"""The library implicit on the same device, where its CUDA extension is there."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

from experiments.accelerator.ledger import Ledger
from experiments.accelerator.sweeps import interactions

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


def _matrix(sizes: tuple[int, int, int]) -> sparse.csr_matrix:
    pairs = interactions(sizes)
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_matrix((ones, (pairs.users, pairs.items)), shape=(pairs.num_users, pairs.num_items))


def _als(ledger: Ledger, name: str, dim: int) -> None:
    from implicit.gpu.als import AlternatingLeastSquares

    matrix = _matrix(ledger.sizes[name])

    def fit(iterations: int) -> float:
        begin = time.perf_counter()
        model = AlternatingLeastSquares(factors=dim, iterations=iterations, random_state=0)
        model.fit(matrix, show_progress=False)
        return time.perf_counter() - begin

    fit(1)
    few, many = fit(1), fit(11)
    ledger.add(SECTION, f"implicit, sweep {name} d={dim}, 3 steps", ms=1e3 * (many - few) / 10)


def _bpr(ledger: Ledger) -> None:
    from implicit.gpu.bpr import BayesianPersonalizedRanking

    matrix = _matrix(ledger.sizes["ml-1m"])

    def fit(iterations: int) -> float:
        begin = time.perf_counter()
        model = BayesianPersonalizedRanking(factors=63, iterations=iterations, random_state=0)
        model.fit(matrix, show_progress=False)
        return time.perf_counter() - begin

    fit(1)
    few, many = fit(1), fit(11)
    ledger.add(SECTION, "implicit, epoch of BPR ml-1m d=64", ms=1e3 * (many - few) / 10)
