"""The fitted posterior: scores with draws, preferences and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from heedful.core import Finding, Floats, InputError, Item, Parts, Scores
from heedful.preference.pairs import PairModel
from heedful.preference.persistence import Saved
from heedful.preference.potential import Potentials
from heedful.preference.prediction import Prediction, predict
from heedful.preference.reading import RaterScale, Reading, rater_scales
from heedful.preference.utilities import FreeItems, Utility

if TYPE_CHECKING:
    from heedful.feedback import Table


@dataclass(frozen=True, eq=False)
class FittedPosterior(Potentials, Saved):
    """What the votes on one criterion say about utilities.

    For utility "items", `names` [n] are the items, `mean` [n] their utilities and `covariance` [n, n] theirs; for
    "features", they are the features, and the weights of the standardised features. Utilities are in nats (log-odds of
    a plain comparison), centred on the items that are identified. `identified` [n] says which the votes can place;
    `notes` [n] why not. Without a prior of their own such items have NaN in `covariance`; their `mean` and draws come
    from the wide prior printed in `model`, so that they can be asked about, and are no result. `covariance` is None
    where there are too many items for one; the draws stand in for it. `df` are the degrees of freedom for t quantiles.

    `draws` [k, n] are shared by all items and calls, in pairs mirrored about the mean, so that their average is the
    mean. Spread between people is not modelled: scores have no aleatoric part.
    """

    utility: Utility
    criterion: str
    names: tuple[str, ...]
    mean: Floats
    covariance: Floats | None
    draws: Floats
    counts: Floats
    identified: np.ndarray
    notes: tuple[str, ...]
    df: float
    readings: tuple[Reading, ...]
    findings: tuple[Finding, ...] = ()
    model: dict[str, Any] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Utilities of items. Raises InputError for an item that a model of free items has not seen."""
        utility = self.utility.evaluate(items, np.vstack([self.mean, self.draws]))
        return Scores(utility[0], utility[1:])

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first wins | decided) [n] of a plain comparison, averaged over the draws.

        The average is nearer to one half than at the mean, by as much as is not known. Draws mirror about the mean, so
        it is above one half exactly where the mean difference is above zero.
        """
        if len(first) != len(second):
            raise InputError(f"{len(first)} first and {len(second)} second items cannot be paired", where="prefer")
        gap = self.utility.evaluate(first, self.draws) - self.utility.evaluate(second, self.draws)
        return np.asarray(_mirrored_mean(self._log_odds(gap)))

    def _log_odds(self, gap: Floats) -> Floats:
        """log P(first wins) / P(second wins) of a comparison, by differences of utility [k, n].

        Of a plain one where there were any; else with the degrees that were asked for, whose sharpness differs.
        """
        asked = {reading.kind: reading for reading in self.readings}
        reading = asked.get("comparison") or asked.get("comparison with degree")
        if reading is None:
            return gap
        sharp = reading.sharpness * gap
        if reading.kind == "comparison":
            return np.asarray(sharp)
        assert isinstance(reading.model, PairModel)
        log_p, signs = reading.model.log_prob(sharp, reading.nuisance), reading.model.scores
        return np.asarray(np.logaddexp.reduce(log_p[signs > 0]) - np.logaddexp.reduce(log_p[signs < 0]))

    def frame(self, item: Item) -> Parts | None:
        """Where utilities are known up to one constant: a context; for free items, everywhere (None)."""
        return None if isinstance(self.utility, FreeItems) else item.context

    @property
    def scales(self) -> tuple[RaterScale, ...]:
        """How each rater who is told apart uses each scale; see `RaterScale`."""
        return tuple(scale for reading in self.readings for scale in rater_scales(reading))

    def predict(self, table: Table) -> Prediction:
        """What the posterior says about each row of a table; see `Prediction`."""
        return predict(self, table)


def _mirrored_mean(gap: Floats) -> Floats:
    """Mean over draws of σ(gap) [k, n], such that negating the gaps gives one less the mean to the last bit or so."""
    return np.asarray((1 + np.tanh(gap / 2).mean(axis=0)) / 2) if gap.size else expit(gap.sum(axis=0))
