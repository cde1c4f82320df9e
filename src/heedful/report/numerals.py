"""Numbers as a reader wants them: as many digits as the uncertainty leaves meaning to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median

from heedful.report.parts import IntervalPart

MINUS = "\u2212"
_MOST_DECIMALS = 6


def decimals(half_width: float | None, *, most: int = _MOST_DECIMALS) -> int | None:
    """Decimal places that show two significant digits of the half-width; None where there is no width to go by."""
    if half_width is None or not half_width > 0 or not math.isfinite(half_width):
        return None
    return min(max(1 - math.floor(math.log10(half_width)), 0), most)


def fixed(value: float, places: int) -> str:
    """`value` with `places` decimals, thousands grouped, a true minus sign and no negative zero."""
    text = f"{value:,.{places}f}"
    if not any(digit in "123456789" for digit in text):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def capitalised(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def number(value: float, half_width: float | None = None) -> str:
    """A number, rounded by its uncertainty, or to three significant digits where it has none."""
    places = decimals(half_width)
    if places is None:
        size = math.floor(math.log10(abs(value))) if value else 0
        places = min(max(2 - size, 0), _MOST_DECIMALS)
    return fixed(value, places)


def count(value: float | None) -> str:
    """A count; fractions (weighted votes) keep one decimal."""
    if value is None:
        return "an unknown number"
    return fixed(value, 0 if float(value).is_integer() else 1)


def counted(value: float | None, noun: str, plural: str | None = None) -> str:
    """'1 vote', '12 votes', 'no votes'."""
    many = plural or f"{noun}s"
    if value == 0:
        return f"no {many}"
    return f"{count(value)} {noun if value == 1 else many}"


def level(value: float) -> str:
    """0.95 as '95%'."""
    return f"{100 * value:.10g}%"


def p_value(value: float | None) -> str:
    """A p-value in words that stay true when it underflows."""
    if value is None:
        return "no p-value"
    if value < 0.001:
        return "p < 0.001"
    return f"p = {fixed(value, 3 if value < 0.1 else 2)}"


def duration(seconds: float) -> str:
    """Seconds, from milliseconds to minutes."""
    if seconds < 0.0995:
        return f"{fixed(1000 * seconds, 0 if seconds >= 0.001 or not seconds else 2)} ms"
    if seconds < 1:
        return f"{fixed(seconds, 2)} s"
    if seconds < 120:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest} s"


@dataclass(frozen=True)
class Unit:
    """How a quantity is shown: multiplied, signed or not, with what behind it."""

    factor: float = 1.0
    suffix: str = ""
    signed: bool = False
    most_decimals: int = _MOST_DECIMALS
    places: int | None = None

    def uniform(self, intervals: Iterable[IntervalPart | None]) -> Unit:
        """The unit with one number of decimals for a whole column: what its median interval asks for."""
        widths = [self.factor * interval.half_width for interval in intervals if interval is not None]
        return replace(self, places=decimals(median(widths), most=self.most_decimals)) if widths else self

    def bare(self, value: float, half_width: float | None = None) -> str:
        """The number without its suffix."""
        scaled = self.factor * value
        places = self.places
        if places is None and half_width:
            places = decimals(self.factor * half_width, most=self.most_decimals)
        if places is None and self.most_decimals < _MOST_DECIMALS:
            places = 1
        text = number(scaled) if places is None else fixed(scaled, places)
        return f"+{text}" if self.signed and scaled > 0 else text

    def show(self, value: float, half_width: float | None = None) -> str:
        """The number with its suffix."""
        return self.bare(value, half_width) + self.suffix

    def span(self, interval: IntervalPart) -> str:
        """'64.9 to 69.6', in the same digits as the value."""
        return f"{self.bare(interval.low, interval.half_width)} to {self.bare(interval.high, interval.half_width)}"


SCORE = Unit()
PERCENT = Unit(100.0, "%", most_decimals=2)
POINTS = Unit(100.0, " points", most_decimals=2)
SIGNED_POINTS = replace(POINTS, signed=True)


def promise_name(interval: IntervalPart) -> str:
    """What the interval is called in a sentence."""
    shown = level(interval.level)
    if interval.promise == "at least":
        return f"interval that holds at least {shown} of the time"
    return f"{shown} {interval.promise} interval"


def with_interval(value: float | None, interval: IntervalPart | None, unit: Unit) -> str:
    """'67.3% (95% confidence interval 64.9 to 69.6)'; says so where either is missing."""
    if value is None:
        return "a value that could not be computed"
    if interval is None:
        return f"{unit.show(value)} (no interval can be given)"
    return f"{unit.show(value, interval.half_width)} ({promise_name(interval)} {unit.span(interval)})"
