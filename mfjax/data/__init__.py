"""Reading, filtering and splitting interactions on the host.

`reading` takes any source, `published` the published sets, `describing` says what is in a file, `writing` gives frames
and files back. `splits` holds out by time or at random and says which rules for equal times there are, `liang` holds
out users by the draws that published tables are on, `leaks` proves that nothing leaks, `filters` keeps users and items
with enough rows, `recency` weighs a user's latest items, `synthetic` makes interactions up.
"""

from mfjax.data import leaks, liang, recency, splits, synthetic
from mfjax.data.describing.description import Description, describe
from mfjax.data.filters import compact, k_core
from mfjax.data.leaks import check_no_leak
from mfjax.data.published import datasets
from mfjax.data.published.datasets import Dataset, load
from mfjax.data.reading.arrays import from_arrays, from_sparse
from mfjax.data.reading.batching import batches, scan_vocabularies
from mfjax.data.reading.reader import read, read_split
from mfjax.data.splits import (
    HeldOut,
    Split,
    StrongSplit,
    global_time_cut,
    k_folds,
    leave_last_out,
    random_split,
    strong_generalisation,
    temporal,
)
from mfjax.data.writing.interactions import to_arrow, to_frame, write
from mfjax.data.writing.runs import write_qrels, write_run

read_csv = read_parquet = from_frame = read
"""`read`, under the names that other libraries have for it."""

__all__ = [
    "Dataset",
    "Description",
    "HeldOut",
    "Split",
    "StrongSplit",
    "batches",
    "check_no_leak",
    "compact",
    "datasets",
    "describe",
    "from_arrays",
    "from_frame",
    "from_sparse",
    "global_time_cut",
    "k_core",
    "k_folds",
    "leaks",
    "leave_last_out",
    "liang",
    "load",
    "random_split",
    "read",
    "read_csv",
    "read_parquet",
    "read_split",
    "recency",
    "scan_vocabularies",
    "splits",
    "strong_generalisation",
    "synthetic",
    "temporal",
    "to_arrow",
    "to_frame",
    "write",
    "write_qrels",
    "write_run",
]
