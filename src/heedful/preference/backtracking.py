"""How far to go along a step uphill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from heedful.core import Floats

T = TypeVar("T")

_FAIR = 1e-4
_SHORTEST = 1e-10
_ROUNDING = 1e-13


def backtracked(at: Callable[[float], tuple[float, T]], value: float, slope: float) -> tuple[float, T] | None:
    """The value and what stands there, at the first of step, step/2, step/4, ... that gains a fair part of its promise.

    `at` gives both for a part of the step; `value` and `slope` are those at its start (Armijo 1966). None where no part
    gains beyond rounding: the maximum up to floating point.
    """
    rounding, size = _ROUNDING * max(abs(value), 1.0), 1.0
    while size > _SHORTEST:
        there = at(size)
        if there[0] >= value + _FAIR * size * slope - rounding:
            return there
        size /= 2
    return None


def along(value: Callable[[Floats], float], x: Floats, step: Floats) -> Callable[[float], tuple[float, Floats]]:
    """A function's value, and where it is taken, at parts of a step from x."""
    return lambda size: (value(x + size * step), x + size * step)
