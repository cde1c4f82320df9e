"""Bootstrap of ratings: sets of comparisons drawn with replacement, as multinomial counts, and refitted together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from heedful.core import FitError, Floats, UsageError
from heedful.preference.counting import PairCounts
from heedful.preference.pair_fit import PairFit, most_likely
from heedful.preference.pair_placing import bounded
from heedful.preference.pairs import Pairs

if TYPE_CHECKING:
    from heedful.preference.ratings import Ratings

# Numbers held at once: bounds the memory, and keeps intermediate results near the processor.
_HELD = 1 << 20
_STEPS = 12
_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Refitted `strengths` [k, n] and `nuisance` parameters [k, p].

    `unplaced` counts the sets in which not all items that the ratings place can be placed; their rows are NaN.
    """

    strengths: Floats
    nuisance: Floats
    unplaced: int

    @property
    def standard_error(self) -> Floats:
        """Standard deviation of each strength over the sets [n]; NaN where an item is not placed."""
        used = self.strengths[~np.isnan(self.strengths).all(axis=1)]
        if len(used) < 2:
            return np.full(self.strengths.shape[1], np.nan)
        return np.asarray(used.std(axis=0, ddof=1))


def bootstrap(ratings: Ratings, k: int, rng: np.random.Generator | int) -> Bootstrap:
    """k refits, each to as many comparisons drawn with replacement, exact to 1e-6.

    rng: a generator, or a seed (a generator of SFC64, the fastest of NumPy's). All sets are refitted together by steps
    with the factors of the fit to all comparisons, which near it take a digit or two each; a set that these do not
    bring home is refitted alone. Raises UsageError for comparisons with weights or k < 2, FitError where nothing is
    placed.
    """
    if k < 2:
        raise UsageError(f"{k} sets tell no spread", where="k", fix="draw at least 2; 1,000 for a standard error")
    if ratings.counts.squares is not None:
        raise UsageError("comparisons with weights cannot be drawn by their counts", where="bootstrap")
    if ratings.fit is None:
        raise FitError("the comparisons place no item, so there is nothing to refit")
    if not isinstance(rng, np.random.Generator):
        rng = np.random.Generator(np.random.SFC64(rng))
    n, p = ratings.counts.items, len(ratings.fit.nuisance)
    strengths, nuisance, unplaced = np.full((k, n), np.nan), np.full((k, p), np.nan), 0
    cells = ratings.counts.counts.size
    width = max(1, min(k, _HELD // cells))
    for begin in range(0, k, width):
        rows = slice(begin, min(begin + width, k))
        drawn = resampled(ratings.counts.counts.ravel(), rows.stop - rows.start, rng)
        drawn = drawn.reshape(*ratings.counts.counts.shape, -1)
        found = _refitted(ratings, drawn)
        unplaced += int(np.isnan(found[0]).sum())
        strengths[rows, ratings.kept], nuisance[rows] = found[: ratings.fit.items].T, found[ratings.fit.items :].T
    return Bootstrap(strengths, nuisance, unplaced)


def resampled(counts: Floats, k: int, rng: np.random.Generator) -> Floats:
    """k draws [c, k] of as many votes as there are, from the multinomial distribution over c cells, exactly.

    Independent Poisson counts given their sum are multinomial; drawn a little short, they are topped up by single
    votes. Drawing again where they are not short changes nothing, since the sum is all that is conditioned on.
    """
    total = int(counts.sum())
    short = max(total - 2 * np.sqrt(total), total / 2)
    edges = np.cumsum(counts)
    rate = counts[:, None] * (short / total)
    drawn = rng.poisson(rate, size=(len(counts), k))
    while (over := np.flatnonzero(drawn.sum(axis=0) > total)).size:
        drawn[:, over] = rng.poisson(rate, size=(len(counts), len(over)))
    missing = total - drawn.sum(axis=0)
    votes = np.sort(rng.integers(0, total, int(missing.sum())).reshape(-1))
    cell = np.searchsorted(edges, votes, side="right")
    # Sorted votes go to sets at random.
    where = rng.permutation(np.repeat(np.arange(k), missing))
    drawn += np.bincount(cell * k + where, minlength=drawn.size).reshape(drawn.shape)
    return drawn.astype(np.float64)


def _refitted(ratings: Ratings, drawn: Floats) -> Floats:
    """The maxima [n + p, k] for counts [3, m, k]; NaN where there is none."""
    assert ratings.fit is not None
    inside = ratings.inside
    counts = np.tensordot(ratings.split.T, drawn if inside.all() else drawn[:, inside], axes=1)
    x, home = _stepped(ratings.fit, counts)
    for column in np.flatnonzero(~home):
        x[:, column] = _alone(ratings, drawn[..., column])
    return x


def _stepped(fit: PairFit, counts: Floats) -> tuple[Floats, np.ndarray]:
    """Steps H⁻¹ gradient with the H of the fit to all, for counts [o, m, k]; x [n + p, k] and which came home."""
    n, m, k = fit.items, len(fit.pairs.first), counts.shape[2]
    incidence = sparse.csr_array(
        (np.tile([1.0, -1.0], m), np.column_stack([fit.pairs.first, fit.pairs.second]).ravel(), 2 * np.arange(m + 1)),
        shape=(m, n),
    )
    across = incidence.T.tocsr()
    x, before = fit.x[:, None], np.full(k, np.inf)
    for _ in range(_STEPS):
        own = fit.pairs.model.gradient(counts, incidence @ x[:n], x[n:, None])
        step = fit.information.solve(np.concatenate([across @ own[0], own[1:].sum(axis=1)]))
        step[:n] -= step[:n].mean(axis=0)
        x = x + step
        size = np.abs(step).max(axis=0)
        # Steps shrink by a constant factor, so what is left is a geometric series.
        left = size * size / np.maximum(before - size, 1e-300)
        home = (size < before) & (before < np.inf) & (left < _TOLERANCE)
        if home.all():
            break
        before = size
    return x, home


def _alone(ratings: Ratings, counts: Floats) -> Floats:
    """The maximum of one set [n + p]; NaN where there is none over all items placed."""
    old, fit = ratings.counts, ratings.fit
    assert fit is not None
    met = counts.any(axis=0) & ratings.inside
    drawn = PairCounts(old.items, old.first[met], old.second[met], counts[:, met], None, old.rows)
    found = bounded(drawn, ratings.model)
    if len(found.kept) != fit.items:
        return np.full(len(fit.x), np.nan)
    (pairs,) = found.likelihoods
    assert isinstance(pairs, Pairs)
    same = pairs.nuisances == fit.pairs.nuisances
    return most_likely(pairs, fit.items, fit.x).x if same else np.full(len(fit.x), np.nan)
