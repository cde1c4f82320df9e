"""Which instances people should judge and which a model: by the performance predicted of the mixture of both.

Miranda et al. 2024, "Hybrid preferences: learning to route instances for human vs. AI feedback". A reward model is
trained on many random mixtures of people's and a model's judgements; a regression predicts its performance from what
the instances routed to people have in common, and the mixture of the best prediction is collected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import Floats, InputError, UsageError
from heedful.elicitation.ridge import ridge

Routed = NDArray[np.bool_]


@dataclass(frozen=True)
class MixturePerformance:
    """Predicted performance: level + Σ_f (slope_f s_f + bend_f s_f²), s_f the mean over instances of routed · feature.

    The first feature is 1, so that s_0 is the share of instances routed to people. `slope` and `bend` [d + 1], in units
    of performance; `bend` is 0 for a linear prediction. `error` is the root mean square of the predictions of mixtures
    left out.
    """

    level: float
    slope: Floats
    bend: Floats
    error: float

    def predict(self, features: Floats, routed: ArrayLike) -> Floats:
        """Performance expected of each mixture: features [n, d], routed [m, n] or [n] true where people judge."""
        s = _statistics(_with_share(features, len(self.slope)), np.atleast_2d(np.asarray(routed, bool)))
        return np.asarray(self.level + s @ self.slope + s**2 @ self.bend)

    def gains(self, features: Floats, routed: ArrayLike | None = None) -> Floats:
        """What is expected of routing each instance [n] to people besides those `routed` (None: none), in performance.

        For an instance already routed, what routing it gains over leaving it out.
        """
        x = _with_share(features, len(self.slope)) / len(features)
        chosen = np.zeros(len(x), bool) if routed is None else np.asarray(routed, bool)
        s = x[chosen].sum(axis=0) - np.where(chosen[:, None], x, 0.0)
        return np.asarray(x @ self.slope + ((s + x) ** 2 - s**2) @ self.bend)

    def route(self, features: Floats, budget: int) -> Routed:
        """At most `budget` instances for people to judge [n], one after another while one more is expected to gain.

        Of a linear prediction that is the best mixture. Raises UsageError for a negative budget.
        """
        if budget < 0:
            raise UsageError(f"a budget is 0 or more, not {budget}", where="route")
        chosen = np.zeros(len(features), bool)
        for _ in range(min(budget, len(features))):
            gains = np.where(chosen, -np.inf, self.gains(features, chosen))
            best = int(gains.argmax())
            if gains[best] <= 0:
                break
            chosen[best] = True
        return chosen


def fit_mixtures(
    features: Floats, routed: ArrayLike, performance: Floats, *, quadratic: bool = False
) -> MixturePerformance:
    """Learn to predict performance [m] from mixtures `routed` [m, n] of instances with features [n, d].

    By ridge regression on the statistics of the routed instances (with their squares, if `quadratic`), whose penalty
    predicts mixtures left out best (leave one out, in closed form). Raises InputError where shapes differ, a number is
    not finite, or there are fewer than four mixtures.
    """
    mixtures = np.atleast_2d(np.asarray(routed, bool))
    if mixtures.shape != (len(performance), len(features)) or len(performance) < 4:
        what = f"{len(performance)} performances, mixtures {mixtures.shape} and {len(features)} instances"
        raise InputError(
            what, where="fit_mixtures", fix="give a row for each of four or more mixtures, a column an instance"
        )
    if not (np.isfinite(features).all() and np.isfinite(performance).all()):
        raise InputError("features and performances are finite numbers", where="fit_mixtures")
    s = _statistics(_with_share(features), mixtures)
    columns = np.hstack([s, s**2]) if quadratic else s
    level, weights, error = ridge(columns, performance)
    d = s.shape[1]
    return MixturePerformance(level, weights[:d], weights[d:] if quadratic else np.zeros(d), error)


def _with_share(features: Floats, columns: int | None = None) -> Floats:
    if features.ndim != 2 or (columns is not None and features.shape[1] + 1 != columns):
        expected = "[n, d]" if columns is None else f"[n, {columns - 1}]"
        raise InputError(f"features have the shape {expected}, not {list(features.shape)}", where="hybrid")
    return np.column_stack([np.ones(len(features)), features])


def _statistics(features: Floats, routed: Routed) -> Floats:
    return routed.astype(np.float64) @ features / len(features)
