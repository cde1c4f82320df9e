"""Weighted sums of potentials: what `2.0 * helpful + 0.5 * tests` means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from heedful.core.errors import InputError, UsageError
from heedful.core.items import Item
from heedful.core.protocols import Potential
from heedful.core.values import Floats, Scale, Scores


class Expressible:
    """Operators for a potential: `strength * p`, `p + q`, `p - q`, `-p` and `p / number` give an `Expression`.

    A potential inherits from this to be written in expressions; any other one enters through `Expression.of`.
    """

    __slots__ = ()
    # Without this, numpy.float64(2.0) * potential would become an array of objects.
    __array_ufunc__ = None

    def __mul__(self, strength: Any) -> Expression:
        return Expression.of(self, strength) if isinstance(strength, Real) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, number: Any) -> Expression:
        return Expression.of(self, 1.0 / number) if isinstance(number, Real) else NotImplemented

    def __neg__(self) -> Expression:
        return Expression.of(self, -1.0)

    def __add__(self, other: Any) -> Expression:
        if isinstance(other, Real) and other == 0:  # what sum() starts from
            return Expression.of(self)
        if not isinstance(other, Potential):
            return NotImplemented
        return Expression(_merged((*Expression.of(self).terms, *Expression.of(other).terms)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Expression:
        return self + Expression.of(other, -1.0) if isinstance(other, Potential) else NotImplemented

    def __rsub__(self, other: Any) -> Expression:
        return Expression.of(other) + Expression.of(self, -1.0) if isinstance(other, Potential) else NotImplemented


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One potential and the strength it enters with. Strength = 1/β: see `heedful.target.Target`."""

    strength: float
    potential: Potential

    def __post_init__(self) -> None:
        if not math.isfinite(self.strength):
            raise UsageError(f"a strength is a finite number, not {self.strength}")


@dataclass(frozen=True, slots=True, eq=False)
class Expression(Expressible):
    """Σ strength · potential over `terms`, itself a potential. A term of strength 0 is not evaluated.

    The sum acts draw by draw: row r of the draws is the weighted sum of row r of every term, so that draws that share
    posterior samples stay correlated; a term without draws is certain, and adds its mean to each row. The aleatoric
    spread is |strength| times that of the only term that has one, and None where several do, since nothing says how
    people's disagreements on them go together. The scale is log_prob only where every term is log_prob at strength 1
    (the conjunction of independent events); it is utility otherwise.
    """

    terms: tuple[Term, ...]
    scale: Scale = field(init=False)
    under: str | None = field(init=False)

    def __post_init__(self) -> None:
        if not self.terms:
            raise UsageError("an expression needs at least one potential")
        policies = {term.potential.under for term in self.terms if term.potential.under is not None}
        if len(policies) > 1:
            raise UsageError(
                f"the potentials hold under different policies ({', '.join(sorted(policies))}), their sum under none",
                fix="fit them under one policy, or use potentials that hold under any",
            )
        certain = all(term.strength == 1.0 and term.potential.scale == "log_prob" for term in self.terms)
        object.__setattr__(self, "scale", "log_prob" if certain else "utility")
        object.__setattr__(self, "under", next(iter(policies), None))

    @classmethod
    def of(cls, potential: Any, strength: Any = 1.0) -> Expression:
        """`strength * potential`, for any potential. Raises UsageError where it is none."""
        if not isinstance(potential, Potential):
            hint = "call its .potential()" if hasattr(potential, "potential") else "give it .scale, .under and a call"
            raise UsageError(f"{type(potential).__name__} is not a potential", fix=hint)
        terms = potential.terms if isinstance(potential, Expression) else (Term(1.0, potential),)
        return cls(tuple(Term(float(strength) * term.strength, term.potential) for term in terms))

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Scores of n items. Raises InputError where draws do not line up or a -inf has a negative strength."""
        active = [term for term in self.terms if term.strength != 0.0]
        scored = [(term.strength, term.potential(items)) for term in active]
        mean = sum((_scaled(strength, s.mean) for strength, s in scored), start=np.zeros(len(items)))
        return Scores(mean, _sum_of_draws(scored, len(items)), _aleatoric_of_sum(scored))


def _merged(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """One term per potential, so that none is evaluated twice."""
    by_identity: dict[int, Term] = {}
    for term in terms:
        known = by_identity.get(id(term.potential))
        by_identity[id(term.potential)] = Term(known.strength + term.strength, term.potential) if known else term
    return tuple(by_identity.values())


def _scaled(strength: float, values: Floats) -> Floats:
    if strength < 0 and np.isneginf(values).any():
        raise InputError(
            f"a potential is -inf (ruled out) where its strength is {strength:g}: the product would be +inf",
            fix="use a strength > 0, or negate a log_prob potential with heedful.evidence.negation",
        )
    return strength * values


def draws_count(scored: Iterable[Scores]) -> int | None:
    """How many draws scores have in common; None where none has draws. InputError where their numbers differ."""
    counts = {len(scores.draws) for scores in scored if scores.draws is not None}
    if len(counts) > 1:
        raise InputError(
            f"the potentials have different numbers of draws ({sorted(counts)}), which cannot be paired",
            fix="fit their posteriors with the same number of draws",
        )
    return counts.pop() if counts else None


def _sum_of_draws(scored: list[tuple[float, Scores]], n: int) -> Floats | None:
    k = draws_count(scores for _, scores in scored)
    if k is None:
        return None
    total = np.zeros((k, n))
    for strength, scores in scored:
        total += _scaled(strength, scores.mean if scores.draws is None else scores.draws)
    return total


def _aleatoric_of_sum(scored: list[tuple[float, Scores]]) -> Floats | None:
    known = [abs(strength) * scores.aleatoric for strength, scores in scored if scores.aleatoric is not None]
    return known[0] if len(known) == 1 else None
