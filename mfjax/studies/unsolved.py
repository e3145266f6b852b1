"""Fits of a search: a setting is judged by its scores, and that it is far from solved is no news."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_news() -> Iterator[None]:
    """Leave out the warning of `mfjax.als.fit` that its steps do not solve the rows."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cg_steps: ")
        yield
