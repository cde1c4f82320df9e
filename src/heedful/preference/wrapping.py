"""What likelihoods that wrap another one leave as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

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

    def select(self, votes: Indices) -> Self:
        return replace(self, inner=self.inner.select(votes))

    def edges(self, n: int) -> Edges:
        return self.inner.edges(n)

    def settled(self, groups: Indices) -> bool:
        return self.inner.settled(groups)
