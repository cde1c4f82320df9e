"""The posterior of items and raters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from heedful.core import Estimate, Finding, Floats, Item, Scale, Scores
from heedful.feedback import Table
from heedful.models import Encoder
from heedful.preference.persistence import Saved
from heedful.preference.posterior import FittedPosterior
from heedful.preference.potential import PosteriorPotential
from heedful.preference.prediction import Prediction
from heedful.preference.raters_estimates import RaterEstimate
from heedful.preference.raters_inference import Mode
from heedful.preference.raters_types import answers
from heedful.preference.raters_votes import RaterVotes, rater_votes

if TYPE_CHECKING:
    from typing import Any

# Half of the draws of utilities that predictions are averaged over, and votes handled at once.
_DRAWN, _BLOCK = 8, 20_000


@dataclass(frozen=True, eq=False)
class RaterPosterior(Saved):
    """Utilities of items, as a posterior, and what is known of each rater.

    `items` are the utilities as an attentive rater sees them; `raters` come in the order of their ids; `style` gives
    what each covariate is worth, by name. Scores, preferences and potentials are those of the items. Predictions are of
    what each vote's own rater would say; a rater not seen is one of the population.
    """

    items: FittedPosterior
    raters: tuple[RaterEstimate, ...]
    style: dict[str, Estimate]
    mode: Mode
    encoder: Encoder | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        """Utilities of items. Raises InputError for an item that the fit has not seen."""
        return self.items(items)

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats:
        """P(first wins | decided) [n] as an attentive rater without a lean says, averaged over the draws."""
        return self.items.prefer(first, second)

    def potential(self, *, scale: Scale = "utility", reference: Sequence[Item] | None = None) -> PosteriorPotential:
        """As of the items; see `FittedPosterior.potential`."""
        return self.items.potential(scale=scale, reference=reference)

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.items.findings

    @property
    def model(self) -> dict[str, Any]:
        return self.items.model

    @cached_property
    def by_id(self) -> dict[str, RaterEstimate]:
        return {rater.id: rater for rater in self.raters}

    def predict(self, table: Table) -> Prediction:
        """What the raters of a table would say, averaged over draws of the utilities and over each rater's types.

        Rows that are no comparison, or with an item that the fit has not seen, are counted in `unpredicted`.
        """
        fitted = self.mode.model.votes
        scale = fitted.scale if fitted.style else None
        seen = rater_votes(table, self.items.criterion, self.encoder, scale)
        place = {name: i for i, name in enumerate(fitted.names)}
        items = np.array([place.get(name, -1) for name in seen.names])
        known = (items[seen.first] >= 0) & (items[seen.second] >= 0)
        log_p = self._log_p(seen, items, known)
        return _prediction(len(table), seen, log_p, known)

    def _log_p(self, seen: RaterVotes, items: np.ndarray, known: np.ndarray) -> Floats:
        """log P of first, tie and second [3, votes] of each vote; NaN where an item is not known."""
        model, x = self.mode.model, self.mode.x
        log_prior = model.types.log_prior(model.parts(x)[2])
        place = {name: i for i, name in enumerate(model.votes.raters)}
        chance, _ = model.posterior_types(x)
        table = np.concatenate([np.log(np.maximum(chance[: len(place)], 1e-300)), log_prior[None]])
        own = np.array([place.get(name, len(place)) for name in seen.raters] + [len(place)])
        rater = own[seen.rater]
        draws = self.items.draws[np.r_[:_DRAWN, len(self.items.draws) // 2 : len(self.items.draws) // 2 + _DRAWN]]
        _, shared, _ = model.parts(x)
        result = np.full((3, len(seen.row)), np.nan)
        for votes in np.array_split(np.flatnonzero(known[seen.answer]), max(1, len(seen.row) // _BLOCK)):
            e = seen.answer[votes]
            first, second, styled = items[seen.first[e]], items[seen.second[e]], seen.covariates[e] @ x[
                model.items : model.width
            ]  # fmt: skip
            for number, outcome in enumerate((1.0, 0.0, -1.0)):
                if outcome == 0 and not model.votes.ties:
                    result[1, votes] = -np.inf
                    continue
                given = [
                    logsumexp(
                        answers(model.types, np.full(len(e), outcome), seen.shown[e], u[first] - u[second] + styled,
                                shared).log_p + table[rater[votes]], axis=1)
                    for u in draws
                ]  # fmt: skip
                result[number, votes] = logsumexp(given, axis=0) - np.log(len(draws))
        return result


def _prediction(n: int, seen: RaterVotes, log_p: Floats, known: np.ndarray) -> Prediction:
    log_prob, probability, outcome = np.zeros(n), np.full(n, np.nan), np.full(n, np.nan)
    log_prob[:] = np.nan
    said = seen.outcome[seen.answer]
    own = log_p[(1 - said).astype(np.intp), np.arange(len(said))]
    impossible = np.isneginf(own)
    rows = seen.row
    log_prob[rows] = 0.0
    np.add.at(log_prob, rows, np.where(impossible, np.nan, own) * seen.weight)
    # Of the candidates in the order of the record, whichever way the answer was counted.
    turned = seen.turned
    first, second = np.where(turned, log_p[2], log_p[0]), np.where(turned, log_p[0], log_p[2])
    probability[rows] = 1 / (1 + np.exp(second - first))
    decided = said != 0
    outcome[rows[decided]] = ((said * np.where(turned, -1, 1)) > 0)[decided]
    reasons = {
        "an item the fit has not seen": len(np.unique(rows[~known[seen.answer]])),
        "an outcome the fit has not seen": len(np.unique(rows[impossible])),
    }
    unpredicted = seen.excluded | {reason: count for reason, count in reasons.items() if count}
    return Prediction(log_prob, probability, outcome, unpredicted)
