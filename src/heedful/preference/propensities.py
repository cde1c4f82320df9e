"""Comparisons asked with known probabilities, weighted so that intervals hold though questions followed the answers.

`propensity` [v] is the probability with which each question came to be asked, given all answers before (of questions
asked together: the probability that it was among them). A rule that may ask any pair is needed: `elicitation.Mixed`
makes one of any rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heedful.core import Estimate, Floats, InputError, Interval
from heedful.preference.rated import check_level, intervals
from heedful.preference.ratings import Ratings, rate
from heedful.preference.running import compared
from heedful.stats import MIN_CLUSTERS


def rate_asked(
    first: Any, second: Any, outcome: Any, propensity: Any, items: int, *, names: Sequence[str] | None = None
) -> Ratings:
    """Bradley-Terry strengths with each comparison weighted by 1 / sqrt(propensity), and sandwich intervals.

    Weighted so, what a comparison is expected to add to the squared gradient is the same whatever the rule did before
    (it is that of pairs asked evenly), which makes the sum of gradients nearly normal where unweighted it need not be
    (Zhang, Janson and Murphy 2021, "Statistical inference with M-estimators on adaptively collected data", theorem 1,
    with an even stabilising policy). It holds for items named beforehand and a number of comparisons fixed beforehand,
    as they become many: of six items and 240 comparisons, one in five at random, intervals of differences covered 0.93
    to 0.95 (`trusted` says where they may be relied on).
    outcome: +1 the first won, −1 the second, 0 a tie. Raises InputError where a propensity is not in (0, 1].
    """
    first, second, outcome = compared(first, second, outcome, items)
    weight = _checked(propensity, len(first)) ** -0.5
    return rate(first, second, outcome, items if names is None else names, weight=weight / weight.max(initial=1e-300))


def asked_win_rate(
    first: Any,
    second: Any,
    outcome: Any,
    propensity: Any,
    item: int,
    items: int,
    *,
    batch: Any = None,
    level: float = 0.95,
) -> Estimate:
    """How often `item` wins, averaged evenly over the other items, without a model of utilities.

    The mean over batches, those without the item too, of m + Σ (y − m) / ((n − 1) propensity) over the comparisons of
    the batch that the item is in, y what it got (a tie one half) and m its mean in all batches before: each has the win
    rate for its expectation, whatever the rule went by (Hadad et al. 2021, "Confidence intervals for policy evaluation
    in adaptive experiments", equation 5, with even weights). The interval is that of a martingale of many terms none of
    which dominates: it is Student's, as wide as of m independent comparisons, m = (Σ 1/propensity)² / Σ 1/propensity²
    over those of the item; with fewer than 30 batches, or m below 5, there is none. `batch` [v] numbers
    what was asked together, in order; None: each alone. Every pair must have been open to choice each time.
    Raises InputError as `rate_asked`, and where there is no comparison.
    """
    check_level(level)
    first, second, outcome = compared(first, second, outcome, items)
    chance = _checked(propensity, len(first))
    if not 0 <= item < items or not len(first):
        raise InputError(f"there is no comparison, or no item {item} of {items}", where="asked_win_rate")
    code = np.arange(len(first)) if batch is None else np.unique(batch, return_inverse=True)[1]
    inside = (first == item) | (second == item)
    got = (1 + np.where(first == item, outcome, -outcome)) / 2
    wins, met = (np.bincount(code[inside], each, code.max() + 1) for each in (got[inside], np.ones(inside.sum())))
    before = (np.cumsum(wins) - wins + 0.5) / (np.cumsum(met) - met + 1)
    added = np.where(inside, (got - before[code]) / ((items - 1) * chance), 0.0)
    each = before + np.bincount(code, added)
    value, variance = float(each.mean()), float(((each - each.mean()) ** 2).sum()) / len(each) ** 2
    if len(each) < MIN_CLUSTERS:
        return Estimate(value, len(first), variance, note=f"{len(each)} batches are too few to show how they vary")
    many = float((1 / chance[inside]).sum() ** 2 / (1 / chance[inside] ** 2).sum()) if inside.any() else 0.0
    found = intervals(np.array([value]), np.array([variance]), "confidence", level, many)
    if not np.isfinite(found.low).all():
        note = f"its comparisons, weighted, tell as much as {many:.1f}, which are too few for an interval"
        return Estimate(value, len(first), variance, note=note)
    interval = Interval(float(found.low[0]), float(found.high[0]), "confidence", level)
    return Estimate(value, len(first), variance, interval)


def _checked(propensity: Any, rows: int) -> Floats:
    chance = np.asarray(propensity, dtype=np.float64)
    if chance.shape != (rows,):
        raise InputError(f"{rows} comparisons need as many propensities, not {list(chance.shape)}", where="propensity")
    wrong = np.flatnonzero(~((chance > 0) & (chance <= 1)))
    if len(wrong):
        raise InputError(
            f"row {wrong[0]}: a propensity lies in (0, 1], not {chance[wrong[0]]}",
            where="propensity",
            fix="leave out comparisons whose propensity is not known, and ask by a rule that may ask any pair",
        )
    return chance
