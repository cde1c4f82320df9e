"""003-032: values that bear on a situation and pull apart, and how far people's decisions then vary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads.base import Gap, hermite
from heedful.preference.heads.linear import Linear
from heedful.preference.people import PairVotes, contrast, fit_people, fit_values

_VALUES, _EMBEDDING = 8, 20
_RATERS, _EACH, _FRESH_RATERS = 100, 8, 60
_MISLABELLED = 0.1
_HEAD = Linear(prior_sd=1.0, pairs=2)


@dataclass(frozen=True)
class Situations:
    """Which values are relevant to each [n, v], whether they support or oppose it (1, −1) [n, v], and features [n, d]
    that tell both, with noise, and a constant."""

    relevant: np.ndarray
    valence: Floats
    features: Floats

    @classmethod
    def drawn(cls, count: int, images: Floats, rng: np.random.Generator) -> Situations:
        relevant, valence = rng.random((count, _VALUES)) < 0.4, rng.choice([-1.0, 1.0], (count, _VALUES))
        shown = (relevant * valence) @ images[0] + relevant @ images[1] + rng.normal(0, 0.5, (count, _EMBEDDING))
        return cls(relevant, valence, np.column_stack([shown, np.ones(count)]))

    def approval(self, weights: Floats) -> Floats:
        """P(each rater says yes to each situation) [r, n], for raters who weigh the values so [r, v]."""
        return np.asarray(expit(weights @ (self.relevant * self.valence).T))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([332, seed])
    images = rng.normal(size=(2, _VALUES, _EMBEDDING))
    known, fresh = Situations.drawn(100 if quick else 400, images, rng), Situations.drawn(300, images, rng)
    labels = [own ^ (rng.random(own.shape) < _MISLABELLED) for own in (known.relevant, known.valence > 0)]
    values = fit_values(known.features, labels[0], np.where(labels[0], labels[1], np.nan), _HEAD, rng=rng)
    relevance, support = values.relevant(fresh.features), values.supporting(fresh.features)
    spread, share = _by_people(known, fresh, 20 if quick else _RATERS, seed, rng)
    predictions = {
        "contrast": contrast(relevance, support, least=0.5),
        "contrast, all values": contrast(relevance, support),
        "relevant values": (relevance >= 0.5).sum(axis=1),
        "people's answers": share * (1 - share),
        "people's spread": spread,
    }
    said = rng.random((_FRESH_RATERS, len(fresh.features))) < fresh.approval(_weighing(_FRESH_RATERS, rng))
    variance = said.var(axis=0)
    return {name: float(np.corrcoef(own, variance)[0, 1]) for name, own in predictions.items()}


def _weighing(raters: int, rng: np.random.Generator) -> Floats:
    """How much each rater makes of each value [r, v]: never less than nothing, by some much more than by others."""
    return rng.gamma(1.0, 1.0, (raters, _VALUES))


def _by_people(
    known: Situations, fresh: Situations, raters: int, seed: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The spread of utility between people [m] and the share who would say yes [m], fitted to raters' own answers:
    each situation against one of no features."""
    n = len(known.features)
    rater, asked = np.repeat(np.arange(raters), _EACH), rng.integers(n, size=raters * _EACH)
    yes = rng.random(len(rater)) < known.approval(_weighing(raters, rng))[rater, asked]
    design = np.vstack([known.features, np.zeros(known.features.shape[1])])
    outcome = np.where(yes, 1.0, -1.0)
    votes = PairVotes.from_arrays(rater, asked, np.full(len(asked), n), outcome, items=n + 1, design=design)
    population = fit_people(votes, rank=1, draws=2, seed=seed).population
    mean, apart = fresh.features @ population.weights, fresh.features @ population.loadings
    spread = np.sqrt((apart**2).sum(axis=1))
    nodes, weights = hermite()
    return spread, Gap((mean + nodes[:, None] * spread)[None], weights).probability()


ENTRY = Entry(
    id="003-032",
    title="Value Kaleidoscope: Engaging AI with Pluralistic Human Values, Rights, and Duties",
    area="preference/feedback",
    citation="Sorensen et al. 2024",
    claim=(
        "Eight values, each relevant to 40 % of situations, which it supports or opposes; raters weigh them each in "
        "their own way. Relevance and valence are learnt from 400 labelled situations. On 300 fresh ones, the contrast "
        "of the valences of the values predicted to be relevant correlates with the variance of 60 raters' yes or no "
        "by more than 0.3, and more than the number of relevant values does."
    ),
    configuration=(
        "preference.people.fit_values (two linear heads a value) and contrast; beside them "
        "preference.people.fit_people on 800 answers of 100 other raters, whose spread between people and predicted "
        "shares need no labels of values."
    ),
    measures={
        name: f"correlation with the variance of raters' answers: {what}"
        for name, what in {
            "contrast": "contrast of the values predicted to be relevant",
            "contrast, all values": "contrast of all values, weighted by relevance",
            "relevant values": "number of values predicted to be relevant",
            "people's answers": "variance of the answers that fitted people would give",
            "people's spread": "spread of utility between fitted people",
        }.items()
    },
    checks=(Check("contrast", above=0.3), Check("contrast", "relevant values", above=0.0)),
    miniature=miniature,
    beyond=(
        "The abstract says that contrasting values help to explain variability and gives no measure: here it is 4 P (1 "
        "− P) with P the share of support among relevant values. Values are named beforehand, so that generating, "
        "explaining and removing near duplicates are left out, and a situation is a noisy linear image of its values. "
        "To weight all values by their relevance does better here than to leave some out. The spread of utility "
        "between people says nothing of their answers' variance: it grows with the number of values, and "
        "answers vary where support and opposition are even."
    ),
)
