"""Proportions behind marks that err: by arithmetic, by inverting the test on a grid, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError
from heedful.stats import corrected_proportion


def counted(so: int, of: int) -> np.ndarray:
    return np.arange(of) < so


def checks(s: tuple[int, int], f: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([counted(*s), counted(*f)]), np.repeat([True, False], [s[1], f[1]])


def test_the_share_is_what_gives_as_many_marks() -> None:
    # 0.4 · 0.8 + 0.6 · 0.1 = 0.38
    found = corrected_proportion(counted(380, 1000), *checks((80, 100), (10, 100)))
    assert found.value == pytest.approx(0.4)
    assert found.n == 1000
    assert found.note == ""


def test_the_interval_holds_what_its_test_does_not_reject() -> None:
    tried = checks((40, 50), (12, 60))
    found = corrected_proportion(counted(300, 900), *tried, level=0.9)
    smooth = lambda x, n: (x + 1) / (n + 2) * (1 - (x + 1) / (n + 2)) / n  # noqa: E731
    grid = np.linspace(0, 1, 100_001)
    variance = smooth(300, 900) + grid**2 * smooth(40, 50) + (1 - grid) ** 2 * smooth(12, 60)
    kept = grid[np.abs(300 / 900 - grid * 0.8 - (1 - grid) * 0.2) <= 1.6448536 * np.sqrt(variance)]
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((kept[0], kept[-1]), abs=2e-5)


def test_intervals_cover_shares_that_marks_bend() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([True, False], 40)
    for p, s, f in ((0.1, 0.8, 0.1), (0.5, 0.6, 0.1), (0.9, 0.95, 0.3)):
        held = []
        for _ in range(600):
            so = rng.random(800) < p
            marked, tried = (rng.random(len(own)) < np.where(own, s, f) for own in (so, truth))
            interval = corrected_proportion(marked, tried, truth).interval
            assert interval is not None
            held.append(interval.low <= p <= interval.high)
        assert np.mean(held) >= 0.93, (p, s, f)


def test_what_cannot_be_told_is_said() -> None:
    blind = corrected_proportion(counted(50, 100), *checks((25, 50), (24, 50)))
    assert not blind.identified
    assert "do not tell" in blind.note
    few = corrected_proportion(counted(50, 100), *checks((29, 29), (0, 50)))
    assert not few.identified
    assert "29 of 79" in few.note
    outside = corrected_proportion(counted(15, 200), *checks((45, 50), (5, 50)))
    assert (outside.value, outside.interval and outside.interval.low) == (0.0, 0.0)
    assert "lies outside" in outside.note
    other = corrected_proportion(counted(2000, 2000), *checks((60, 100), (5, 100)))
    assert other.interval is None
    assert "another sort" in other.note


def test_marks_are_marks() -> None:
    tried = checks((40, 50), (5, 50))
    with pytest.raises(InputError, match="0 or 1"):
        corrected_proportion([0.5], *tried)
    with pytest.raises(InputError, match="0 or 1"):
        corrected_proportion([], *tried)
    with pytest.raises(InputError, match="for 3 truths"):
        corrected_proportion([1], tried[0], [1, 0, 1])
    with pytest.raises(InputError, match="level"):
        corrected_proportion([1], *tried, level=1.0)
