"""The linear head: the package's utility linear in features, behind the interface of heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

from heedful.core import FitError, Floats, InputError, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.features import GRID, fit_features
from heedful.preference.heads.base import Gap, gaussian_gap
from heedful.preference.heads.votes import Votes, folds
from heedful.preference.inference import Problem, maximise

# Prior widths tried where held-out groups choose: three to a decade.
_WIDTHS = GRID[::2]


@dataclass(frozen=True)
class Linear:
    """u = θ · features, with a Gaussian prior on θ of standard deviation `prior_sd`.

    None leaves it to `width`: "evidence" averages over widths, the fit of `heedful.fit(utility="features")`; "held out"
    takes the width under which `folds` parts of whole groups are best predicted by fits to the others. The evidence
    takes votes for independent: where many votes share a context it finds too wide a prior and probabilities too
    sure, and "held out" does not (PandaLM in docs/benchmarks.md). `pairs` mirrored pairs of draws.
    """

    prior_sd: float | None = None
    width: Literal["evidence", "held out"] = "evidence"
    folds: int = 5
    pairs: int = 128

    def __post_init__(self) -> None:
        if self.width not in ("evidence", "held out"):
            raise UsageError(f"{self.width!r} chooses no width", where="width", fix="'evidence' or 'held out'")

    @property
    def name(self) -> str:
        return "linear, width held out" if self.width == "held out" and self.prior_sd is None else "linear"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedLinear:
        """Raises FitError where no vote says anything, InputError where votes have margins."""
        sd = self.prior_sd
        if sd is None and self.width == "held out":
            sd = held_out_width(design, votes, self.folds, rng)
        found = fit_features(votes.likelihoods(len(design)), design, sd, votes.clusters, self.pairs, rng)
        return FittedLinear(found.mean, found.draws, self.name)


def held_out_width(design: Floats, votes: Votes, count: int, rng: np.random.Generator) -> float:
    """The prior width under which fits to the other folds give held-out votes the greatest likelihood.

    Decided comparisons are scored, at the mean weights. Raises FitError where the votes outside a fold say nothing,
    InputError where there are none to score or fewer groups than folds.
    """
    if votes.tied.all():
        raise InputError("held-out votes choose a width by decided comparisons, and there are none", where="votes")
    fold, loss = folds(votes.groups, count, rng), np.zeros(len(_WIDTHS))
    for number in range(count):
        taught, unseen = votes.take(fold != number), votes.take(fold == number)
        start = None
        for place, sd in enumerate(_WIDTHS):
            likelihoods = taught.likelihoods(len(design))
            if not likelihoods:
                raise FitError("all judgements outside one fold say the same", fix="collect judgements that differ")
            problem = Problem(likelihoods, len(design), design)
            precision = np.zeros(problem.size)
            precision[: design.shape[1]] = sd**-2
            start = maximise(Problem(likelihoods, len(design), design, precision), start).point.x
            weights = start[: design.shape[1]]
            gap = (design[unseen.first] - design[unseen.second]) @ weights
            won = -unseen.share * log_expit(gap) - (1 - unseen.share) * log_expit(-gap)
            loss[place] += float((unseen.weight * ~unseen.tied) @ won)
    return float(_WIDTHS[int(np.argmin(loss))])


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
        return {"weights": self.weights, "drawn": self.drawn}, {"head": "linear", "name": self.name}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(arrays["weights"], arrays["drawn"], state["name"])
