"""What the numbers amount to, in words. Each judgement is made by an interval, never by a bare number."""

from __future__ import annotations

from typing import Literal

from heedful.report.parts import Control, HeldOut, IntervalPart, Ranked
from heedful.report.summary import Summary

Comparison = Literal["better", "worse", "unclear"]
Calibration = Literal["good", "off", "unknown"]


def against(interval: IntervalPart | None, reference: float = 0.0) -> Comparison:
    """Which side of `reference` the whole interval lies on."""
    if interval is None:
        return "unclear"
    if interval.low > reference:
        return "better"
    return "worse" if interval.high < reference else "unclear"


def versus(control: Control | None) -> Comparison:
    """The fitted preferences against a control, by the paired difference."""
    return "unclear" if control is None else against(control.difference_interval)


def calibration(held_out: HeldOut) -> Calibration:
    """Whether the calibration error is what perfectly calibrated probabilities would show by chance."""
    if held_out.ece is None or held_out.ece_null_band is None:
        return "unknown"
    return "off" if held_out.ece > held_out.ece_null_band[1] else "good"


def could_be_best(ranked: list[Ranked]) -> list[Ranked]:
    """The items whose rank interval holds rank 1."""
    return [item for item in ranked if item.rank_interval is not None and item.rank_interval[0] <= 1]


def noun(summary: Summary) -> str:
    """What is ranked: systems where the feedback names some, else items."""
    return "system" if summary.feedback.systems else "item"


def alpha_words(alpha: float) -> str:
    """Krippendorff's alpha in words (the bounds 0.8 and 0.667 are his; 0 is chance)."""
    if alpha >= 0.8:
        return "high"
    if alpha >= 0.667:
        return "fair"
    return "low" if alpha > 0.0 else "no better than chance"
