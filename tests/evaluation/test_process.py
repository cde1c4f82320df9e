"""First wrong steps: by hand, and where scores are the truth or say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, Item, Part
from heedful.evaluation import best_threshold, first_error_f1, first_errors, step_scores
from heedful.evidence import Rule

SCORES = np.array([[0.9, 0.2, 0.1], [0.8, 0.7, np.nan], [0.3, 0.9, 0.9], [0.9, 0.9, 0.4]])
LENGTH = np.array([3, 2, 3, 3])


def test_scores_of_prefixes_are_those_of_their_last_step():
    rule = Rule(lambda item: float(item.output[-1].text), "number")
    items = [Item((), tuple(map(Part, steps))) for steps in (("1", "2", "3"), (), ("4",))]
    np.testing.assert_array_equal(step_scores(rule, items), [[1, 2, 3], [np.nan] * 3, [4, np.nan, np.nan]])
    assert step_scores(rule, []).shape == (0, 0)


def test_the_first_low_score_is_the_error_found():
    assert first_errors(SCORES, 0.5).tolist() == [1, 2, 0, 2]
    assert first_errors(SCORES, 0.0).tolist() == LENGTH.tolist()


def test_f1_by_hand():
    found = first_errors(SCORES, 0.5)
    # Of three faulty ones two are found; of one without fault, that one.
    assert first_error_f1(found, np.array([1, 2, 1, 2]), LENGTH) == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert first_error_f1(np.array([0, 0, 1, 0]), np.array([1, 2, 2, 2]), LENGTH) == 0.0
    with pytest.raises(InputError, match="0 of 4 solutions"):
        first_error_f1(found, LENGTH, LENGTH)


def test_the_threshold_that_tells_is_found():
    rng = np.random.default_rng(0)
    right = rng.random((400, 4)) < 0.8
    true = np.where((~right).any(axis=1), (~right).argmax(axis=1), 4)
    scores = np.where(right, rng.uniform(0.6, 1, right.shape), rng.uniform(0, 0.4, right.shape))
    threshold = best_threshold(scores, true)
    assert first_error_f1(first_errors(scores, threshold), true, np.full(400, 4)) > 0.95
    blind = rng.random(right.shape)
    assert first_error_f1(first_errors(blind, best_threshold(blind, true)), true, np.full(400, 4)) < 0.45
