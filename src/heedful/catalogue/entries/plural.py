"""004-029: what several cheap judgements of a pair add to the one label it has, where tastes are plural."""

from __future__ import annotations

import numpy as np
import polars as pl

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, divergence
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import CRITERIA, LanguageWorld, Questions, SimulatedRaters, judge

_PEOPLE, _JUDGES, _CHEAP = 200, 50, 5


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([429, seed])
    world = LanguageWorld(length=2 if quick else 3, seed=seed)
    people = SimulatedRaters(count=_PEOPLE, disagreement=1.0, seed=seed)
    cheap = SimulatedRaters(count=_JUDGES, disagreement=1.0, temperature=2.0, length_bias=0.5, seed=seed + 1000)
    n = 80 if quick else 200
    asked, fresh = world.draw(n, 2, rng=rng), world.draw(400, 2, rng=rng)
    rater = rng.integers(_PEOPLE, size=n)
    label = judge(asked, raters=people, rng=rng, kind="comparison", rater=rater, name="label")
    votes = np.argsort(rng.random((n, _JUDGES)), axis=1)[:, :_CHEAP].ravel()
    judged = judge(asked.repeat(_CHEAP), raters=cheap, rng=rng, kind="comparison", rater=votes, name="cheap")
    share = (judged.frame["choice"] == "first").to_numpy().reshape(n, _CHEAP).mean(axis=1)
    tables = {
        "label": label,
        "smoothed": _with_share(label, 0.05 + 0.9 * (label.frame["choice"] == "first").to_numpy()),
        "majority": Table.concat([label, _majority(label, share)]),
        "votes": Table.concat([label, _with_share(_named(label, "votes"), share)]),
    }
    tables["votes apart"] = Table.concat([label, judged])
    true, items = _population_share(people, fresh), _items(fresh)
    figures: dict[str, float] = {}
    for name, table in tables.items():
        posterior = fit(table, utility="features", features=Given(CRITERIA, world.criteria), clusters="none")
        predicted = posterior.prefer(*items)
        figures[f"correlation, {name}"] = float(np.corrcoef(predicted, true)[0, 1])
        figures[f"divergence, {name}"] = divergence(true, predicted)
    return figures


def _named(table: Table, name: str) -> Table:
    """The same judgements under other ids."""
    return Table.shaped(table.frame.with_columns(id=name + "-" + pl.col("id")))


def _with_share(table: Table, share: Floats) -> Table:
    """The comparisons with these shares of votes for the first [n] in place of their choices."""
    choice = np.where(share > 0.5, "first", np.where(share < 0.5, "second", "tie"))
    return Table.shaped(table.frame.with_columns(share=pl.Series(share), choice=pl.Series(choice)))


def _majority(table: Table, share: Floats) -> Table:
    """What most of an odd number of judges chose, as one vote."""
    choice = np.where(share > 0.5, "first", "second")
    return Table.shaped(_named(table, "majority").frame.with_columns(choice=pl.Series(choice)))


def _items(asked: Questions) -> tuple[list[Item], list[Item]]:
    assert asked.context is not None
    assert asked.outputs is not None
    first, second = ([Item.of(c, o) for c, o in zip(asked.context, own, strict=True)] for own in asked.outputs)
    return first, second


def _population_share(people: SimulatedRaters, asked: Questions) -> Floats:
    """The share of all people [n] who would choose the first, in expectation."""
    time = np.full(len(asked), 0.5)
    total = np.zeros(len(asked))
    for person in range(people.count):
        rater = np.full(len(asked), person)
        seen = people.perceived(asked.shown, rater, time)
        total += people.outcome_probabilities(seen[:, 0] - seen[:, 1], rater)[0]
    return total / people.count


ENTRY = Entry(
    id="004-029",
    title="Beyond the Binary: Capturing Diverse Preferences With Reward Regularization",
    area="preference/feedback",
    citation="Padmakumar et al. 2024",
    claim=(
        "200 pairs, each with one label by one of 200 people of plural tastes and 5 votes by cheap, noisier judges who "
        "like length: on 400 fresh pairs, predictions of the share of people for the first correlate better with the "
        "truth, by more than 0.01, when the split of the cheap votes is fitted beside the label than when the label is "
        "fitted alone; and better when the split is fitted than when the majority of the votes is."
    ),
    configuration=(
        "preference.fit(utility='features') on comparisons and on comparisons with shares of votes (soft labels), "
        "jointly; linear utility of four criteria."
    ),
    measures={
        f"{measure}, {name}": f"{what}, fitted to {data}"
        for name, data in {
            "label": "one label a pair",
            "smoothed": "one label a pair, smoothed by 0.05",
            "majority": "the label and the majority of 5 cheap votes",
            "votes": "the label and the split of 5 cheap votes",
            "votes apart": "the label and 5 cheap votes, each a vote by itself",
        }.items()
        for measure, what in {
            "correlation": "correlation of predicted and true shares",
            "divergence": "divergence of predicted from true shares, millinats",
        }.items()
    },
    checks=(
        Check("correlation, votes", "correlation, label", above=0.01),
        Check("correlation, votes", "correlation, majority", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work turns the split into a margin inside log σ; here the split is a share of votes, whose likelihood "
        "pulls the difference of utilities to its log-odds: small splits get small differences, as the margin intends. "
        "The second check is ours: it asks whether the split helps, or only that there are more votes."
    ),
)
