import numpy as np
import pytest

from mfjax.evaluation import groups


def test_buckets_partition_the_users_at_the_edges():
    counts = np.array([0, 9, 10, 49, 50, 1000])
    found = groups.activity(counts, edges=(10, 50))
    assert [found.labels[i] for i in found.ids] == ["<10", "<10", "10-49", "10-49", ">=50", ">=50"]
    assert groups.activity(counts, edges=(1, 2, 3)).labels == ("<1", "1", "2", ">=3")


@pytest.mark.parametrize("edges", [(), (0, 5), (5, 5), (9, 3)])
def test_bad_edges_are_named(edges):
    with pytest.raises(ValueError, match="edges"):
        groups.activity(np.array([1]), edges=edges)
