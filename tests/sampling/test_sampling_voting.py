"""Votes by hand, and against the rule written out sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.sampling import voted

SCORES = np.array([[3.0, 1.0], [2.0, 6.0], [5.0, 1.0]])


def test_votes_by_hand() -> None:
    np.testing.assert_allclose(voted(SCORES), [10 / 3, 8 / 3])
    np.testing.assert_allclose(voted(SCORES, [1, 3, 0]), [9 / 4, 19 / 4])
    np.testing.assert_allclose(voted(SCORES, [0.9, 0.2, 0.5], keep=2), [4, 1])
    np.testing.assert_allclose(voted(SCORES, [0.5, 0.5, 0.5], keep=1), SCORES[0])


def test_batches_are_voted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    scores, quality = rng.normal(size=(5, 7, 3)), rng.random((5, 7))
    for keep in (None, 1, 4, 7):
        each = []
        for own, trusted in zip(scores, quality, strict=True):
            best = sorted(range(7), key=lambda sample: -trusted[sample])[:keep]
            weight = [trusted[s] if keep is None else 1.0 for s in best]
            each.append(sum(w * own[s] for w, s in zip(weight, best, strict=True)) / sum(weight))
        np.testing.assert_allclose(voted(scores, quality, keep=keep), each, atol=1e-12)
    np.testing.assert_allclose(voted(scores, quality, keep=7), voted(scores))


def test_faults_are_named() -> None:
    with pytest.raises(InputError, match="finite scores"):
        voted([1.0, 2.0])
    with pytest.raises(InputError, match="finite scores"):
        voted(np.zeros((0, 2)))
    with pytest.raises(InputError, match="for each sample"):
        voted(SCORES, [1.0, -1.0, 0.0])
    with pytest.raises(InputError, match="1 to 3 samples"):
        voted(SCORES, [1, 1, 1], keep=4)
    with pytest.raises(InputError, match="said by their quality"):
        voted(SCORES, keep=2)
    with pytest.raises(InputError, match="none votes"):
        voted(SCORES, [0, 0, 0])
