"""Small worlds whose targets and best-of-N laws can be worked out by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.stats import chi2

from heedful.core import Floats, Item, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import Rule
from heedful.models import TableModel
from heedful.target import Target

OUTPUTS = "abcdef"
CONTEXTS = (Item.of("q").context, Item.of("r").context)
PROBABILITY = np.array([0.3, 0.25, 0.2, 0.15, 0.07, 0.03])
BASE = TableModel.of({c: dict(zip(OUTPUTS, p, strict=True)) for c, p in (("q", PROBABILITY), ("r", PROBABILITY[::-1]))})
# Two outputs tie, at the second level from the top.
UTILITY = np.array([-0.5, 1.0, 0.2, 1.0, 1.6, -1.3])


def helpful(utility: Floats = UTILITY) -> Rule:
    values = dict(zip(OUTPUTS, np.asarray(utility).tolist(), strict=True))
    return Rule(lambda item: values[item.output[0].text], "helpful")


def target(strength: float = 1.5, utility: Floats = UTILITY) -> Target:
    return Target(BASE, strength * helpful(utility))


class Uncertain(Expressible):
    """The utility with posterior draws about it."""

    scale, under = "utility", None

    def __init__(self, draws: Floats) -> None:
        self.draws = draws

    def __call__(self, items):
        rows = [OUTPUTS.index(item.output[0].text) for item in items]
        return Scores(self.draws.mean(axis=0)[rows], self.draws[:, rows])


def brute_force_law(value: Floats, probability: Floats, n: int, *, soft: bool) -> Floats:
    """The law of keeping one of n draws, summed over every tuple of draws."""
    law = np.zeros(len(value))
    for drawn in itertools.product(range(len(value)), repeat=n):
        own = value[list(drawn)]
        weight = np.exp(own - own.max()) if soft else (own == own.max()).astype(float)
        np.add.at(law, list(drawn), math.prod(probability[list(drawn)]) * weight / weight.sum())
    return law


def chi_square_p(items, probability: Floats) -> float:
    """P-value of the counts of outputs under a law; outputs expected fewer than 5 times are counted as one."""
    count = np.bincount([OUTPUTS.index(item.output[0].text) for item in items], minlength=len(OUTPUTS))
    if count[probability == 0].any():
        return 0.0
    order = np.argsort(probability)
    count, expected = count[order], count.sum() * probability[order]
    pooled = min(int((np.cumsum(expected) < 5).sum()), len(expected) - 2)
    count, expected = (np.r_[a[: pooled + 1].sum(), a[pooled + 1 :]] for a in (count, expected))
    return float(chi2.sf(((count - expected) ** 2 / expected).sum(), len(expected) - 1))


def divergence(law: Floats, probability: Floats = PROBABILITY) -> float:
    held = law > 0
    return float((law[held] * np.log(law[held] / probability[held])).sum())
