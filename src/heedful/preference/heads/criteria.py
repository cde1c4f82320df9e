"""Criteria as input: one reward for all criteria, bilinear in the criterion's embedding and the item's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError
from heedful.models.encoders import Arrays


@dataclass(frozen=True, eq=False)
class Crossing:
    """Features of an item judged by a criterion: all products of their `rank` and `width` leading directions.

    A head linear in them is the bilinear reward u(x; c) = cᵀ W x of Yu et al. 2025, "RewardAnything", in its simplest
    form: criteria never judged are scored by their embedding. `criteria` [C, r] and `features` [D, w] hold the
    directions, by singular value decomposition of what they were fitted on.
    """

    criteria: Floats
    features: Floats

    @classmethod
    def fit(cls, criteria: Floats, features: Floats, *, rank: int = 16, width: int = 32) -> Self:
        """Directions of criteria [m, C] and features [n, D], both of training data only."""
        return cls(_leading(criteria, rank), _leading(features, width))

    def encode(self, criteria: Floats, features: Floats) -> Floats:
        """Products [n, r · w] of rows of criteria [n, C] and features [n, D]."""
        if len(criteria) != len(features):
            raise InputError(f"{len(criteria)} criteria and {len(features)} items cannot be paired", where="encode")
        one, other = criteria @ self.criteria, features @ self.features
        return np.asarray((one[:, :, None] * other[:, None, :]).reshape(len(features), -1))

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        return {"criteria": self.criteria, "features": self.features}, {"encoder": "crossing"}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(arrays["criteria"], arrays["features"])


def _leading(rows: Floats, count: int) -> Floats:
    """The leading right singular directions [d, at most count]; not centred, so that a common direction is kept."""
    values, directions = np.linalg.svd(rows, full_matrices=False)[1:]
    kept = min(count, int((values > 1e-10 * values[0]).sum()))
    return np.ascontiguousarray(directions[:kept].T)
