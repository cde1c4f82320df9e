"""Which duel comes next, for those who want the best item and not to know all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from heedful.core import Floats, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs, Indices, Tallies, Utilities

# Which duel of a group: from the numbers of its items [m] and who may still be asked about against whom [m, m], the
# places of two of them.
Choice = Callable[[Indices, NDArray[np.bool_]], tuple[int, int]]


@dataclass(frozen=True)
class DoubleThompson:
    """Duels between what is best in one draw of the posterior and what is best in another.

    Dwaracherla et al. 2024, "Efficient exploration for LLMs" (double Thompson sampling): the first is the best of a
    random draw; the second that of another, drawn anew until it differs; where no draw has another best, any other.
    Given `Duels` in place of a posterior it is Wu & Liu 2016, "Double Thompson sampling for dueling bandits", without
    its confidence bounds: the first is the Copeland winner of a draw, the second what beats that by most in another.
    So an item is the first as often as it is likely to be the best, and one that cannot be the best is left alone.

    The pool's pairs fall into groups that share no item: the contexts of outputs, or one group of all systems. A batch
    goes round the groups in random order, one duel each, and asks no pair twice. An item that the posterior knows
    nothing of is drawn from the utilities of all others together. `expected_gain` is each question's own information in
    nats.
    """

    batch: int = 10

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        view = beliefs.view.guessed(rng)

        def choose(items: Indices, left: NDArray[np.bool_]) -> tuple[int, int]:
            free = np.flatnonzero(left.any(axis=1))
            first = int(free[rng.choice(view.leaders(items[free], rng))])
            partners = np.flatnonzero(left[first])
            margin = view.margin(items[partners], np.full(len(partners), items[first]))
            # To draw anew until another is the best is to draw from the draws in which another is.
            others = np.flatnonzero(margin.max(axis=1) > 0)
            second = margin[rng.choice(others)].argmax() if len(others) else rng.integers(len(partners))
            return first, int(partners[second])

        return grouped(beliefs, self.batch, choose, rng)


@dataclass(frozen=True)
class UpperConfidence:
    """Duels between what may be the best and what may beat it by most.

    Zoghi et al. 2014, "Relative upper confidence bound for the K-armed dueling bandit problem", algorithm 1: the first
    is any item that no other beats for sure (all its upper bounds are 1/2 or more), the second the one whose upper
    bound against the first is greatest. Of `Duels` the bound is w/n + √(a ln t / n), with ties as half a win, t duels
    in all and a = `exploration`; of a posterior it is the quantile of its draws at `level`. There is no memory of
    earlier favourites, and nothing is asked about against itself. It looks for an item that beats every other: where
    there is none, soon no item is hopeful and firsts are random. Groups and batches are those of `DoubleThompson`.
    """

    batch: int = 10
    exploration: float = 0.51
    level: float = 0.95

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if not self.exploration > 0.5 or not 0.5 < self.level < 1:
            what = f"exploration is above 1/2 and level in (1/2, 1), not {self.exploration} and {self.level}"
            raise UsageError(what, where="UpperConfidence")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        view = beliefs.view.guessed(rng)

        def choose(items: Indices, left: NDArray[np.bool_]) -> tuple[int, int]:
            upper, free = self._upper(view, items), left.any(axis=1)
            hopeful = free & (upper >= 0).all(axis=1)
            first = int(rng.choice(np.flatnonzero(hopeful if hopeful.any() else free)))
            return first, int(np.where(left[first], upper[:, first], -np.inf).argmax())

        return grouped(beliefs, self.batch, choose, rng)

    def _upper(self, view: Utilities | Tallies, items: Indices) -> Floats:
        """Upper bounds [m, m] of the margin of the row's item over the column's; infinite before their first duel."""
        if isinstance(view, Tallies):
            duels = view.duels
            asked, half = duels.asked[np.ix_(items, items)], (duels.wins + duels.ties / 2)[np.ix_(items, items)]
            with np.errstate(divide="ignore", invalid="ignore"):
                upper = half / asked - 0.5 + np.sqrt(self.exploration * np.log(max(duels.asked.sum() / 2, 1)) / asked)
            upper[asked == 0] = np.inf
        else:
            columns = [view.margin(items, np.full(len(items), other)) for other in items.tolist()]
            upper = np.stack([np.quantile(column, self.level, axis=0) for column in columns], axis=1)
        np.fill_diagonal(upper, 0.0)
        return np.asarray(upper)


@dataclass(frozen=True)
class Boltzmann:
    """Duels between items drawn with probability ∝ exp(mean utility / `temperature`), as a policy would be sampled.

    A baseline (Dwaracherla et al. 2024): it leans to what seems good and knows nothing of what is not known yet. Of
    `Duels` the score is the mean probability to win. Groups and batches are those of `DoubleThompson`.
    """

    batch: int = 10
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if not self.temperature > 0:
            raise UsageError(f"a temperature is above 0, not {self.temperature}", where="Boltzmann")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        score = beliefs.view.guessed(rng).mean() / self.temperature

        def choose(items: Indices, left: NDArray[np.bool_]) -> tuple[int, int]:
            # The largest of scores with Gumbel noise is a draw from their softmax.
            noisy = score[items] + rng.gumbel(size=len(items))
            first = int(np.where(left.any(axis=1), noisy, -np.inf).argmax())
            noisy = score[items] + rng.gumbel(size=len(items))
            return first, int(np.where(left[first], noisy, -np.inf).argmax())

        return grouped(beliefs, self.batch, choose, rng)


def grouped(beliefs: Beliefs, batch: int, choose: Choice, rng: np.random.Generator) -> Queries:
    """`batch` duels, each chosen by `choose` from the next group of the pool that has any left."""
    groups = _groups(beliefs)
    chosen: list[int] = []
    while len(chosen) < min(batch, len(beliefs)):
        for place in rng.permutation(len(groups))[: batch - len(chosen)].tolist():
            items, pair = groups[place]
            left = pair >= 0
            if left.any():
                first, second = choose(items, left)
                chosen.append(int(pair[first, second]))
                pair[[first, second], [second, first]] = -1
    places = np.array(chosen, dtype=np.intp)
    return queries(beliefs, places, single_gains(beliefs, places))


def _groups(beliefs: Beliefs) -> list[tuple[Indices, Indices]]:
    """Groups of items that pairs join: their numbers [m], and the pair of any two of them [m, m] or -1."""
    n, pairs = len(beliefs.unknown()), np.arange(len(beliefs))
    links = sparse.csr_array((np.ones(len(pairs)), (beliefs.first, beliefs.second)), shape=(n, n))
    count, label = sparse.csgraph.connected_components(links, directed=False)
    place, found = np.zeros(n, dtype=np.intp), []
    for group in range(count):
        items, own = np.flatnonzero(label == group), pairs[label[beliefs.first] == group]
        place[items] = np.arange(len(items))
        pair = np.full((len(items), len(items)), -1, dtype=np.intp)
        first, second = place[beliefs.first[own]], place[beliefs.second[own]]
        pair[first, second] = pair[second, first] = own
        found.append((items, pair))
    return found
