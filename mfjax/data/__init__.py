"""Reading, filtering and splitting interactions on the host.

`datasets` loads the published sets, `splits` holds out by time or at random and says which rules for equal times there
are, `leaks` proves that nothing leaks, `recency` weighs a user's latest items, `synthetic` makes interactions up.
"""

from mfjax.data import datasets, leaks, recency, splits, synthetic
from mfjax.data.arrays import from_arrays, from_sparse
from mfjax.data.batching import batches, scan_vocabularies
from mfjax.data.datasets import Dataset, load
from mfjax.data.describing import Description, describe
from mfjax.data.filters import compact, k_core
from mfjax.data.leaks import check_no_leak
from mfjax.data.reading import read, read_split
from mfjax.data.runs import write_qrels, write_run
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
from mfjax.data.writing import to_arrow, to_frame, write

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
