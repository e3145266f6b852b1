"""Reading, filtering and splitting interactions on the host."""

from mfjax.data.arrays import from_arrays
from mfjax.data.filters import compact, k_core
from mfjax.data.leaks import check_no_leak
from mfjax.data.movielens import Dataset, load, load_ml1m, load_ml100k, load_ratings_csv
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
from mfjax.data.tables import from_frame, from_sparse, read_csv, read_parquet

__all__ = [
    "Dataset",
    "HeldOut",
    "Split",
    "StrongSplit",
    "check_no_leak",
    "compact",
    "from_arrays",
    "from_frame",
    "from_sparse",
    "global_time_cut",
    "k_core",
    "k_folds",
    "leave_last_out",
    "load",
    "load_ml1m",
    "load_ml100k",
    "load_ratings_csv",
    "random_split",
    "read_csv",
    "read_parquet",
    "strong_generalisation",
    "temporal",
]
