"""004-176: one reward for people of two minds, or a mixture of two and the policy whose worst-off group gains most."""

from __future__ import annotations

import numpy as np
import polars as pl

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, KnownScores, expected, listed, tilts
from heedful.catalogue.verdicts import Check
from heedful.feedback import Table
from heedful.preference import fit
from heedful.preference.people import PairVotes, fit_groups
from heedful.target import enumerate_exact
from heedful.target.maxmin import solve_max_min
from heedful.worlds import CRITERIA, LanguageWorld, SimulatedRaters, collect

_MAJORITY = {"courtesy": 2.0, "padding": 0.5, "relevance": -0.5}
_MINORITY = {"courtesy": -2.0, "padding": -1.0, "relevance": 1.5}
_STRENGTH, _SHARE = 2.0, 0.8


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4176, seed])
    people, each = (20, 10) if quick else (50, 15)
    worlds = [LanguageWorld(length=2, prompts=6, weights=weights, seed=seed) for weights in (_MAJORITY, _MINORITY)]
    sizes = (round(_SHARE * people), people - round(_SHARE * people))
    table = Table.concat([_votes(w, size, each, rng) for w, size in zip(worlds, sizes, strict=True)])
    features = Given(CRITERIA, worlds[0].criteria)
    base, contexts = worlds[0].base(), worlds[0].contexts
    items = listed(base, contexts)
    single = KnownScores.of(fit(table, utility="features", features=features, draws=2).potential(), items)
    groups = fit_groups(PairVotes.of(table, features=features), 2, starts=4, draws=2, seed=seed)
    utilities = [KnownScores.of(posterior.potential(), items) for posterior in groups.posteriors]
    solved = solve_max_min(base, utilities, contexts, strength=_STRENGTH)
    policies = {
        "base": tilts(base, single, contexts, 0.0),
        "single": tilts(base, single, contexts, _STRENGTH),
        "max-min": [enumerate_exact(solved.target, context) for context in contexts],
    }
    figures: dict[str, float] = {}
    for group, world in zip(("majority", "minority"), worlds, strict=True):
        truth = {context: world.truth(base.support(context)) for context in contexts}
        gained = {name: expected(policy, truth) for name, policy in policies.items()}
        figures |= {f"{group}, {name}": gained[name] - gained["base"] for name in ("single", "max-min")}
    return figures


def _votes(world: LanguageWorld, people: int, each: int, rng: np.random.Generator) -> Table:
    """Comparisons by people of one mind, who are told apart from those of the other by their names."""
    name = next(iter(world.weights)) + f"{world.weights['courtesy']:+.0f}"
    table = collect(world, people * each, raters=SimulatedRaters(count=people, tie=0.3), rng=rng, name=name)
    return Table.shaped(table.frame.with_columns(rater=name + " " + pl.col("rater")))


ENTRY = Entry(
    id="004-176",
    title="MaxMin-RLHF: Towards Equitable Alignment of Large Language Models with Diverse Human Preferences",
    area="preference/training",
    citation="Chakraborty et al. 2024",
    claim=(
        "50 people give 15 comparisons each; 10 of them want the contrary of what the other 40 want. The base tilted "
        "at strength 2: with two rewards found by a mixture and the max-min policy, the minority gains at least 0.3 "
        "nats more true utility over the base than with one reward, and the majority still gains."
    ),
    configuration=(
        "preference.people.fit_groups (mixture by EM, no group labels) and target.maxmin.solve_max_min over the "
        "groups' potentials, against preference.fit on all votes and its tilt."
    ),
    measures={
        f"{group}, {name}": f"true utility gained over the base by the {group}, nats, {policy}"
        for group in ("majority", "minority")
        for name, policy in {"single": "one reward for all", "max-min": "max-min over two groups found"}.items()
    },
    checks=(
        Check("minority, max-min", "minority, single", above=0.3),
        Check("majority, max-min", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work follows the gradient of the currently worst group; here the same objective is solved exactly by its "
        "dual, whose multipliers are the strengths of the groups. Gains are over the base, so that no group's constant "
        "matters."
    ),
)
