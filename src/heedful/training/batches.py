"""What an objective is told: records of feedback on outputs, as tensors over records, outputs and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from heedful.core import UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Feedback on r records of at most k outputs of at most t tokens.

    mask       [r, k, t]  which places hold a token of the output. An output of none is one that its record lacks
    weight     [r]        how much a record counts
    prefer     [r]        of two outputs: the probability that the first is preferred, as the votes tell it
    margin     [r]        of two outputs: by how much (nats) the first is to lead
    label      [r, k]     how far an output is good, from 0 to 1
    score      [r, k]     what an output earns (nats)
    behaviour  [r, k, t]  log-probability of each token under the policy that drew it
    advantage  [r, k, t]  what a token is worth beyond what was expected (nats)
    scope      [r]        1 where what was said is meant to hold, 0 where nothing is to change
    focus      [r, k, t]  how far a token is what was judged, from 0
    value      [r, k, t]  what was expected of an output before each token, when it was drawn (nats)
    totals                sums over the whole step, by name, of what `Objective.statistics` gave for its parts

    Fields that an objective asks for and a batch lacks raise UsageError.
    """

    mask: Tensor
    weight: Tensor
    prefer: Tensor | None = None
    margin: Tensor | None = None
    label: Tensor | None = None
    score: Tensor | None = None
    behaviour: Tensor | None = None
    advantage: Tensor | None = None
    scope: Tensor | None = None
    focus: Tensor | None = None
    value: Tensor | None = None
    totals: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, mask: Tensor, **fields: Any) -> Batch:
        """With records that count 1 each, but where `weight` says otherwise."""
        return cls(mask, fields.pop("weight", mask.new_ones(len(mask), dtype=torch.float32)), **fields)

    @property
    def present(self) -> Tensor:
        """Which outputs [r, k] there are."""
        return self.mask.any(-1)

    @property
    def length(self) -> Tensor:
        """Tokens of each output [r, k]."""
        return self.mask.sum(-1)

    def needed(self, name: str, objective: object) -> Tensor:
        """The field of this name. Raises UsageError where there is none."""
        found = getattr(self, name)
        if found is None:
            raise UsageError(f"{type(objective).__name__} needs the field {name!r}", where="Batch")
        return torch.as_tensor(found)

    def refuse_other_than(self, k: int, objective: object) -> None:
        """Raises UsageError where records do not hold k outputs each."""
        if self.mask.shape[1] != k:
            what = f"{type(objective).__name__} takes records of {k} outputs, not of {self.mask.shape[1]}"
            raise UsageError(what, where="Batch")

    def rows(self, chosen: slice | Tensor) -> Batch:
        """The batch of some records."""
        held = {name: getattr(self, name) for name in _FIELDS}
        return replace(self, **{name: value[chosen] for name, value in held.items() if value is not None})


_FIELDS = (
    "mask", "weight", "prefer", "margin", "label", "score", "behaviour", "advantage", "value", "scope", "focus",
)  # fmt: skip


def summed(per_token: Tensor, mask: Tensor) -> Tensor:
    """The sum [..., k] of what stands at an output's own tokens; whatever stands elsewhere, NaN too, counts nothing."""
    return torch.where(mask, per_token, 0.0).sum(-1)


def averaged(per_token: Tensor, mask: Tensor) -> Tensor:
    """The mean [..., k] over an output's own tokens, 0 of an output without."""
    return summed(per_token, mask) / mask.sum(-1).clamp(min=1)


def log_ratio(policy: Tensor, reference: Tensor | None, mask: Tensor) -> Tensor:
    """log policy(output) − log reference(output) [..., k], in nats. Raises UsageError without a reference."""
    if reference is None:
        raise UsageError("this objective compares with a reference, and none is given", where="reference_logprobs")
    return summed(policy - reference, mask)
