"""And, not, or, mixture and threshold of potentials that are log-probabilities.

A utility is known only up to a constant per context, so "both are good" or "good enough" has no meaning for it: each
function here raises ScaleError for a potential on the utility scale. Events are taken as independent given the item.

Each operation acts draw by draw. The mean is the operation applied to the means, not the average of its draws: these
operations are curved, so that averaging would pay for ignorance or charge for it. To charge for it, use `pessimistic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Scale, ScaleError, Scores, UsageError
from heedful.core.algebra import Expressible, Expression, draws_count

Operation = Callable[[Sequence[Floats]], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Combined(Expressible):
    """An operation on the log-probabilities of `parts`; `name` says which."""

    name: str
    parts: tuple[Any, ...]
    operation: Operation
    scale: Scale
    under: str | None

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises InputError where draws do not line up, or a part gives more than 0."""
        scored = [part(items) for part in self.parts]
        if any((scores.mean > _ROUNDING).any() for scores in scored):
            raise InputError("a log-probability above 0 was given", where=self.name, fix="check the potential's scale")
        mean = self.operation([np.minimum(scores.mean, 0.0) for scores in scored])
        k = draws_count(scored)
        if k is None:
            return Scores(mean)
        shape = (k, len(items))
        rows = [np.broadcast_to(s.mean if s.draws is None else s.draws, shape) for s in scored]
        return Scores(mean, self.operation([np.minimum(row, 0.0) for row in rows]))


# Log-probabilities may exceed 0 by this much through rounding.
_ROUNDING = 1e-9


def conjunction(*potentials: Any) -> Combined:
    """log P(all hold) = Σ log p."""
    return combined("conjunction", potentials, _sum)


def negation(potential: Any) -> Combined:
    """log P(it does not hold) = log(1 − p)."""
    return combined("negation", (potential,), lambda parts: _log_complement(parts[0]))


def disjunction(*potentials: Any) -> Combined:
    """log P(at least one holds) = log(1 − Π (1 − p))."""
    return combined(
        "disjunction", potentials, lambda parts: _log_complement(_sum([_log_complement(part) for part in parts]))
    )


def mixture(weights: Sequence[float], potentials: Sequence[Any]) -> Combined:
    """log Σ weight · p: one of the potentials holds, each with its weight. UsageError unless weights sum to 1."""
    share = np.asarray(weights, dtype=np.float64)
    if share.shape != (len(potentials),) or not (share > 0).all() or abs(share.sum() - 1) > 1e-9:
        raise UsageError(
            f"{len(potentials)} potentials need as many weights, above 0, that add up to 1, not {list(weights)}",
            where="mixture",
        )

    def mixed(parts: Sequence[Floats]) -> Floats:
        logs = [part + math.log(weight) for part, weight in zip(parts, share.tolist(), strict=True)]
        return np.asarray(np.logaddexp.reduce(logs))

    return combined("mixture", tuple(potentials), mixed)


def threshold(potential: Any, at_least: float) -> Combined:
    """A hard constraint: 0 where p >= `at_least`, a probability in (0, 1], and -inf (ruled out) where not."""
    if not 0 < at_least <= 1:
        raise UsageError(f"a threshold is a probability in (0, 1], not {at_least}", where="threshold")
    least = math.log(at_least)
    return combined("threshold", (potential,), lambda parts: np.where(parts[0] >= least, 0.0, -np.inf))


def combined(name: str, potentials: tuple[Any, ...], operation: Operation) -> Combined:
    """An operation on log-probabilities. Raises UsageError where there are none, ScaleError where one is a utility."""
    if not potentials:
        raise UsageError("at least one potential is needed", where=name)
    for potential in potentials:
        if Expression.of(potential).scale != "log_prob":
            raise ScaleError(
                "a utility is known only up to a constant per context, and this needs log-probabilities",
                where=name,
                fix="give posterior.potential(scale='log_prob', reference=items); apply strengths to the result",
            )
    return Combined(name, potentials, operation, "log_prob", Expression(_terms(potentials)).under)


def _terms(potentials: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(part for potential in potentials for part in Expression.of(potential).terms)


def _sum(parts: Sequence[Floats]) -> Floats:
    return np.asarray(np.sum(parts, axis=0))


def _log_complement(log_prob: Floats) -> Floats:
    """log(1 − exp(log_prob)), accurate at both ends (Mächler 2012, "Accurately computing log(1 − exp(−|a|))")."""
    with np.errstate(divide="ignore"):
        near = np.log(-np.expm1(np.maximum(log_prob, -math.log(2))))
    return np.where(log_prob > -math.log(2), near, np.log1p(-np.exp(np.minimum(log_prob, -math.log(2)))))
