"""The probability of a yes, from a posterior fitted to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import log_expit

from heedful.core import Item, Scale, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.preference import FittedPosterior
from heedful.preference.reading import Reading

_LABEL = "label"


@dataclass(frozen=True, slots=True, eq=False)
class Labelled(Expressible):
    """log P(the label of an item is yes) = log σ(a · u − t), at the mean and draw by draw.

    A label has a threshold t of its own, so that this needs no reference, unlike the log-probability of beating one.
    Fitted to labels of prefixes (`heedful.feedback.prefix_labels`) it scores prefixes as it does whole outputs: as
    `step` in `Steps`, or where the labels are outcomes as a soft value (`PrefixValue`).
    """

    posterior: FittedPosterior
    scale: Scale = "log_prob"
    under: str | None = None

    def __post_init__(self) -> None:
        _reading(self.posterior)

    def __call__(self, items: Sequence[Item]) -> Scores:
        scores, reading = self.posterior(items), _reading(self.posterior)
        assert scores.draws is not None
        sharp = reading.discrimination
        mean = log_expit(reading.sharpness * scores.mean - reading.nuisance[0])
        return Scores(mean, log_expit(sharp[:, None] * scores.draws - reading.thresholds([None])[:, 0]))


def _reading(posterior: FittedPosterior) -> Reading:
    """How labels depend on utilities. Raises UsageError where the posterior was fitted to none."""
    for reading in posterior.readings:
        if reading.kind == _LABEL:
            return reading
    kinds = ", ".join(reading.kind for reading in posterior.readings)
    raise UsageError(f"the posterior was fitted to {kinds}, not to labels", where="Labelled", fix="fit it to labels")
