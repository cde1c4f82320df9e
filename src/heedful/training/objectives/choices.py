"""Objectives of the choice among outputs of one prompt: the policy's shares of them against those that scores tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from heedful.core import InputError
from heedful.training.batches import Batch, log_ratio
from heedful.training.objectives.base import (
    Claim,
    Losses,
    Outputs,
    Splits,
    refuse_no_share,
    refuse_not_positive,
    refuse_other,
)
from heedful.training.objectives.pairs import votes

_NONE = -1e30  # the worth of an output that a record lacks


@dataclass(frozen=True, slots=True)
class EXO(Splits):
    """Σ q log(q / p), with q the policy's shares softmax(Δ / strength) of a record's outputs and p those of its scores,
    softmax(score) (Ji et al. 2024, "Towards efficient exact optimization of language model alignment").

    kl       "reverse", as above; "forward": −Σ p log q (InfoNCA, Chen et al. 2024, "Noise contrastive alignment"),
             which for pairs is DPO
    smooth   the share of p that is given to the others, evenly
    outputs  "two": p is `Batch.prefer` of the first and the rest of the second

    Without smoothing the minimum is reference · exp(strength · score), by whatever policy outputs were drawn. Raises
    InputError for votes of 0 or 1 that are not smoothed, whose reverse divergence is infinite.
    """

    strength: float = 10.0
    smooth: float = 0.0
    kl: Literal["reverse", "forward"] = "reverse"
    outputs: Outputs = "some"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "EXO(strength=...)")
        refuse_no_share(self.smooth, "EXO(smooth=...)", 0.5)
        refuse_other(self.kl, ("reverse", "forward"), "EXO(kl=...)")

    @property
    def claim(self) -> Claim:
        return "target" if self.smooth == 0 else "surrogate"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        worth = log_ratio(policy, reference, batch.mask) / self.strength
        wanted, there = _wanted(batch, self, worth, self.smooth)
        own = _shares(worth, there)
        if self.kl == "forward":
            return Losses.mean(-torch.where(there, wanted.exp() * own, 0.0).sum(1))
        if bool((there & wanted.isinf()).any()):
            what = "a vote of 0 or 1 is infinitely far from any policy by the reverse divergence"
            raise InputError(what, where="Batch.prefer", fix="give EXO(smooth=...), 0.001 for instance")
        return Losses.mean(torch.where(there, own.exp() * (own - wanted), 0.0).sum(1))


def info_nca(strength: float = 10.0, *, outputs: Outputs = "some") -> EXO:
    """InfoNCA: the policy's shares by maximum likelihood of those that scores tell (Chen et al. 2024)."""
    return EXO(strength, kl="forward", outputs=outputs)


@dataclass(frozen=True, slots=True)
class NCA(Splits):
    """−Σ p log σ(r) + log σ(−r) / n over the n outputs of a record, r = Δ / strength, p = softmax(score): a classifier
    of chosen outputs from any (Chen et al. 2024, "Noise contrastive alignment"). Unlike a difference of
    rewards it says where each is, so that preferred outputs do not become less likely.

    outputs  "two": p is `Batch.prefer` of the first and the rest of the second

    With strength 1 and outputs of the reference the minimum tends to reference · exp(score) as n grows.
    """

    strength: float = 1.0
    outputs: Outputs = "some"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "NCA(strength=...)")

    @property
    def claim(self) -> Claim:
        return "target" if self.strength == 1 and self.outputs == "some" else "surrogate"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        reward = log_ratio(policy, reference, batch.mask) / self.strength
        wanted, there = _wanted(batch, self, reward)
        lost = wanted.exp() * softplus(-reward) + softplus(reward) / there.sum(1, keepdim=True).clamp(min=1)
        return Losses.mean(torch.where(there, lost, 0.0).sum(1))


@dataclass(frozen=True, slots=True)
class BRAIn(Splits):
    """−Σ p log q with p = softmax(strength · score + log reference − log behaviour) and q = softmax(log policy − log
    behaviour): the posterior reference · exp(strength · score) and the policy, each normalised over the outputs that
    the behaviour drew (Pandey et al. 2024, "BRAIn"; their gradient is Σ (p − q) ∇ log policy).

    Without `Batch.behaviour` outputs were drawn by the reference. The minimum is the posterior, whatever drew them.
    """

    strength: float = 1.0
    outputs: Outputs = "some"
    claim: Claim = "target"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "BRAIn(strength=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        drawn_by = reference if batch.behaviour is None else batch.behaviour
        own = _shares(log_ratio(policy, drawn_by, batch.mask), batch.present)
        to_reference = log_ratio(policy.detach(), reference, batch.mask)
        apart = log_ratio(policy.detach(), drawn_by, batch.mask) - to_reference
        posterior = _shares(self.strength * batch.needed("score", self).to(own) + apart, batch.present)
        return Losses.mean(-torch.where(batch.present, posterior.exp() * own, 0.0).sum(1))


@dataclass(frozen=True, slots=True)
class SPPO(Splits):
    """(Δ − strength · (P − ½))², a mean over outputs, where P is the probability that an output is preferred to those
    of the reference, the policy of the last round (Wu et al. 2024, "Self-play preference optimization").

    outputs  "some": P is `Batch.score`; "two": `Batch.prefer` of the first and the rest of the second, 1 and 0 without
             (the hard form)

    The normaliser is taken for exp(strength / 2): not reference · exp(strength · P), but off it by terms of third order
    in the strength.
    """

    strength: float = 1.0
    outputs: Outputs = "some"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "SPPO(strength=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        ratio = log_ratio(policy, reference, batch.mask)
        if self.outputs == "two":
            batch.refuse_other_than(2, self)
            wins = votes(batch, ratio)
        else:
            wins = batch.needed("score", self).to(ratio)
        there = batch.present
        lost = torch.where(there, (ratio - self.strength * (wins - 0.5)).square(), 0.0)
        return Losses(lost.sum(1), there.sum(1).to(lost))


def _wanted(batch: Batch, objective: EXO | NCA, like: Tensor, smooth: float = 0.0) -> tuple[Tensor, Tensor]:
    """Log-probabilities [r, k] that each output is the one to choose, and which outputs count."""
    if objective.outputs == "two":
        batch.refuse_other_than(2, objective)
        share = votes(batch, like)
        wanted, there = share.log(), torch.ones_like(share, dtype=torch.bool)
    else:
        there = batch.present
        wanted = _shares(batch.needed("score", objective).to(like), there)
    if smooth:
        chosen, rest = wanted.exp(), (there.sum(1, keepdim=True) - 1).clamp(min=1)
        wanted = ((1 - smooth) * chosen + smooth * (1 - chosen) / rest).log()
    return wanted, there


def _shares(worth: Tensor, there: Tensor) -> Tensor:
    """Log-probabilities [r, k] in proportion to exp(worth) of the outputs that are there."""
    return worth.masked_fill(~there, _NONE).log_softmax(1)
