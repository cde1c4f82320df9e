"""Candidates that cost too much, and programs that are the best for what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError
from heedful.rewriting.scores import Score, differences
from heedful.stats import bounded_interval


def exceeded(costs: Mapping[str, float], caps: Mapping[str, float]) -> tuple[str, ...]:
    """The costs of a candidate that are above their caps, to be asked before its trial. Raises InputError where a cost
    that is capped is not known."""
    if missing := sorted(set(caps) - set(costs)):
        raise InputError(f"costs are capped that were not told: {', '.join(missing)}", where="costs")
    return tuple(name for name, cap in caps.items() if not costs[name] <= cap)


def undominated(scores: Sequence[Score], costs: Floats, *, level: float = 0.95) -> NDArray[np.bool_]:
    """Which programs [k] are the best for what they cost [k, c]: all but those of which another that costs no more in
    any way earns surely more, or the same on every example at a lower cost.

    Scores are of the same examples; "surely" is by intervals that all hold together at the level (Bonferroni over
    ordered pairs). Raises InputError where lengths differ.
    """
    array = np.asarray(costs, dtype=np.float64)
    k = len(scores)
    if array.ndim != 2 or len(array) != k or not np.isfinite(array).all():
        raise InputError(f"finite costs of shape [{k}, c] are needed, not {list(array.shape)}", where="costs")
    own = 1 - (1 - level) / max(1, k * (k - 1))
    best = np.ones(k, dtype=np.bool_)
    for one in range(k):
        for other in range(k):
            if one != other and (array[other] <= array[one]).all():
                difference = differences(scores[one], scores[other], scores[one].split)
                cheaper = not difference.any() and bool((array[other] < array[one]).any())
                best[one] &= not (cheaper or bounded_interval((1 + difference) / 2, level=own)[0].low > 0.5)
    return best
