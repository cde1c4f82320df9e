"""Rewards of tokens from a model that writes an output's correction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Floats, InputError, Item, Scale, Scores
from heedful.core.algebra import Expressible

_END = None
"""What stands after the last token, as a token: to stop too early or too late is an error too."""


@dataclass(frozen=True, slots=True, eq=False)
class Corrected(Expressible):
    """+1 for each token of an output, its end included, up to the first one that its correction changes, −1 from there.

    `correct` writes the correction of each item, in the same context; it is fitted to write the chosen output of a pair
    from the rejected one, and the chosen one from itself (Zhou et al. 2024, "Sequence to sequence reward modeling"). A
    score is the sum over tokens, which are what white space divides. Raises InputError where there is not one
    correction for each item.
    """

    correct: Callable[[Sequence[Item]], Sequence[Item]]
    under: str | None = None
    scale: Scale = "utility"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([own.sum() for own in self.tokens(items)], dtype=np.float64))

    def tokens(self, items: Sequence[Item]) -> tuple[Floats, ...]:
        """The reward of each token of each item [its tokens + 1], the last that of its end."""
        corrected = self.correct(items) if items else ()
        if len(corrected) != len(items):
            raise InputError(f"{len(corrected)} corrections of {len(items)} outputs", where="Corrected")
        return tuple(_agreement(_tokens(one), _tokens(other)) for one, other in zip(items, corrected, strict=True))


def _tokens(item: Item) -> list[str | None]:
    return [*(token for part in item.output for token in part.text.split()), _END]


def _agreement(written: list[str | None], corrected: list[str | None]) -> Floats:
    """1 before the first difference, −1 from it on; what has an end cannot agree beyond it."""
    places = range(min(len(written), len(corrected)))
    first = next((place for place in places if written[place] != corrected[place]), len(written))
    return np.where(np.arange(len(written)) < first, 1.0, -1.0)
