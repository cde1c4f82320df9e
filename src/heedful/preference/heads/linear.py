"""The linear head: the package's utility linear in features, behind the interface of heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats
from heedful.models.encoders import Arrays
from heedful.preference.features import fit_features
from heedful.preference.heads.base import Gap, gaussian_gap
from heedful.preference.heads.votes import Votes


@dataclass(frozen=True)
class Linear:
    """u = θ · features, with a Gaussian prior on θ averaged over its width by evidence (`prior_sd` None).

    `pairs` mirrored pairs of draws. The fit is that of `heedful.fit(utility="features")`.
    """

    prior_sd: float | None = None
    pairs: int = 128
    name: str = "linear"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedLinear:
        """Raises FitError where no vote says anything, InputError where votes have margins."""
        likelihoods = votes.likelihoods(len(design))
        found = fit_features(likelihoods, design, self.prior_sd, votes.clusters, self.pairs, rng)
        return FittedLinear(found.mean, found.draws)


@dataclass(frozen=True, eq=False)
class FittedLinear:
    """`weights` [d] and draws of them [k, d]."""

    weights: Floats
    drawn: Floats
    name: str = "linear"

    def mean(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weights)

    def draws(self, features: Floats) -> Floats:
        return np.asarray(self.drawn @ features.T)

    def aleatoric(self, features: Floats) -> None:
        return None

    def gap(self, first: Floats, second: Floats) -> Gap:
        return gaussian_gap(self, first, second)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        return {"weights": self.weights, "drawn": self.drawn}, {"head": "linear"}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(arrays["weights"], arrays["drawn"])
