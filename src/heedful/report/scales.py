"""Axes: which numbers to mark, and where a value lies between the ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from heedful.report.numerals import MINUS, fixed


@dataclass(frozen=True)
class Scale:
    """A stretch of the number line, linear or logarithmic, with its marks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    label: Callable[[float], str]
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Where `value` lies: 0 at the low end, 1 at the high end, beyond them outside."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def times(self, factor: float) -> Scale:
        """The scale of values that are `factor` times as large, with the labels as they were."""
        ticks = tuple(factor * tick for tick in self.ticks)
        return Scale(
            factor * self.low, factor * self.high, ticks, lambda tick: self.label(tick / factor), self.logarithmic
        )


def round_ticks(low: float, high: float, wanted: int = 5) -> tuple[float, ...]:
    """About `wanted` round numbers (1, 2, 2.5 or 5 times a power of ten apart) from low to high."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))


def spanning(values: Iterable[float], *, wanted: int = 5, margin: float = 0.0) -> Scale:
    """A linear scale over the values, with round marks."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if not high > low:
        pad = abs(low) / 2 or 0.5
        low, high = low - pad, high + pad
    room = margin * (high - low)
    low, high = low - room, high + room
    ticks = round_ticks(low, high, wanted)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    places = max(0, -math.floor(math.log10(step) + 1e-9)) + (1 if _has_half_steps(step) else 0)
    return Scale(low, high, ticks, lambda tick: fixed(tick, places))


def _has_half_steps(step: float) -> bool:
    """Whether the marks are 2.5 times a power of ten apart and so need one more digit."""
    lead = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    return abs(lead - 2.5) < 1e-6 and step < 10


def signed(scale: Scale) -> Scale:
    """The same scale with a plus sign at marks above zero."""

    def label(tick: float) -> str:
        text = scale.label(tick)
        return text if text.startswith(MINUS) or tick <= 0 else f"+{text}"

    return Scale(scale.low, scale.high, scale.ticks, label, scale.logarithmic)


def _percent(tick: float) -> str:
    return f"{100 * tick:.0f}%"


def fractions(low: float = 0.0, high: float = 1.0) -> Scale:
    """A scale of fractions marked in percent."""
    return Scale(low, high, round_ticks(low, high, 4 if high - low >= 1 else 5), _percent)


def fractions_around(values: Sequence[float]) -> Scale:
    """The part of 0..1 that holds the values, out to the next multiple of ten percent."""
    if not values:
        return fractions()
    low = max(0.0, math.floor(min(values) * 10 - 1e-9) / 10)
    high = min(1.0, math.ceil(max(values) * 10 + 1e-9) / 10)
    return fractions(low, high) if high > low else fractions()


def counts(values: Sequence[float]) -> Scale:
    """A logarithmic scale of counts, marked at the values themselves where these stand far enough apart."""
    low, high = min(values), max(values)
    if not high > low:
        low, high = low / 2, low * 2
    ticks: list[float] = []
    for value in sorted(set(values), reverse=True):
        if not ticks or math.log(ticks[-1] / value) > 0.14 * math.log(high / low):
            ticks.append(value)
    return Scale(low, high, tuple(reversed(ticks)), lambda tick: fixed(tick, 0), logarithmic=True)
