"""How well scores of steps find the first wrong one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, Potential
from heedful.evidence import prefixes

Whole = NDArray[np.integer[Any]]
_THRESHOLDS = 50


def step_scores(step: Potential, items: Sequence[Item]) -> Floats:
    """The score of each prefix of each item [n, longest], NaN beyond an item's own."""
    begun = [prefixes(item) for item in items]
    scores = np.full((len(items), max(map(len, begun), default=0)), np.nan)
    scores[
        [row for row, own in enumerate(begun) for _ in own], [place for own in begun for place in range(len(own))]
    ] = step([prefix for own in begun for prefix in own]).mean
    return scores


def first_errors(scores: Floats, threshold: float) -> Whole:
    """How many steps come before the first scored below the threshold [n]: all of them where none is."""
    low = scores < threshold
    return np.asarray(np.where(low.any(axis=1), low.argmax(axis=1), (~np.isnan(scores)).sum(axis=1)))


def first_error_f1(found: Whole, true: Whole, length: Whole) -> float:
    """Harmonic mean of the shares found exactly, of solutions with a wrong step and of those without, in [0, 1].

    All [n]: steps before the first wrong one as found and in truth, and steps in all (Zheng et al. 2024,
    "ProcessBench", section 3.3). Raises InputError where there are no solutions of one sort.
    """
    faulty = true < length
    if not faulty.any() or faulty.all():
        raise InputError(f"{int(faulty.sum())} of {len(true)} solutions have a wrong step", where="first_error_f1")
    wrong, none = (float((found == true)[own].mean()) for own in (faulty, ~faulty))
    return 2 * wrong * none / (wrong + none) if wrong + none > 0 else 0.0


def best_threshold(scores: Floats, true: Whole) -> float:
    """The threshold of greatest F1 on these solutions, of 50 quantiles of the scores [n, longest]."""
    length = (~np.isnan(scores)).sum(axis=1)
    tried = np.nanquantile(scores, (np.arange(_THRESHOLDS) + 0.5) / _THRESHOLDS)
    return float(max(tried, key=lambda threshold: first_error_f1(first_errors(scores, threshold), true, length)))
