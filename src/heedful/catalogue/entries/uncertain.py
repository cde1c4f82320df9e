"""004-120: mean and spread of each attribute, and what an ensemble of such heads disagrees about."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered, separation, small_networks, without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Linear, Ratings, Staged, Votes
from heedful.preference.heads.rewards import Kind

_FEATURES, _ATTRIBUTES, _AWAY = 4, ("helpful", "correct", "clear"), 3.0
_KINDS: dict[str, Kind] = {"means alone": "point", "means and spread": "gaussian"}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4120, seed])
    n = 100 if quick else 250
    line, bend, noise = rng.normal(0, 0.5, (3, _FEATURES, len(_ATTRIBUTES)))
    gate = rng.dirichlet(np.ones(len(_ATTRIBUTES))) * 3

    def attributes(x: Floats) -> Floats:
        return np.asarray(x @ line + 0.5 * (x @ bend) ** 2)

    def spread(x: Floats) -> Floats:
        return np.asarray(np.exp(x @ noise - 0.5))

    x, rows = rng.normal(size=(n, _FEATURES)), np.arange(n)
    values = attributes(x) + spread(x) * rng.normal(size=(n, len(_ATTRIBUTES)))
    ratings = {name: Ratings(rows, values[:, place], rows) for place, name in enumerate(_ATTRIBUTES)}
    utility = attributes(x) @ gate
    first, second = rows, np.roll(rows, 1)
    won = rng.random(n) < expit(utility[first] - utility[second])
    votes = Votes.of(first, second, won, group=rows, ratings=ratings)
    direction = rng.normal(size=_FEATURES)
    known = rng.normal(size=(1000, _FEATURES))
    other = rng.normal(size=(1000, _FEATURES)) + _AWAY * direction / np.linalg.norm(direction)
    fresh, outside = np.concatenate([known, other]), np.repeat([False, True], 1000)
    true = expit((attributes(fresh[::2]) - attributes(fresh[1::2])) @ gate)
    figures = {}
    for name, kind in _KINDS.items():
        head = Staged(_ATTRIBUTES, small_networks(kind, quick=quick), Linear(prior_sd=2.0, pairs=16))
        fitted = head.fit(x, votes, rng=rng)
        mean, draws = fitted.mean(fresh), fitted.draws(fresh)
        gap = mean[::2] - mean[1::2]
        predicted = expit(gap)
        doubt = (draws[:, ::2] - draws[:, 1::2]).std(axis=0)
        halves = {"sure": -doubt, "far apart": np.abs(gap), "decided": np.abs(gap) / doubt}
        figures[f"errors, {name}"] = misordered(true[~outside[::2]], predicted[~outside[::2]])
        figures[f"errors on both domains, {name}"] = misordered(true, predicted)
        for half, score in halves.items():
            kept = score >= np.median(score)
            figures[f"errors where {half}, {name}"] = misordered(true[kept], predicted[kept])
        figures[f"other domain found, {name}"] = separation(draws.std(axis=0), outside)
    people = fitted.aleatoric(known)
    assert people is not None
    noisy = np.sqrt((spread(known) * gate) ** 2 @ np.ones(len(_ATTRIBUTES)))
    figures["spread found"] = separation(people, noisy > np.median(noisy))
    return figures


ENTRY = Entry(
    id="004-120",
    title="Uncertainty-aware Reward Model: Teaching Reward Models to Know What is Unknown",
    area="preference/evaluation",
    citation="Lou et al. 2024",
    claim=(
        "250 answers rated on three attributes, with noise that depends on the answer, and compared 250 times. "
        "Ensembles of mean-variance heads put fewer fresh pairs in the wrong order than ensembles of means alone. On "
        "pairs of which half come from another domain, they put at least 3 points fewer in the wrong order on the half "
        "where the ensemble disagrees least than on all. The ensemble's disagreement tells answers of the other domain "
        "with an area under the curve above 75 %, and the heads' own spread those of above-median noise likewise."
    ),
    configuration=(
        "preference.heads.Staged: Networks of kind 'gaussian' (or 'point') on the ratings of each attribute, a Linear "
        "head on comparisons over their means; its draws are the ensemble's disagreement, its aleatoric the heads' "
        "own spread."
    ),
    measures={
        **{
            f"{measure}, {name}": f"{what}, {name}"
            for name in _KINDS
            for measure, what in {
                "errors": "fresh pairs of the same domain in the wrong order, per cent",
                "errors on both domains": "pairs in the wrong order, half of them of another domain, per cent",
                "errors where sure": "the same, of the half where the ensemble disagrees least about the difference",
                "errors where far apart": "the same, of the half predicted to be farthest apart",
                "errors where decided": "the same, of the half farthest apart in units of that disagreement",
                "other domain found": "P(disagreement is greater on an answer of the other domain), per cent",
            }.items()
        },
        "spread found": "P(spread is greater on an answer of above-median noise), per cent",
    },
    checks=(
        Check("errors, means alone", "errors, means and spread", above=0.0),
        Check("errors on both domains, means and spread", "errors where sure, means and spread", above=3.0),
        Check("other domain found, means and spread", above=75.0),
        Check("spread found", above=75.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The work's gate weighs attributes by the prompt; here it is one linear head, as there is one kind of prompt. "
        "Comparisons are used for the gate alone. An ensemble has four networks for each attribute. "
        "Disagreement finds the other domain and yet not the pairs in the wrong order, as answers there lie farther "
        "apart: by figures added after the first run, what finds them is the predicted difference, and hardly better "
        "so in units of the disagreement."
    ),
    missing=without_torch,
)
