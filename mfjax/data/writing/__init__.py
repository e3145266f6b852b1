"""Interactions, recommendations and judgements -> frames and files that other tools read."""

from mfjax.data.writing.interactions import to_arrow, to_frame, write
from mfjax.data.writing.runs import write_qrels, write_run

__all__ = [
    "to_arrow",
    "to_frame",
    "write",
    "write_qrels",
    "write_run",
]
