"""Implicit signals (a click, a copy, a retry) and where the output stood when they were given or not.

What stands first is seen first, and a policy that is any good shows the better outputs first: without regard to
position, better outputs look better than they are. So signals without a propensity are read by position, each with
thresholds of its own: P(amount > level) = σ(u − t_k) at position k. Only what was shown at the same position is
compared directly; positions are joined by items that were shown at several, or by other votes. Items that nothing joins
get no score.

Why this and not the examination model, P(click) = P(seen at k) · σ(u − t) (Richardson, Dominowska and Ragno 2007,
"Predicting clicks"; Wang et al. 2018, "Position bias estimation for unbiased learning to rank")? Where clicks are few
the two are one, since log σ(u − t) ≈ u − t and the logarithm of P(seen) is a shift. Where they are many, examination
flattens the differences at lower positions, which a position's own sharpness follows. This model is concave, says what
it cannot identify, and also reads amounts of which the least is not "nothing happened".
"""

from __future__ import annotations

import numpy as np
import polars as pl

from heedful.core import Floats
from heedful.preference.instruments import Grades, Indices, Instrument

# Thresholds of positions further down would cost more than what is seen there can tell.
MOST_POSITIONS = 32
BELOW = f"an implicit signal about an output shown below the first {MOST_POSITIONS} positions"
UNPLACED = "an implicit signal with neither position nor propensity, where others of its sort have a position"

_POSITION = "position "


def signals_by_position(
    row: Indices, item: Indices, signal: pl.Series, amount: Floats, propensity: Floats, position: Floats
) -> tuple[dict[str, Instrument], dict[str, int]]:
    """Signals by name, and by position where that is all that is known; and how many are not used, by reason.

    All [v]; `propensity` and `position` NaN where unknown. A signal with a propensity is weighted by its inverse,
    whatever its position. Where no signal of a name has a position alone, those without a propensity count as recorded
    for certain.
    """
    weight, bare = 1 / np.nan_to_num(propensity, nan=1.0), np.isnan(propensity)
    found: dict[str, Instrument] = {}
    unused = {UNPLACED: 0, BELOW: 0}
    for name in signal.unique().sort().to_list():
        own = (signal == name).to_numpy()
        placed = own & bare & ~np.isnan(position)
        left = own & ~placed & ~(bare & placed.any())
        unused[UNPLACED] += int((own & ~placed & ~left).sum())
        unused[BELOW] += int((position[placed] >= MOST_POSITIONS).sum())
        found[f"implicit {name}"] = Grades(row[left], item[left], amount[left], _effective(weight[left]))
        for place in np.unique(position[placed & (position < MOST_POSITIONS)]).astype(int).tolist():
            here = placed & (position == place)
            found[f"{_POSITION}{place}, implicit {name}"] = Grades(row[here], item[here], amount[here])
    return found, unused


def _effective(weight: Floats) -> Floats:
    """Weights that add up to the effective number of votes (Σw)² / Σw² (Kish 1965), so that they outvote none."""
    return np.asarray(weight * weight.sum() / (weight**2).sum()) if len(weight) else weight


def sort_without_position(kind: str) -> str | None:
    """The sort of signal that an instrument of one position holds; None where an instrument is none."""
    place, _, sort = kind.partition(", ")
    return sort if place.startswith(_POSITION) else None
