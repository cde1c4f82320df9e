"""What a posterior says about a pool of pairs: the probabilities of answers, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.information import information_gain, one_sided_gain

Indices = NDArray[np.intp]
Answers = Callable[[Floats], Floats]

# Pairs looked at in one go: bounds the memory to about draws · CHUNK numbers.
CHUNK = 2048


@dataclass(frozen=True)
class Beliefs:
    """A pool's distinct pairs and a posterior's view of them.

    `pairs` [n] are the questions, the first of each unordered pair of the pool; `first`, `second` [n] number their
    `items`. `draws` [k, items] are utilities, NaN for an item the posterior knows nothing of. `answers` turns
    differences of utility [k, n] into outcome probabilities [o, k, n].
    """

    pairs: tuple[tuple[Item, ...], ...]
    first: Indices
    second: Indices
    draws: Floats
    answers: Answers
    items: tuple[Item, ...]

    @classmethod
    def of(cls, posterior: Any, pool: Sequence[tuple[Item, ...]]) -> Beliefs:
        """Raises InputError where a question is not about two different items, UsageError without draws."""
        wrong = next((row for row, pair in enumerate(pool) if len(pair) != 2 or pair[0] == pair[1]), None)
        if wrong is not None:
            raise InputError("a question is about two different items", where=f"pool, row {wrong}")
        number: dict[Item, int] = {}
        numbers = [number.setdefault(item, len(number)) for pair in pool for item in pair]
        both = np.array(numbers, dtype=np.intp).reshape(-1, 2)
        code = both.min(axis=1) * len(number) + both.max(axis=1)
        rows = np.sort(np.unique(code, return_index=True)[1])
        pairs = tuple(tuple(pool[row]) for row in rows.tolist())
        items = tuple(number)
        draws = utility_draws(posterior, items)
        return cls(pairs, both[rows, 0], both[rows, 1], draws, _answers(posterior), items)

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


def utility_draws(posterior: Any, items: tuple[Item, ...]) -> Floats:
    """Draws of utilities [k, items]; NaN for items that a model of free items has not seen."""
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
    for reading in getattr(posterior, "readings", ()):
        if reading.kind.startswith("comparison"):
            model, nuisance = reading.model, reading.draws.T[:, :, None]
            sharpness = reading.discrimination[:, None]
            return lambda difference: np.exp(model.log_prob(sharpness * difference, nuisance))
    return lambda difference: np.stack([expit(difference), expit(-difference)])


def single_gains(beliefs: Beliefs) -> Floats:
    """The gain of each pair on its own [n]."""
    known = beliefs.known()
    gains = np.full(len(beliefs), one_sided_gain(np.zeros(1, dtype=np.intp))[0])
    for pairs in chunks(np.flatnonzero(known)):
        gains[pairs] = information_gain(beliefs.outcomes(pairs))
    return gains


def chunks(pairs: Indices) -> Iterator[Indices]:
    """Pairs looked at in one go."""
    for start in range(0, len(pairs), CHUNK):
        yield pairs[start : start + CHUNK]


def queries(beliefs: Beliefs, chosen: Indices, gains: Floats) -> Queries:
    """The questions chosen with the gains [n] of all, at a cost of 1 each, for anyone to answer."""
    questions = tuple(beliefs.pairs[pair] for pair in chosen.tolist())
    return Queries(questions, (None,) * len(chosen), gains[chosen], np.ones(len(chosen)))


def nothing() -> Queries:
    """No question at all."""
    return Queries((), (), np.zeros(0), np.zeros(0))
