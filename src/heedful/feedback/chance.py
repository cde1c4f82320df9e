"""Whether a lean in the data is more than chance, with votes on one question, output or rater counted as one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats

Codes = NDArray[np.intp]
ALARM = 1e-3  # how often data without any lean may be found to lean
_RADEMACHER = 3.178  # Bentkus & Dzindzalieta 2015 (Bernoulli 21): P(sum of signs >= z) <= 3.178 P(normal >= z)


def codes(keys: NDArray[np.generic]) -> Codes:
    """Each key as a number from 0."""
    return np.asarray(np.unique(keys, return_inverse=True)[1], np.intp)


def sums(values: Floats, groups: Codes) -> Floats:
    """The sum of the values of each group."""
    return np.bincount(groups, values).astype(np.float64)


def p_of_signs(leans: Floats, groups: Codes) -> float:
    """A bound on the p-value of sum(leans) where each group's sum is as likely to be negative as positive.

    The sign of each group is a fair coin of its own under the null; the bound holds for any number and size of groups.
    leans [n]; groups [n] codes from 0.
    """
    of_group = sums(leans, groups)
    return _two_sided(float(of_group.sum()), float((of_group**2).sum()))


def p_of_pairs(leans: Floats, pairs: Codes, firsts: Codes, seconds: Codes) -> float:
    """A p-value of sum(leans) where leans that share an item may depend on each other.

    pairs [n] codes of unordered pairs of items; firsts, seconds [n] codes of the items, from one numbering. The
    variance is the dyadic-robust one (Aronow, Samii & Assenova 2015, Political Analysis 23), never below that of
    independent pairs.
    """
    of_pair = (sums(leans, pairs) ** 2).sum()
    of_item = (sums(np.concatenate([leans, leans]), np.concatenate([firsts, seconds])) ** 2).sum()
    return _two_sided(float(leans.sum()), float(max(of_pair, of_item - of_pair)))


def centred(values: Floats, groups: Codes) -> Floats:
    """The values less the mean of their group."""
    counts = np.bincount(groups)
    return values - (sums(values, groups) / np.maximum(counts, 1))[groups]


def halves(order: NDArray[np.generic], groups: Codes) -> Floats:
    """-1 for the earlier half of each group, +1 for its later half, 0 for the middle of an odd one. [n]"""
    rows = np.lexsort((order, groups))
    counts = np.bincount(groups)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(groups), np.intp)
    rank[rows] = np.arange(len(groups)) - starts[groups[rows]]
    half: Floats = np.sign(2.0 * rank - (counts[groups] - 1))
    return half


def _two_sided(total: float, variance: float) -> float:
    if variance <= 0:
        return 1.0
    return min(1.0, _RADEMACHER * math.erfc(abs(total) / math.sqrt(2 * variance)))
