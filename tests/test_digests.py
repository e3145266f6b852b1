"""The digests' program: the same bits each time, and other bits for another result."""

import numpy as np
import pytest

from tests import digests


@pytest.mark.parametrize("name", ["als, iALS, over-relaxed", "ranking, BPR, unseen", "top-k", "statistics"])
def test_a_case_has_the_same_digest_twice(name):
    assert digests.digest(digests.CASES[name]()) == digests.digest(digests.CASES[name]())


def test_one_bit_one_dtype_or_one_shape_makes_another_digest():
    array = np.ones(4, np.float32)
    others = [np.nextafter(array, 2.0), array.astype(np.float64), array.reshape(2, 2)]
    assert len({digests.digest(value) for value in (array, *others)}) == 4
