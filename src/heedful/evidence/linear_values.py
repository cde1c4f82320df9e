"""Values linear in features of what is written so far, by temporal differences solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import lstsq, solve_banded

from heedful.core import Floats, InputError, Item, Potential, Scale, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.evidence.steps import PrefixKind
from heedful.models import Encoder, Paths, Standardised


@dataclass(frozen=True, slots=True, eq=False)
class LinearValue(Expressible):
    """V(prefix) = weights · (features, 1); of a whole output, what `ending` says.

    With `beta` the linear function is of e^{(score − top)/β}, whose plain expectation is that of the soft value, and
    V = top + β log of it. Either is kept within the outcomes it was fitted to, `low` to `high`, since no expectation
    lies beyond them (`clipped` says where). Of kind mean; with `beta` a twist, as an estimate's log claims no equality.

    encoder fitted; weights [d + 1]; ending None for the same function of whole outputs.
    """

    encoder: Encoder
    weights: Floats
    low: float
    high: float
    beta: float | None = None
    top: float = 0.0
    ending: Potential | None = None
    scale: Scale = "utility"
    under: str | None = None

    @classmethod
    def fit(
        cls,
        paths: Paths,
        scores: Floats,
        features: Encoder,
        *,
        trace: float = 1.0,
        beta: float | None = None,
        ridge: float = 1e-3,
        ending: Potential | None = None,
        under: str | None = None,
    ) -> Self:
        """From outputs that the base wrote and their scores [n], by LSTD(λ) with λ = `trace` and no discount.

        At 1 it is least squares on the score that each prefix's output came to have, as an outcome-supervised value is
        fitted (Yu et al. 2023, "Outcome-supervised verifiers for planning in mathematical reasoning", equation 3);
        below 1 what a prefix is worth is learnt from prefixes after it, as much as from its own output's score (Han et
        al. 2024, "Value augmented sampling for language model alignment and personalization", with TD(λ)). `ridge`
        times the number of prefixes is added to the diagonal, for columns that are standardised. Features are fitted
        on the prefixes.

        Raises InputError where scores are not finite or no prefix is given, UsageError unless trace is in [0, 1],
        ridge at least 0 and beta above 0.
        """
        if not (0 <= trace <= 1 and ridge >= 0 and (beta is None or beta > 0)):
            what = f"trace {trace}, ridge {ridge} and beta {beta}"
            raise UsageError(
                what, where="LinearValue.fit", fix="a trace in [0, 1], a ridge of 0 or more, a beta above 0"
            )
        if not (len(scores) == len(paths) > 0 and np.isfinite(scores).all()):
            what = f"{len(paths)} outputs and {np.isfinite(scores).sum()} finite scores among {len(scores)}"
            raise InputError(what, where="LinearValue.fit", fix="give outputs, and a finite score of each")
        prefixes = [item for begun in paths.begun for item in begun]
        encoder = Standardised(features).fit(prefixes)
        top = 0.0 if beta is None else float(scores.max())
        outcome = scores if beta is None else np.exp((scores - top) / beta)
        design = np.split(_design(encoder, prefixes), np.cumsum([len(own) for own in paths.begun])[:-1])
        weights = lstd(design, outcome, trace, ridge)
        return cls(encoder, weights, float(outcome.min()), float(outcome.max()), beta, top, ending, under=under)

    @property
    def kind(self) -> PrefixKind:
        return "mean" if self.beta is None else "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self.prefix(items) if self.ending is None else self.ending(items)

    def prefix(self, items: Sequence[Item]) -> Scores:
        kept = np.clip(self._linear(items), self.low, self.high)
        return Scores(kept if self.beta is None else self.top + self.beta * np.log(kept))

    def clipped(self, items: Sequence[Item]) -> float:
        """The share of prefixes at which the linear function leaves the range of outcomes."""
        value = self._linear(items)
        return float(np.mean((value < self.low) | (value > self.high)))

    def _linear(self, items: Sequence[Item]) -> Floats:
        return np.asarray(_design(self.encoder, items) @ self.weights)


def _design(encoder: Encoder, items: Sequence[Item]) -> Floats:
    return np.column_stack([encoder.encode(items), np.ones(len(items))])


def lstd(paths: Sequence[Floats], outcome: Floats, trace: float, ridge: float) -> Floats:
    """Weights [d] of a value linear in features [steps of a path, d], the last of them a constant, of chains that end
    with these outcomes [n] and pay nothing before.

    Solves Σ_t z_t (φ_t − φ_{t+1})ᵀ w = Σ z_T · outcome with z_t = λ z_{t−1} + φ_t and φ = 0 at the end (Boyan 2002,
    "Technical update: least-squares temporal difference learning", section 2), ridge · (number of rows) added to the
    diagonal but for the constant; where that leaves several solutions, the least.
    """
    width = paths[0].shape[1]
    left, right, rows = np.zeros((width, width)), np.zeros(width), 0
    for features, own in zip(paths, outcome.tolist(), strict=True):
        traces = solve_banded((1, 0), np.array([np.ones(len(features)), np.full(len(features), -trace)]), features)
        left += traces.T @ (features - np.vstack([features[1:], np.zeros(width)]))
        right += own * traces[-1]
        rows += len(features)
    left[np.arange(width - 1), np.arange(width - 1)] += ridge * rows
    return np.asarray(lstsq(left, right)[0])
