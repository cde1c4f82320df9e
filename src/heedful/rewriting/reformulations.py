"""What people say instead where they were not understood, and what a query should therefore be rewritten to.

Sessions in which people put a request in other words until it works, or give up, are walks of an absorbing Markov
chain. Pooled over people, they tell which words a request ends in when it ends well (Ponnusamy et al. 2020,
"Feedback-based self-learning in large-scale conversational AI agents").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.linalg import SuperLU, splu

from heedful.core import Floats, InputError, UsageError


@dataclass(frozen=True, slots=True)
class Session:
    """What somebody said, one query after the other, for one thing; whether the last one worked."""

    queries: tuple[str, ...]
    success: bool

    def __post_init__(self) -> None:
        if not self.queries:
            raise InputError("a session has a query", where="Session", fix="leave out empty sessions")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A query that had better be another: the probabilities that people who begin with it end well with its own words
    (`kept`) and with the other's (`ended`), from `seen` visits."""

    query: str
    to: str
    kept: float
    ended: float
    seen: int


@dataclass(frozen=True, eq=False)
class Reformulations:
    """An absorbing chain on n queries: from each, people go on to another (`moves` [n, n]), end well (`wins` [n]), or
    give up. Probabilities of each query's row, its win and giving up add up to 1; `visits` [n] tell how often it was
    said."""

    queries: tuple[str, ...]
    moves: csr_array
    wins: Floats
    visits: Floats

    @classmethod
    def of(cls, sessions: Sequence[Session]) -> Reformulations:
        """By frequencies, which are maximum likelihood. A query said twice in a row counts as said once.

        Raises InputError where there are no sessions.
        """
        if not sessions:
            raise InputError("there are no sessions", where="Reformulations.of")
        said = [_without_repeats(own.queries) for own in sessions]
        number = {query: place for place, query in enumerate(dict.fromkeys(query for own in said for query in own))}
        steps = Counter((number[one], number[other]) for own in said for one, other in pairwise(own))
        n = len(number)
        visits = np.bincount([number[query] for own in said for query in own], minlength=n).astype(np.float64)
        won = [number[own[-1]] for own, session in zip(said, sessions, strict=True) if session.success]
        rows, columns = np.array(list(steps), dtype=np.intp).reshape(-1, 2).T
        counts = np.array(list(steps.values()), dtype=np.float64)
        moves = csr_array((counts / visits[rows], (rows, columns)), shape=(n, n))
        return cls(tuple(number), moves, np.bincount(won, minlength=n) / visits, visits)

    def ends(self, query: str) -> Floats:
        """P(who begins with this query ends well, in the words of each) [n]: a row of B = (I − Q)⁻¹ R, with Q the moves
        and R the wins on the diagonal. Raises UsageError for a query that was never said."""
        begin = np.zeros(len(self.queries))
        begin[self._place(query)] = 1.0
        return np.asarray(self._solver.solve(begin, trans="T") * self.wins)

    def rewrite(self, query: str, *, seen: int = 1) -> Rewrite | None:
        """The words in which this query most often ends well; None where these are its own, or it was said less than
        `seen` times. Raises UsageError for a query that was never said."""
        place = self._place(query)
        if self.visits[place] < seen:
            return None
        ends = self.ends(query)
        best = int(ends.argmax())
        if ends[best] <= ends[place]:
            return None
        return Rewrite(query, self.queries[best], float(ends[place]), float(ends[best]), int(self.visits[place]))

    def rewrites(self, *, seen: int = 1) -> Mapping[str, Rewrite]:
        """Every rewrite there is, by query."""
        found = (self.rewrite(query, seen=seen) for query in self.queries)
        return {own.query: own for own in found if own is not None}

    def _place(self, query: str) -> int:
        if query not in self._number:
            raise UsageError(f"nobody said {query!r}", where="Reformulations", fix="ask about a query of the sessions")
        return self._number[query]

    @cached_property
    def _number(self) -> Mapping[str, int]:
        return {query: place for place, query in enumerate(self.queries)}

    @cached_property
    def _solver(self) -> SuperLU:
        # Every session ends, so from every query the end can be reached, and I − Q has an inverse.
        return splu(csc_array(eye_array(len(self.queries)) - self.moves))


def _without_repeats(queries: Sequence[str]) -> list[str]:
    return [query for place, query in enumerate(queries) if not place or query != queries[place - 1]]
