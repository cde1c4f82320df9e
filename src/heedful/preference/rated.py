"""What ratings by counts alone and those with covariates share: which items are placed, what intervals promise."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from heedful.core import FitError, Floats, Promise, UsageError
from heedful.preference.counting import PairCounts
from heedful.preference.observations import Indices
from heedful.preference.pair_placing import LINKS, Model

Basis = Literal["sandwich", "model"]

# With fewer decided comparisons of an item, or where one has more of a say in its own fit (a few join two groups),
# intervals cover more than their level (benchmarks/ranking.py --part coverage).
_CONFIDENCE_COMPARISONS = 40
_CONFIDENCE_LEVERAGE = 0.03
# With fewer clusters (as many of equal size as tell as much) intervals cover more than their level, or there are none
# (benchmarks/covariates.py --part coverage).
_CONFIDENCE_CLUSTERS = 40
FEWEST_CLUSTERS = 5


@dataclass(frozen=True, eq=False)
class Intervals:
    """`low` and `high` [n], NaN where an item has none; what they promise, at which level."""

    low: Floats
    high: Floats
    promise: Promise
    level: float


def check_level(level: float) -> None:
    """Raises UsageError for a level that is not between 0 and 1."""
    if not 0 < level < 1:
        fix = f"write 95 % as 0.95, not {level}" if level > 1 else "choose one such as 0.95"
        raise UsageError(f"{level} is no level between 0 and 1", where="level", fix=fix)


def intervals(
    centre: Floats, variance: Floats, promise: Promise, level: float, clusters: Floats | float = np.inf
) -> Intervals:
    """By the normal distribution, or by Student's with `clusters` − 1 degrees of freedom.

    Few clusters fit themselves, for which intervals are wider by 1 / (1 − 1 / clusters); fewer than five give none.
    Raises UsageError for a level that is not between 0 and 1.
    """
    check_level(level)
    enough = np.where(np.less(clusters, FEWEST_CLUSTERS), np.nan, clusters)
    half = stdtrit(enough - 1, (1 + level) / 2) / (1 - 1 / enough) * np.sqrt(variance)
    return Intervals(centre - half, centre + half, promise, level)


@dataclass(frozen=True, eq=False)
class Rated:
    """Items rated by counted comparisons: those `kept` are placed, `notes` [n] say why others are not ("": placed)."""

    counts: PairCounts
    model: Model
    basis: Basis | None
    names: tuple[str, ...] | None
    kept: Indices
    notes: tuple[str, ...]

    @property
    def identified(self) -> NDArray[np.bool_]:
        """Which items the comparisons place [n]."""
        return np.isin(np.arange(self.counts.items), self.kept)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which of the counted pairs are of two items placed [m]."""
        return np.asarray(self.identified[self.counts.first] & self.identified[self.counts.second])

    def spread(self, values: Floats) -> Floats:
        """Values of the items placed as values of all, NaN for the others."""
        every = np.full(self.counts.items, np.nan)
        every[self.kept] = values
        return every

    @property
    def halves(self) -> bool:
        """Whether ties count as half a win each."""
        return self.model == "bradley_terry" and bool(self.counts.counts[1].any())

    def promised(self, leverage: float, clusters: float = np.inf) -> Promise:
        """`confidence` where each item placed has decided comparisons enough, no comparison has much `leverage`, and
        there are `clusters` enough.

        Else it is `at least`, as it is for H⁻¹ under "bradley_terry" with ties: half a win varies less than a win or a
        loss.
        """
        if not len(self.kept) or (self.basis == "model" and self.halves):
            return "at least"
        enough = self._decided[self.kept].min() >= _CONFIDENCE_COMPARISONS
        enough = enough and leverage <= _CONFIDENCE_LEVERAGE and clusters >= _CONFIDENCE_CLUSTERS
        return "confidence" if enough else "at least"

    @property
    def _decided(self) -> Floats:
        """How many decided comparisons place each item [n]: with weights, as many of equal weight as tell as much."""
        counts, inside = self.counts, self.inside
        totals = []
        for array in (counts.counts, counts.counts if counts.squares is None else counts.squares):
            each = (array[0] + array[2]) * inside
            totals.append(sum(np.bincount(side, each, counts.items) for side in (counts.first, counts.second)))
        return np.asarray(totals[0] ** 2 / np.maximum(totals[1], 1e-300))


def numbered(items: Any) -> tuple[int | None, tuple[str, ...] | None]:
    """How many items there are, and their names, where either is told."""
    if items is None:
        return None, None
    try:
        return operator.index(items), None
    except TypeError:
        pass
    names = tuple(items)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two items are named {twice!r}", where="items", fix="give each item a name of its own")
    return len(names), names


def check(counts: PairCounts, names: Sequence[str] | None, model: str, basis: str | None) -> None:
    """Raise UsageError for arguments that do not go together, FitError where there are no comparisons."""
    if model not in LINKS:
        raise UsageError(f"{model!r} is no model of comparisons", where="model", fix=f"choose of {', '.join(LINKS)}")
    if basis not in (None, "sandwich", "model"):
        raise UsageError(f"{basis!r} is no interval", where="interval", fix="choose 'sandwich', 'model' or None")
    if names is not None and len(names) != counts.items:
        raise UsageError(f"{len(names)} names cannot name {counts.items} items", where="names")
    if basis == "model" and counts.squares is not None and (counts.squares != counts.counts).any():
        raise UsageError(
            "H⁻¹ takes a weight for a number of comparisons, so its intervals hold for weights of 1 alone",
            where="interval",
            fix="choose interval='sandwich', which holds for any weights",
        )
    if not counts.counts.size:
        raise FitError("there are no comparisons to rate items by", fix="give at least one")
