"""Potentials that are given rather than fitted: rules, log-probabilities of a base, constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Base, BudgetExceededError, EndpointError, Floats, InputError, Item, Scale, Scores, UsageError
from heedful.core.algebra import Expressible, Expression
from heedful.models.encoders import Encoder


def term(potential: Any, strength: float = 1.0) -> Expression:
    """Any potential as an expression: the way in for those that do not inherit the operators."""
    return Expression.of(potential, strength)


@dataclass(frozen=True, slots=True)
class Rule(Expressible):
    """A function of an item as a potential: a test, a length limit, a score from elsewhere.

    fn     item -> number (True is 1, False is 0); -inf rules an item out
    name   what it is called in messages and reports
    scale  "utility", or "log_prob" where fn gives the log of a probability, at most 0
    under  the policy it holds under, None for any

    Calling it raises InputError, naming the rule and the item, where fn fails, gives no number, NaN or +inf, or more
    than 0 on the log_prob scale.
    """

    fn: Callable[[Item], float]
    name: str
    scale: Scale = "utility"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self._score(item) for item in items], dtype=np.float64))

    def _score(self, item: Item) -> float:
        where = f"rule {self.name!r}, item {item.key}"
        try:
            value = float(self.fn(item))
        except (BudgetExceededError, EndpointError):
            raise  # no fault of the rule, and to be met as such
        except Exception as error:
            raise InputError(f"the rule failed ({type(error).__name__}: {error})", where=where) from error
        if math.isnan(value) or value == math.inf:
            raise InputError(f"the rule gave {value}", where=where, fix="give finite numbers, or -inf to rule out")
        if self.scale == "log_prob" and value > 0:
            raise InputError(
                f"the rule gave {value:g}, but the log of a probability is at most 0",
                where=where,
                fix="give logs of probabilities, or use scale='utility'",
            )
        return value


def constraint(holds: Callable[[Item], bool], name: str) -> Rule:
    """A hard constraint, on the log_prob scale: 0 where `holds`, -inf (ruled out) where not."""
    return Rule(lambda item: 0.0 if holds(item) else -math.inf, name, "log_prob")


@dataclass(frozen=True, slots=True)
class LogProb(Expressible):
    """log base(y | x) in nats of any base, for example another model's: a product of experts when added to one."""

    base: Base
    scale: Scale = "log_prob"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.asarray(self.base.log_prob(items), dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Readout(Expressible):
    """One column of an encoder as a utility: the reward of a reward model, a label's logit, a covariate of style.

    Raises UsageError where the encoder has no column of that name.
    """

    encoder: Encoder
    column: str
    scale: Scale = "utility"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        if self.column not in self.encoder.names:
            fix = f"one of {', '.join(self.encoder.names[:20])}"
            raise UsageError(f"the encoder has no column {self.column!r}", where="Readout", fix=fix)
        return Scores(self.encoder.encode(items)[:, self.encoder.names.index(self.column)])


@dataclass(frozen=True, slots=True)
class Constant(Expressible):
    """The same score for every item. It changes no target; on the log_prob scale it is a probability to mix with."""

    value: float
    scale: Scale = "utility"
    under: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or (self.scale == "log_prob" and self.value > 0):
            raise UsageError(
                f"a constant is a finite number, and at most 0 on the log_prob scale, not {self.value}",
                where="Constant",
            )

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.full(len(items), float(self.value)))


@dataclass(frozen=True, slots=True)
class Pessimistic(Expressible):
    """mean − k · standard deviation over the draws: see `pessimistic`."""

    potential: Any
    k: float
    scale: Scale
    under: str | None

    def __call__(self, items: Sequence[Item]) -> Scores:
        scores = self.potential(items)
        return Scores(lowered(scores, self.k), None, scores.aleatoric)


def pessimistic(potential: Any, k: float) -> Pessimistic:
    """`potential` lowered by k posterior standard deviations where it is not known well. For tilting a base only.

    The result has no draws: what it charges for ignorance must not be read as what is believed. It is not linear, so
    write `pessimistic(2.0 * a + b, k)` to lower the sum by its own spread. A potential without draws is certain, and
    not lowered. A utility's spread is that of its difference to its zero, for features their training mean; take
    `posterior.potential(scale="log_prob", reference=...)` for the spread against outputs of your own.
    Raises UsageError unless k >= 0. Source: Zhu, Jordan & Jiao 2023, "Principled reinforcement learning with human
    feedback from pairwise or K-wise comparisons".
    """
    lowered(Scores(np.zeros(0)), k)
    whole = Expression.of(potential)
    return Pessimistic(potential, float(k), whole.scale, whole.under)


def lowered(scores: Scores, k: float) -> Floats:
    """mean − k · standard deviation over draws [n]; the mean where there are no draws. Raises UsageError unless k >= 0.

    An item that only some draws rule out (-inf) has an infinite deviation; one that all rule out stays at its mean.
    """
    if not (math.isfinite(k) and k >= 0):
        raise UsageError(f"pessimism is a finite number of standard deviations, 0 or more, not {k}")
    if k == 0 or scores.draws is None:
        return scores.mean
    out = np.isneginf(scores.draws)
    spread = np.where(out, 0.0, scores.draws).std(axis=0)
    return np.where(out.all(axis=0), scores.mean, np.where(out.any(axis=0), -np.inf, scores.mean - k * spread))
