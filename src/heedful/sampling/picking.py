"""Picking the best of given candidates, with what is known about the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Interval, Item, Parts, Posterior, Potential, Promise, Scores, UsageError
from heedful.evidence import lowered
from heedful.sampling.batches import selected


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """The best of n candidates of one context.

    `best` is its index, the first of `tied` equals. `mean` [n] are posterior means and `intervals` [n] theirs over the
    draws: of a utility, which is known only up to a constant per context, less the average of the candidates; of a
    log-probability as it is. `chances` [n] are the shares of draws in which each candidate is the best (equals share a
    draw), `probability_best` that of the one picked. Without draws these three are None.
    """

    context: Parts
    candidates: tuple[Item, ...]
    best: int
    tied: int
    mean: Floats
    intervals: tuple[Interval | None, ...]
    chances: Floats | None
    probability_best: float | None


def pick(
    judge: Posterior | Potential,
    candidates: Sequence[Sequence[Item]],
    *,
    pessimism: float = 0.0,
    level: float = 0.95,
    promise: Promise | None = "credible",
) -> tuple[Pick, ...]:
    """The best of the candidates of each context: greatest posterior mean less `pessimism` standard deviations.

    candidates: per context, one or more items that share it. promise: what intervals over the judge's draws promise;
    where it is None there are none.
    All candidates are scored in one call. Raises InputError for no candidates, candidates of different contexts, or a
    score that is NaN, infinite above, or -inf for all.
    """
    if not 0 < level < 1:
        raise UsageError(f"a level lies between 0 and 1, not {level}", where="pick")
    potential: Any = judge.potential() if isinstance(judge, Posterior) else judge
    for place, group in enumerate(candidates):
        _check_group(group, place)
    scores = potential([item for group in candidates for item in group])
    ends = np.cumsum([0, *(len(group) for group in candidates)])
    picks = []
    for place, group in enumerate(candidates):
        own = selected(scores, np.arange(ends[place], ends[place + 1]))
        _check_scores(own, place)
        if potential.scale == "utility":
            own = _centred(own)
        picks.append(_pick(tuple(group), own, pessimism, level, promise))
    return tuple(picks)


def _pick(group: tuple[Item, ...], scores: Scores, pessimism: float, level: float, promise: Promise | None) -> Pick:
    value = lowered(scores, pessimism)
    best = int(np.argmax(value))
    chances = None if scores.draws is None else _chances(scores.draws)
    return Pick(
        context=group[0].context,
        candidates=group,
        best=best,
        tied=int((value == value[best]).sum()),
        mean=scores.mean,
        intervals=_intervals(scores, level, promise),
        chances=chances,
        probability_best=None if chances is None else float(chances[best]),
    )


def _centred(scores: Scores) -> Scores:
    """Scores less their average over the candidates that are not ruled out, draw by draw."""
    held = np.isfinite(scores.mean)
    draws = scores.draws
    if draws is not None:
        draws = draws - np.where(held, draws, 0.0).sum(axis=1, keepdims=True) / held.sum()
    return Scores(scores.mean - scores.mean[held].mean(), draws, scores.aleatoric)


def _chances(draws: Floats) -> Floats:
    best = draws == draws.max(axis=1, keepdims=True)
    return np.asarray((best / best.sum(axis=1, keepdims=True)).mean(axis=0))


def _intervals(scores: Scores, level: float, promise: Promise | None) -> tuple[Interval | None, ...]:
    """Central intervals between quantiles of the k draws, at positions (k + 1) p, for one draw more."""
    if scores.draws is None or promise is None:
        return (None,) * len(scores.mean)
    return tuple(_central(own, level, promise) for own in scores.draws.T)


def _central(draws: Floats, level: float, promise: Promise) -> Interval | None:
    if not np.isfinite(draws).all():
        return None
    low, high = np.quantile(draws, ((1 - level) / 2, (1 + level) / 2), method="weibull").tolist()
    return Interval(low, high, promise, level)


def _check_group(group: Sequence[Item], place: int) -> None:
    where = f"candidates[{place}]"
    if not group:
        raise InputError("there are no candidates to pick from", where=where, fix="give at least one, or leave it out")
    if any(item.context != group[0].context for item in group):
        raise InputError("the candidates answer different contexts", where=where, fix="group them by context")


def _check_scores(scores: Scores, place: int) -> None:
    if np.isnan(scores.mean).any() or np.isposinf(scores.mean).any() or np.isneginf(scores.mean).all():
        raise InputError(
            f"the candidates' scores are {scores.mean.tolist()}, which cannot be compared",
            where=f"candidates[{place}]",
            fix="scores must be numbers, and not all -inf",
        )
