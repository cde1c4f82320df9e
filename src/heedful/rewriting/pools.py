"""The pool of values that were tried, and which of them proposals start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Member:
    """Values in the pool of parents: what they earned on each training example that they ran on, by its place."""

    values: Mapping[str, Any]
    earned: Mapping[int, float]

    @property
    def mean(self) -> float:
        return float(np.mean(list(self.earned.values()))) if self.earned else 0.0


Select = Callable[[Sequence[Member], Member, np.random.Generator], Member]
"""(pool, incumbent, rng) -> the member that proposals start from."""


def incumbent(pool: Sequence[Member], kept: Member, rng: np.random.Generator) -> Member:
    """Proposals start from what is kept."""
    return kept


def pareto(pool: Sequence[Member], kept: Member, rng: np.random.Generator) -> Member:
    """Proposals start from a member that is best on some training examples, the more the likelier (Agrawal et al. 2025,
    "GEPA"). Ties share an example. What is adopted is decided by trials against what is kept all the same."""
    weight = np.zeros(len(pool))
    for place in {place for member in pool for place in member.earned}:
        earned = np.array([member.earned.get(place, -1.0) for member in pool])
        best = earned == earned.max()
        weight += best / best.sum()
    return pool[int(rng.choice(len(pool), p=weight / weight.sum()))] if weight.any() else kept
