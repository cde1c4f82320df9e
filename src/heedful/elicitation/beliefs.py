"""What a posterior says about a pool of pairs: the probabilities of answers, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from heedful.core import Floats, InputError, Item, UsageError
from heedful.elicitation.duels import Duels

Indices = NDArray[np.intp]
Answers = Callable[[Floats], Floats]
Question = tuple[Item, ...]


@dataclass(frozen=True)
class Utilities:
    """`draws` [k, n] of utilities, NaN for an item nothing is known of; `answers` turns differences of utility [k, n]
    into outcome probabilities [o, k, n]."""

    draws: Floats
    answers: Answers

    @property
    def size(self) -> int:
        return len(self.draws)

    def unknown(self) -> NDArray[np.bool_]:
        return np.asarray(np.isnan(self.draws).any(axis=0))

    def outcomes(self, first: Indices, second: Indices) -> Floats:
        return self.answers(self.margin(first, second))

    def margin(self, first: Indices, second: Indices) -> Floats:
        """By how much the first is better in each draw [k, n], in nats."""
        return np.asarray(self.draws[:, first] - self.draws[:, second])

    def leaders(self, among: Indices, rng: np.random.Generator) -> Indices:
        """The place among these items of the best in each draw [k]."""
        return _largest(self.draws[:, among], rng)

    def mean(self) -> Floats:
        """The mean utility of each item [n], in nats."""
        return np.asarray(self.draws.mean(axis=0))

    def guessed(self, rng: np.random.Generator) -> Utilities:
        """The same with an item nothing is known of drawn from the utilities of all others together."""
        unknown = self.unknown()
        known = self.draws[:, ~unknown].ravel()
        draws = self.draws.copy()
        draws[:, unknown] = rng.choice(known, (self.size, int(unknown.sum()))) if len(known) else 0.0
        return Utilities(draws, self.answers)


@dataclass(frozen=True)
class Tallies:
    """`wins` [k, n, n]: draws, by the counts of `duels`, of how probably the row's item beats the column's."""

    duels: Duels
    wins: Floats

    @property
    def size(self) -> int:
        return len(self.wins)

    def unknown(self) -> NDArray[np.bool_]:
        return np.zeros(self.wins.shape[1], dtype=bool)

    def outcomes(self, first: Indices, second: Indices) -> Floats:
        return np.stack([self.wins[:, first, second], self.wins[:, second, first]])

    def margin(self, first: Indices, second: Indices) -> Floats:
        """By how much the first wins more often than not in each draw [k, n], in probability."""
        return np.asarray(self.wins[:, first, second] - 0.5)

    def leaders(self, among: Indices, rng: np.random.Generator) -> Indices:
        """The place among these items of the one that beats most of them in each draw [k] (Copeland), of equals any."""
        wins = (self.wins[:, among][:, :, among] > 0.5).sum(axis=2)
        return _largest(wins.astype(np.float64), rng)

    def mean(self) -> Floats:
        """The mean probability that each item wins against the others [n]."""
        return np.asarray(self.wins.mean(axis=(0, 2)))

    def guessed(self, rng: np.random.Generator) -> Tallies:
        """Themselves: a pair never asked about is as likely to go either way."""
        return self


@dataclass(frozen=True)
class Beliefs:
    """A pool's distinct pairs and a posterior's view of them.

    `pairs` [n] are the questions, the first of each unordered pair of the pool; `first`, `second` [n] number their
    `items`.
    """

    pairs: tuple[tuple[Item, ...], ...]
    first: Indices
    second: Indices
    view: Utilities | Tallies
    items: tuple[Item, ...]

    @classmethod
    def of(cls, posterior: Any, pool: Sequence[tuple[Item, ...]], rng: np.random.Generator) -> Beliefs:
        """`posterior` has draws of utilities, or is `Duels`, of which draws are made.

        Raises InputError where a question is not about two different items, UsageError without draws.
        """
        wrong = next((row for row, pair in enumerate(pool) if len(pair) != 2 or pair[0] == pair[1]), None)
        if wrong is not None:
            raise InputError("a question is about two different items", where=f"pool, row {wrong}")
        items, pairs, members = distinct_questions(pool)
        if isinstance(posterior, Duels):
            duels = posterior.among(items)
            return cls(pairs, members[:, 0], members[:, 1], Tallies(duels, duels.draws(rng)), items)
        view = Utilities(utility_draws(posterior, items), _answers(posterior))
        return cls(pairs, members[:, 0], members[:, 1], view, items)

    def __len__(self) -> int:
        return len(self.pairs)

    def known(self) -> NDArray[np.bool_]:
        """Whether the posterior knows something of both items of each pair [n]."""
        unknown = self.unknown()
        return ~np.asarray(unknown[self.first] | unknown[self.second])

    def unknown(self) -> NDArray[np.bool_]:
        """Whether the posterior knows nothing of each item."""
        return self.view.unknown()

    def outcomes(self, pairs: Indices) -> Floats:
        """Probabilities [o, k, p] of the answers to these pairs: first, second, and what else the posterior knows."""
        return self.view.outcomes(self.first[pairs], self.second[pairs])


def _largest(values: Floats, rng: np.random.Generator) -> Indices:
    """The place of the largest of each row [k, m], of equal ones any."""
    best = values == values.max(axis=1, keepdims=True)
    return np.asarray(np.where(best, rng.random(values.shape), -1.0).argmax(axis=1))


def distinct_questions(pool: Sequence[Question]) -> tuple[tuple[Item, ...], tuple[Question, ...], Indices]:
    """The items of a pool, the first question [n] about each set of them, and their numbers [n, K] (-1: none)."""
    number: dict[Item, int] = {}
    width = max(map(len, pool), default=0)
    numbers = [[number.setdefault(item, len(number)) for item in question] for question in pool]
    members = np.array([own + [-1] * (width - len(own)) for own in numbers], dtype=np.intp).reshape(-1, width)
    rows = np.sort(np.unique(np.sort(members, axis=1), axis=0, return_index=True)[1])
    return tuple(number), tuple(tuple(pool[row]) for row in rows.tolist()), members[rows]


def utility_draws(posterior: Any, items: tuple[Item, ...]) -> Floats:
    """Draws [k, items] of utilities; NaN for items that a model of free items has not seen.

    Raises UsageError for a posterior without draws, and for counts of duels, which have no utilities.
    """
    if isinstance(posterior, Duels):
        what = "counts of duels tell no utilities"
        raise UsageError(what, where="posterior", fix="give one with draws of utilities, as heedful.fit does")
    free = getattr(posterior, "model", {}).get("utility") == "items"
    names = set(posterior.names) if free else set()
    seen = [not free or (item.system or item.key) in names for item in items]
    scored = posterior([item for item, known in zip(items, seen, strict=True) if known]).draws
    if scored is None:
        raise UsageError("questions are chosen by a posterior's draws, and this one has none", where="posterior")
    draws = np.full((len(scored), len(items)), np.nan)
    draws[:, np.flatnonzero(seen)] = scored
    return draws


def _answers(posterior: Any) -> Answers:
    """How a comparison is answered: with the posterior's own ties and degrees where it has them, else Bradley-Terry."""
    reading = _comparison(posterior)
    if reading is None:
        return lambda difference: np.stack([expit(difference), expit(-difference)])
    model, nuisance, sharpness = reading.model, reading.draws.T[:, :, None], reading.discrimination[:, None]
    return lambda difference: np.exp(model.log_prob(sharpness * difference, nuisance))


def comparison_information(posterior: Any) -> Answers:
    """Fisher information [n] of a comparison about a difference of utility [n], by the same model at its mean.

    With P(k) ∝ exp(c_k + a k Δ / 2) over signed degrees k, it is a² Var(k) / 4; a² p (1 − p) where nobody ties.
    """
    reading = _comparison(posterior)
    if reading is None:
        return lambda difference: np.asarray(expit(difference) * expit(-difference))
    model, nuisance, sharpness = reading.model, reading.nuisance, float(reading.discrimination.mean())

    def varying(difference: Floats) -> Floats:
        p, half = np.exp(model.log_prob(sharpness * difference, nuisance)), sharpness * model.scores / 2
        return np.asarray((p * (half[:, None] - half @ p) ** 2).sum(axis=0))

    return varying


def _comparison(posterior: Any) -> Any:
    """How the posterior reads comparisons; None where it has seen none."""
    own = getattr(posterior, "readings", ())
    return next((reading for reading in own if reading.kind.startswith("comparison")), None)
