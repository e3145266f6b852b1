"""T8, MovieLens-1M in the protocol of neural collaborative filtering: HR@10 and NDCG@10 among 99 listed items."""

from __future__ import annotations

from collections.abc import Mapping

from experiments import ncf
from paper_repro.benchmarks import Figure, table
from paper_repro.verdict import Check, Options, main

REVISITED = "Rendle et al. (2020), Neural collaborative filtering vs. matrix factorization revisited, RecSys, table 2"
IALS = "Rendle et al. (2022), Revisiting the performance of iALS on item recommendation benchmarks, RecSys"


def _values(hit_rate: float, ndcg: float) -> Mapping[str, float]:
    return {"hit_rate@10": hit_rate, "ndcg@10": ndcg}


FIGURES = [
    Figure("popularity", _values(0.4535, 0.2543), REVISITED, tolerance=0.001),
    Figure("ials-64", _values(0.722, 0.445), IALS, tolerance=0.004),
    Figure("ials-192", _values(0.7294, 0.4523), f"MF by gradients, 192 factors, of {REVISITED}", printed=False),
    Figure("softmax-cosine", _values(0.7294, 0.4523), f"MF by gradients, 192 factors, of {REVISITED}", printed=False),
]


def measure(options: Options) -> list[Check]:
    """Return every figure of the table; `--data-dir` is the folder of the protocol's files."""
    return table("T8", FIGURES, ncf.Options(data_dir=options.data_dir), options)


if __name__ == "__main__":
    main("paper_repro.t8", measure)
