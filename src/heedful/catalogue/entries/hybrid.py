"""004-133: which instances people should judge and which a model, by the performance predicted of mixtures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import fit_mixtures
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes

_FEATURES, _TAGS, _TAGGED, _BUDGET = 6, 3, 0.3, 0.25
_PEOPLE, _MODEL = 2.0, 0.5
_HEAD = Linear(prior_sd=1.0, pairs=1)

Mask = NDArray[np.bool_]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4133, seed])
    n, trained = (100, 20) if quick else (300, 100)
    weights = rng.normal(0, 0.7, _FEATURES)
    fresh = rng.normal(size=(2000, _FEATURES))
    true = expit(fresh @ weights)

    def errors(pool: _Pool, routed: Mask) -> float:
        """Fresh pairs in the wrong order, per cent, after training on this mixture."""
        share = np.where(routed, pool.people, pool.model)
        votes = Votes.of(np.arange(n), np.full(n, n), share)
        design = np.vstack([pool.difference, np.zeros(_FEATURES)])
        return misordered(true, expit(_HEAD.fit(design, votes, rng=rng).mean(fresh)))

    first, second = (_Pool.drawn(n, weights, rng) for _ in range(2))
    mixtures = rng.random((trained, n)) < rng.random((trained, 1))
    performance = -np.array([errors(first, mixture) for mixture in mixtures])
    budget = round(_BUDGET * n)
    chosen = fit_mixtures(first.tags, mixtures, performance).route(second.tags, budget)
    at_random = np.isin(np.arange(n), rng.permutation(n)[:budget])
    routes = {
        "routed": chosen,
        "at random": at_random,
        "model alone": np.zeros(n, bool),
        "people alone": np.ones(n, bool),
    }
    figures = {f"errors, {name}": errors(second, route) for name, route in routes.items()}
    return figures | {"tagged": float(100 * second.tags[chosen, 0].mean()) if chosen.any() else 0.0}


@dataclass(frozen=True)
class _Pool:
    """Pairs by the difference of their features [n, 6], their tags [n, 3], and who says the first is better [n].

    On pairs with the first tag the model wants the contrary of what people want of two features.
    """

    difference: Floats
    tags: Floats
    people: Floats
    model: Floats

    @classmethod
    def drawn(cls, n: int, weights: Floats, rng: np.random.Generator) -> _Pool:
        difference = rng.normal(size=(n, _FEATURES))
        tags = (rng.random((n, _TAGS)) < _TAGGED).astype(np.float64)
        wanted = np.where((tags[:, :1] > 0) & (np.arange(_FEATURES) < 2), -weights, weights)
        people = rng.random(n) < expit(difference @ weights / _PEOPLE)
        model = rng.random(n) < expit((difference * wanted).sum(axis=1) / _MODEL)
        return cls(difference, tags, people.astype(np.float64), model.astype(np.float64))


ENTRY = Entry(
    id="004-133",
    title="Hybrid Preferences: Learning to Route Instances for Human vs. AI Feedback",
    area="elicitation/feedback",
    citation="Miranda et al. 2024",
    claim=(
        "300 pairs with six features and three tags; a model judges with a quarter of people's noise, but on the three "
        "tenths of pairs with one of the tags it wants the contrary of what people want of two features. A routing "
        "learnt from 100 random mixtures on other pairs, with a quarter of the pairs for people at most, gives a "
        "reward that puts fewer fresh pairs in the wrong order than as many for people at random, than the model's "
        "judgements alone, and than people's alone."
    ),
    configuration=(
        "elicitation.fit_mixtures (ridge regression of performance on the tags of the pairs routed to people) and its "
        "route; preference.heads.Linear as the reward."
    ),
    measures={
        "errors, routed": "fresh pairs in the wrong order, per cent, a quarter or less for people by the learnt route",
        "errors, at random": "fresh pairs in the wrong order, per cent, a quarter for people at random",
        "errors, model alone": "fresh pairs in the wrong order, per cent, all judged by the model",
        "errors, people alone": "fresh pairs in the wrong order, per cent, all judged by people",
        "tagged": "pairs with the model's weak tag among those routed to people, per cent; three tenths are so tagged",
    },
    checks=(
        Check("errors, at random", "errors, routed", above=0.0),
        Check("errors, model alone", "errors, routed", above=0.0),
        Check("errors, people alone", "errors, routed", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's features are tags of prompts by a language model, and its regressions linear and quadratic; here "
        "the tags are given and the regression is linear, for which the best mixture is found exactly."
    ),
)
