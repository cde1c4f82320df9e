"""A posterior as a potential: its utility, or the log-probability of beating a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import log_expit

from heedful.core import Floats, Item, Parts, Scale, ScaleError, Scores
from heedful.core.algebra import Expressible


class Scorer(Protocol):
    """What scores items with draws. Items of one `frame` have utilities up to the same constant."""

    def __call__(self, items: Sequence[Item]) -> Scores: ...
    def frame(self, item: Item) -> Parts | None: ...


@dataclass(frozen=True, eq=False)
class PosteriorPotential(Expressible):
    """A posterior as a potential. `references` holds u_ref and its draws [k] by frame (a context; None: all alike)."""

    posterior: Scorer
    scale: Scale
    references: dict[Parts | None, tuple[float, Floats]]
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Utilities, or log σ(u − u_ref), mean at the mean utility and draw by draw.

        Raises ScaleError for an item in a context without a reference.
        """
        scores = self.posterior(items)
        if self.scale == "utility":
            return scores
        frames = [self.posterior.frame(item) for item in items]
        missing = sum(frame not in self.references for frame in frames)
        if missing:
            raise ScaleError(
                f"{missing} of {len(items)} items are in a context without a reference",
                fix="give potential(reference=...) an item of each context",
            )
        chosen = [self.references[frame] for frame in frames]
        mean = log_expit(scores.mean - np.array([value for value, _ in chosen]))
        if scores.draws is None or not chosen:
            return Scores(mean, scores.draws, scores.aleatoric)
        draws = log_expit(scores.draws - np.stack([own for _, own in chosen], axis=1))
        return Scores(mean, draws, scores.aleatoric)


class Potentials:
    """The potentials of what scores items with draws."""

    def potential(
        self: Scorer, *, scale: Scale = "utility", reference: Sequence[Item] | None = None
    ) -> PosteriorPotential:
        """The utility itself, or log P(the item beats the reference) = log σ(u − u_ref).

        u_ref is the mean utility of the `reference` items of the same context; for free items, which have none, of all
        of them. Raises ScaleError where scale and reference do not go together.
        """
        if scale == "utility":
            if reference is not None:
                raise ScaleError("a utility needs no reference", fix="leave it out, or ask for scale='log_prob'")
            return PosteriorPotential(self, "utility", {})
        if not reference:
            raise ScaleError(
                "a utility is known only up to a constant per context, so its log-probability needs a reference",
                fix="give reference=items to be compared with",
            )
        return PosteriorPotential(self, "log_prob", _references(self, reference))


def _references(posterior: Scorer, reference: Sequence[Item]) -> dict[Parts | None, tuple[float, Floats]]:
    scores, rows = posterior(reference), dict[Parts | None, list[int]]()
    for row, item in enumerate(reference):
        rows.setdefault(posterior.frame(item), []).append(row)
    assert scores.draws is not None
    return {
        frame: (float(scores.mean[own].mean()), np.asarray(scores.draws[:, own].mean(axis=1)))
        for frame, own in rows.items()
    }
