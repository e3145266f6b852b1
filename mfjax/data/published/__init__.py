"""Published sets by name or path: `datasets` loads them, `recipes` is the table of how each is read.

`locating` recognises a set by its files, `releases` and `sources` find and fetch it, `titles` and `candidates` read
what lies beside the interactions, `ncf` makes a train part that is not published; `heads` and `guessing` look at files
that no recipe knows.
"""

from mfjax.data.published.datasets import Dataset, load

__all__ = [
    "Dataset",
    "load",
]
