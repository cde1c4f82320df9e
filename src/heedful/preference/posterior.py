"""The fitted posterior: scores with draws, preferences, potentials and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, log_expit

from heedful.core import Finding, Floats, InputError, Item, Parts, Scale, ScaleError, Scores
from heedful.core.algebra import Expressible
from heedful.preference.pairs import PairModel
from heedful.preference.prediction import Prediction, RaterScale, Reading, predict, rater_scales
from heedful.preference.utilities import FreeItems, Utility

if TYPE_CHECKING:
    from heedful.feedback import Table


@dataclass(frozen=True, eq=False)
class FittedPosterior:
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
        sharp = float(np.mean(reading.discrimination)) * gap
        if reading.kind == "comparison":
            return np.asarray(sharp)
        assert isinstance(reading.model, PairModel)
        log_p, signs = reading.model.log_prob(sharp, reading.nuisance), reading.model.scores
        return np.asarray(np.logaddexp.reduce(log_p[signs > 0]) - np.logaddexp.reduce(log_p[signs < 0]))

    def potential(self, *, scale: Scale = "utility", reference: Sequence[Item] | None = None) -> PosteriorPotential:
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
        return PosteriorPotential(self, "log_prob", self._references(reference))

    def _references(self, reference: Sequence[Item]) -> dict[Parts | None, tuple[float, Floats]]:
        means, draws = self.utility.evaluate(reference, self.mean), self.utility.evaluate(reference, self.draws)
        contexts = [self._context(item) for item in reference]
        rows: dict[Parts | None, list[int]] = {}
        for row, context in enumerate(contexts):
            rows.setdefault(context, []).append(row)
        return {c: (float(means[r].mean()), np.asarray(draws[:, r].mean(axis=1))) for c, r in rows.items()}

    def _context(self, item: Item) -> Parts | None:
        return None if isinstance(self.utility, FreeItems) else item.context

    @property
    def scales(self) -> tuple[RaterScale, ...]:
        """How each rater who is told apart uses each scale; see `RaterScale`."""
        return tuple(scale for reading in self.readings for scale in rater_scales(reading))

    def predict(self, table: Table) -> Prediction:
        """What the posterior says about each row of a table; see `Prediction`."""
        return predict(self, table)

    def save(self, folder: str | Path) -> None:
        """Write the posterior to a folder (safetensors and JSON); `heedful.preference.load` gives it back identical."""
        from heedful.preference.persistence import save

        save(self, Path(folder))


@dataclass(frozen=True, eq=False)
class PosteriorPotential(Expressible):
    """A posterior as a potential. `references` holds u_ref and its draws [k] by context (None: for all contexts)."""

    posterior: FittedPosterior
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
        contexts = [self.posterior._context(item) for item in items]
        missing = sum(context not in self.references for context in contexts)
        if missing:
            raise ScaleError(
                f"{missing} of {len(items)} items are in a context without a reference",
                fix="give potential(reference=...) an item of each context",
            )
        chosen = [self.references[context] for context in contexts]
        mean = log_expit(scores.mean - np.array([value for value, _ in chosen]))
        if scores.draws is None or not chosen:
            return Scores(mean, scores.draws)
        return Scores(mean, log_expit(scores.draws - np.stack([draws for _, draws in chosen], axis=1)))


def _mirrored_mean(gap: Floats) -> Floats:
    """Mean over draws of σ(gap) [k, n], such that negating the gaps gives one less the mean to the last bit or so."""
    return np.asarray((1 + np.tanh(gap / 2).mean(axis=0)) / 2) if gap.size else expit(gap.sum(axis=0))
