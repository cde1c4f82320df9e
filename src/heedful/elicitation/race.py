"""Races: items compared until all but the best are out, with an error that holds whenever one looks or stops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Floats, InputError
from heedful.elicitation.duels import Outcome
from heedful.stats import Capital, closed_rejections

_VALUE: Mapping[str, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, eq=False)
class Race:
    """k items and what speaks against each of them's being a best one; `tell` and `score` give the race that follows.

    A best item is one that no other is better than: wins more often than it loses against in duels, has the greater
    mean score than on the same tasks. Whoever calls an item worse than another bets on it (`stats.Capital`); the
    capital of all who bet against an item, each with an equal share, is the evidence against its being a best one.
    Items go out by closed testing of these (`stats.closed_rejections`), so that with probability 1 − `alpha` no best
    item ever goes out: whichever pairs are asked about next, however often one looks, whenever one stops, and also
    where all items are equal. Where preferences go in circles there may be no best item, and all may go out.

    `capital` [k, k] bets on the row's item over the column's; `asked` [k, k] counts comparisons; `out` [k].
    """

    items: tuple[Any, ...]
    alpha: float
    capital: Capital
    asked: NDArray[np.intp]
    out: NDArray[np.bool_]

    @classmethod
    def start(cls, items: Sequence[Any], *, alpha: float = 0.05) -> Race:
        """Raises InputError where items are fewer than two or not all different, or unless 0 < alpha < 1."""
        k = len(items)
        if len(set(items)) != k or k < 2:
            raise InputError("a race is among two or more different items", where="Race")
        if not 0 < alpha < 1:
            raise InputError(f"an error rate lies between 0 and 1, not {alpha}", where="alpha")
        return cls(tuple(items), alpha, Capital.start(k, k), np.zeros((k, k), np.intp), np.zeros(k, np.bool_))

    @property
    def left(self) -> tuple[Any, ...]:
        """The items still in: with probability 1 − alpha every best one is among them."""
        return tuple(item for item, gone in zip(self.items, self.out, strict=True) if not gone)

    @property
    def labels(self) -> int:
        """How many comparisons of two items there were."""
        return int(self.asked.sum()) // 2

    def ask(self) -> tuple[Any, Any] | None:
        """Two items still in that were compared least; None where fewer than two are."""
        still = np.flatnonzero(~self.out)
        if len(still) < 2:
            return None
        first, second = np.triu_indices(len(still), 1)
        least = int(np.argmin(self.asked[still[first], still[second]]))
        return self.items[still[first[least]]], self.items[still[second[least]]]

    def tell(self, first: Any, second: Any, outcome: Outcome) -> Race:
        """The race after a duel. Raises InputError for an unknown item or outcome, or an item with itself."""
        if outcome not in _VALUE or first == second:
            raise InputError("a duel of two items ends in 'first', 'second' or 'tie'", where="Race.tell")
        value = _VALUE[outcome]
        return self._after([self._place(first), self._place(second)], np.array([[0.5, value], [1 - value, 0.5]]))

    def score(self, scores: Mapping[Any, float]) -> Race:
        """The race after scores in [0, 1] of two or more items on one task, a new task each time.

        Items are compared by their differences, so that what a task gives to all does not matter. Raises InputError for
        an unknown item, fewer than two, or a score outside [0, 1].
        """
        value = np.array(list(scores.values()), dtype=np.float64)
        if len(value) < 2 or not ((value >= 0) & (value <= 1)).all():
            raise InputError("scores in [0, 1] of two items or more are needed", where="Race.score")
        return self._after([self._place(item) for item in scores], (value[:, None] - value + 1) / 2)

    def _place(self, item: Any) -> int:
        if item not in self.items:
            raise InputError(f"{item!r} does not race", where="Race", fix=f"one of {list(self.items)}")
        return self.items.index(item)

    def _after(self, places: list[int], values: Floats) -> Race:
        """After values [m, m] in [0, 1] of how much the row's item was better than the column's, at these places."""
        seen, rows = np.full(self.asked.shape, np.nan), np.ix_(places, places)
        seen[rows] = np.where(np.eye(len(places), dtype=bool), np.nan, values)
        capital = self.capital.after(seen)
        out = self.out | closed_rejections(against(capital.log_e), self.alpha)
        return replace(self, capital=capital, asked=self.asked + np.isfinite(seen), out=out)


def race(
    answer: Callable[[Any, Any], Outcome], items: Sequence[Any], *, alpha: float = 0.05, most: int = 100_000
) -> Race:
    """Ask `answer` about the items still in, the pair compared least first, until one is left or after `most` duels."""
    running = Race.start(items, alpha=alpha)
    while (pair := running.ask()) is not None and running.labels < most:
        running = running.tell(*pair, answer(*pair))
    return running


def against(log_e: Floats) -> Floats:
    """Log evidence [..., k] against each item's being a best one: the mean over the others of e [..., k, k]."""
    k = log_e.shape[-1]
    others = np.where(np.eye(k, dtype=bool), -np.inf, log_e)
    return np.asarray(logsumexp(others, axis=-2) - np.log(k - 1))
