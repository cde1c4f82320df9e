"""The reward that a policy implies against its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.core import Floats, Item, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence.steps import PrefixKind
from heedful.models import LogLinearSteps


@dataclass(frozen=True, slots=True, eq=False)
class ImplicitReward(Expressible):
    """β Σ_t log π(y_t | y_<t)/π_ref(y_t | y_<t), in nats; of a prefix, the sum over the steps it has.

    Of kind soft: the partial sum is β log E[exp(r(y)/β) | prefix] under the reference, exactly, since the ratios of
    what follows average to one (Yuan et al. 2024, "Free process rewards without process labels", proposition 3.1).
    """

    model: LogLinearSteps
    beta: float
    under: str | None = None
    scale: Scale = "utility"
    kind: PrefixKind = "soft"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(self.steps(items).sum(axis=1))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)

    def steps(self, items: Sequence[Item]) -> Floats:
        """The reward of each step [n, longest], 0 beyond an item's own."""
        return self.beta * self.model.log_ratios(items)
