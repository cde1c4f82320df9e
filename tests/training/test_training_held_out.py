"""The loss on what is held out: its interval is that of a ratio of sums."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import FitError
from heedful.stats import mean_estimate, paired_difference
from heedful.training.held_out import linearised


@pytest.mark.parametrize("by_length", [0.0, 1.0])
def test_the_interval_of_a_mean_over_tokens_holds_what_it_says(by_length):
    """Outputs of unlike length, whose loss grows with it or not: truth is the ratio of expectations."""
    rng = np.random.default_rng(0)
    inside = {"after": 0, "change": 0}
    for _ in range(400):
        length = rng.choice([5.0, 20.0, 80.0], 60)
        own = 2.0 * (by_length * length + (1 - by_length) * 35.0)  # 70 of 35 tokens in the mean
        before, after = (own * level + 3.0 * rng.normal(size=60) for level in (1.5, 1.0))
        measured = mean_estimate(linearised(after, length)).interval
        change = paired_difference(linearised(after, length), linearised(before, length))[0].interval
        inside["after"] += measured.low < 2.0 < measured.high
        inside["change"] += change.low < -1.0 < change.high
    assert all(0.92 < own / 400 < 0.98 for own in inside.values()), inside


def test_the_mean_is_the_loss_and_equal_units_change_nothing():
    lost, units = np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, 1.0])
    assert linearised(lost, units).mean() == pytest.approx(9 / 4)
    assert linearised(lost, np.full(3, 2.0)) == pytest.approx(lost / 2)
    with pytest.raises(FitError, match="says anything"):
        linearised(np.zeros(3), np.zeros(3))
