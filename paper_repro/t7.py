"""T7, Gowalla in the split of LightGCN: Recall@20 and NDCG@20 of published tables, and of ours beside them.

Published rows were mostly chosen by the test part itself (the best epoch on it); ours were chosen on a tenth of train.
"""

from __future__ import annotations

from collections.abc import Mapping

from experiments import gowalla
from paper_repro.benchmarks import Figure, table
from paper_repro.verdict import Check, Options, main

LIGHTGCN = "He et al. (2020), LightGCN: simplifying and powering graph convolution network, SIGIR"
BARS = "Zhu et al. (2022), BARS: towards open benchmarking for recommender systems, SIGIR, set Gowalla_m1"


def _values(recall: float, ndcg: float) -> Mapping[str, float]:
    return {"recall@20": recall, "ndcg@20": ndcg}


FIGURES = [
    Figure("item-knn-mean", _values(0.1570, 0.1214), f"item kNN of {BARS}", tolerance=0.002),
    Figure("bpr", _values(0.1627, 0.1378), f"MF-BPR, 64 factors, of {BARS}"),
    Figure("ease", _values(0.1765, 0.1467), f"EASE of {BARS}", tolerance=0.002),
    Figure("ials-1024", _values(0.1800, 0.1510), "the least that iALS is to reach", printed=False),
    Figure("softmax-cosine", _values(0.1830, 0.1554), f"LightGCN, 64 factors, of {LIGHTGCN}", printed=False),
]


def measure(options: Options) -> list[Check]:
    """Return every figure of the table; `--data-dir` is the folder of Gowalla."""
    return table("T7", FIGURES, gowalla.Options(data_dir=options.data_dir), options)


if __name__ == "__main__":
    main("paper_repro.t7", measure)
