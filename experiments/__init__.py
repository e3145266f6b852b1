"""Runnable experiments: `python -m experiments.<name> --help`."""

import os

# LAPACK factorises small matrices here, while XLA's threads work: BLAS threads of its own would only spin beside them,
# which doubles the time of a sweep of ALS on several CPU devices. Set before NumPy and SciPy load the library.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
