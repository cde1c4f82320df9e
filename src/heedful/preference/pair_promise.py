"""What the intervals of ratings promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heedful.core import Floats, Promise
from heedful.preference.information import Dense
from heedful.preference.pair_spread import leverage

if TYPE_CHECKING:
    from heedful.preference.ratings import Ratings

# With fewer decided comparisons of an item, or where one has more of a say in its own fit (a few join two groups),
# intervals cover more than their level (benchmarks/ranking.py --part coverage).
_COMPARISONS = 40
_LEVERAGE = 0.03


def promise(ratings: Ratings) -> Promise:
    """`confidence` where each item placed has decided comparisons enough and no group hangs on a few of them.

    Else it is `at least`, as it is for H⁻¹ under "bradley_terry" with ties: half a win varies less than a win or a
    loss.
    """
    halves = ratings.model == "bradley_terry" and ratings.counts.counts[1].any()
    if ratings.fit is None or (ratings.basis == "model" and halves):
        return "at least"
    if _decided(ratings)[ratings.kept].min() < _COMPARISONS:
        return "at least"
    return "confidence" if _most_leverage(ratings) <= _LEVERAGE else "at least"


def _decided(ratings: Ratings) -> Floats:
    """How many decided comparisons place each item [n]: with weights, as many of equal weight as tell as much."""
    counts, inside = ratings.counts, ratings.inside
    totals = []
    for array in (counts.counts, counts.counts if counts.squares is None else counts.squares):
        each = (array[0] + array[2]) * inside
        totals.append(sum(np.bincount(side, each, counts.items) for side in (counts.first, counts.second)))
    return np.asarray(totals[0] ** 2 / np.maximum(totals[1], 1e-300))


def _most_leverage(ratings: Ratings) -> float:
    """The most that one comparison adds to the information that there is, among all pairs."""
    if ratings.fit is None or ratings.told is None:
        return 0.0
    inverse = ratings.fit.information.inverse if isinstance(ratings.fit.information, Dense) else None
    return float(np.trace(leverage(ratings.fit, ratings.told, inverse)).max())
