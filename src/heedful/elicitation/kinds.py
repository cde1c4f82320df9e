"""Kinds of question beside pairs: rankings, bests of several, ratings, labels, and how likely each answer to them is.

An answer law maps utilities [k, n, s] of k draws, n questions and s items each to probabilities [o, k, n] of all o
answers, which sum to one: of a comparison from the second to the first, of a grade from the lowest level up. It is that
of the posterior's own reading of the kind where votes of it were fitted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, UsageError
from heedful.preference.choices import ChoiceModel
from heedful.preference.grades import GradeModel
from heedful.preference.instruments import sort_of
from heedful.preference.pairs import PairModel
from heedful.preference.reading import Reading

AnswerLaw = Callable[[Floats], Floats]

KINDS = ("comparison", "ranking", "best_of", "rating", "label")
# Answers to one ranking that are listed: 720 are those of six items without ties.
_MOST_ANSWERS = 720
# Draws over which thresholds and a rater's use of the scale are averaged.
_AVERAGED = 16


def sizes(kind: str) -> tuple[int, float]:
    """The fewest and the most items that a question of this kind is about."""
    sort = _record_kind(kind)
    return (1, 1) if sort in ("rating", "label") else (2, 2) if sort == "comparison" else (2, np.inf)


def answer_law(posterior: Any, kind: str, rater: str | None = None) -> AnswerLaw:
    """How people answer a kind of question, as this posterior reads it.

    kind: a record's kind, or where several scales were fitted the name of the reading ("rating 1 to 5"). Without votes
    of that kind, comparisons and choices are Bradley-Terry's and Plackett-Luce's, without ties. rater: whose own use of
    a scale counts; None for one of the population. Of comparisons and choices, what is not known of ties is drawn with
    the utilities; of grades, thresholds are averaged over given the utility of the item asked about, so that learning
    how the scale is used does not count. Raises UsageError for grades on a scale that was not fitted.
    """
    reading = _reading(posterior, kind)
    sort = _record_kind(kind)
    if sort in ("rating", "label"):
        if reading is None:
            raise UsageError(
                f"the posterior has read no votes of the kind {kind!r}, so it cannot predict any",
                where="answer_law",
                fix="fit some first, or ask for comparisons, rankings or bests",
            )
        return _Grade(reading, rater)
    if sort == "comparison":
        return _Pair(reading or Reading(kind, PairModel(np.ones(1), False), np.zeros(0), np.zeros((1, 0))))
    orders, nuisance = ((1,), np.zeros((1, 0))) if reading is None else (_choice(reading).orders, reading.draws)
    sharpness = np.ones(1) if reading is None else reading.discrimination
    return _Choice(ChoiceModel(orders), nuisance, sharpness, whole=sort == "ranking")


def _record_kind(kind: str) -> str:
    found = next((own for own in KINDS if kind == own or kind.startswith(f"{own} ")), None)
    if found is None:
        raise UsageError(f"no kind of question {kind!r}", where="kind", fix=f"one of {', '.join(KINDS)}")
    return found


def _reading(posterior: Any, kind: str) -> Reading | None:
    """People's reading of this name, else the only one of this record kind."""
    own = [reading for reading in getattr(posterior, "readings", ()) if not sort_of(reading.kind)[1]]
    name = kind.replace("best_of", "best of")
    exact = [reading for reading in own if reading.kind == name]
    found = exact or [reading for reading in own if reading.kind.startswith(name)]
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} readings are of the kind {kind!r}", fix=f"name one: {', '.join(r.kind for r in found)}"
        )
    return found[0] if found else None


def _choice(reading: Reading) -> ChoiceModel:
    assert isinstance(reading.model, ChoiceModel)
    return reading.model


@dataclass(frozen=True)
class _Pair:
    reading: Reading

    def __call__(self, utilities: Floats) -> Floats:
        assert isinstance(self.reading.model, PairModel)
        difference = self.reading.discrimination[:, None] * (utilities[..., 0] - utilities[..., 1])
        return np.exp(self.reading.model.log_prob(difference, self.reading.draws.T[:, :, None]))


@dataclass(frozen=True)
class _Choice:
    """The best of several, several where they tie; with `whole`, then the best of those left, to the last."""

    model: ChoiceModel
    nuisance: Floats
    sharpness: Floats
    whole: bool

    def __call__(self, utilities: Floats) -> Floats:
        u = self.sharpness[:, None, None] * utilities
        stages: dict[tuple[tuple[int, ...], tuple[int, ...]], Floats] = {}
        laws = []
        for ordering in itertools.islice(self._orderings(tuple(range(u.shape[2]))), _MOST_ANSWERS + 1):
            total = np.zeros(u.shape[:2])
            for stage in ordering:
                if stage not in stages:
                    stages[stage] = self._stage(u, *stage)
                total = total + stages[stage]
            laws.append(total)
        if len(laws) > _MOST_ANSWERS:
            raise UsageError(
                f"a question about {u.shape[2]} items has more than {_MOST_ANSWERS} answers",
                where="kinds",
                fix="ask about fewer items, or for the best only",
            )
        return np.exp(np.stack(laws))

    def _orderings(self, left: tuple[int, ...]) -> Iterator[tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]:
        """Every answer as its stages: what was left, and what was taken of it."""
        possible = [order for order in self.model.orders if order <= len(left)]
        if len(left) < 2 or not possible:
            yield ()
            return
        for order in possible:
            for taken in itertools.combinations(left, order):
                rest = tuple(item for item in left if item not in taken)
                for after in self._orderings(rest) if self.whole else [()]:
                    yield ((left, taken), *after)

    def _stage(self, u: Floats, left: tuple[int, ...], taken: tuple[int, ...]) -> Floats:
        chosen = np.isin(left, taken).astype(np.float64)
        nuisance = np.broadcast_to(self.nuisance[:, None, :], (*u.shape[:2], self.nuisance.shape[1]))
        members = u[..., list(left)]
        return self.model.log_prob(members, np.broadcast_to(chosen, members.shape), nuisance)


@dataclass(frozen=True)
class _Grade:
    """A level of a scale, averaged over thresholds and sharpness given the utility u of the item.

    Over the draws, they are regressed on u; what is left over is what u does not tell, and is averaged over. That is
    exact where the posterior is Gaussian.
    """

    reading: Reading
    rater: str | None

    def __call__(self, utilities: Floats) -> Floats:
        model, u = self.reading.model, utilities[..., 0]
        assert isinstance(model, GradeModel)
        own = self.reading.thresholds([self.rater])[:, 0]
        unknown = np.column_stack([np.log(np.broadcast_to(self.reading.discrimination, len(own))), own])
        if len(unknown) != len(u):
            raise UsageError(f"{len(u)} draws of utilities and {len(unknown)} of thresholds", where="answer_law")
        told, left = _regressed(unknown, u)
        total = np.zeros((own.shape[1] + 1, *u.shape))
        places = np.unique(np.linspace(0, len(u) - 1, _AVERAGED).astype(np.intp))
        for place in places:
            each = told + left[place]
            law = model.log_prob(np.exp(each[..., 0]) * u, np.sort(each[..., 1:], axis=-1))
            total += np.moveaxis(np.exp(law), -1, 0)
        return total / len(places)


def _regressed(unknown: Floats, u: Floats) -> tuple[Floats, Floats]:
    """What u [k, n] tells of the unknown [k, p] by linear regression [k, n, p], and what it leaves [k, n, p]."""
    away, gap = unknown - unknown.mean(axis=0), u - u.mean(axis=0)
    spread = (gap**2).sum(axis=0)
    slope = np.divide(
        gap.T @ away, spread[:, None], out=np.zeros((u.shape[1], away.shape[1])), where=spread[:, None] > 0
    )
    moved = gap[..., None] * slope
    return unknown.mean(axis=0) + moved, away[:, None] - moved
