"""How many labels an interval of a wanted width takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri

from heedful.core import Estimate, UsageError
from heedful.stats import least_enough


@dataclass(frozen=True, slots=True)
class Plan:
    """Labels needed for an interval of ± `half_width`.

    `labels` in all, of which `present` exist and `more` are still to be collected. `now` is the half-width of the
    labels present (None without any). `design_effect` is how many clustered labels are worth one independent label;
    the plan holds for new labels that come as the present ones do (as many per prompt, as many per rater).
    """

    quantity: str
    half_width: float
    level: float
    labels: int
    present: int
    now: float | None
    expected: float
    design_effect: float
    note: str = ""

    @property
    def more(self) -> int:
        return max(self.labels - self.present, 0)


def wilson_half_width(rate: float, n: float, *, level: float = 0.95) -> float:
    """Half the width of the Wilson score interval of a rate seen in n independent labels (n need not be whole)."""
    z2 = _z(level) ** 2
    return math.sqrt(z2 * rate * (1 - rate) / n + (z2 / (2 * n)) ** 2) / (1 + z2 / n)


def design_effect(estimate: Estimate) -> float:
    """Variance of a rate over that of as many independent labels (Kish 1965); 1 where it cannot be measured.

    Raises UsageError where the value is not a rate in [0, 1].
    """
    _check_rate(estimate.value)
    simple = estimate.value * (1 - estimate.value)
    if estimate.variance is None or estimate.n < 2 or simple == 0 or estimate.variance == 0:
        return 1.0
    return estimate.variance * estimate.n / simple


def plan_rate(
    half_width: float,
    *,
    estimate: Estimate | None = None,
    expected: float | None = None,
    design: float | None = None,
    level: float = 0.95,
    quantity: str = "rate",
) -> Plan:
    """Labels for a Wilson interval of ± `half_width` around a rate: an accuracy, a win rate, an agreement.

    The rate expected is `expected`, else the estimate's, else 1/2 (which needs the most labels). The design effect is
    `design`, else the estimate's own (its clustered variance over the plain one), else 1.
    Raises UsageError where a width, rate or design effect is out of range.
    """
    _check_width(half_width)
    rate = expected if expected is not None else estimate.value if estimate else 0.5
    effect = design if design is not None else design_effect(estimate) if estimate else 1.0
    _check_rate(rate)
    if not effect > 0:
        raise UsageError(f"a design effect is above 0, not {effect}", where="design")
    labels = least_enough(lambda n: wilson_half_width(rate, n / effect, level=level) <= half_width)
    present = estimate.n if estimate else 0
    now = wilson_half_width(rate, present / effect, level=level) if present else None
    return Plan(quantity, half_width, level, labels, present, now, rate, effect, _note(effect))


def plan_difference(
    half_width: float,
    *,
    variance: float | None,
    probability: float = 0.5,
    present: int = 0,
    design: float = 1.0,
    level: float = 0.95,
    quantity: str = "utility difference",
) -> Plan:
    """Comparisons of one pair for an interval of ± `half_width` (nats) around their difference of utility.

    `variance` is the difference's posterior variance now, c'Σc, or None where the pair is not identified.
    `probability` is that of the first winning. A further comparison of the pair adds information p(1 − p)/design along
    c, and by Sherman and Morrison the variance becomes 1/(1/variance + m·p(1 − p)/design) exactly, other pairs' votes
    included. `present` counts the comparisons behind `variance`.
    Raises UsageError where a width, probability, variance or design effect is out of range.
    """
    _check_width(half_width)
    if not 0 < probability < 1:
        raise UsageError(f"a probability lies strictly between 0 and 1, not {probability}", where="probability")
    if (variance is not None and not variance > 0) or not design > 0:
        raise UsageError(
            f"variance and design effect are above 0, not {variance} and {design}", where="plan_difference"
        )
    z = _z(level)
    known = 0.0 if variance is None else 1 / variance
    wanted = (z / half_width) ** 2
    more = max(math.ceil((wanted - known) * design / (probability * (1 - probability))), 0)
    now = None if variance is None else z * math.sqrt(variance)
    return Plan(quantity, half_width, level, present + more, present, now, probability, design)


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise UsageError(f"a level lies strictly between 0 and 1, not {level}", where="level")
    return float(ndtri(0.5 + level / 2))


def _check_width(half_width: float) -> None:
    if not half_width > 0 or math.isinf(half_width):
        raise UsageError(f"a half-width is a number above 0, not {half_width}", where="half_width")


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise UsageError(f"a rate lies between 0 and 1, not {rate}", where="expected")


def _note(effect: float) -> str:
    if effect <= 1:
        return ""
    return (
        f"votes are correlated: {effect:.1f} of them say as much as one independent vote. The plan holds if new votes "
        "come from as many more prompts and raters as there are more votes."
    )
