"""Potentials of outputs written in steps: what scores of single steps say of the whole, and values of prefixes.

An output's parts are its steps; its prefixes are the outputs of its first 1, 2, ... steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Floats, Item, Potential, PrefixPotential, Scale, ScaleError, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.models import StepBase
from heedful.models.token_models import whole

Aggregation = Literal["product", "min", "mean", "last"]
PrefixKind = Literal["terminal", "mean", "soft", "twist"]


def prefixes(item: Item) -> tuple[Item, ...]:
    """The outputs of the first 1, 2, ... steps, the whole last; none of an output without steps."""
    return tuple(Item(item.context, item.output[:size], item.system) for size in range(1, len(item.output) + 1))


def scored(potential: Potential, items: Sequence[Item], finished: NDArray[np.bool_]) -> Floats:
    """Scores [n] of outputs that are `finished` as wholes, and of the others, if there are any, as prefixes."""
    found = np.zeros(len(items))
    whole_rows, begun_rows = np.flatnonzero(finished), np.flatnonzero(~finished)
    if len(whole_rows):
        found[whole_rows] = potential([items[row] for row in whole_rows.tolist()]).mean
    if len(begun_rows):
        assert isinstance(potential, PrefixPotential)
        found[begun_rows] = potential.prefix([items[row] for row in begun_rows.tolist()]).mean
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Steps(Expressible):
    """log of the aggregated probability that the steps of an output are right.

    step  log-probability that the last step of a prefix is right, a potential of prefixes
    how   "product" of the steps' probabilities (Lightman et al. 2023, "Let's verify step by step", section 2.6), their
          "min", arithmetic "mean", or the "last"

    The same of the steps there are is the score of a prefix: a twist, which claims nothing of what will follow. An
    output without steps scores 0. Draw by draw. Raises ScaleError where `step` is on the utility scale.
    """

    step: Potential
    how: Aggregation
    scale: Scale = "log_prob"
    kind: PrefixKind = "twist"

    def __post_init__(self) -> None:
        if self.how not in _AGGREGATIONS:
            raise UsageError(f"no aggregation {self.how!r}", where="Steps", fix=f"one of {', '.join(_AGGREGATIONS)}")
        if self.step.scale != "log_prob":
            raise ScaleError("steps are scored by log-probabilities", where="Steps", fix="fit them to labels: Labelled")

    @property
    def under(self) -> str | None:
        return self.step.under

    def __call__(self, items: Sequence[Item]) -> Scores:
        number: dict[Item, int] = {}
        rows = [[number.setdefault(own, len(number)) for own in prefixes(item)] for item in items]
        scores = self.step(list(number))
        longest = max(map(len, rows), default=0)
        place = np.array([row + [-1] * (longest - len(row)) for row in rows], np.intp).reshape(len(items), longest)
        mean = self._whole(scores.mean[None], place)[0]
        return Scores(mean, None if scores.draws is None else self._whole(scores.draws, place))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)

    def _whole(self, score: Floats, place: np.ndarray) -> Floats:
        """Aggregates [k, n] of scores of prefixes [k, m], of which item i has those at place[i] up to the first −1."""
        if not place.size:
            return np.zeros((len(score), len(place)))
        some = place[:, 0] >= 0
        held = np.where(place[some] >= 0, score[:, place[some]], np.nan)
        whole = np.zeros((len(score), len(place)))
        whole[:, some] = _AGGREGATIONS[self.how](held)
        return whole


def _last(held: Floats) -> Floats:
    size = (~np.isnan(held)).sum(axis=2)
    return np.asarray(np.take_along_axis(held, size[:, :, None] - 1, axis=2)[:, :, 0])


def _mean(held: Floats) -> Floats:
    none = np.isnan(held)
    return np.asarray(logsumexp(np.where(none, -np.inf, held), axis=2) - np.log((~none).sum(axis=2)))


# Of scores [k, n, longest], NaN beyond an item's own.
_AGGREGATIONS: Mapping[str, Callable[[Floats], Floats]] = {
    "product": lambda held: np.nansum(held, axis=2),
    "min": lambda held: np.nanmin(held, axis=2),
    "mean": _mean,
    "last": _last,
}


@dataclass(frozen=True, slots=True, eq=False)
class InOneText(Expressible):
    """A potential of texts and unfinished texts, for outputs of `base` in steps that are pieces of one text.

    So values of a token model's prefixes serve `models.LineSteps` over it. In steps an output tells whether it has
    ended: then it scores as a whole, in `prefix` too.
    """

    potential: PrefixPotential
    base: StepBase

    @property
    def scale(self) -> Scale:
        return self.potential.scale

    @property
    def under(self) -> str | None:
        return self.potential.under

    @property
    def kind(self) -> PrefixKind:
        return self.potential.kind

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self.potential([whole(item) for item in items])

    def prefix(self, items: Sequence[Item]) -> Scores:
        ended = np.array([self.base.ended(item) for item in items], dtype=bool)
        return Scores(scored(self.potential, [whole(item) for item in items], ended))


@dataclass(frozen=True, slots=True, eq=False)
class PrefixValue(Expressible):
    """A potential of prefixes and whole outputs alike, with what its scores of prefixes claim.

    `kind` "soft" for log P(the outcome is good | prefix) under the policy `under`: it is the exact factor of a prefix
    in the target base · P(good) at strength 1, since E[P(good | y) | prefix] = exp(soft value). "terminal" for one
    fitted to whole outputs, which claims nothing of others.
    """

    potential: Potential
    kind: PrefixKind
    under: str | None = None

    @property
    def scale(self) -> Scale:
        return self.potential.scale

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self.potential(items)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self.potential(items)
