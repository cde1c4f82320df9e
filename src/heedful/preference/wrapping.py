"""What likelihoods that wrap another one leave as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from heedful.core import Floats
from heedful.preference.effects import leading, places_of, prior_precision, resized_one, widths_of
from heedful.preference.instruments import Indices
from heedful.preference.likelihoods import Edges, Likelihood


@dataclass(frozen=True)
class Wrapping:
    """A likelihood of the votes of `inner`, read in another way: the votes and what they identify stay the same."""

    inner: Likelihood

    @property
    def kind(self) -> str:
        return self.inner.kind

    @property
    def model(self) -> Any:
        return self.inner.model

    @property
    def row(self) -> Indices:
        return self.inner.row

    @property
    def precision(self) -> Floats:
        """The prior precision of each nuisance parameter: those of its own, which come last, have none."""
        inner = prior_precision(self.inner)
        return np.append(inner, np.zeros(len(self.nuisances) - len(inner)))

    @property
    def nuisances(self) -> tuple[str, ...]:
        return self.inner.nuisances

    @property
    def widths(self) -> dict[str, float]:
        return widths_of(self.inner)

    @property
    def places(self) -> dict[str, slice]:
        return places_of(self.inner)

    @property
    def leading(self) -> tuple[str, ...]:
        return tuple(leading((self.inner,)))

    def resized(self, sds: Mapping[str, float]) -> Self:
        return replace(self, inner=resized_one(self.inner, sds))

    def select(self, votes: Indices) -> Self:
        return replace(self, inner=self.inner.select(votes))

    def edges(self, n: int) -> Edges:
        return self.inner.edges(n)

    def settled(self, groups: Indices) -> bool:
        return self.inner.settled(groups)
