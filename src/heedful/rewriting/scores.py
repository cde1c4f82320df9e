"""What a program earned: never a bare float."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from heedful.core import Estimate, Floats, InputError
from heedful.stats import bounded_interval, proportion

Split = Literal["train", "validation", "held out"]


@dataclass(frozen=True, eq=False)
class Score:
    """What a program earned on examples: `values` [n] in [0, 1], of which split, by which judge. Raises InputError for
    other values, or none."""

    values: Floats
    split: Split
    judge: str = ""

    def __post_init__(self) -> None:
        array = np.asarray(self.values, dtype=np.float64)
        if array.ndim != 1 or not len(array) or not ((array >= 0) & (array <= 1)).all():
            what = "a score needs values of shape [n] in [0, 1]"
            raise InputError(what, where=f"Score of {self.split}", fix="rescale what is earned by its known bounds")
        object.__setattr__(self, "values", array)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def variance(self) -> float | None:
        """That of the mean; None for one value."""
        return float(self.values.var(ddof=1) / self.n) if self.n > 1 else None

    def estimate(self, *, level: float = 0.95) -> Estimate:
        """The mean with the interval of a proportion (`stats.proportion`); where there is none, that of bets."""
        found = proportion(self.values, level=level)
        interval = found.interval or bounded_interval(self.values, level=level)[0]
        return replace(found, interval=interval, variance=self.variance, split=self.split, judge=self.judge)


def differences(before: Score, after: Score, split: Split) -> Floats:
    """What was earned `after` beyond `before` on the same examples [n]. Raises InputError where the scores are not of
    this split, by one judge and of equal length."""
    if (before.split, after.split) != (split, split) or before.judge != after.judge or before.n != after.n:
        shown = ", ".join(f"{own.n} of {own.split} by {own.judge or 'no named judge'}" for own in (before, after))
        what = f"scores on the same {split} examples by one judge are needed, not {shown}"
        raise InputError(what, where="scores", fix="score both programs on the same examples")
    return after.values - before.values
