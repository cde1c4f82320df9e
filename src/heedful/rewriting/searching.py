"""The best values of parameters by trials of a function: no program, no examples, no gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from heedful.core import Budget, InputError, UsageError
from heedful.rewriting.parameters import Parameter
from heedful.rewriting.propagating import Said
from heedful.rewriting.proposing import Proposer, Situation, Tried

Measure = Callable[[Mapping[str, Any]], float]
"""Values of all parameters -> what they earn, in [0, 1]."""


def search(
    parameters: Sequence[Parameter[Any]],
    proposer: Proposer,
    measure: Measure,
    *,
    trials: int,
    says: Callable[[Mapping[str, Any]], str] | None = None,
    budget: Budget | None = None,
    rng: np.random.Generator,
) -> tuple[Tried, ...]:
    """So many trials: of the values as they are, and then round by round of what is proposed from the best so far.

    `says` has words on the best, "" for none. Trials are counted on the budget as `runs`. There are fewer where rounds
    come to nothing, of which there are as many as trials at most. What the best of many trials earned is more than it
    will, where a measure is noisy: for programs with examples, `improve` decides by others than it claims from.

    Raises InputError where a measure is outside of [0, 1], and UsageError for names that are not unique.
    """
    named = {own.name: own for own in parameters}
    if len(named) != len(parameters) or not named or trials < 1:
        raise UsageError("parameters have different names, and there is one and a trial or more", where="search")
    spent = Budget() if budget is None else budget
    tried = [_tried({name: own.value for name, own in named.items()}, measure, spent)]
    for number in range(trials):
        if len(tried) == trials:
            break
        best = max(tried, key=lambda own: own.mean)
        words = says(best.values) if says else ""
        said = (Said(words, tuple(named), 0),) if words else ()
        made = proposer(Situation(named, best.values, said, tuple(tried), number), budget=spent, rng=rng)
        chosen = made.values[: trials - len(tried)]
        tried += [_tried({**best.values, **own}, measure, spent) for own in chosen]
    return tuple(tried)


def _tried(values: Mapping[str, Any], measure: Measure, budget: Budget) -> Tried:
    budget.reserve(runs=1.0)
    earned = float(measure(values))
    if not 0 <= earned <= 1:
        raise InputError(f"a measure of {earned:g} lies outside of 0 to 1", where="search", fix="scale it")
    return Tried(dict(values), earned, 1, "train")
