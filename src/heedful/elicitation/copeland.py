"""Who beats the most others, where some are as good as each other and preferences may go in circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs
from heedful.elicitation.duels import Duels, Outcome
from heedful.stats import coin_capital


@dataclass(frozen=True, eq=False)
class CopelandRace:
    """The search for a Copeland winner among the n items of some duels: `ask`, `tell`, until there are `winners`.

    Bengs et al. 2024, "Identifying Copeland winners in dueling bandits with indifferences" (POCOWISTA). What is most
    likely in the duels of a pair, that the one wins, the other, or neither, is their relation; an item's score is the
    items that it beats and half of those as good. The item that may still have the greatest score is asked about until
    it cannot, so that pairs of others are seldom needed. A relation is decided where it was seen so much more often
    than either other outcome that, with probability 1 − `alpha`, no decision of any pair is ever wrong (the evidence is
    `stats.coin_capital`, against 2 · pairs / alpha; the work's own test differs). With `transitive`, relations that
    follow from those of others are taken as decided: who is at least as good as one that is better is better. Where two
    outcomes of a pair are equally likely its relation has no answer, and asking has no end.
    """

    duels: Duels
    alpha: float = 0.05
    transitive: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise InputError(f"an error rate lies between 0 and 1, not {self.alpha}", where="alpha")

    @cached_property
    def relation(self) -> Floats:
        """What is decided [n, n]: 1 where the row's item beats the column's, −1 the other way, 0 as good, else NaN."""
        n = len(self.duels.items)
        bar = np.log(n * (n - 1) / self.alpha)
        won, lost, tied = self.duels.wins, self.duels.wins.T, self.duels.ties
        found = np.full((n, n), np.nan)
        for value, own, others in ((1.0, won, (lost, tied)), (0.0, tied, (won, lost)), (-1.0, lost, (won, tied))):
            found[np.min([coin_capital(own, other) for other in others], axis=0) >= bar] = value
        np.fill_diagonal(found, 0.0)
        return _closed(found) if self.transitive else found

    @property
    def scores(self) -> tuple[Floats, Floats]:
        """The least and the greatest Copeland score [n] that each item may have."""
        known = np.where(np.isnan(self.relation), -1.0, self.relation)
        lost = np.where(np.isnan(self.relation), 1.0, self.relation)
        own = 0.5  # as good as itself
        return (known + 1).sum(axis=1) / 2 - own, (lost + 1).sum(axis=1) / 2 - own

    @property
    def winners(self) -> tuple[Item, ...]:
        """Items that no other's score can exceed, none before one is known. Further ones may be as good."""
        least, most = self.scores
        return tuple(item for item, score in zip(self.duels.items, least, strict=True) if score >= most.max())

    def open(self) -> list[tuple[Item, Item]]:
        """The pairs that are not decided, what to ask first: about the greatest possible score, against the next."""
        least, most = self.scores
        order = np.lexsort((-least, -most))
        rank = np.argsort(order)
        first, second = np.nonzero(np.triu(np.isnan(self.relation)))
        near, far = np.minimum(rank[first], rank[second]), np.maximum(rank[first], rank[second])
        items = self.duels.items
        return [(items[order[near[p]]], items[order[far[p]]]) for p in np.lexsort((far, near)).tolist()]

    def ask(self) -> tuple[Item, Item] | None:
        """The pair to ask about next; None once there is a winner."""
        return None if self.winners else self.open()[0]

    def tell(self, first: Item, second: Item, outcome: Outcome) -> CopelandRace:
        """The search after one duel. Raises InputError for an unknown item or outcome, or an item with itself."""
        return replace(self, duels=self.duels.tell(first, second, outcome))


@dataclass(frozen=True)
class Copeland:
    """Duels for a Copeland winner: the first `batch` of the pool that a `CopelandRace` of the counts would ask about.

    Called with `Duels` in place of a posterior. No question is left once a winner is known.
    """

    batch: int = 10
    alpha: float = 0.05
    transitive: bool = False

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        """Raises UsageError unless called with `Duels`."""
        if not isinstance(posterior, Duels):
            fix = "give elicitation.Duels.of(table, items)"
            raise UsageError("Copeland winners are found by counts of duels", where="Copeland", fix=fix)
        search = CopelandRace(posterior, self.alpha, self.transitive)
        if not len(pool) or search.winners:
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        place = {frozenset(pair): number for number, pair in enumerate(beliefs.pairs)}
        wanted = [place[pair] for pair in map(frozenset, search.open()) if pair in place]
        chosen = np.array(wanted[: self.batch], dtype=np.intp)
        return queries(beliefs, chosen, single_gains(beliefs, chosen))


def _closed(relation: Floats) -> Floats:
    """The relation with what follows from it: at least as good along a path, and better if one step of it is.

    Pairs for which paths contradict each other stay as they are.
    """
    reach = relation >= 0
    for _ in range(int(np.ceil(np.log2(len(relation)))) + 1):
        reach = (reach.astype(np.intp) @ reach) > 0
    better = (reach.astype(np.intp) @ (relation == 1) @ reach) > 0
    follows = np.full(relation.shape, np.nan)
    follows[reach & reach.T & ~better & ~better.T] = 0.0
    follows[better & ~better.T] = 1.0
    follows[better.T & ~better] = -1.0
    return np.where(np.isnan(relation), follows, relation)
