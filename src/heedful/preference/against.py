"""A preference as a potential: how often an output beats those of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Base, EnumerableBase, Floats, InputError, Item, Parts, Preference, Scale, Scores, UsageError
from heedful.core.algebra import Expressible

Policy = Base | Mapping[Item, float]


@dataclass(frozen=True, eq=False)
class Against(Expressible):
    """P(the item ≻ one of the policy's), in [0, 1]: Σ_y' π(y') P(y ≻ y'). It holds under that policy alone.

    For an item of the policy's support, the comparison with itself counts one half.
    """

    preference: Preference
    policy: Policy
    under: str | None
    scale: Scale = "utility"

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises InputError where the policy has no output in an item's context."""
        rivals: dict[Parts, tuple[tuple[Item, ...], Floats]] = {}
        for item in items:
            if item.context not in rivals:
                rivals[item.context] = self._rivals(item.context)
        first = [item for item in items for _ in rivals[item.context][0]]
        second = [rival for item in items for rival in rivals[item.context][0]]
        if not first:
            return Scores(np.zeros(0))
        weight = np.concatenate([rivals[item.context][1] for item in items])
        owner = np.repeat(np.arange(len(items)), [len(rivals[item.context][0]) for item in items])
        won = self.preference.prefer(first, second) * weight
        return Scores(np.asarray(np.bincount(owner, won, len(items)), dtype=np.float64))

    def _rivals(self, context: Parts) -> tuple[tuple[Item, ...], Floats]:
        if isinstance(self.policy, Mapping):
            found = tuple(item for item in self.policy if item.context == context)
            weight = np.array([self.policy[item] for item in found], dtype=np.float64)
        else:
            assert isinstance(self.policy, EnumerableBase)
            found = self.policy.support(context)
            weight = np.exp(self.policy.log_prob(found))
        if not found or not weight.sum() > 0:
            raise InputError(
                "the policy has no output in this context", where="against", fix="give one of each context"
            )
        return found, weight / weight.sum()


def against(preference: Preference, policy: Policy, *, name: str = "policy") -> Against:
    """`preference` against a policy that can be listed, or against items with weights.

    Raises UsageError for a policy that cannot be listed, or where a weight is negative or not finite.
    """
    if isinstance(policy, Mapping):
        weights = np.array(list(policy.values()), dtype=np.float64)
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise UsageError("weights of a policy's items are finite and 0 or more", where="against(policy)")
    elif not isinstance(policy, EnumerableBase):
        raise UsageError(
            f"{type(policy).__name__} cannot be listed",
            where="against(policy)",
            fix="give a base with support(context), or a mapping of items drawn from it to weights",
        )
    return Against(preference, policy, name)
