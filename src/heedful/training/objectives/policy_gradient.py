"""Objectives of outputs that the policy, or one near it, drew itself, with what each earned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from heedful.core import UsageError
from heedful.training.batches import Batch, averaged, summed
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits, refuse_not_positive, refuse_other

HELD = 20.0  # log-ratios beyond this are counted as it, and told
Baseline = Literal["others", "mean", "standardised", "none"]
Over = Literal["sum", "output", "step"]

# Of each kind of ratio, over what it adds up to the probability of an output.
_FITS: Mapping[Literal["sum", "mean"] | None, Over | None] = {None: "sum", "sum": "output", "mean": None}


@dataclass(frozen=True, slots=True)
class PolicyGradient(Splits):
    """−advantage · ratio, clipped, over tokens, where ratio = policy / behaviour of a token.

    baseline  what scores of a record are held against: "others", the mean of its other outputs (RLOO, Kool et al. 2019;
              Ahmadian et al. 2024, equation 8); "mean", of all its outputs (Dr. GRPO, Liu et al. 2025); "standardised",
              that over their standard deviation, 0 where it is 0 (GRPO, Shao et al. 2024, equation 3); "none"
    clip      ratios count from 1 − clip[0] to 1 + clip[1] where going on would gain (PPO, Schulman et al. 2017,
              equation 7; unequal: DAPO, Yu et al. 2025); None for no clipping
    whole     one ratio for the whole output: of its probability ("sum"), or its mean by token ("mean", GSPO, Zheng et
              al. 2025, equation 7); None for a ratio of each token
    over      "sum" of tokens, "output": their mean in each output (GRPO), "step": their mean in the step (DAPO)
    penalty   nats of score for each nat of KL(policy ‖ reference), estimated at each token by e^d − d − 1 with d =
              log reference − log policy (Schulman's k3). Published GRPO takes its gradient too, which is that of
              KL(reference ‖ policy); for that of KL(policy ‖ reference) lower scores by log policy − log reference

    Log-ratios, and d, beyond 20 are counted as 20; how many tokens those are, diagnostics tell as "cut".
    `Batch.advantage`, where given, is taken for each token in the place of scores and baseline (PPO with
    `generalised_advantages`).
    Without behaviour, outputs were drawn by the policy as it is: ratios are 1, and the gradient is that of REINFORCE.
    Records hold groups of outputs of one prompt, of any number. With the baseline "others" or "none", nothing clipped
    and no penalty, its gradient's expectation is that of −E[score] where ratios are of whole outputs ("sum") and `over`
    is "output", whoever drew them, and where ratios are of tokens, `over` is "sum" and the policy as it is drew them.
    """

    baseline: Baseline = "others"
    clip: tuple[float, float] | None = None
    whole: Literal["sum", "mean"] | None = None
    over: Over = "sum"
    penalty: float = 0.0
    outputs: Outputs = "some"

    def __post_init__(self) -> None:
        refuse_other(self.baseline, _BASELINES, "PolicyGradient(baseline=...)")
        refuse_other(self.whole, _FITS, "PolicyGradient(whole=...)")
        refuse_other(self.over, ("sum", "output", "step"), "PolicyGradient(over=...)")
        if self.clip is not None and not (0 <= self.clip[0] <= 1 and self.clip[1] >= 0):
            what = f"ratios are clipped by shares below 1 and above, not by {self.clip}"
            raise UsageError(what, where="PolicyGradient(clip=...)")
        if not self.penalty >= 0:
            raise UsageError(f"a penalty is 0 or more, not {self.penalty}", where="PolicyGradient(penalty=...)")

    @property
    def needs_reference(self) -> bool:
        return self.penalty > 0

    @property
    def claim(self) -> Claim:
        unbiased = self.baseline in ("others", "none") and self.clip is None and not self.penalty
        plain = unbiased and self.over == _FITS[self.whole]
        return "policy gradient" if plain else "surrogate"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        mask = batch.mask
        advantage = self._advantage(batch).to(policy)
        behaviour = policy.detach() if batch.behaviour is None else batch.behaviour
        log_ratio = torch.where(mask, policy - behaviour, 0.0)
        gain, clipped = self._gain(log_ratio, advantage, mask)
        diagnostics = {"clipped": clipped, "cut": (log_ratio > HELD).sum((1, 2)).to(gain)}
        if self.penalty:
            apart, cut = _apart(policy, reference, mask)
            gain = gain - self.penalty * apart
            diagnostics |= {"kl": summed(apart, mask).sum(1), "cut": diagnostics["cut"] + cut}
        each = averaged(gain, mask) if self.over == "output" else summed(gain, mask)
        units = (mask.sum((1, 2)) if self.over == "step" else batch.present.sum(1)).to(each)
        return Losses(-each.sum(1), units, {name: value.detach() for name, value in diagnostics.items()})

    def _advantage(self, batch: Batch) -> Tensor:
        if batch.advantage is not None:
            return batch.advantage
        return _BASELINES[self.baseline](batch.needed("score", self), batch.present)[:, :, None]

    def _gain(self, log_ratio: Tensor, advantage: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """advantage · ratio [r, k, t], and the share of tokens [r] whose ratio was clipped."""
        if self.whole is not None:
            total = summed(log_ratio, mask) if self.whole == "sum" else averaged(log_ratio, mask)
            log_ratio = total[:, :, None].expand_as(log_ratio)
        ratio = log_ratio.clamp(max=HELD).exp()
        gain = advantage * ratio
        if self.clip is None:
            return gain, torch.zeros(len(mask), device=mask.device)
        bounded = advantage * ratio.clamp(1 - self.clip[0], 1 + self.clip[1])
        share = averaged((bounded < gain).to(ratio).flatten(1), mask.flatten(1))
        return torch.minimum(gain, bounded), share


def _apart(policy: Tensor, reference: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Schulman's k3 [r, k, t], and how many tokens [r] had their difference cut."""
    if reference is None:
        raise UsageError("a penalty needs a reference", where="reference_logprobs")
    d = torch.where(mask, reference - policy, 0.0)
    held = d.clamp(max=HELD)
    return held.exp() - held - 1, (d > HELD).sum((1, 2)).to(d)


def _mean(score: Tensor, present: Tensor) -> Tensor:
    return summed(score, present)[:, None] / present.sum(1, keepdim=True).clamp(min=1)


def _centred(score: Tensor, present: Tensor) -> Tensor:
    return torch.where(present, score - _mean(score, present), 0.0)


def _others(score: Tensor, present: Tensor) -> Tensor:
    n = present.sum(1, keepdim=True)
    return _centred(score, present) * n / (n - 1).clamp(min=1)


def _standardised(score: Tensor, present: Tensor) -> Tensor:
    """Over the deviation with n − 1; 0 where scores are alike, to rounding."""
    centred = _centred(score, present)
    n = present.sum(1, keepdim=True)
    deviation = (centred.square().sum(1, keepdim=True) / (n - 1).clamp(min=1)).sqrt()
    alike = deviation <= 1e-6 * torch.where(present, score.abs(), 0.0).max(1, keepdim=True).values
    return torch.where(alike, 0.0, centred / torch.where(alike, 1.0, deviation))


_BASELINES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "others": _others,
    "mean": _centred,
    "standardised": _standardised,
    "none": lambda score, present: torch.where(present, score, 0.0),
}


def rloo(*, penalty: float = 0.0) -> PolicyGradient:
    """REINFORCE with the other outputs of a prompt as baseline (Ahmadian et al. 2024)."""
    return PolicyGradient("others", penalty=penalty)


def grpo(*, clip: float = 0.2, penalty: float = 0.0) -> PolicyGradient:
    """Group-relative policy optimisation, as published: standardised scores, means by output (Shao et al. 2024)."""
    return PolicyGradient("standardised", (clip, clip), over="output", penalty=penalty)


def dr_grpo(*, clip: float = 0.2) -> PolicyGradient:
    """GRPO without its two biases: no deviation, no length (Liu et al. 2025, "Understanding R1-Zero-like training")."""
    return PolicyGradient("mean", (clip, clip))


def dapo(*, low: float = 0.2, high: float = 0.28) -> PolicyGradient:
    """Unequal clipping, and a mean over the tokens of the step (Yu et al. 2025)."""
    return PolicyGradient("standardised", (low, high), over="step")


def pairwise_ppo(*, clip: float = 0.2) -> PolicyGradient:
    """Pairs, each output weighed by how far it leads the other and clipped by itself, by the probability of the whole
    output; a shift of scores changes nothing (Wu et al. 2023, "Pairwise proximal policy optimization")."""
    return PolicyGradient("others", (clip, clip), whole="sum", over="output")


@dataclass(frozen=True, slots=True)
class NFT(Splits):
    """Negative-aware fine-tuning: right outputs are made likelier by supervision, wrong ones by that of the policy
    which they imply to have drawn them (Chen et al. 2025, "Bridging supervised learning and reinforcement learning in
    math reasoning", equations 9 and 10).

    With q the share of right outputs in a record and R = policy / behaviour of a token, the loss of a token is −log R
    in a right output and −log max((1 − q R) / (1 − q), `least`) in a wrong one, whose gradient passes through the
    maximum. Outputs are right where `Batch.label` is 1. `hard` weighs records by √((1 − q) / q). Those all right or all
    wrong teach nothing and count nothing. A mean over the tokens of the step.
    """

    least: float = 1.0
    hard: bool = True
    outputs: Outputs = "some"
    claim: Claim = "surrogate"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.least, "NFT(least=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        behaviour = policy.detach() if batch.behaviour is None else batch.behaviour
        label, there = batch.needed("label", self).to(policy), batch.present
        q = (torch.where(there, label, 0.0).sum(1) / there.sum(1).clamp(min=1))[:, None, None]
        mixed = (q > 0) & (q < 1)
        share = torch.where(mixed, q, 0.5)
        log_ratio = torch.where(batch.mask, policy - behaviour, 0.0)
        left = (1 - share * log_ratio.clamp(max=HELD).exp()) / (1 - share)
        left = left.clamp(min=self.least).detach() + (left - left.detach())
        lost = -torch.where(label[:, :, None] == 1, log_ratio, left.log())
        weight = ((1 - share) / share).sqrt() if self.hard else torch.ones_like(share)
        per_record = summed(torch.where(mixed, weight * lost, 0.0), batch.mask).sum(1)
        units = torch.where(mixed[:, 0, 0], batch.mask.sum((1, 2)), 0).to(lost)
        return Losses(per_record, units, {"right": q[:, 0, 0].detach()})


def generalised_advantages(
    reward: Tensor, value: Tensor, mask: Tensor, *, discount: float = 1.0, decay: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Advantages and returns of tokens [..., t], by rewards and values of the same shape (Schulman et al. 2016,
    equation 16). An output's tokens need not stand together: what lies between counts nothing, and nothing follows the
    last."""
    advantage, after = torch.zeros_like(value), torch.zeros_like(value[..., 0])
    following = torch.zeros_like(after)
    for place in reversed(range(value.shape[-1])):
        here, own = mask[..., place], value[..., place]
        delta = reward[..., place] + discount * following - own
        after = torch.where(here, delta + discount * decay * after, after)
        following = torch.where(here, own, following)
        advantage[..., place] = torch.where(here, after, 0.0)
    return advantage, torch.where(mask, advantage + value, 0.0)


def value_loss(value: Tensor, before: Tensor, returns: Tensor, mask: Tensor, *, clip: float | None = 0.2) -> Losses:
    """½ (value − return)² of tokens [r, k, t], a mean over those of the step; with `clip` the worse of that and of the
    value kept within ± clip of what it was `before` (PPO's released code)."""
    lost = (value - returns).square()
    if clip is not None:
        lost = torch.maximum(lost, (before + (value - before).clamp(-clip, clip) - returns).square())
    return Losses(0.5 * summed(lost, mask).sum(1), mask.sum((1, 2)).to(lost))
