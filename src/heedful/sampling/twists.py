"""What evidence says of outputs that are not finished: a guess, for each, at what its weight will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from heedful.core import Floats, InputError, Item, Potential, PrefixPotential
from heedful.core.algebra import Expression, Term


@dataclass(frozen=True, slots=True, eq=False)
class Twist:
    """Σ strength · potential over prefixes [n], of the terms of an expression that score prefixes.

    An engine that weighs by it divides it out again where an output ends, so that any twist will do, a good one is one
    that knows early what the weight will be, and −inf is the only word that cannot be taken back.
    """

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, potential: Potential) -> Self | None:
        """None where nothing in it scores prefixes."""
        terms = Expression.of(potential).terms
        known = tuple(term for term in terms if isinstance(term.potential, PrefixPotential) and term.strength != 0)
        return cls(known) if known else None

    def __call__(self, items: Sequence[Item]) -> Floats:
        """Raises InputError where a prefix scores NaN or +inf."""
        total = np.zeros(len(items))
        for term in self.terms:
            assert isinstance(term.potential, PrefixPotential)
            total += term.strength * term.potential.prefix(items).mean
        bad = np.isnan(total) | np.isposinf(total)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"a prefix scores {total[first]}", where=f"item {items[first].key}", fix="give finite scores"
            )
        return total
