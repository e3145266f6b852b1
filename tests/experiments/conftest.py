"""What tests of experiments share: a small made-up ratings folder."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in the layout of MovieLens-100K with 40 users, 30 items and many equal timestamps."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((40, 30)) < 0.5)
    ratings, times = rng.integers(1, 6, len(users)), rng.integers(0, 20, len(users))
    lines = [f"{u + 1}\t{i + 1}\t{r}\t{t}" for u, i, r, t in zip(users, items, ratings, times, strict=True)]
    path = tmp_path_factory.mktemp("ml-100k")
    (path / "u.data").write_text("\n".join(lines) + "\n")
    return path
