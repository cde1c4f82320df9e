"""The sign test that may end early: by enumeration of all that may happen, and against the binomial."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from heedful.core import InputError
from heedful.stats import SignTest


def proven(test: SignTest, path: tuple[int, ...]) -> bool:
    seen = np.array(path)
    return test.proves(seen > 0, seen < 0, ended=True)


@pytest.mark.parametrize("level", [0.3, 0.05])
@pytest.mark.parametrize("win", [0.5, 0.35, 0.1])
def test_by_enumeration(level: float, win: float) -> None:
    """Whichever of 12 examples are won or lost, wins are proven to be likelier with probability `level` at most."""
    test = SignTest.of(12, level)
    for d in range(13):
        chance = sum(
            win ** path.count(1) * (1 - win) ** path.count(-1)
            for path in product((1, -1), repeat=d)
            if proven(test, path)
        )
        assert chance <= level + 1e-12
        assert (chance > 0) == (2.0**-d <= level)


def test_ties_before_between_and_after_change_nothing() -> None:
    test = SignTest.of(12, 0.1)
    for path in product((1, -1), repeat=6):
        assert proven(test, path) == proven(test, (0, *path[:3], 0, 0, *path[3:], 0))


def test_more_wins_prove_no_less() -> None:
    test = SignTest.of(10, 0.2)
    for path in product((1, -1), repeat=8):
        for place in range(8):
            if proven(test, path):
                assert proven(test, (*path[:place], 1, *path[place + 1 :]))


@pytest.mark.parametrize("level", [0.05, 0.001])
def test_early_ends_cost_at_most_two_wins_at_the_end(level: float) -> None:
    """Of the binomial test of fixed size, given how many were won or lost."""
    test = SignTest.of(300, level)
    for d in (20, 60, 150, 300):
        fixed = int(stats.binom.isf(level, d, 0.5)) + 1
        assert fixed <= test.late[d] <= fixed + 2
        assert test.late[d] <= test.early[d]


def test_what_is_far_ahead_is_proven_before_the_end() -> None:
    test = SignTest.of(300, 0.01)
    assert test.proves(np.ones(16, bool), np.zeros(16, bool), ended=False)
    assert not test.proves(np.ones(5, bool), np.zeros(5, bool), ended=False)
    assert not test.proves(np.zeros(0, bool), np.zeros(0, bool), ended=True)


def test_too_few_examples_prove_nothing() -> None:
    assert not proven(SignTest.of(4, 0.05), (1, 1, 1, 1))
    assert proven(SignTest.of(5, 0.05), (1, 1, 1, 1, 1))


@pytest.mark.parametrize(("n", "level"), [(0, 0.1), (5, 0.0), (5, 1.0)])
def test_what_is_no_test(n: int, level: float) -> None:
    with pytest.raises(InputError, match="level"):
        SignTest.of(n, level)
