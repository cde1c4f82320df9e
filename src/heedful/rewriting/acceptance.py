"""Stopgap, replaced by the acceptance of the branch accept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import Estimate, Floats
from heedful.stats import coin_capital, mean_estimate, paired_difference


@dataclass(frozen=True, eq=False)
class Score:
    values: Floats
    split: str

    def estimate(self) -> Estimate:
        return replace(mean_estimate(self.values), split=self.split)


def claim(before: Score, after: Score) -> Estimate:
    return replace(paired_difference(after.values, before.values)[0], split=before.split)


@dataclass(frozen=True, eq=False)
class Trial:
    order: Sequence[int]
    level: float
    differences: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def log_e(self) -> float:
        wins, losses = (self.differences > 0).sum(), (self.differences < 0).sum()
        return float(coin_capital(wins, losses))

    @property
    def kept(self) -> bool:
        return bool(self.log_e >= -np.log(self.level))

    @property
    def open(self) -> bool:
        return not self.kept and len(self.differences) < len(self.order) and self.log_e > -3

    def next(self, most: int) -> Sequence[int]:
        return self.order[len(self.differences) : len(self.differences) + most]

    def after(self, differences: Floats) -> Trial:
        return replace(self, differences=np.concatenate([self.differences, differences]))

    def told(self) -> Mapping[str, Any]:
        return {
            "n": len(self.differences),
            "log_e": self.log_e,
            "level": self.level,
            "difference": float(self.differences.mean()),
            "kept": self.kept,
        }


@dataclass(frozen=True, eq=False)
class Gate:
    alpha: float
    number: int = 1

    def trial(self, n: int, rng: np.random.Generator) -> Trial:
        return Trial([int(own) for own in rng.permutation(n)], self.alpha / (self.number * (self.number + 1)))

    def closed(self, trial: Trial) -> Gate:
        return replace(self, number=self.number + 1)
