"""Two candidates that changed different things, as one that has the changes of both.

Agrawal et al. 2025, "GEPA" (system-aware merge): of two candidates of the front with a common ancestor, each parameter
is taken from the one that changed it. Texts that both changed may be merged line by line, as revisions of a file are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from heedful.core import Budget
from heedful.rewriting.parameters import Text
from heedful.rewriting.proposing import Proposed, Situation, Tried, distinct
from heedful.rewriting.splits import written


@dataclass(frozen=True, slots=True)
class Merged:
    """Of all pairs of unbeaten candidates that changed different things of what both can have come from, the `n` merged
    that earned most together; none that was tried before. No model is asked.

    Both can have come from the values as they are, those at the start, or any that were tried, where it is not known
    that these earned more than either: which came from which is not told.

    lines  a `Text` that both changed is merged too, where they changed different lines of it
    """

    n: int = 1
    lines: bool = True

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        seen = {written(own) for own in (situation.values, *(own.values for own in situation.tried))}
        made: list[Mapping[str, Any]] = []
        unread = 0
        for values in self._merged(situation):
            if len(made) == self.n:
                break
            if written(values) in seen:
                continue
            seen.add(written(values))
            if any(own.fault(values[name]) for name, own in situation.parameters.items()):
                unread += 1
            else:
                made.append(values)
        return distinct(situation, made, unread)

    def _merged(self, situation: Situation) -> Iterator[dict[str, Any]]:
        start = {name: own.value for name, own in situation.parameters.items()}
        texts = {name for name, own in situation.parameters.items() if self.lines and isinstance(own, Text)}
        tried, most = situation.tried, dict[str, float]()
        for own in tried:
            most[written(own.values)] = max(own.mean, most.get(written(own.values), -np.inf))
        known = {written(own): own for own in (situation.values, start, *(own.values for own in tried))}
        ancestors = [(values, most.get(name, -np.inf)) for name, values in known.items()]
        for one, other in sorted(combinations(unbeaten(tried), 2), key=lambda own: -own[0].mean - own[1].mean):
            for ancestor, earned in ancestors:
                if earned <= min(one.mean, other.mean) and (
                    values := merged(one.values, other.values, ancestor, texts)
                ):
                    yield values


def merged(
    one: Mapping[str, Any], other: Mapping[str, Any], ancestor: Mapping[str, Any], texts: Collection[str] = ()
) -> dict[str, Any] | None:
    """Values with what either changed of the ancestor's; None where one changed nothing, or both the same. Those named
    in `texts` are merged by lines where both changed them."""
    if one == ancestor or other == ancestor:
        return None
    values = {}
    for name, old in ancestor.items():
        if other[name] == old:
            values[name] = one[name]
        elif one[name] == old:
            values[name] = other[name]
        elif name not in texts or (text := by_lines(one[name], other[name], old)) is None:
            return None
        else:
            values[name] = text
    return values


def by_lines(one: str, other: str, ancestor: str) -> str | None:
    """The first text with the lines behind it that the second added to their ancestor, and without those that it left
    out; None where either did neither, or both left out or added the same line."""
    lines, others, old = (text.split("\n") for text in (one, other, ancestor))
    changes = [({*own} ^ {*old}) for own in (lines, others)]
    if not all(changes) or changes[0] & changes[1]:
        return None
    return "\n".join(
        [*(line for line in lines if line not in changes[1]), *(own for own in others if own in changes[1])]
    )


def unbeaten(tried: Sequence[Tried]) -> list[Tried]:
    """What was tried, each once as it was last, but for what another did no worse than on every example that both ran
    on, and better on some; where single examples were not kept, all."""
    each = list({written(own.values): own for own in tried}.values())
    return [own for own in each if not any(_beats(other, own) for other in each)]


def _beats(one: Tried, other: Tried) -> bool:
    gains = [one.earned[place] - other.earned[place] for place in one.earned.keys() & other.earned.keys()]
    return bool(gains) and min(gains) >= 0 and max(gains) > 0
