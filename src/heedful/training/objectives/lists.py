"""Objectives of several outputs of one prompt that were ranked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from heedful.training.batches import Batch, log_ratio
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits, refuse_not_positive


@dataclass(frozen=True, slots=True)
class PlackettLuce(Splits):
    """−log likelihood of a ranking by Plackett and Luce, with worths Δ / strength (Rafailov et al. 2023, equation 20).

    The order is that of `Batch.score`, the greatest first. Tied outputs are not ordered among themselves: each is
    chosen from those that score no more than it but the other tied ones, whose product over them is the likelihood.
    """

    strength: float = 10.0
    outputs: Outputs = "some"
    claim: Claim = "target"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "PlackettLuce(strength=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        worth = log_ratio(policy, reference, batch.mask) / self.strength
        score = batch.needed("score", self).masked_fill(~batch.present, -math.inf)
        k = worth.shape[1]
        alone = torch.eye(k, dtype=torch.bool, device=worth.device)
        left = batch.present[:, None, :] & ((score[:, None, :] < score[:, :, None]) | alone)
        total = torch.where(left, worth[:, None, :], -math.inf).logsumexp(-1)
        chosen = torch.where(batch.present, total - worth, 0.0)
        return Losses.mean(chosen.sum(1))


@dataclass(frozen=True, slots=True)
class LiPO(Splits):
    """Σ over pairs that scores order of gain · −log σ(lead), the lead in Δ / strength, the gain what swapping the two
    would change in the discounted cumulative gain of the policy's own order (LiPO-λ, Liu et al. 2024, equations 12 and
    13).

    Gains are |2^a − 2^b| for scores a and b, of which 0 to 1 is the range that the paper has; discounts 1 / log(1 +
    place).
    """

    strength: float = 10.0
    outputs: Outputs = "some"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "LiPO(strength=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        worth = log_ratio(policy, reference, batch.mask) / self.strength
        score, there = batch.needed("score", self).to(worth), batch.present
        own = worth.detach().masked_fill(~there, -math.inf)
        place = own.argsort(stable=True, dim=1, descending=True).argsort(1) + 1
        discount, gain = 1 / torch.log1p(place.to(worth)), torch.exp2(score)
        swap = _gaps(gain).abs() * _gaps(discount).abs()
        pair = (_gaps(score) > 0) & there[:, :, None] & there[:, None, :]
        lost = torch.where(pair, swap * softplus(-_gaps(worth)), 0.0)
        return Losses.mean(lost.sum((1, 2)))


def _gaps(values: Tensor) -> Tensor:
    """values[i] − values[j], [r, i, j]."""
    return values[:, :, None] - values[:, None, :]
