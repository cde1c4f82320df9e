"""Objectives of two outputs of one prompt, of which one is preferred."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from heedful.core import UsageError
from heedful.training.batches import Batch, averaged, log_ratio, summed
from heedful.training.objectives.base import (
    Claim,
    Losses,
    Outputs,
    Splits,
    refuse_no_share,
    refuse_not_positive,
    refuse_other,
)

Link = Literal["logistic", "squared", "hinge", "exponential"]

# Losses of a lead z, which grow as it falls. Squared asks for a lead of 1, and not more.
_LINKS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "logistic": lambda z: softplus(-z),
    "squared": lambda z: (z - 1).square(),
    "hinge": lambda z: (1 - z).clamp(min=0),
    # Beyond 20 its tangent there, so that single precision holds its square.
    "exponential": lambda z: torch.where(z > -20, (-z.clamp(min=-20)).exp(), (-20 - z + 1) * 485165195.4097903),
}


@dataclass(frozen=True, slots=True)
class DPO(Splits):
    """Direct preference optimisation: a loss of the lead z = Δ(first) / strength − Δ(second) / strength − margin, with
    Δ = log policy − log reference of an output.

    strength  of the target reference · exp(strength · utility), 1/β of the papers
    link      "logistic": −log σ(z), likelihood of Bradley-Terry votes (Rafailov et al. 2023, equation 7); "squared":
              (z − 1)² (IPO, Azar et al. 2024, equation 17, times 4 β² for the β that it names: its lead of 1/(2β) is
              strength here, so that β of IPO is 1/(2 strength)); "hinge": max(0, 1 − z) (SLiC, Zhao et al. 2023);
              "exponential": e^(−z) (GPO, Tang et al. 2024, table 1)
    flips     the share of votes that are thought to be turned around: the loss is made unbiased for it (robust DPO,
              Chowdhury et al. 2024, equation 12), which may be negative
    smooth    the share by which votes are softened: p becomes (1 − smooth) p + smooth (1 − p) (conservative DPO)
    each      "sum" of the log-ratios of tokens, or their "mean", as some libraries have it, which is no log-ratio

    Votes may be soft: with `Batch.prefer` p the loss is p ℓ(z) + (1 − p) ℓ(−z). `margin` (Touvron et al. 2023, "Llama
    2", equation 2; Amini et al. 2024, ODPO) lowers the lead. With the logistic link, sums, no softening and no margins
    the minimum is the target whose utilities the votes tell, from votes of which `flips` are turned around too.
    """

    strength: float = 10.0
    link: Link = "logistic"
    flips: float = 0.0
    smooth: float = 0.0
    each: Literal["sum", "mean"] = "sum"
    outputs: Outputs = "two"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "DPO(strength=...)")
        refuse_no_share(self.flips, "DPO(flips=...)", 0.5)
        refuse_no_share(self.smooth, "DPO(smooth=...)", 0.5)
        refuse_other(self.link, _LINKS, "DPO(link=...)")
        refuse_other(self.each, ("sum", "mean"), "DPO(each=...)")

    @property
    def claim(self) -> Claim:
        exact = self.link == "logistic" and self.smooth == 0 and self.each == "sum"
        return "target" if exact else "surrogate"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        ratio = log_ratio(policy, reference, batch.mask)
        if self.each == "mean":
            ratio = ratio / batch.length.clamp(min=1)
        return pairwise(ratio / self.strength, batch, _LINKS[self.link], self.flips, self.smooth)


def pairwise(
    reward: Tensor, batch: Batch, loss: Callable[[Tensor], Tensor], flips: float = 0.0, smooth: float = 0.0
) -> Losses:
    """p ℓ(z) + (1 − p) ℓ(−z) of rewards [r, 2], made unbiased for flips, with softened votes p."""
    lead = reward[:, 0] - reward[:, 1] - (0.0 if batch.margin is None else batch.margin)
    prefer = votes(batch, reward)[:, 0]
    prefer = (1 - smooth) * prefer + smooth * (1 - prefer)
    prefer = (prefer - flips) / (1 - 2 * flips)
    per_record = prefer * loss(lead) + (1 - prefer) * loss(-lead)
    right = (lead > 0).to(lead) + 0.5 * (lead == 0).to(lead)
    return Losses.mean(per_record, lead=lead, accuracy=prefer * right + (1 - prefer) * (1 - right))


@dataclass(frozen=True, slots=True)
class SimPO(Splits):
    """−log σ(scale · (mean log policy of the first − of the second) − margin), without a reference (Meng et al. 2024,
    equation 6; their β is `scale`, and γ `margin`)."""

    scale: float = 2.0
    margin: float = 1.0
    outputs: Outputs = "two"
    claim: Claim = "surrogate"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.scale, "SimPO(scale=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        reward = self.scale * averaged(policy, batch.mask)
        return pairwise(reward, batch, lambda z: softplus(self.margin - z))


@dataclass(frozen=True, slots=True)
class ORPO(Splits):
    """Mean −log policy of the preferred output, and weight · −log σ of the lead in log odds of a token, without a
    reference (Hong, Lee and Thorne 2024, equations 6 and 7)."""

    weight: float = 0.1
    outputs: Outputs = "two"
    claim: Claim = "surrogate"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.weight, "ORPO(weight=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        mean = averaged(policy, batch.mask)
        paired = pairwise(mean - log1mexp(mean), batch, lambda z: softplus(-z))
        likelihood = -(votes(batch, mean) * mean).sum(1)
        per_record = likelihood + self.weight * paired.per_record
        return Losses.mean(per_record, nll=likelihood, **paired.diagnostics)


@dataclass(frozen=True, slots=True)
class CPO(Splits):
    """−log σ of the lead in log policy / strength, and weight · −log policy of the preferred output, without a
    reference (Xu et al. 2024, "Contrastive preference optimization"): DPO whose reference finds all outputs
    alike, held to what was preferred."""

    strength: float = 10.0
    weight: float = 1.0
    outputs: Outputs = "two"
    claim: Claim = "surrogate"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "CPO(strength=...)")
        refuse_not_positive(self.weight, "CPO(weight=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        log_prob = summed(policy, batch.mask)
        paired = pairwise(log_prob / self.strength, batch, lambda z: softplus(-z))
        likelihood = -(votes(batch, log_prob) * log_prob).sum(1)
        return Losses.mean(paired.per_record + self.weight * likelihood, nll=likelihood, **paired.diagnostics)


@dataclass(frozen=True, slots=True)
class XPO(Splits):
    """DPO's logistic loss, and bonus · Δ of the second output, which the reference drew: optimism, by which the policy
    leaves what the reference would say (Xie et al. 2024, "Exploratory preference optimization", algorithm 1; the bonus
    of SELM, Zhang et al. 2024, is the same).

    Where votes are hard and outputs few the loss has no lower bound; the bonus is meant to be small, and steps few.
    """

    strength: float = 10.0
    bonus: float = 1e-3
    outputs: Outputs = "two"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "XPO(strength=...)")
        if not 0 <= self.bonus < math.inf:
            raise UsageError(f"a bonus is 0 or more, not {self.bonus}", where="XPO(bonus=...)")

    @property
    def claim(self) -> Claim:
        return "surrogate" if self.bonus else "target"

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        ratio = log_ratio(policy, reference, batch.mask)
        paired = pairwise(ratio / self.strength, batch, lambda z: softplus(-z))
        return Losses.mean(paired.per_record + self.bonus * ratio[:, 1], explored=-ratio[:, 1], **paired.diagnostics)


def votes(batch: Batch, like: Tensor) -> Tensor:
    """The share [r, 2] of votes for each of two outputs, all for the first where nothing else is said."""
    prefer = torch.ones_like(like[:, 0]) if batch.prefer is None else batch.prefer.to(like)
    return torch.stack([prefer, 1 - prefer], 1)


def log1mexp(x: Tensor) -> Tensor:
    """log(1 − e^x) for x ≤ 0, without loss near 0; x nearer to it than 1e-6 is taken for −1e-6, where odds end."""
    x = x.clamp(max=-1e-6)
    near = x > -0.6931471805599453
    return torch.where(
        near, (-torch.expm1(torch.where(near, x, -1.0))).log(), torch.log1p(-torch.where(near, -1.0, x).exp())
    )


@dataclass(frozen=True, slots=True)
class General(Splits):
    """Iterative Nash policy optimisation: (gap(policy) − share · gap(reference) − (1 − share) · gap(behaviour) −
    strength · (2 p − 1) / 2)², where gap = log-probability of the first less that of the second.

    behaviour is the policy of the last round, which drew the outputs, and p the probability that the first is
    preferred; with share τ/η and strength 1/η it is INPO (Zhang et al. 2025, equation 8: votes of 0 and 1), one step of
    mirror descent toward the equilibrium of the preference regularised to the reference. With share 1 it is a step from
    the reference alone. With outputs drawn from the behaviour the minimum is reference^share · behaviour^(1 − share) ·
    exp(strength · P(· preferred to the behaviour)), normalised.
    """

    strength: float = 1.0
    share: float = 0.5
    outputs: Outputs = "two"
    claim: Claim = "target"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "General(strength=...)")
        if not 0 <= self.share <= 1:
            raise UsageError(f"a share lies in [0, 1], not {self.share}", where="General(share=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        to_reference = log_ratio(policy, reference, batch.mask)
        to_behaviour = log_ratio(policy, batch.needed("behaviour", self), batch.mask)
        ratio = self.share * to_reference + (1 - self.share) * to_behaviour
        lead = ratio[:, 0] - ratio[:, 1]
        prefer = votes(batch, ratio)[:, 0]
        return Losses.mean((lead - self.strength * (prefer - 0.5)).square(), lead=lead)


def mirror_prox(*, temperature: float, step: float) -> General:
    """Half a step, or a step, of Nash mirror prox (Tiapkin et al. 2025): −P(preferred to the opponent) / temperature +
    KL(· ‖ reference) + KL(· ‖ last) / step at its least.

    `Batch.behaviour` is then the policy of the last whole step, and outputs are drawn from the opponent: for the half
    step that policy itself, for the step that of the half step. The last policy converges to the equilibrium of the
    preference regularised to the reference.
    """
    refuse_not_positive(temperature, "mirror_prox(temperature=...)")
    refuse_not_positive(step, "mirror_prox(step=...)")
    share = step / (1 + step)
    return General(share / temperature, share)
