"""What engines that write step by step share: the base they need, and writing on to the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from heedful.core import Item, PrefixPotential, UsageError
from heedful.models import StepBase
from heedful.target import Target


def stepwise(target: Target, engine: str) -> tuple[StepBase, PrefixPotential]:
    """The base and potential of a search over steps. Raises UsageError where they know no unfinished outputs."""
    base, potential = target.base, target.expression
    if not isinstance(base, StepBase) or not isinstance(potential, PrefixPotential):
        raise UsageError(
            "a search needs a base that writes step by step, and a potential that scores prefixes",
            where=engine,
            fix="use models.LineSteps or StepModel, and evidence.Steps or PrefixValue without strengths",
        )
    return base, potential


class GoesOn(Protocol):
    """What writes on, step by step, until an output has ended."""

    def ended(self, item: Item) -> bool: ...
    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> Sequence[Item]: ...


def written(
    items: Sequence[Item], base: GoesOn, rng: np.random.Generator, parts: int | None = None
) -> tuple[list[Item], int]:
    """The items written on to their ends, or to so many parts, and the steps that it took."""
    found, steps = list(items), 0
    while rows := [row for row, own in enumerate(found) if _unfinished(own, base, parts)]:
        for row, item in zip(rows, base.continued([found[row] for row in rows], rng=rng), strict=True):
            found[row] = item
        steps += len(rows)
    return found, steps


def _unfinished(item: Item, base: GoesOn, parts: int | None) -> bool:
    return (parts is None or len(item.output) < parts) and not base.ended(item)
