"""What a posterior says about a pool of pairs: the probabilities of answers, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from heedful.core import Floats, InputError, Item, Queries, UsageError

Indices = NDArray[np.intp]
Answers = Callable[[Floats], Floats]
Question = tuple[Item, ...]


@dataclass(frozen=True)
class Beliefs:
    """A pool's distinct pairs and a posterior's view of them.

    `pairs` [n] are the questions, the first of each unordered pair of the pool; `first`, `second` [n] number their
    items. `draws` [k, items] are utilities, NaN for an item the posterior knows nothing of. `answers` turns differences
    of utility [k, n] into outcome probabilities [o, k, n].
    """

    pairs: tuple[tuple[Item, ...], ...]
    first: Indices
    second: Indices
    draws: Floats
    answers: Answers

    @classmethod
    def of(cls, posterior: Any, pool: Sequence[tuple[Item, ...]]) -> Beliefs:
        """Raises InputError where a question is not about two different items, UsageError without draws."""
        wrong = next((row for row, pair in enumerate(pool) if len(pair) != 2 or pair[0] == pair[1]), None)
        if wrong is not None:
            raise InputError("a question is about two different items", where=f"pool, row {wrong}")
        items, pairs, members = distinct_questions(pool)
        return cls(pairs, members[:, 0], members[:, 1], utility_draws(posterior, items), _answers(posterior))

    def __len__(self) -> int:
        return len(self.pairs)

    def known(self) -> NDArray[np.bool_]:
        """Whether the posterior knows something of both items of each pair [n]."""
        unknown = self.unknown()
        return ~np.asarray(unknown[self.first] | unknown[self.second])

    def unknown(self) -> NDArray[np.bool_]:
        """Whether the posterior knows nothing of each item."""
        return np.asarray(np.isnan(self.draws).any(axis=0))

    def outcomes(self, pairs: Indices) -> Floats:
        """Probabilities [o, k, p] of the answers to these pairs: first, second, and what else the posterior knows."""
        return self.answers(self.draws[:, self.first[pairs]] - self.draws[:, self.second[pairs]])


def distinct_questions(pool: Sequence[Question]) -> tuple[tuple[Item, ...], tuple[Question, ...], Indices]:
    """The items of a pool, the first question [n] about each set of them, and their numbers [n, K] (-1: none)."""
    number: dict[Item, int] = {}
    width = max(map(len, pool), default=0)
    numbers = [[number.setdefault(item, len(number)) for item in question] for question in pool]
    members = np.array([own + [-1] * (width - len(own)) for own in numbers], dtype=np.intp).reshape(-1, width)
    rows = np.sort(np.unique(np.sort(members, axis=1), axis=0, return_index=True)[1])
    return tuple(number), tuple(tuple(pool[row]) for row in rows.tolist()), members[rows]


def utility_draws(posterior: Any, items: tuple[Item, ...]) -> Floats:
    """Draws [k, items] of utilities [k, items]; NaN for items that a model of free items has not seen."""
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


def no_queries() -> Queries:
    """The answer of a rule to an empty pool."""
    return Queries((), (), np.zeros(0), np.zeros(0))


def check_batch(batch: int) -> None:
    """Raises UsageError for a batch of nothing."""
    if batch < 1:
        raise UsageError(f"a batch is of at least 1 question, not {batch}", where="batch")
