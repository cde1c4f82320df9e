"""Feedback on parts of outputs, and on the scope in which it is meant to hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from heedful.core import UsageError
from heedful.training.batches import Batch, log_ratio, summed
from heedful.training.objectives.base import (
    Claim,
    Losses,
    Outputs,
    Splits,
    TokenObjective,
    refuse_not_positive,
    refuse_other,
)
from heedful.training.objectives.pairs import pairwise


@dataclass(frozen=True, slots=True)
class Addressed:
    """An objective of those parts of outputs that were judged: log-probabilities are multiplied by `Batch.focus` [r, k,
    t], and tokens without are none of its own.

    With 0 and 1 it is the objective of the tokens chosen, given what stands before them, as where two outputs differ in
    a step alone (Lai et al. 2024, "Step-DPO"); with other numbers tokens count as much as the feedback says (Liu et al.
    2024, "TIS-DPO").
    """

    objective: TokenObjective

    @property
    def outputs(self) -> Outputs:
        return self.objective.outputs

    @property
    def claim(self) -> Claim:
        return "surrogate"

    @property
    def needs_reference(self) -> bool:
        return self.objective.needs_reference

    @property
    def entangled(self) -> bool:
        return self.objective.entangled

    @property
    def trained(self) -> int | None:
        return self.objective.trained

    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]:
        return self.objective.statistics(*self._focused(policy, reference, batch))

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        return self.objective(*self._focused(policy, reference, batch))

    def _focused(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None, Batch]:
        focus = torch.where(batch.mask, batch.needed("focus", self).to(policy), 0.0)
        mask = focus != 0

        def scaled(log_prob: Tensor) -> Tensor:
            return focus * torch.where(mask, log_prob, 0.0)

        behaviour = None if batch.behaviour is None else scaled(batch.behaviour)
        told = replace(batch, mask=mask, behaviour=behaviour)
        return scaled(policy), None if reference is None else scaled(reference), told


def span_values(
    spans: Sequence[tuple[int, int, float]],
    tokens: Sequence[tuple[int, int]],
    *,
    at: Literal["each", "last"] = "each",
) -> NDArray[np.float64]:
    """What each token [t] is given by feedback on spans: (start, end, value), in characters, as are the tokens.

    at  "each": a token has the sum of the values of the spans that it shares characters with, for `Batch.focus` or for
        rewards (Wang et al. 2025, "Text2Grad"); "last": a span's value is all at its last token (Wu et al. 2023,
        "Fine-grained human feedback gives better rewards")

    Raises UsageError for a span that touches no token, whose feedback would be lost.
    """
    refuse_other(at, ("each", "last"), "span_values(at=...)")
    made = np.zeros(len(tokens))
    begun, ended = np.array(tokens, dtype=np.int64).reshape(-1, 2).T
    for start, end, value in spans:
        within = np.flatnonzero((begun < end) & (ended > start))
        if not len(within):
            what = f"the span from {start} to {end} touches no token"
            fix = f"tokens go from {begun.min(initial=0)} to {ended.max(initial=0)}"
            raise UsageError(what, where="span_values", fix=fix)
        made[within if at == "each" else within[-1:]] += value
    return made


@dataclass(frozen=True, slots=True)
class C3PO(Splits):
    """DPO where feedback is meant to hold, and where it is not an anchor to what is said already: scope · −log σ(lead)
    + (1 − scope) · anchor (Stephan et al. 2024, "RLVF: learning from verbal feedback without overgeneralization").

    Records hold two outputs, the wanted before the present one; `Batch.scope` [r] is 1 in scope, 0 near it and out of
    it, where only the first output counts and is what the reference says. `Batch.weight` says how much a kind counts
    (λ₁ for near, λ₂ for out of scope).

    anchor  "likelihood": −log policy, as published; "ratio": Δ², which pulls log-ratios to 0 rather than only from
            below
    """

    strength: float = 10.0
    anchor: Literal["likelihood", "ratio"] = "likelihood"
    outputs: Outputs = "two"
    claim: Claim = "surrogate"
    needs_reference: bool = True

    def __post_init__(self) -> None:
        refuse_not_positive(self.strength, "C3PO(strength=...)")
        refuse_other(self.anchor, ("likelihood", "ratio"), "C3PO(anchor=...)")

    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses:
        batch.refuse_other_than(2, self)
        ratio = log_ratio(policy, reference, batch.mask)
        scope = batch.needed("scope", self).to(ratio)
        wanted = pairwise(ratio / self.strength, batch, lambda z: softplus(-z))
        held = -summed(policy, batch.mask)[:, 0] if self.anchor == "likelihood" else ratio[:, 0].square()
        return Losses.mean(scope * wanted.per_record + (1 - scope) * held, moved=(1 - scope) * ratio[:, 0].abs())
