"""The linear head: the package's utility linear in features, behind the interface of heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.features import fit_features
from heedful.preference.heads.base import ByGap
from heedful.preference.heads.checks import check_positive
from heedful.preference.heads.votes import Votes
from heedful.preference.observations import Indices
from heedful.preference.widths import FEWEST_CONTEXTS


@dataclass(frozen=True)
class Linear:
    """u = θ · features, with a Gaussian prior on θ of standard deviation `prior_sd`.

    None leaves it to `width`: "evidence" averages over widths, "held out" takes the width under which groups held out
    are best predicted (`heedful.preference.widths`). They are the fits of `heedful.fit(utility="features")` with
    `prior_sd` "evidence" and "held out"; which of them that takes by itself depends on whether contexts recur. The
    evidence takes votes for independent: where many votes share a context it finds too wide a prior and probabilities
    too sure, and "held out" does not (PandaLM in docs/benchmarks.md). `pairs` mirrored pairs of draws.
    """

    prior_sd: float | None = None
    width: Literal["evidence", "held out"] = "evidence"
    pairs: int = 128

    def __post_init__(self) -> None:
        check_positive(self.prior_sd, "prior_sd", infinite=True)
        if self.width not in ("evidence", "held out"):
            raise UsageError(f"{self.width!r} chooses no width", where="width", fix="'evidence' or 'held out'")

    @property
    def name(self) -> str:
        return "linear, width held out" if self.width == "held out" and self.prior_sd is None else "linear"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedLinear:
        """Raises FitError where no vote says anything.

        Raises InputError where features are not finite, votes have margins, or there are too few groups to hold out.
        """
        votes.check(design)
        context = _codes(votes) if self.prior_sd is None and self.width == "held out" else None
        likelihoods = votes.likelihoods(len(design))
        found = fit_features(likelihoods, design, self.prior_sd, votes.clusters, self.pairs, rng, context=context)
        return FittedLinear(found.mean, found.draws, self.name, found.facts)


def _codes(votes: Votes) -> Indices:
    """The group of each vote, numbered from 0. Raises InputError where they are too few to hold some out."""
    names, code = np.unique(votes.groups, return_inverse=True)
    if len(names) < FEWEST_CONTEXTS:
        what = f"{len(names)} groups are too few to choose a width on groups held out: it takes {FEWEST_CONTEXTS}"
        raise InputError(what, where="width", fix="give votes of more contexts, a prior_sd, or width='evidence'")
    return np.asarray(code, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class FittedLinear(ByGap):
    """`weights` [d] and draws of them [k, d]."""

    weights: Floats
    drawn: Floats
    name: str = "linear"
    facts: dict[str, Any] = field(default_factory=dict)

    def mean(self, features: Floats) -> Floats:
        return np.asarray(features @ self.weights)

    def draws(self, features: Floats) -> Floats:
        return np.asarray(self.drawn @ features.T)

    def aleatoric(self, features: Floats) -> None:
        return None

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        state = {"head": "linear", "name": self.name, "facts": self.facts}
        return {"weights": self.weights, "drawn": self.drawn}, state

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(arrays["weights"], arrays["drawn"], state["name"], dict(state["facts"]))
