"""Whole outputs with the unfinished ones that they grew from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from heedful.core import Base, Item, Parts, UsageError
from heedful.models.stepwise import StepBase
from heedful.models.token_models import TokenModel, Tokens, tokens_at


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """n outputs, and of each the unfinished ones on its way, from nothing written to the last before its end.

    The units are tokens of a base that writes token by token, and parts of one that writes step by step.
    """

    items: tuple[Item, ...]
    begun: tuple[tuple[Item, ...], ...]

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def drawn(cls, base: Base, contexts: Sequence[Parts], n: int, *, rng: np.random.Generator) -> Self:
        """n draws of the base for each context, in their order."""
        if isinstance(base, TokenModel):
            return cls(*_followed(base, [context for context in contexts for _ in range(n)], rng))
        return cls.of(base, [item for context in contexts for item in base.sample(context, n, rng=rng)])

    @classmethod
    def of(cls, base: Base, items: Sequence[Item]) -> Self:
        """Of given outputs. Raises InputError where the base cannot write one, UsageError where it has no units."""
        if isinstance(base, TokenModel):
            return cls(*_followed(base, [item.context for item in items], base.encode(items)))
        if not isinstance(base, StepBase):
            fix = "use models.LocalModel, SequenceTable, LineSteps or StepModel"
            raise UsageError(f"{type(base).__name__} writes neither tokens nor steps", where="Paths", fix=fix)
        return cls(tuple(items), tuple(map(_first_steps, items)))


def _first_steps(item: Item) -> tuple[Item, ...]:
    return tuple(Item(item.context, item.output[:size], item.system) for size in range(len(item.output)))


def _followed(
    base: TokenModel, contexts: Sequence[Parts], how: np.random.Generator | Sequence[Tokens]
) -> tuple[tuple[Item, ...], tuple[tuple[Item, ...], ...]]:
    """Outputs in these contexts, drawn or of given tokens, and what stood before each token."""
    items: list[Item] = []
    begun: list[list[Item]] = [[] for _ in contexts]
    size = int(getattr(base, "batch_size", len(contexts) or 1))
    for start in range(0, len(contexts), size):
        state, place = base.begin(contexts[start : start + size]), 0
        while (unfinished := np.flatnonzero(~state.finished)).size:
            before = state.items()
            for row in unfinished.tolist():
                begun[start + row].append(before[row])
            if isinstance(how, np.random.Generator):
                state.append(state.draw(how))
            else:
                state.append(tokens_at(how[start : start + size], place))
            place += 1
        items += state.items()
    return tuple(items), tuple(map(tuple, begun))
