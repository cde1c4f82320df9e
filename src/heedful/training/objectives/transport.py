"""Objectives that hold whole distributions of a step against one another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from heedful.training.batches import Batch, log_ratio, summed
from heedful.training.objectives.base import Claim, Losses, Outputs, Whole, refuse_not_positive
from heedful.training.objectives.pairs import votes

# Cells of counts: even in asinh(value / _FINE), some 0.00001 nats wide near 0 and 0.1 % of a value far from it.
_FINE, _CELLS = 0.01, 32768
_LARGEST = 1e6  # nats; what lies beyond is counted as there, and told
_MOST = math.asinh(_LARGEST / _FINE)
_WIDTH = 2 * _MOST / _CELLS


@dataclass(frozen=True, slots=True)
class AOT(Whole):
    """−log σ of the gaps between quantiles of two distributions over the step, by which the better dominates the other
    everywhere, and not only by its mean (Melnyk et al. 2024, "Distributional preference alignment of LLMs via optimal
    transport").

    paired    leads of the first output in log policy / strength against those in log reference / strength
    unpaired  Δ / strength of outputs called good against those of outputs called bad. Each side takes the other's
              quantiles as given, and counts half: the value is the paper's, the gradient half of it

    Quantiles of the whole step are read from counts in 32768 cells, which add up over its parts: they are those of
    values moved within their cells, by 0.1 % or 0.00001 nats at most. A vote of p is one of p for the lead and of 1 − p
    for its negative. Where one side is missing nothing is learnt.
    """

    strength: float = 10.0
    paired: bool = True
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "AOT(strength=...)")

    @property
    def outputs(self) -> Outputs:
        return "two" if self.paired else "one"

    @property
    def entangled(self) -> bool:
        return True

    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]:
        worth, against, share = self._sides(policy.detach(), reference, batch)
        weight = batch.weight[:, None] * share
        if self.paired:
            return {"own": _counts(worth, weight), "other": _counts(against, weight)}
        return {"own": _counts(worth[:, :1], weight[:, :1]), "other": _counts(worth[:, 1:], weight[:, 1:])}

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        totals = batch.totals or self.statistics(policy, reference, batch)
        own, other = totals["own"], totals["other"]
        worth, _, share = self._sides(policy, reference, batch)
        if self.paired:
            gap = worth - _matched(worth.detach(), own, other)
            return self._told(share * softplus(-gap), share * gap, worth)
        good = worth[:, 0] - _matched(worth[:, 0].detach(), own, other)
        bad = _matched(worth[:, 1].detach(), other, own) - worth[:, 1]
        gap = torch.stack([good, bad], 1)
        sides = torch.stack([own.sum(), other.sum()])
        part = (sides.sum() / (2 * sides)).nan_to_num(posinf=0.0) * (sides.min() > 0)
        return self._told(part.to(gap) * share * softplus(-gap), share * gap, worth)

    @staticmethod
    def _told(lost: Tensor, gap: Tensor, worth: Tensor) -> Losses:
        return Losses.mean(lost.sum(1), gap=gap.sum(1), cut=(worth.abs() > _LARGEST).any(1).to(lost))

    def _sides(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """What is compared, with what (of pairs), and how much it counts: [r, 2] each, for and against."""
        batch.refuse_other_than(2 if self.paired else 1, self)
        ratio = log_ratio(policy, reference, batch.mask)
        if not self.paired:
            label = batch.needed("label", self).to(ratio)
            worth = (ratio / self.strength).expand(-1, 2)
            return worth, worth, torch.cat([label, 1 - label], 1)
        lead = summed(policy, batch.mask).diff(dim=1).neg() / self.strength
        moved = ratio.diff(dim=1).neg() / self.strength
        both = lead.new_tensor([[1.0, -1.0]])
        return lead * both, (lead - moved) * both, votes(batch, ratio)


def _place(value: Tensor) -> Tensor:
    """Where values stand, in cells from the least; 0, which many are at first, in the middle of its own."""
    place = (torch.asinh(value.double() / _FINE) + _MOST) / _WIDTH + 0.5
    return place.nan_to_num(0.0).clamp(0, _CELLS - 1e-9)  # what is no number is told by the loss, and is no place


def _counts(value: Tensor, weight: Tensor) -> Tensor:
    """The weight [cells] of values in each cell."""
    made = torch.zeros(_CELLS, dtype=torch.float64, device=value.device)
    return made.index_add(0, _place(value).long().flatten(), weight.double().flatten())


def _matched(value: Tensor, own: Tensor, other: Tensor) -> Tensor:
    """The quantile of the other distribution where values stand in their own: what optimal transport makes of them."""
    place = _place(value)
    cell = place.long()
    rank = (own.cumsum(0) - own)[cell] + (place - cell) * own[cell]
    share = (rank / own.sum()).nan_to_num(0.5).clamp(1e-12, 1 - 1e-12)
    upto = other.cumsum(0)
    wanted = share * upto[-1]
    cell = torch.searchsorted(upto, wanted).clamp(max=_CELLS - 1)
    within = ((wanted - (upto - other)[cell]) / other[cell]).nan_to_num(0.5).clamp(0, 1)
    return (_FINE * torch.sinh((cell + within - 0.5) * _WIDTH - _MOST)).to(value)
