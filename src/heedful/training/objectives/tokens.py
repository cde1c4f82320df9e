"""Which tokens of a step to learn from, and the policy gradient whose parts are all given."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from heedful.core import UsageError
from heedful.training.batches import Batch, summed
from heedful.training.objectives.base import Losses, refuse_not_positive, refuse_other
from heedful.training.objectives.policy_gradient import HELD


def top_tokens(
    values: Tensor,
    mask: Tensor,
    share: float,
    *,
    how: Literal["high", "low", "random"] = "high",
    seed: int = 0,
) -> Tensor:
    """Which tokens [r, k, t] are among the share of all those of the step that have the greatest values.

    With entropies of next tokens: the forking tokens of Wang et al. 2025, "Beyond the 80/20 rule"; advantages times
    this, as `Batch.advantage`, train on them alone. With `covariances`: those whose gradients Clip-Cov drops and KL-Cov
    holds back (Cui et al. 2025, "The entropy mechanism"). "low" and "random" choose as many, as controls. Ties go to
    those that stand first. Raises UsageError where the share is not in [0, 1].

    Values are to be those of the whole step, before it is cut into parts.
    """
    refuse_other(how, ("high", "low", "random"), "top_tokens(how=...)")
    if not 0 <= share <= 1:
        raise UsageError(f"a share lies in [0, 1], not {share}", where="top_tokens(share=...)")
    own = values[mask].detach()
    if how == "random":
        own = torch.rand(len(own), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    order = own.argsort(descending=how != "low", stable=True)
    chosen = torch.zeros_like(order, dtype=torch.bool)
    chosen[order[: math.ceil(share * len(own))]] = True
    return torch.zeros_like(mask).masked_scatter(mask, chosen.to(mask.device))


def of_group(reward: Tensor, mask: Tensor) -> Tensor:
    """(reward − mean) / deviation of tokens [r, k, t] over all those of a record's outputs, 0 where they are alike:
    advantages of a group whose tokens have rewards of their own (Shao et al. 2024, section 4.1.3, for steps).

    With w · [outcome right] less v where a step was voted wrong, w > v, as the reward of each token, it is the critique
    that assigns credit (Xie et al. 2025, "CAPO").
    """
    n = mask.sum((1, 2), keepdim=True).clamp(min=1)
    own = torch.where(mask, reward, 0.0)
    centred = torch.where(mask, own - own.sum((1, 2), keepdim=True) / n, 0.0)
    deviation = (centred.square().sum((1, 2), keepdim=True) / n).sqrt()
    alike = deviation <= 1e-6 * own.abs().amax((1, 2), keepdim=True)
    return torch.where(alike, 0.0, centred / torch.where(alike, 1.0, deviation))


def covariances(log_prob: Tensor, advantage: Tensor, mask: Tensor) -> Tensor:
    """(log p − its mean) · (advantage − its mean) of each token [r, k, t], over those of the step (Cui et al.
    2025): where it is high, a step takes entropy away."""
    n = mask.sum().clamp(min=1)
    both = [torch.where(mask, own, 0.0) for own in (log_prob.detach(), advantage.expand_as(log_prob))]
    first, second = (own - own.sum() / n for own in both)
    return torch.where(mask, first * second, 0.0)


def within_clip(log_ratio: Tensor, advantage: Tensor, low: float = 0.2, high: float = 0.2) -> Tensor:
    """1 of tokens [r, k, t] whose ratio may still go where the advantage pulls, 0 of those that PPO's clip stops."""
    ratio = log_ratio.detach().exp()
    return (torch.where(advantage > 0, ratio <= 1 + high, ratio >= 1 - low)).to(log_ratio)


def shaped(log_prob: Tensor, gamma: float = 0.1) -> Tensor:
    """γ p / (p + γ)² of tokens: what is left of the gradient of log p where p itself enters as p / (p + γ), so that
    outputs which others wrote, or the policy under guidance, teach most by tokens of a probability near γ (Yan et al.
    2025, "Learning to reason under off-policy guidance", for demonstrations; Zhang et al. 2025, "Critique-GRPO", for
    refinements). Advantages times this, as `Batch.advantage`, have that gradient where ratios are 1."""
    refuse_not_positive(gamma, "shaped(gamma=...)")
    p = log_prob.detach().exp()
    return gamma * p / (p + gamma).square()


def unified_policy_gradient(
    policy: Tensor,
    batch: Batch,
    *,
    advantage: Tensor,
    drawn_by: Tensor | None = None,
    stable: Tensor | None = None,
    penalty: Tensor | None = None,
) -> Losses:
    """−stable · advantage · policy / drawn_by + penalty, summed over tokens: what supervised learning and reinforcement
    have in common (Lv et al. 2025, "Towards a unified view of large language model post-training").

    data        the outputs of the batch, whoever wrote them: demonstrations, or draws
    advantage   [r, k, 1 or t], 1 for demonstrations
    drawn_by    log-probabilities [r, k, t] in the denominator; the policy as it is, without
    stable      [r, k, t] what is left of a token's gradient, as `within_clip` or `top_tokens`; all of it, without
    penalty     [r, k, t] nats that are added for each token, as of KL to a reference
    """
    own = torch.where(batch.mask, policy, 0.0)
    apart = own - torch.where(batch.mask, policy.detach() if drawn_by is None else drawn_by, 0.0)
    lost = -advantage * apart.clamp(max=HELD).exp()
    if stable is not None:
        lost = stable * lost
    if penalty is not None:
        lost = lost + penalty
    return Losses(summed(lost, batch.mask).sum(1), batch.present.sum(1).to(policy))


def of_turns(values: Tensor, turn: Tensor) -> Tensor:
    """What was found for turns [r, k, n], at each token [r, k, t] of its turn, 0 where that is −1.

    With advantages of turns, by `generalised_advantages` over them, this is `Batch.advantage` of the tokens: a critic
    of utterances above, a policy gradient of tokens below (Zhou et al. 2024, "ArCHer").
    """
    return torch.where(turn >= 0, values.gather(-1, turn.clamp(min=0)), 0.0)
