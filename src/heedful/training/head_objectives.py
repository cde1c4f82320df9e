"""Objectives of heads as the trainer takes them: of what a head says at each token [r, k, t, m]."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from heedful.core import UsageError
from heedful.training.batches import Batch
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits
from heedful.training.objectives.policy_gradient import PolicyGradient, value_loss
from heedful.training.objectives.rewards import BradleyTerry, MeanVariance, Process, Quantiles


@dataclass(frozen=True, slots=True)
class Rewarded(Splits):
    """Scores that a head gives to whole outputs, at the last token of each, by an objective of rewards."""

    objective: BradleyTerry | MeanVariance | Quantiles = field(default_factory=BradleyTerry)
    outputs: Outputs = "some"
    claim: Claim = "likelihood"
    needs_reference: bool = False

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        place = (batch.length - 1).clamp(min=0)[:, :, None, None].expand(-1, -1, 1, policy.shape[-1])
        told = policy.gather(2, place)[:, :, 0]
        if isinstance(self.objective, BradleyTerry):
            _refuse_width(told, 1, self.objective)
            return self.objective(told[..., 0], batch)
        if isinstance(self.objective, MeanVariance):
            _refuse_width(told, 2, self.objective)
        return self.objective(told, batch)


@dataclass(frozen=True, slots=True)
class RewardedSteps(Splits):
    """Scores that a head gives to steps, as logits at their last tokens, by `Process`. `Batch.advantage` holds the
    labels of steps at these places, from 0 to 1, and NaN at all other tokens."""

    outputs: Outputs = "some"
    claim: Claim = "likelihood"
    needs_reference: bool = False

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        _refuse_width(policy, 1, self)
        labels = batch.needed("advantage", self)
        return Process()(policy[..., 0], labels, batch.mask & ~labels.isnan())


@dataclass(frozen=True, slots=True)
class Valued(Splits):
    """Proximal policy optimisation with a head of values that is trained beside the policy (Schulman et al. 2017,
    equation 9): the policy gradient plus `weight` · the loss of values, a mean over the tokens of the step.

    Records tell what `heedful.training.experience.experienced` makes: behaviour, advantage and value of each token.
    `clip` bounds values as `value_loss` has it.
    """

    policy: PolicyGradient = field(default_factory=lambda: PolicyGradient("none", (0.2, 0.2), over="step"))
    weight: float = 0.5
    clip: float | None = 0.2
    outputs: Outputs = "some"
    claim: Claim = "surrogate"

    def __post_init__(self) -> None:
        if self.policy.over != "step":
            raise UsageError("values are a mean over the tokens of a step", where="Valued", fix='take over="step"')

    @property
    def needs_reference(self) -> bool:
        return self.policy.needs_reference

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        _refuse_width(policy, 2, self)
        before, value = batch.needed("value", self), policy[..., 1]
        acted = self.policy(policy[..., 0], reference, batch)
        lost = value_loss(value, before, before + batch.needed("advantage", self), batch.mask, clip=self.clip)
        told = {**acted.diagnostics, "value_loss": lost.per_record.detach()}
        return Losses(acted.per_record + self.weight * lost.per_record, acted.units, told)


def reward(centre: float = 0.0) -> Rewarded:
    """The reward that Bradley-Terry votes tell."""
    return Rewarded(BradleyTerry(centre))


def _refuse_width(told: Tensor, width: int, objective: object) -> None:
    """Raises UsageError where a head does not say as many numbers as an objective takes."""
    if told.shape[-1] != width:
        what = f"{type(objective).__name__} takes {width} of a head's numbers, and there are {told.shape[-1]}"
        raise UsageError(what, where="Trainer")
