"""Objectives of single outputs that were called good or bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from heedful.core import UsageError
from heedful.training.batches import Batch, log_ratio, summed
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits, Whole, refuse_not_positive


@dataclass(frozen=True, slots=True)
class KTO:
    """good · (1 − σ(r − z)) for an output called good, bad · (1 − σ(z − r)) for one called bad, where r = Δ / strength
    and z = max(0, mean of r over outputs beside prompts that are not theirs) (Ethayarajh et al. 2024, equation 8).

    Records hold two outputs: the one that was judged, and one given to another prompt, which only serves for z and may
    be missing. `Batch.label` [r, 2] of the first is from 0 (bad) to 1 (good). z is of the whole step, without
    gradient, 0 where no output stands beside another's prompt.
    """

    strength: float = 10.0
    good: float = 1.0
    bad: float = 1.0
    outputs: Outputs = "two"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "KTO(strength=...)")
        if min(self.good, self.bad) < 0:
            what = f"weights of good and bad outputs are 0 or more, not {self.good:g} and {self.bad:g}"
            raise UsageError(what, where="KTO", fix="0 leaves outputs of one kind out")

    @property
    def entangled(self) -> bool:
        return True

    @property
    def trained(self) -> int:
        return 1

    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]:
        batch.refuse_other_than(2, self)
        ratio = log_ratio(policy, reference, batch.mask)[:, 1].detach()
        weight = torch.where(batch.present[:, 1], batch.weight.to(ratio), 0.0)
        return {"ratio": (weight * ratio).sum(), "number": weight.sum()}

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        totals = batch.totals or self.statistics(policy, reference, batch)
        number = totals["number"]
        point = torch.where(number > 0, totals["ratio"] / number, 0.0).clamp(min=0) / self.strength
        reward = log_ratio(policy, reference, batch.mask)[:, 0] / self.strength
        label = batch.needed("label", self)[:, 0].to(reward)
        lost = label * self.good * (point - reward).sigmoid() + (1 - label) * self.bad * (reward - point).sigmoid()
        return Losses.mean(lost, reward=reward, point=point.expand_as(reward))


@dataclass(frozen=True, slots=True)
class BCO(Whole):
    """−log σ(r − δ) for an output called good and −log σ(δ − r) for one called bad, r = Δ / strength, with δ halfway
    between the mean r of the good and that of the bad of the step, without gradient (Jung et al. 2024, equation 12).

    A classifier of good from bad whose logit is the reward. Where all are alike δ is the mean of those there are. With
    `shift` false δ is 0: partial sums of log-ratios are then process rewards (Yuan et al. 2024, "Free process rewards
    without process labels", equation 5).
    """

    strength: float = 10.0
    shift: bool = True
    outputs: Outputs = "one"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "BCO(strength=...)")

    @property
    def entangled(self) -> bool:
        return self.shift

    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]:
        if not self.shift:
            return {}
        reward = log_ratio(policy, reference, batch.mask)[:, 0].detach() / self.strength
        weight, label = batch.weight.to(reward), batch.needed("label", self)[:, 0].to(reward)
        good, bad = weight * label, weight * (1 - label)
        return {
            "good": (good * reward).sum(),
            "bad": (bad * reward).sum(),
            "number good": good.sum(),
            "number bad": bad.sum(),
        }

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(1, self)
        totals = batch.totals or self.statistics(policy, reference, batch)
        some = [
            totals[kind] / totals[f"number {kind}"]
            for kind in ("good", "bad")
            if self.shift and totals[f"number {kind}"] > 0
        ]
        reward = log_ratio(policy, reference, batch.mask)[:, 0] / self.strength
        point = torch.stack(some).mean() if some else reward.new_zeros(())
        label = batch.needed("label", self)[:, 0].to(reward)
        lost = label * softplus(point - reward) + (1 - label) * softplus(reward - point)
        return Losses.mean(lost, reward=reward, point=point.expand_as(reward))


@dataclass(frozen=True, slots=True)
class PMPO(Splits):
    """−share · log policy of the good + (1 − share) · log policy of the bad + hold · (log reference − log policy) of
    all: either sign alone suffices (Abdolmaleki et al. 2025, "Learning from negative feedback, or positive feedback or
    both", equation 10).

    The last term estimates KL(reference ‖ policy) where the records of a step are all draws of the reference, good and
    bad, and is what keeps bad outputs from driving the policy anywhere. Where bad ones alone are left as records, what
    holds is more than what pushes away, and they are imitated: give the good ones too, and share = 0. Raises UsageError
    where bad ones count and nothing holds.
    """

    share: float = 0.5
    hold: float = 1.0
    outputs: Outputs = "one"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"a share lies in [0, 1], not {self.share}", where="PMPO(share=...)")
        if self.share < 1 and not self.hold > 1 - self.share:
            raise UsageError(
                "what holds must be more than what pushes away, or there is no minimum",
                where="PMPO(hold=...)",
                fix=f"give hold more than 1 − share = {1 - self.share:g}",
            )

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(1, self)
        log_prob = summed(policy, batch.mask)[:, 0]
        apart = -log_ratio(policy, reference, batch.mask)[:, 0]
        label = batch.needed("label", self)[:, 0].to(log_prob)
        wanted = label * self.share * log_prob - (1 - label) * (1 - self.share) * log_prob
        return Losses.mean(self.hold * apart - wanted, apart=apart)
