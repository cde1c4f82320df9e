"""What would be said next, as a reward of an output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Base, Floats, Item, Part, Scale, Scores, UsageError
from heedful.core.algebra import Expressible


@dataclass(frozen=True, slots=True, eq=False)
class FollowUps(Expressible):
    """Mean log P(good follow-up | context, output) less the mean over bad ones, in nats under a language model.

    Each follow-up is an output of `model`, its end included, in the context extended by the output judged (Zhang et al.
    2024, "Aligning language models using follow-up likelihood as reward signal"). Log-probabilities are of whole
    follow-ups, so that longer ones weigh more; what all outputs share cancels in comparisons within a context. The
    model is best one that writes both sides of a dialogue: a chat template takes what follows for the assistant's own
    words (`LocalModel(template="plain")` does not). -inf where a good follow-up cannot follow; raises UsageError where
    a bad one cannot, or where there is no follow-up.
    """

    model: Base
    good: tuple[str, ...]
    bad: tuple[str, ...] = ()
    scale: Scale = "utility"
    under: str | None = None

    def __post_init__(self) -> None:
        if not self.good or not all((*self.good, *self.bad)):
            raise UsageError("good follow-ups are needed, none of them empty", where="FollowUps")

    def __call__(self, items: Sequence[Item]) -> Scores:
        said = (*self.good, *self.bad)
        follow = [Item((*own.context, *own.output), (Part(text),)) for own in items for text in said]
        log_prob = np.asarray(self.model.log_prob(follow), dtype=np.float64).reshape(len(items), len(said))
        good, bad = log_prob[:, : len(self.good)], log_prob[:, len(self.good) :]
        return Scores(good.mean(axis=1) - self._mean_of(bad))

    def _mean_of(self, bad: Floats) -> Floats | float:
        if np.isneginf(bad).any():
            what = "a bad follow-up cannot follow under this model, so that the score would be +inf"
            raise UsageError(what, where="FollowUps", fix="use follow-ups that are always possible")
        return np.asarray(bad.mean(axis=1)) if self.bad else 0.0
