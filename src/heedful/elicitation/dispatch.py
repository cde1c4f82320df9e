"""Whom to send each instance to, by the loss predicted of each and what each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError, UsageError
from heedful.elicitation.beliefs import Indices
from heedful.elicitation.ridge import ridge


@dataclass(frozen=True, eq=False)
class LossRouter:
    """Instance x goes to argmin_m [ loss_m(x) + Σ_j weight_j price_j(m) ], where loss_m(x) = level_m + x · slope_m
    (Hari and Thomson 2023, "Tryage: real-time, intelligent routing of user prompts to large language models").

    `level` [m], `slope` [d, m] and `error` [m], the root mean square of predictions of instances left out, are in units
    of the loss; `prices` [m] of each, by name, in any units. Who is sent to may be a model or a rater.
    """

    level: Floats
    slope: Floats
    error: Floats
    prices: Mapping[str, Floats]

    def predict(self, features: Floats) -> Floats:
        """The loss expected of each on each instance [n, m]. Raises InputError where features are not [n, d]."""
        if features.ndim != 2 or features.shape[1] != len(self.slope):
            what = f"features have the shape [n, {len(self.slope)}], not {list(features.shape)}"
            raise InputError(what, where="LossRouter")
        return np.asarray(self.level + features @ self.slope)

    def route(self, features: Floats, weights: Mapping[str, float] | None = None) -> Indices:
        """To which each instance goes [n]; `weights` say how much loss a unit of each price is worth (others: none).

        As a weight grows from 0, the routes of least predicted loss at each mean price are passed through that lie on
        the convex hull of all. Raises UsageError for a price that there is not.
        """
        unknown = sorted(set(weights or {}) - set(self.prices))
        if unknown:
            fix = f"one of {sorted(self.prices)}, as given to fit_losses"
            raise UsageError(f"no price {unknown[0]!r}", where="LossRouter.route", fix=fix)
        cost = sum((weight * self.prices[name] for name, weight in (weights or {}).items()), np.zeros(len(self.level)))
        return np.asarray((self.predict(features) + cost).argmin(axis=1))


def fit_losses(features: Floats, losses: Floats, *, prices: Mapping[str, ArrayLike] | None = None) -> LossRouter:
    """Learn to predict the losses [n, m] of m models or raters on instances with features [n, d], each by itself.

    By ridge regression, whose penalty predicts instances left out best. Raises InputError where shapes differ, a number
    is not finite, or there are fewer than four instances.
    """
    n, m = losses.shape if losses.ndim == 2 else (0, 0)
    priced = {name: np.asarray(own, dtype=np.float64) for name, own in (prices or {}).items()}
    if n < 4 or m < 1 or features.ndim != 2 or len(features) != n:
        what = f"features {list(features.shape)} and losses {list(losses.shape)}"
        raise InputError(what, where="fit_losses", fix="give a row of both for each of four or more instances")
    if any(own.shape != (m,) for own in priced.values()):
        raise InputError(f"a price has one number for each of the {m}", where="fit_losses")
    if not all(np.isfinite(own).all() for own in (features, losses, *priced.values())):
        raise InputError("features, losses and prices are finite numbers", where="fit_losses")
    level, slope, error = zip(*(ridge(features, own) for own in losses.T), strict=True)
    return LossRouter(np.array(level), np.column_stack(slope), np.array(error), priced)
