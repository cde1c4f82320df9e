"""A fitted head on an encoder, as a posterior: scores with draws and people's spread, preferences and potentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit

from heedful.core import Floats, InputError, Item, Parts, Scale, ScaleError, Scores
from heedful.core.algebra import Expressible
from heedful.models import Encoder
from heedful.preference.heads.base import FittedHead


@dataclass(frozen=True, eq=False)
class HeadPosterior:
    """What a head says about items, through the encoder it was fitted on."""

    encoder: Encoder
    head: FittedHead

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Utilities in nats with draws and, where the head has it, the standard deviation of people's disagreement."""
        features = self._features(items)
        return Scores(self.head.mean(features), self.head.draws(features), self.head.aleatoric(features))

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first wins | decided) [n], averaged over draws and people's spread."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        return self.head.prefer(self._features(first), self._features(second))

    def potential(self, *, scale: Scale = "utility", reference: Sequence[Item] | None = None) -> HeadPotential:
        """The utility itself, or log σ(u − u_ref), u_ref the mean utility of the reference items of the same context.

        Raises ScaleError where scale and reference do not go together.
        """
        if (scale == "utility") != (reference is None or len(reference) == 0):
            fix = "leave it out" if scale == "utility" else "give reference=items to be compared with"
            raise ScaleError("a log-probability needs a reference, a utility none", where="potential", fix=fix)
        rows: dict[Parts, list[Item]] = {}
        for item in reference or ():
            rows.setdefault(item.context, []).append(item)
        return HeadPotential(self, scale, {context: _averaged(self(items)) for context, items in rows.items()})

    def _features(self, items: Sequence[Item]) -> Floats:
        return self.encoder.encode(items) if items else np.zeros((0, len(self.encoder.names)))


@dataclass(frozen=True, eq=False)
class HeadPotential(Expressible):
    """A head's posterior as a potential; `references` holds u_ref and its draws [k] by context."""

    posterior: HeadPosterior
    scale: Scale
    references: dict[Parts, tuple[float, Floats]]
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Raises ScaleError for an item in a context without a reference, where one is needed."""
        scores = self.posterior(items)
        if self.scale == "utility" or not items:
            return scores
        missing = sum(item.context not in self.references for item in items)
        if missing:
            raise ScaleError(
                f"{missing} of {len(items)} items are in a context without a reference",
                fix="give potential(reference=...) an item of each context",
            )
        chosen = [self.references[item.context] for item in items]
        assert scores.draws is not None
        mean = log_expit(scores.mean - np.array([value for value, _ in chosen]))
        draws = log_expit(scores.draws - np.stack([own for _, own in chosen], axis=1))
        return Scores(mean, draws, scores.aleatoric)


def _averaged(scores: Scores) -> tuple[float, Floats]:
    assert scores.draws is not None
    return float(scores.mean.mean()), np.asarray(scores.draws.mean(axis=1))
