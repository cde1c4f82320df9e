"""The balance of exploration and exploitation, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.loops.balance import balance


def test_balance_is_what_the_formula_says():
    chosen = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    right = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
    outputs = np.array([[7, 7, 8, 9], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    # two different of four kept and four wanted; two of two; none kept; none right
    np.testing.assert_allclose(balance(chosen, right, outputs, 4), [0.5 * 0.5, 0.5 * 1.0, 0.0, 0.0])
    np.testing.assert_allclose(balance(chosen, right, outputs, 1)[:2], [0.5, 1.0])


@pytest.mark.parametrize("wrong", [lambda: balance([[1]], [[1]], [[1]], 0), lambda: balance([[1]], [[1, 0]], [[1]], 1)])
def test_what_has_no_balance_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()
