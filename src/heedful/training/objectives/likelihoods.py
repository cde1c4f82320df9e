"""Objectives that make given outputs likelier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from heedful.core import InputError
from heedful.training.batches import Batch, summed
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits, refuse_not_positive, refuse_other

_MOST = 80.0  # e^80 and its sums are numbers in single precision


@dataclass(frozen=True, slots=True)
class Supervised(Splits):
    """Supervised fine-tuning: −log policy of the outputs, averaged over all their tokens in the step."""

    outputs: Outputs = "one"
    claim: Claim = "likelihood"
    needs_reference: bool = False

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        per_record = -summed(policy, batch.mask).sum(1)
        return Losses(per_record, batch.length.sum(1).to(per_record))


@dataclass(frozen=True, slots=True)
class Weighted(Splits):
    """−log policy of outputs, each weighted by what its score says.

    how  "tilt"       exp(strength · score), normalised within each record: outputs drawn from the base then fit the
                      target base · exp(strength · score), as their number grows
         "advantage"  exp(strength · score), where scores are advantages over what the prompt promised, normalised over
                      the step (Peng et al. 2019, "Advantage-weighted regression", equation 9; strength = 1/temperature)
         "best"       1 for the best output of each record, ties shared (Dong et al. 2023, "RAFT", algorithm 1)
         "above"      1 for those that score more than `threshold` (Gulcehre et al. 2023, "ReST", section 3; ReST-EM
                      where scores are 0 and 1)
    """

    how: Literal["tilt", "advantage", "best", "above"] = "tilt"
    strength: float = 1.0
    threshold: float = 0.5
    outputs: Outputs = "some"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "Weighted(strength=...)")
        refuse_other(self.how, ("tilt", "advantage", "best", "above"), "Weighted")

    @property
    def claim(self) -> Claim:
        return "target" if self.how == "tilt" else "likelihood"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        """Raises InputError for advantages whose exponential is beyond single precision."""
        weight = self._weights(batch.needed("score", self), batch.present)
        per_record = -(weight * summed(policy, batch.mask)).sum(1)
        return Losses(per_record, weight.sum(1), {"weight": weight.sum(1)})

    def _weights(self, score: Tensor, present: Tensor) -> Tensor:
        tilted = (self.strength * score).masked_fill(~present, -math.inf)
        if self.how == "tilt":
            return tilted.softmax(1).nan_to_num(0.0)
        if self.how == "advantage":
            if bool((tilted > _MOST).any()):
                what = f"strength · advantage is {float(tilted.max()):g}, whose exponential is no number here"
                raise InputError(what, where="Batch.score", fix=f"scale advantages to stay below {_MOST} / strength")
            return tilted.exp()
        if self.how == "above":
            return (present & (score > self.threshold)).to(score)
        best = score.masked_fill(~present, -math.inf).max(1, keepdim=True).values
        chosen = (present & (score == best)).to(score)
        return chosen / chosen.sum(1, keepdim=True).clamp(min=1)
