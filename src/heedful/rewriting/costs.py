"""What candidates cost: those that cost too much, and those that are the best for what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, UsageError
from heedful.rewriting.scores import Score, differences
from heedful.rewriting.tracing import Run
from heedful.stats import bounded_interval


def length_of(values: Mapping[str, Any]) -> int:
    """The characters of all values together."""
    return sum(len(str(own)) for own in values.values())


def characters(run: Run) -> float:
    """What a run read and wrote, in characters, tokens' measure where nobody counts tokens: of its innermost calls what
    each was given, the parameters it read, and what it gave. Calls that were remembered count as if they were made, so
    that what a candidate costs does not depend on what was run before it."""
    outer = {call.within for call in run.calls}
    inner = [call for call in run.calls if call.number not in outer]
    parts = (part for call in inner for part in (*call.inputs.values(), call.output, *map(run.value, call.reads)))
    return float(sum(len(str(part)) for part in parts if part is not None))


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate may cost at most; one that costs more is not tried, and counted.

    longest   characters of its texts together
    dearer    by which factor a run may cost more than one at the start: in the means of the runs that were made in
              training, an estimate, for no test is asked whether a cost is above its cap
    cost      what a run costs
    """

    longest: int | None = None
    dearer: float | None = None
    cost: Callable[[Run], float] = characters

    def __post_init__(self) -> None:
        if (self.longest is not None and self.longest < 1) or (self.dearer is not None and not self.dearer > 0):
            raise UsageError("the longest is 1 or more, dearer a factor above 0", where="Limits")


@dataclass(frozen=True, slots=True)
class Shorter:
    """A last trial, once the search has ended: of what was proposed and has at most `share` of
    the characters of what is kept, the best in training. It takes its place where it is proven to earn more than that
    less `loss`.

    As there is one such trial, `loss` is all that may be lost for it, with probability 1 − alpha over the whole run. It
    takes many examples: two texts that earn the same on each of them about 120 at a level and a loss of 0.05.
    """

    share: float = 0.8
    loss: float = 0.05

    def __post_init__(self) -> None:
        if not (0 < self.share < 1 and 0 < self.loss < 1):
            raise UsageError("share and loss lie between 0 and 1", where="Shorter")


@dataclass(frozen=True, slots=True)
class Standing:
    """Values with what they earned in training, in the mean of n examples, and what they cost: their `length` in
    characters, and a run. `kept` where a trial proved them; of others nothing was."""

    values: Mapping[str, Any]
    mean: float
    n: int
    length: int
    cost: float
    kept: bool


def front(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """Those of which no other is as good in what it earned, its length and its cost, and better in one of these. A
    description: the means are of training examples, those that proposals were chosen by, and no test is made."""
    own = list(standings)
    points = np.array([(-one.mean, one.length, one.cost) for one in own]).reshape(len(own), 3)
    beaten = [(points <= point).all(axis=1) & (points < point).any(axis=1) for point in points]
    best = [one for one, by in zip(own, beaten, strict=True) if not by.any() and np.isfinite(one.cost)]
    return tuple(sorted(best, key=lambda one: (-one.mean, one.length)))


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
