"""Two candidates that changed different parameters, as one that has the changes of both.

Agrawal et al. 2025, "GEPA" (system-aware merge): of two candidates of the front with a common ancestor, each parameter
is taken from the one that changed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from heedful.core import Budget
from heedful.rewriting.proposing import Proposed, Situation, Tried, distinct


@dataclass(frozen=True, slots=True)
class Merged:
    """Of all pairs of undominated candidates that changed different parameters of what both can have come from, the `n`
    merged that earned most together; none that was tried before. No model is asked.

    Both can have come from the values as they are, those at the start, or any that were tried, where it is not known
    that these earned more than either: which came from which is not told.
    """

    n: int = 1

    def __call__(self, situation: Situation, *, budget: Budget, rng: np.random.Generator) -> Proposed:
        pairs = sorted(combinations(unbeaten(situation.history), 2), key=lambda own: -(own[0].mean + own[1].mean))
        seen = [situation.values, *(own.values for own in situation.history)]
        found: list[Mapping[str, Any]] = []
        for values in (values for one, other in pairs for values in _of(situation, one, other)):
            if values not in seen and values not in found:
                found.append(values)
        return distinct(situation, found[: self.n])


def merged(one: Mapping[str, Any], other: Mapping[str, Any], ancestor: Mapping[str, Any]) -> dict[str, Any] | None:
    """Values with what either changed of the ancestor's; None where one changed nothing, or both the same parameter."""
    changed, also = ({name for name in ancestor if own[name] != ancestor[name]} for own in (one, other))
    if not changed or not also or changed & also:
        return None
    return {**ancestor, **{name: one[name] for name in changed}, **{name: other[name] for name in also}}


def unbeaten(tried: Sequence[Tried]) -> list[Tried]:
    """Candidates, each once, but for those that another did no worse than on every example that both ran on, and better
    on some; where single examples were not kept, all."""
    each = list({repr(sorted(own.values.items())): own for own in tried}.values())
    return [own for own in each if not any(_dominates(other, own) for other in each)]


def _dominates(one: Tried, other: Tried) -> bool:
    gains = [one.earned[place] - other.earned[place] for place in one.earned.keys() & other.earned.keys()]
    return bool(gains) and min(gains) >= 0 and max(gains) > 0


def _of(situation: Situation, one: Tried, other: Tried) -> Iterator[dict[str, Any]]:
    """What two candidates merge to, by each that both can have come from."""
    start = {name: own.value for name, own in situation.parameters.items()}
    least = min(one.mean, other.mean)
    better = [own.values for own in situation.history if own.mean > least]
    for ancestor in (situation.values, start, *(own.values for own in situation.history)):
        if ancestor not in better and (values := merged(one.values, other.values, ancestor)):
            yield values
