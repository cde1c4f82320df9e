"""The pool of values that were tried, and which of them proposals start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from heedful.core import Floats


@dataclass(frozen=True, slots=True)
class Member:
    """Values in the pool of parents: what they earned on each training example that they ran on, by its place, once or
    several times."""

    values: Mapping[str, Any]
    earned: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    @property
    def all(self) -> Floats:
        """All that was earned [n]."""
        return np.array([own for each in self.earned.values() for own in each])

    @property
    def mean(self) -> float:
        return float(self.all.mean()) if self.earned else 0.0

    def after(self, places: Sequence[int], earned: Floats) -> Member:
        """The member after another run on each of these examples [n]."""
        more = {place: (*self.earned.get(place, ()), float(own)) for place, own in zip(places, earned, strict=True)}
        return replace(self, earned={**self.earned, **more})


_MOST_DRAWN = 100.0  # examples that the pool's mean counts for where members do not differ beyond chance
Select = Callable[[Sequence[Member], Member, np.random.Generator], Member]
"""(pool, incumbent, rng) -> the member that proposals start from."""


def incumbent(pool: Sequence[Member], kept: Member, rng: np.random.Generator) -> Member:
    """Proposals start from what is kept."""
    return kept


def leading(pool: Sequence[Member], kept: Member, rng: np.random.Generator) -> Member:
    """Proposals start from the member that earned most in training, proven or not: of changes one may build on another
    before any is proven, and each is left again once others earn more. Means of few examples are drawn towards that of
    the pool."""
    return pool[int(np.argmax(_drawn([own.all for own in pool])))]


def _drawn(earned: Sequence[Floats]) -> Floats:
    """Means drawn towards the mean of all, by how much members differ beyond chance (DerSimonian and Laird 1986,
    "Meta-analysis in clinical trials")."""
    n = np.array([len(own) for own in earned])
    if not n.sum():
        return np.zeros(len(n))
    sums, middle = np.array([own.sum() for own in earned]), float(np.concatenate(earned).mean())
    means = sums / np.maximum(n, 1)
    within = sum(float(((own - mean) ** 2).sum()) for own, mean in zip(earned, means, strict=True))
    within /= max(int(n.sum() - (n > 0).sum()), 1)
    between = float(n @ (means - middle) ** 2) - ((n > 0).sum() - 1) * within
    between /= max(float(n.sum() - (n**2).sum() / n.sum()), 1.0)
    drawn = np.clip(within / between, 1.0, _MOST_DRAWN) if between > 0 else _MOST_DRAWN
    return np.asarray((sums + drawn * middle) / (n + drawn))


def pareto(pool: Sequence[Member], kept: Member, rng: np.random.Generator) -> Member:
    """Proposals start from a member that is best on some training examples, the more the likelier (Agrawal et al. 2025,
    "GEPA"). Ties share an example. What is adopted is decided by trials against what is kept all the same."""
    weight = np.zeros(len(pool))
    for place in {place for member in pool for place in member.earned}:
        earned = np.array([np.mean(member.earned.get(place, -1.0)) for member in pool])
        best = earned == earned.max()
        weight += best / best.sum()
    return pool[int(rng.choice(len(pool), p=weight / weight.sum()))] if weight.any() else kept
