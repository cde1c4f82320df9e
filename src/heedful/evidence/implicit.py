"""The reward that a policy implies against its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from heedful.core import Floats, Item, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence.steps import PrefixKind


class Ratios(Protocol):
    """log π/π_ref of what items hold, part by part [n, longest], 0 beyond an item's own: `models.LogLinearSteps` by
    step, `models.TokenRatios` by token, for which a whole output has an end that a prefix lacks."""

    def log_ratios(self, items: Sequence[Item]) -> Floats: ...
    def prefix_log_ratios(self, items: Sequence[Item]) -> Floats: ...


@dataclass(frozen=True, slots=True, eq=False)
class ImplicitReward(Expressible):
    """β Σ_t log π(y_t | y_<t)/π_ref(y_t | y_<t), in nats; of a prefix, the sum over the steps, or tokens, it has.

    Of kind soft: the partial sum is β log E[exp(r(y)/β) | prefix] under the reference, exactly, since the ratios of
    what follows average to one (Yuan et al. 2024, "Free process rewards without process labels", proposition 3.1),
    unless π writes what the reference never does. Over tokens it is an autoregressive reward (Xu et al. 2024, "GenARM:
    Reward guided generation with autoregressive reward model", equation 4): guided by it at strength 1/β the reference
    writes as π does.
    """

    model: Ratios
    beta: float
    under: str | None = None
    scale: Scale = "utility"
    kind: PrefixKind = "soft"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(self.steps(items).sum(axis=1))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(self.beta * self.model.prefix_log_ratios(items).sum(axis=1))

    def steps(self, items: Sequence[Item]) -> Floats:
        """The reward of each step [n, longest], 0 beyond an item's own."""
        return self.beta * self.model.log_ratios(items)
