"""Posteriors by hand: draws given, or a Laplace approximation of Bradley-Terry under a normal prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.core import Item, Scores
from heedful.preference.pairs import PairModel
from heedful.preference.reading import Reading


@dataclass
class ByHand:
    """A posterior over named items with these draws [k, n], which knows no others."""

    names: tuple[str, ...]
    draws: np.ndarray
    model: dict[str, str] = field(default_factory=lambda: {"utility": "items"})

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(Item(system=name) for name in self.names)

    def __call__(self, items: Sequence[Item]) -> Scores:
        places = [self.names.index(item.system or item.key) for item in items]
        return Scores(self.draws.mean(axis=0)[places], self.draws[:, places])


@dataclass
class Placing(ByHand):
    """The same, saying which items the votes place, how often each was judged and why some are not placed."""

    identified: tuple[bool, ...] = ()
    counts: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mean(self) -> np.ndarray:
        return np.asarray(self.draws.mean(axis=0))


@dataclass
class WithTies(ByHand):
    """The same under Davidson's model with tie weight `tie`, as a fitted posterior says it."""

    tie: float = 1.0

    @property
    def readings(self) -> tuple[Any, ...]:
        model = PairModel(np.ones(1), True)
        nuisance = np.full((len(self.draws), 1), np.log(self.tie))
        return (Reading("comparison", model, nuisance[0], nuisance),)


def laplace(first: np.ndarray, second: np.ndarray, won: np.ndarray, n: int, sd: float = 1.0) -> tuple[Any, Any]:
    """Mean [n] and covariance [n, n] of strengths given Bradley-Terry votes and a prior N(0, sd²)."""
    mean = np.zeros(n)
    for _ in range(30):
        p = expit(mean[first] - mean[second])
        slope = np.bincount(first, won - p, n) - np.bincount(second, won - p, n) - mean / sd**2
        information = np.eye(n) / sd**2
        weight = p * (1 - p)
        np.add.at(information, (first, first), weight)
        np.add.at(information, (second, second), weight)
        np.add.at(information, (first, second), -weight)
        np.add.at(information, (second, first), -weight)
        step = np.linalg.solve(information, slope)
        mean = mean + step
        if np.abs(step).max() < 1e-10:
            break
    return mean, np.linalg.inv(information)
