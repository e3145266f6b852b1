"""T9, users who were not trained on, MovieLens-1M: Recall@20, Recall@50 and NDCG@100, figures of ours."""

from __future__ import annotations

from collections.abc import Mapping

from experiments import strong
from paper_repro.benchmarks import Figure, table
from paper_repro.verdict import Check, Options, main

BEFORE = "measured before with the same settings, and not printed anywhere"


def _values(recall_20: float, recall_50: float, ndcg: float) -> Mapping[str, float]:
    return {"recall@20": recall_20, "recall@50": recall_50, "ndcg@100": ndcg}


FIGURES = [
    Figure("popularity", _values(0.180, 0.236, 0.219), BEFORE, tolerance=0.002, printed=False),
    Figure("ease", _values(0.368, 0.473, 0.433), BEFORE, tolerance=0.002, printed=False),
    Figure("ials-128", _values(0.367, 0.481, 0.435), BEFORE, tolerance=0.002, printed=False),
    Figure("ease+ials", {"recall@50": 0.490, "ndcg@100": 0.445}, "a goal of ours", printed=False),
]


def measure(options: Options) -> list[Check]:
    """Return every figure of the table; `--data-dir` is the folder of MovieLens-1M."""
    return table("T9", FIGURES, strong.Options(data_dir=options.data_dir), options)


if __name__ == "__main__":
    main("paper_repro.t9", measure)
