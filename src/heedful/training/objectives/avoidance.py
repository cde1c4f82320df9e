"""Objectives that make outputs, or tokens, that were called bad less likely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, softplus

from heedful.core import UsageError
from heedful.training.batches import Batch, summed
from heedful.training.objectives.base import Claim, Losses, Outputs, Splits, refuse_not_positive
from heedful.training.objectives.pairs import log1mexp


@dataclass(frozen=True, slots=True)
class Unlikelihood(Splits):
    """−log p of each token of outputs called good, −weight · log(1 − p) of each of those called bad, averaged over all
    tokens of the step (Welleck et al. 2020, "Neural text generation with unlikelihood training").

    Where `Batch.focus` is given only those tokens of a bad output that it marks are made less likely, each by as much.
    """

    weight: float = 1.0
    outputs: Outputs = "one"
    claim: Claim = "surrogate"
    needs_reference: bool = False

    def __post_init__(self) -> None:
        refuse_not_positive(self.weight, "Unlikelihood(weight=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(1, self)
        label = batch.needed("label", self).to(policy)[:, :, None]
        held = torch.where(batch.mask, policy, -1.0)
        # So near 1 that 1 − p has no digits, p is taken for e^(−1e-6), its gradient for what it is there, not 0.
        near = held.clamp(max=-1e-6).detach() + (held - held.detach())
        bad = -log1mexp(near) * (1.0 if batch.focus is None else batch.focus)
        per_token = -label * held + self.weight * (1 - label) * bad
        return Losses(summed(per_token, batch.mask).sum(1), batch.length.sum(1).to(policy))


@dataclass(frozen=True, slots=True)
class Cringe:
    """−log p of each token of outputs called good; of each of a bad one, −log of its rival's share of the two, the
    rival being a token that the policy drew from its likeliest in that place (Adolphs et al. 2022, "The CRINGE loss").

    Takes log-probabilities [r, k, t] of the tokens and of their `rivals`. Of pairs, one good and one bad, the loss of a
    record is multiplied by the gate σ((margin − lead) / softness), without gradient, by which what already
    leads by the margin (nats) is left alone (Xu et al. 2023, "Some things are more CRINGE than others").
    """

    weight: float = 1.0
    margin: float = 0.0
    softness: float = 1.0

    def __post_init__(self) -> None:
        refuse_not_positive(self.weight, "Cringe(weight=...)")
        refuse_not_positive(self.softness, "Cringe(softness=...)")

    def __call__(self, policy: Tensor, rival: Tensor, batch: Batch) -> Losses:
        good = batch.needed("label", self).to(policy)
        gate = torch.ones_like(policy[:, 0, 0])
        if policy.shape[1] == 2:
            lead = summed(policy, batch.mask).detach() @ policy.new_tensor([1.0, -1.0])
            gate = ((self.margin - lead * (good[:, 0] - good[:, 1])) / self.softness).sigmoid()
        held, other = (torch.where(batch.mask, own, -1.0) for own in (policy, rival))
        per_token = -good[:, :, None] * held + self.weight * (1 - good[:, :, None]) * softplus(held - other)
        per_record = gate * summed(per_token, batch.mask).sum(1)
        return Losses(per_record, batch.length.sum(1).to(policy), {"gate": gate})


def rivals(log_prob: Tensor, tokens: Tensor, *, k: int = 5, rng: np.random.Generator) -> Tensor:
    """Log-probabilities [...] of rivals for `Cringe`: of each place one of the k likeliest tokens but the output's own
    [...], drawn in proportion to the policy's probabilities, of all of which log-probabilities [..., v] are given.

    Raises UsageError for k below 1, or a vocabulary of one token.
    """
    if k < 1 or log_prob.shape[-1] < 2:
        what = f"a rival is one of the {k} likeliest of {log_prob.shape[-1]} tokens but one"
        raise UsageError(what, where="rivals", fix="k is 1 or more, and tokens are 2 or more")
    others = log_prob.detach().scatter(-1, tokens[..., None], -torch.inf)
    likeliest = others.topk(min(k, log_prob.shape[-1] - 1), dim=-1)
    noise = torch.from_numpy(rng.gumbel(size=likeliest.values.shape)).to(likeliest.values)
    drawn = (likeliest.values + noise).argmax(-1, keepdim=True)
    return log_prob.gather(-1, likeliest.indices.gather(-1, drawn))[..., 0]


@dataclass(frozen=True, slots=True)
class Director:
    """−log p of tokens of good outputs, and weight · cross-entropy of a classifier's logits [r, k, t] with each token's
    label, the output's own or `Batch.focus` (Arora et al. 2022, "DIRECTOR: generator-classifiers"), averaged over all
    tokens of the step. `directed` draws with both."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        refuse_not_positive(self.weight, "Director(weight=...)")

    def __call__(self, policy: Tensor, logits: Tensor, batch: Batch) -> Losses:
        good = batch.needed("label", self).to(policy)[:, :, None]
        label = good.expand_as(policy) if batch.focus is None else batch.focus.to(policy)
        told = torch.where(batch.mask, logits, 0.0)
        wrong = binary_cross_entropy_with_logits(told, label.expand_as(told), reduction="none")
        per_token = self.weight * wrong - good * torch.where(batch.mask, policy, 0.0)
        return Losses(summed(per_token, batch.mask).sum(1), batch.length.sum(1).to(policy))


def directed(log_prob: Tensor, logits: Tensor, strength: float = 1.0) -> Tensor:
    """log p + strength · log σ(logits) of all tokens [..., v], normalised: what DIRECTOR draws from."""
    return (log_prob + strength * logsigmoid(logits)).log_softmax(-1)
