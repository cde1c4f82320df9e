"""A fitted head on an encoder, as a posterior: scores with draws and people's spread, preferences and potentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Finding, Floats, InputError, Item, Parts, Scores
from heedful.models import Encoder
from heedful.preference.heads.base import FittedHead
from heedful.preference.persistence import Saved
from heedful.preference.potential import Potentials


@dataclass(frozen=True, eq=False)
class HeadPosterior(Potentials, Saved):
    """What a head says about items, through the encoder it was fitted on.

    `names` [d] are its features; `findings` what one should know before trusting it, `model` the facts of the fit.
    """

    encoder: Encoder
    head: FittedHead
    criterion: str = "overall"
    findings: tuple[Finding, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.encoder.names

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Utilities in nats with draws and, where the head has it, the standard deviation of people's disagreement."""
        features = self._features(items)
        return Scores(self.head.mean(features), self.head.draws(features), self.head.aleatoric(features))

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first wins | decided) [n], averaged over draws and people's spread."""
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        return self.head.prefer(self._features(first), self._features(second))

    def frame(self, item: Item) -> Parts:
        """Utilities are known up to a constant per context."""
        return item.context

    def _features(self, items: Sequence[Item]) -> Floats:
        return self.encoder.encode(items) if items else np.zeros((0, len(self.encoder.names)))
