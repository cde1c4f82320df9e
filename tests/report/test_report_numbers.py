from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.report.numerals import (
    PERCENT,
    SCORE,
    SIGNED_POINTS,
    capitalised,
    count,
    counted,
    decimals,
    duration,
    fixed,
    number,
    p_value,
    with_interval,
)
from heedful.report.parts import IntervalPart
from heedful.report.scales import counts, fractions_around, round_ticks, spanning

MINUS = "\u2212"


@pytest.mark.parametrize(
    ("half_width", "places"),
    [(0.023, 3), (0.23, 2), (2.3, 1), (23.0, 0), (230.0, 0), (0.0099, 4), (None, None), (0.0, None)],
)
def test_two_digits_of_the_uncertainty_are_kept(half_width: float | None, places: int | None) -> None:
    assert decimals(half_width) == places


def test_numbers_are_written_as_print_writes_them() -> None:
    assert fixed(-1234.5, 1) == f"{MINUS}1,234.5"
    assert fixed(-0.0004, 2) == "0.00"
    assert number(0.0123456) == "0.0123"
    assert number(0.0) == "0.00"
    assert count(8931) == "8,931"
    assert count(2.5) == "2.5"
    assert counted(1, "vote") == "1 vote"
    assert counted(0, "vote") == "no votes"
    assert capitalised("no Votes") == "No Votes"


def test_units() -> None:
    interval = IntervalPart(low=0.649, high=0.696)
    assert with_interval(0.673, interval, PERCENT) == "67.3% (95% confidence interval 64.9 to 69.6)"
    assert with_interval(0.673, None, PERCENT) == "67.3% (no interval can be given)"
    assert with_interval(None, None, PERCENT) == "a value that could not be computed"
    assert SIGNED_POINTS.show(0.098, 0.03) == "+9.8 points"
    assert SIGNED_POINTS.show(-0.012, 0.03) == f"{MINUS}1.2 points"
    assert SCORE.span(IntervalPart(low=-0.5, high=1.25)) == f"{MINUS}0.50 to 1.25"


def test_a_column_has_one_number_of_decimals() -> None:
    wide, narrow = IntervalPart(low=0.3, high=0.7), IntervalPart(low=0.48, high=0.52)
    unit = PERCENT.uniform([narrow, narrow, wide, None])
    assert unit.show(0.5, wide.half_width) == unit.show(0.5, narrow.half_width) == "50.0%"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "p < 0.001"), (0.0341, "p = 0.034"), (0.156, "p = 0.16"), (1.0, "p = 1.00"), (None, "no p-value")],
)
def test_p_values(value: float | None, text: str) -> None:
    assert p_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 ms"), (0.02, "20 ms"), (0.9, "0.90 s"), (4.81, "4.81 s"), (150, "2 min 30 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_round_and_within(low: float, length: float, wanted: int) -> None:
    high = low + length
    if not high > low:
        return
    ticks = round_ticks(low, high, wanted)
    slack = 1e-6 * length + 1e-9 * abs(low)
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= wanted + 1


@given(st.lists(st.floats(-1e8, 1e8), min_size=1, max_size=6))
def test_a_scale_holds_its_values(values: list[float]) -> None:
    scale = spanning(values)
    assert all(-1e-9 <= scale.share(value) <= 1 + 1e-9 for value in values)
    labels = [scale.label(tick) for tick in scale.ticks]
    assert len(set(labels)) == len(labels) or scale.high - scale.low < 1e-6 * abs(scale.high)


def test_scales_of_fractions_and_counts() -> None:
    scale = fractions_around([0.52, 0.68])
    assert (scale.low, scale.high) == (0.5, 0.7)
    assert [scale.label(tick) for tick in fractions_around([0.0, 1.0]).ticks] == ["0%", "25%", "50%", "75%", "100%"]
    doubled = counts([100, 200, 400])
    assert [doubled.share(value) for value in (100, 200, 400)] == pytest.approx([0, 0.5, 1])
    assert counts([7]).share(7) == pytest.approx(0.5)


def test_points_on_a_scale_in_other_units_keep_their_labels() -> None:
    scale = spanning([0, 10]).times(0.01)
    assert scale.share(0.05) == pytest.approx(0.5)
    assert scale.label(scale.ticks[-1]) == "10"
    assert math.isclose(scale.ticks[-1], 0.1)
