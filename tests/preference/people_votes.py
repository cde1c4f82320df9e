"""Simulated votes of people who differ."""

from __future__ import annotations

import numpy as np

from heedful.core import Floats
from heedful.preference.people import PairVotes


def answers(margin: Floats, tie: float, rng: np.random.Generator) -> Floats:
    """Outcomes 1, 0, −1 by Davidson's model with ν = tie, at margins [v]."""
    weight = np.stack([np.exp(margin / 2), np.full(len(margin), tie), np.exp(-margin / 2)]).cumsum(axis=0)
    return np.asarray(1.0 - (rng.random(len(margin)) * weight[-1] > weight).sum(axis=0))


def questions(raters: int, each: int, items: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Rater, first and second item of every vote, pairs drawn uniformly."""
    rater = np.repeat(np.arange(raters), each)
    first = rng.integers(items, size=len(rater))
    return rater, first, (first + rng.integers(1, items, size=len(rater))) % items


def grouped(
    utilities: Floats, group: np.ndarray, each: int, rng: np.random.Generator, *, tie: float = 0.5
) -> PairVotes:
    """`each` votes of every rater, whose utilities are those [K, n] of its group [R]."""
    rater, first, second = questions(len(group), each, utilities.shape[1], rng)
    own = utilities[group[rater]]
    rows = np.arange(len(rater))
    outcome = answers(own[rows, first] - own[rows, second], tie, rng)
    return PairVotes.from_arrays(rater, first, second, outcome, items=utilities.shape[1], ties=tie > 0)


def opposed(
    seed: int, *, raters: int = 60, each: int = 20, share: float = 0.7, items: int = 8
) -> tuple[Floats, np.ndarray, PairVotes]:
    """Two groups of contrary tastes: utilities [2, n], each rater's group [R], votes."""
    rng = np.random.default_rng(seed)
    one = rng.normal(size=items)
    one -= one.mean()
    group = (rng.random(raters) > share).astype(np.intp)
    return np.array([one, -one]), group, grouped(np.array([one, -one]), group, each, rng)
