"""Values that travel with their uncertainty."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from heedful.core.errors import BudgetExceededError, InputError

Floats = NDArray[np.float64]
Scale = Literal["utility", "log_prob"]
Promise = Literal["confidence", "credible", "at least"]
Honesty = Literal["exact", "proper", "consistent", "maximiser", "heuristic"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval and what it promises.

    `confidence`: covers a fixed truth at the stated level over repeated data. `credible`: covers truths drawn from the
    prior. `at least`: covers at the stated level or more (anytime-valid, exact-conservative).
    """

    low: float
    high: float
    promise: Promise
    level: float = 0.95

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InputError(f"an interval needs low <= high, not [{self.low}, {self.high}]")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score with what it takes to read it: never a bare float.

    `variance` is that of the estimate (not of one observation). `interval` is None where no method holds its promise,
    and `note` then says why. `identified` is False where the data cannot determine the value.
    """

    value: float
    n: int
    variance: float | None = None
    interval: Interval | None = None
    identified: bool = True
    note: str = ""
    split: str = ""
    judge: str = ""
    protocol: str = ""

    @property
    def standard_error(self) -> float | None:
        return None if self.variance is None else float(np.sqrt(self.variance))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a reader of the result must know: a problem of the data, a thing the data cannot tell.

    `code` is stable and dotted ("ranking.undefeated"); `message` one plain sentence for a person who has never seen the
    tool; `fix` what they can do; `count` how many records or items it concerns; `examples` a few of them by name.
    """

    code: str
    severity: Literal["note", "warning", "problem"]
    message: str
    fix: str = ""
    count: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """A one-sided statement about a number."""

    value: float
    side: Literal["upper", "lower"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n items: `mean` [n], posterior `draws` [k, n] or None, `aleatoric` spread [n] or None.

    Draws are epistemic (what we do not know yet) and share posterior samples across items and calls; aleatoric is the
    standard deviation of people's own disagreement. The two are never added.
    """

    mean: Floats
    draws: Floats | None = None
    aleatoric: Floats | None = None

    def __post_init__(self) -> None:
        n = self.mean.shape
        if len(n) != 1:
            raise InputError(f"Scores.mean must have shape [n], not {list(n)}")
        if self.draws is not None and (self.draws.ndim != 2 or self.draws.shape[1:] != n):
            raise InputError(f"Scores.draws must have shape [k, {n[0]}], not {list(self.draws.shape)}")
        if self.aleatoric is not None and self.aleatoric.shape != n:
            raise InputError(f"Scores.aleatoric must have shape [{n[0]}], not {list(self.aleatoric.shape)}")


@dataclass(frozen=True, slots=True)
class Samples:
    """What a sampling engine returns for a list of contexts; row r is one drawn item.

    `items` [m]; `context_index` [m] names the context of each; `log_weights` [m] are importance weights in nats (zero
    for exact draws); `cost` in the budget's unit; `kl` is KL(result ‖ base) in nats per context, an estimate or bound;
    `log_normalizer` is log Σ base·exp(Σ strength·potential) per context where the engine knows it.
    """

    items: tuple[Any, ...]
    context_index: NDArray[np.intp]
    log_weights: Floats
    scores: Scores
    cost: dict[str, float]
    kl: tuple[Estimate | Bound, ...] | None = None
    log_normalizer: Floats | None = None


@dataclass(frozen=True, slots=True)
class Queries:
    """Questions worth asking: `items[q]` is the tuple to judge, with the rater to ask (None: anyone), the expected
    gain in nats and the cost of each. `propensity` is the probability with which each came to be asked, where the rule
    chose at random; None where it did not, or where that is not known. `kind` is that of each question's record; ()
    where the items alone say it."""

    items: tuple[tuple[Any, ...], ...]
    rater: tuple[str | None, ...]
    expected_gain: Floats
    cost: Floats
    propensity: Floats | None = None
    kind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """A training loss per record [n], with named diagnostics per record."""

    per_record: Any
    diagnostics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The result of a textual engine: the program, what was tried, and the claim made for it."""

    program: Any
    history: tuple[Any, ...]
    claim: Estimate


class Budget:
    """Caps by unit (samples, tokens, calls, seconds, ...), reserved before they are spent. Threads may share one.

    >>> budget = Budget(samples=8)
    >>> budget.reserve(samples=5)
    >>> budget.settle({"samples": 5}, {"samples": 2})
    >>> budget.left("samples")
    6.0
    """

    def __init__(self, **caps: float) -> None:
        for unit, cap in caps.items():
            if not cap >= 0:
                raise InputError(f"a budget is a number >= 0, not {cap}", where=f"Budget({unit}=...)")
        self.caps = caps
        self.spent: dict[str, float] = dict.fromkeys(caps, 0.0)
        self._one_at_a_time = threading.Lock()

    def left(self, unit: str) -> float:
        """What remains of `unit`; infinite where it is not capped."""
        return self.caps[unit] - self.spent[unit] if unit in self.caps else float("inf")

    def reserve(self, **amounts: float) -> None:
        """Take `amounts` out of what is left, all or none. Raises BudgetExceededError where one does not fit."""
        for unit, amount in amounts.items():
            if not amount >= 0:
                raise InputError(f"an amount reserved is a number >= 0, not {amount}", where=f"reserve({unit}=...)")
        with self._one_at_a_time:
            for unit, amount in amounts.items():
                if amount > self.left(unit):
                    raise BudgetExceededError(
                        f"{amount:g} {unit} needed, {self.left(unit):g} of {self.caps[unit]:g} left",
                        fix=f"raise the cap on {unit} or ask for less",
                    )
            self._add(amounts, 1)

    def settle(self, reserved: Mapping[str, float], spent: Mapping[str, float]) -> None:
        """Count what was really `spent` in the place of what was `reserved` for it.

        Where more was spent than reserved, or nothing was reserved, it is counted all the same, beyond a cap if need
        be: nothing more can be reserved then.
        """
        with self._one_at_a_time:
            self._add(reserved, -1)
            self._add(spent, 1)

    def _add(self, amounts: Mapping[str, float], sign: int) -> None:
        for unit, amount in amounts.items():
            self.spent[unit] = self.spent.get(unit, 0.0) + sign * amount

    def release(self, **amounts: float) -> None:
        """Give back what was reserved and not needed. Raises InputError for more than is reserved."""
        with self._one_at_a_time:
            for unit, amount in amounts.items():
                if not 0 <= amount <= self.spent.get(unit, 0.0):
                    what = f"{amount:g} {unit} cannot be given back, {self.spent.get(unit, 0.0):g} are reserved"
                    raise InputError(what, where=f"release({unit}=...)")
            self._add(amounts, -1)
