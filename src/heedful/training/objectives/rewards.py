"""Objectives of heads that give outputs a reward: they take rewards [r, k] or statistics of them in the place of
log-probabilities of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from heedful.training.batches import Batch
from heedful.training.objectives.base import Losses
from heedful.training.objectives.pairs import pairwise


@dataclass(frozen=True, slots=True)
class BradleyTerry:
    """−log σ(reward of the first − of the second − margin), of soft votes p ℓ(z) + (1 − p) ℓ(−z); `centre` · (sum of
    both)² keeps rewards around 0 (Eisenstein et al. 2024, equation 7).

    A tie is a vote of 1/2. `Batch.weight` says how much a vote counts.
    """

    centre: float = 0.0

    def __call__(self, reward: Tensor, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        found = pairwise(reward, batch, lambda z: softplus(-z))
        return Losses.mean(found.per_record + self.centre * reward.sum(1).square(), **found.diagnostics)


@dataclass(frozen=True, slots=True)
class MeanVariance:
    """−log density of scores under a normal law, its mean and log variance [r, k, 2] given for each output (Nix and
    Weigend 1994, equation 5), the log variance counted between ± `most`."""

    most: float = 20.0

    def __call__(self, told: Tensor, batch: Batch) -> Losses:
        mean, log_variance = told[..., 0], told[..., 1].clamp(-self.most, self.most)
        lost = 0.5 * ((batch.needed("score", self) - mean).square() * (-log_variance).exp() + log_variance)
        cut = (told[..., 1].abs() > self.most) & batch.present
        return _of_outputs(lost + 0.9189385332046727, batch, cut=cut.sum(1).to(lost))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The pinball loss of quantiles [r, k, m] of scores, at the levels (j − ½) / m (Dabney et al. 2018, equation 10,
    without smoothing), a mean over levels."""

    def __call__(self, told: Tensor, batch: Batch) -> Losses:
        m = told.shape[-1]
        level = (torch.arange(m, device=told.device, dtype=told.dtype) + 0.5) / m
        over = batch.needed("score", self)[..., None] - told
        return _of_outputs((torch.maximum(level * over, (level - 1) * over)).mean(-1), batch)


@dataclass(frozen=True, slots=True)
class Process:
    """Cross-entropy of labels of steps, from 0 to 1 [r, k, t] in `Batch.advantage`'s place for tokens `steps`, of
    logits of the same shape, a mean over steps (Lightman et al. 2023, section 2.6)."""

    def __call__(self, logits: Tensor, labels: Tensor, steps: Tensor) -> Losses:
        lost = binary_cross_entropy_with_logits(logits, torch.where(steps, labels, 0.0).to(logits), reduction="none")
        return Losses(torch.where(steps, lost, 0.0).sum((1, 2)), steps.sum((1, 2)).to(lost))


@dataclass(frozen=True, slots=True)
class LatentUser:
    """Bradley-Terry votes of users with tastes of their own, bounded from below: −log likelihood of rewards given a
    taste that was drawn from its posterior, and hold · KL(posterior ‖ standard normal) in nats (Poddar et al. 2024,
    "Personalizing reinforcement learning from human feedback with variational preference learning").

    Takes rewards [r, 2] under the taste drawn for each record, and mean and log variance [r, d] of its normal
    posterior, which an encoder read from other votes of the user. `seen` [r] is how many records share that posterior:
    its divergence is counted once among them.
    """

    hold: float = 1.0

    def __call__(self, reward: Tensor, mean: Tensor, log_variance: Tensor, seen: Tensor, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        found = pairwise(reward, batch, lambda z: softplus(-z))
        apart = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return Losses.mean(found.per_record + self.hold * apart / seen, kl=apart, **found.diagnostics)


def _of_outputs(lost: Tensor, batch: Batch, **diagnostics: Tensor) -> Losses:
    """A mean over outputs."""
    there = batch.present
    return Losses(torch.where(there, lost, 0.0).sum(1), there.sum(1).to(lost), diagnostics)
