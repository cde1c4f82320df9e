"""001-055: ratings, preferences and degrees of preference, alone and together, for the same number of judgements."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, divergence, fresh_pairs, misordered
from heedful.catalogue.verdicts import Check
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import CRITERIA, LanguageWorld, SimulatedRaters, collect

_RATERS = 40
_DATA = {
    "binary": "200 plain comparisons",
    "graded": "200 comparisons with degrees 1 to 3",
    "ratings": "200 ratings from 1 to 5",
    "ratings and graded": "100 ratings and 100 comparisons with degrees",
    "ratings and binary": "100 ratings and 100 plain comparisons",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([155, seed])
    world = LanguageWorld(length=2 if quick else 3, seed=seed)
    leniency = rng.normal(0, 0.7, _RATERS)
    plain = SimulatedRaters(count=_RATERS, leniency=leniency, disagreement=0.3, seed=seed)
    graded = SimulatedRaters(count=_RATERS, leniency=leniency, disagreement=0.3, degree_step=1.0, seed=seed)
    n = 100 if quick else 200
    tables = {
        "binary": collect(world, n, raters=plain, rng=rng, name="pair"),
        "graded": collect(world, n, raters=graded, rng=rng, name="degree"),
        "ratings": collect(world, n, raters=plain, rng=rng, kind="rating", name="rating"),
    }
    half = np.arange(n // 2)
    tables["ratings and graded"] = Table.concat([tables["graded"].take(half), tables["ratings"].take(half)])
    tables["ratings and binary"] = Table.concat([tables["binary"].take(half), tables["ratings"].take(half)])
    first, second = fresh_pairs(world, 500, rng)
    true = world.win_probability(first, second)
    features = Given(CRITERIA, world.criteria)
    figures: dict[str, float] = {}
    for name, table in tables.items():
        posterior = fit(table, utility="features", features=features, clusters="none")
        predicted = posterior.prefer(first, second)
        figures[f"errors, {name}"] = misordered(true, predicted)
        figures[f"divergence, {name}"] = divergence(true, predicted)
    return figures


ENTRY = Entry(
    id="001-055",
    title="HelpSteer2-Preference: Complementing Ratings with Preferences",
    area="preference/feedback",
    citation="Wang et al. 2024",
    claim=(
        "200 judgements of answers by 40 people who differ in taste and leniency, a linear utility of four criteria, "
        "and the share of fresh pairs put in the wrong order: preferences in three degrees do better than plain ones, "
        "and 100 ratings with 100 such preferences do better than 200 ratings and than 200 such preferences."
    ),
    configuration=(
        "preference.fit(utility='features') on comparisons, on comparisons with degrees (adjacent categories), on "
        "ratings (cumulative logit), and jointly on ratings and comparisons."
    ),
    measures={
        f"{measure}, {name}": f"{what} after {data}"
        for name, data in _DATA.items()
        for measure, what in (
            ("errors", "pairs in the wrong order, per cent,"),
            ("divergence", "divergence of predicted from true probabilities, millinats,"),
        )
    },
    checks=(
        Check("errors, binary", "errors, graded", above=0.0),
        Check("errors, ratings", "errors, ratings and graded", above=0.0),
        Check("errors, graded", "errors, ratings and graded", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The work multiplies the log-likelihood of a pair by its strength (scaled Bradley-Terry) and starts from a "
        "regression on ratings; here the strength has a likelihood of its own and both kinds are fitted at once. It "
        "uses both kinds on the same answers; here all arms cost the same number of judgements. A first version "
        "measured the divergence of probabilities, by which degrees lose (the figures show it): a fit to degrees alone "
        "does not know the scale of plain votes. The work itself measures accuracy, as the checks do now."
    ),
)
