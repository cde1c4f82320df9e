"""The models of ratings by name, and which items counted comparisons place under them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.preference.counting import PairCounts
from heedful.preference.identification import Identified, identify
from heedful.preference.pair_models import CumulativePairModel, PairLink, PairModel
from heedful.preference.pairs import Pairs

Model = Literal["bradley_terry", "davidson", "rao_kupper", "thurstone"]

LINKS: dict[str, PairLink] = {
    "bradley_terry": PairModel(np.ones(1), False),
    "davidson": PairModel(np.ones(1), True),
    "rao_kupper": CumulativePairModel("logistic", True),
    "thurstone": CumulativePairModel("normal", True),
}
# Outcomes as counted: the second won, a tie, the first won.
_SIGNS = np.array([-1.0, 0.0, 1.0])
_HALVES = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
_DECIDED = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
TIED = "held by ties alone: half a win each says nothing of how far apart items are"
# How many others apart items may stand for the quick test that all meet.
_ROUNDS = 12


def split(model: Model, link: PairLink) -> Floats:
    """What a comparison counts for [3, o] by its outcome: half a win for each at a tie, or the outcome itself."""
    if model == "bradley_terry":
        return _HALVES
    return np.asarray(_SIGNS[:, None] == link.scores, dtype=np.float64)


def placed(counts: PairCounts, model: Model) -> Identified:
    """The largest set of items that comparisons place, and their likelihood.

    Where ties count as half a win each, comparisons that were decided must place items on their own: ties alone give
    strengths whose error nothing tells.
    """
    if model != "bradley_terry" or not counts.counts[1].any():
        return bounded(counts, model)
    found = decided(counts)
    if not len(found.kept):
        return Identified(found.kept, (), _tied(bounded(counts, model), found))
    new = np.full(counts.items, -1, np.intp)
    new[found.kept] = np.arange(len(found.kept))
    pairs = _pairs(counts, LINKS[model], _HALVES).restrict(new)
    assert pairs is not None
    notes = found.notes if len(found.kept) == counts.items else _tied(bounded(counts, model), found)
    return Identified(found.kept, (pairs,), notes)


def decided(counts: PairCounts) -> Identified:
    """The largest set of items that wins and losses alone place."""
    return _identified(_pairs(counts, LINKS["bradley_terry"], _DECIDED), counts.items)


def firm(counts: PairCounts, model: Model) -> NDArray[np.bool_]:
    """Which items decided comparisons alone place [n], where the model has ties; else all."""
    if model == "bradley_terry" or not counts.counts[1].any():
        return np.ones(counts.items, bool)
    return np.isin(np.arange(counts.items), decided(counts).kept)


def bounded(counts: PairCounts, model: Model) -> Identified:
    """The largest set of items over which the likelihood has a maximum, and their likelihood."""
    return _identified(_pairs(counts, LINKS[model], split(model, LINKS[model])), counts.items)


def _tied(by_all: Identified, found: Identified) -> tuple[str, ...]:
    """Notes of items that decided comparisons do not place; of those that ties would place, that only they do."""
    both = zip(by_all.notes, found.notes, strict=True)
    return tuple(TIED if why and not otherwise else why for otherwise, why in both)


def _pairs(counts: PairCounts, link: PairLink, parts: Floats) -> Pairs:
    return Pairs("comparison", link, counts.first, counts.second, parts.T @ counts.counts)


def _identified(pairs: Pairs, n: int) -> Identified:
    seen = pairs.counts.any(axis=0)
    if not seen.all():
        pairs = Pairs(pairs.kind, pairs.model, pairs.first[seen], pairs.second[seen], pairs.counts[:, seen])
    whole = pairs.restrict(np.arange(n))
    if whole is not None and _all_meet(whole, n):
        return Identified(np.arange(n), (whole,), ("",) * n)
    return identify(() if whole is None else (whole,), n)


def _all_meet(pairs: Pairs, n: int) -> bool:
    """Whether every item beat every other through a few others at most: the common case, in a few sparse products.

    Then all move alike along any direction in which no vote loses, and tie terms are settled by wins and ties among
    them. False says nothing.
    """
    z = pairs.model.scores
    won, lost = (pairs.above((pairs.counts[side].sum(axis=0) > 0).astype(float), n) for side in (z > 0, z < 0))
    for forth, back in ((won, lost.T), (won.T, lost)):
        reached = np.zeros(n)
        reached[0] = 1.0
        for _ in range(_ROUNDS):
            before, reached = reached, ((forth @ reached + back @ reached + reached) > 0).astype(float)
            if (before == reached).all():
                break
        if not reached.all():
            return False
    return pairs.settled(np.zeros(n, np.intp))
