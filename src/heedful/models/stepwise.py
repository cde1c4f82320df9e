"""A base that writes its outputs step by step, each step a part of the output."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, runtime_checkable

import numpy as np

from heedful.core import Base, Floats, InputError, Item, Part, Parts


@runtime_checkable
class StepBase(Base, Protocol):
    """A base whose outputs can be gone on with, step by step, until they have ended."""

    def ended(self, item: Item) -> bool: ...
    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[Item, ...]: ...


def drawn(base: StepBase, items: tuple[Item, ...], rng: np.random.Generator) -> tuple[Item, ...]:
    """The items gone on with until all have ended."""
    while (longer := base.continued(items, rng=rng)) != items:
        items = longer
    return items


Following = Callable[[Parts, Parts], tuple[tuple[Part, ...], Sequence[float]]]


@dataclass(frozen=True, slots=True, eq=False)
class StepModel:
    """Outputs of one part per step. An enumerable base that can also go on from an unfinished output.

    `following(context, steps)` gives the steps that may come next, each once, and their probabilities, which sum to
    one; none where the output ends. Every output must end.
    """

    following: Following
    system: str | None = None
    most_outputs: int = 1_000_000

    def ended(self, item: Item) -> bool:
        """Whether nothing can follow."""
        return not self.following(item.context, item.output)[0]

    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[Item, ...]:
        """Each item with one more step, drawn; one that has ended stays as it is."""
        found = []
        for item, uniform in zip(items, rng.random(len(items)).tolist(), strict=True):
            parts, probability = self.following(item.context, item.output)
            if parts:
                place = bisect_right(list(accumulate(probability)), uniform)
                item = Item(item.context, (*item.output, parts[min(place, len(parts) - 1)]), self.system)
            found.append(item)
        return tuple(found)

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws."""
        return drawn(self, (Item(context, (), self.system),) * n, rng)

    def support(self, context: Parts) -> tuple[Item, ...]:
        """Every output of positive probability. Raises InputError where there are more than `most_outputs`."""
        found: list[Item] = []
        unfinished: list[Parts] = [()]
        while unfinished:
            steps = unfinished.pop()
            parts, probability = self.following(context, steps)
            if not parts:
                found.append(Item(context, steps, self.system))
            pairs = list(zip(parts, probability, strict=True))
            unfinished += [(*steps, part) for part, share in reversed(pairs) if share > 0]
            if len(found) + len(unfinished) > self.most_outputs:
                raise InputError(
                    f"there are more than {self.most_outputs:,} outputs",
                    where="StepModel.support",
                    fix="write fewer steps, or raise most_outputs",
                )
        return tuple(found)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where it is unfinished or cannot be written."""
        return np.array([self._whole(item) for item in items], dtype=np.float64)

    def prefix_log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] that an output begins with these steps."""
        return np.array([self._begun(item) for item in items], dtype=np.float64)

    def _whole(self, item: Item) -> float:
        begun = self._begun(item)
        return begun if begun > -math.inf and self.ended(item) else -math.inf

    def _begun(self, item: Item) -> float:
        total = 0.0
        for place, step in enumerate(item.output):
            parts, probability = self.following(item.context, item.output[:place])
            share = probability[parts.index(step)] if step in parts else 0.0
            if not share > 0:
                return -math.inf
            total += math.log(share)
        return total
