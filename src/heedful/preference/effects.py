"""Random effects: nuisance parameters of a likelihood with a Gaussian prior whose width the evidence chooses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from heedful.core import Floats
from heedful.preference.likelihoods import Likelihood

# Widths weighed, in nats: from hardly any effect to one that hides utilities. The evidence of several hundred effects
# tells widths apart that differ by a twentieth.
WIDTHS = tuple(0.02 * 10 ** (step / 40) for step in range(101))
# Those tried where each needs a fit of its own, up to effects as large as utilities are.
TRIED = WIDTHS[:81:10]


@runtime_checkable
class RandomEffects(Protocol):
    """A likelihood some of whose nuisance parameters are a priori N(0, sd²)."""

    @property
    def precision(self) -> Floats:
        """The prior precision of each nuisance parameter [p], 0 where it has no prior."""
        ...

    @property
    def widths(self) -> dict[str, float]:
        """The standard deviation of each family of effects, by a name that no other has."""
        ...

    @property
    def places(self) -> dict[str, slice]:
        """Where each family stands among the nuisance parameters."""
        ...

    @property
    def leading(self) -> tuple[str, ...]:
        """The families whose width utilities depend on so much that each width is weighed at a maximum of its own."""
        ...

    def resized(self, sds: Mapping[str, float]) -> Any:
        """The likelihood with the standard deviations given by name, the others as they are."""
        ...


def prior_precision(likelihood: Likelihood) -> Floats:
    """The prior precision [p] of a likelihood's nuisance parameters: those of random effects, else 0."""
    return likelihood.precision if isinstance(likelihood, RandomEffects) else np.zeros(len(likelihood.nuisances))


def widths_of(likelihood: Likelihood) -> dict[str, float]:
    """The standard deviations of one likelihood's random effects."""
    return likelihood.widths if isinstance(likelihood, RandomEffects) else {}


def widths(likelihoods: Iterable[Likelihood]) -> dict[str, float]:
    """The standard deviation of each family of effects, by name."""
    return {name: sd for likelihood in likelihoods for name, sd in widths_of(likelihood).items()}


def places_of(likelihood: Likelihood) -> dict[str, slice]:
    """Where the families of one likelihood's random effects stand among its nuisance parameters."""
    return likelihood.places if isinstance(likelihood, RandomEffects) else {}


def leading(likelihoods: Iterable[Likelihood]) -> frozenset[str]:
    """The families whose width utilities depend on most."""
    return frozenset(name for own in likelihoods if isinstance(own, RandomEffects) for name in own.leading)


def resized_one(likelihood: Any, sds: Mapping[str, float]) -> Any:
    """A likelihood with the standard deviations given by name."""
    return likelihood.resized(sds) if isinstance(likelihood, RandomEffects) else likelihood


def resized(likelihoods: Iterable[Likelihood], sds: Mapping[str, float]) -> tuple[Likelihood, ...]:
    """The likelihoods with the standard deviations given by name, the others as they are."""
    return tuple(resized_one(likelihood, sds) for likelihood in likelihoods)
