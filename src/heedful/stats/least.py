"""The least size that is enough."""

from __future__ import annotations

from collections.abc import Callable


def least_enough(enough: Callable[[int], bool]) -> int:
    """The smallest whole number from 1 that is enough, where all beyond it are; by doubling and halving."""
    high = 1
    while not enough(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
