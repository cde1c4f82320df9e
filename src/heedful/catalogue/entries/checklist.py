"""002-011: one judgement of the whole, or a checklist whose items are judged one by one."""

from __future__ import annotations

from functools import reduce
from operator import add

import numpy as np
import polars as pl

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, KnownScores, expected, fresh_pairs, listed, questions, tilts_at
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Potential
from heedful.evidence import Expression
from heedful.feedback import Table
from heedful.preference import fit
from heedful.worlds import CRITERIA, LanguageWorld, SimulatedRaters, judge

_CONSTRAINTS = ("names both topics", "stays on topic", "is polite", "has no filler")
_SURE, _KL = 2.0, 1.5


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2011, seed])
    world = LanguageWorld(length=2 if quick else 3, prompts=6, seed=seed)
    base, contexts = world.base(), world.contexts
    items = listed(base, contexts)
    n = 100 if quick else 240
    shown, _ = fresh_pairs(world, n, rng)
    held = satisfied(world, shown)
    whole = _judged(shown, _SURE / 2 * (held.sum(axis=1) - 2), "rating", "overall", rng)
    part = n // len(_CONSTRAINTS)
    checks = [
        _judged(
            shown[k * part : (k + 1) * part], _SURE * (2 * held[k * part : (k + 1) * part, k] - 1), "label", name, rng
        )
        for k, name in enumerate(_CONSTRAINTS)
    ]
    features = Given(CRITERIA, world.criteria)
    holistic = fit(whole, utility="features", features=features, clusters="none", draws=2)
    each = [
        fit(own, criterion=name, utility="features", features=features, clusters="none", draws=2).potential()
        for name, own in zip(_CONSTRAINTS, checks, strict=True)
    ]
    rewards: dict[str, Potential] = {
        "holistic": holistic.potential(),
        "checklist": reduce(add, [Expression.of(one, 0.25) for one in each]),
    }
    share = {c: np.asarray(satisfied(world, base.support(c)).mean(axis=1)) for c in contexts}
    every = {c: np.asarray(satisfied(world, base.support(c)).all(axis=1), np.float64) for c in contexts}
    figures: dict[str, float] = {}
    for name, reward in rewards.items():
        tilted = tilts_at(base, KnownScores.of(reward, items), contexts, _KL)
        figures[f"satisfied, {name}"] = expected(tilted, share)
        figures[f"all satisfied, {name}"] = expected(tilted, every)
    return figures


def satisfied(world: LanguageWorld, items: list[Item] | tuple[Item, ...]) -> Floats:
    """Which constraints hold [n, 4]: ones and zeros."""
    relevance, digression, courtesy, padding = world.criteria(items).T
    return np.stack([relevance == 2, digression == 0, courtesy == 1, padding == 0], axis=1).astype(np.float64)


def _judged(items: list[Item], utility: Floats, kind: str, criterion: str, rng: np.random.Generator) -> Table:
    """One noisy judgement of each item [n], whose utility to the rater is given [n]."""
    raters = SimulatedRaters(count=20)
    texts = [item.output[0].text for item in items]
    asked = questions(np.arange(len(items))[:, None], utility, outputs=texts)
    rater = rng.integers(raters.count, size=len(items))
    table = judge(asked, raters=raters, rng=rng, kind=kind, rater=rater, name=criterion)  # type: ignore[arg-type]
    contexts = pl.Series([item.context[0].text for item in items])
    return Table.shaped(table.frame.with_columns(context=contexts, criterion=pl.lit(criterion)))


ENTRY = Entry(
    id="002-011",
    title="ACE-RL: Adaptive Constraint-Enhanced Reward for Long-form Generation Reinforcement Learning",
    area="preference/training",
    citation="",
    claim=(
        "240 noisy judgements of answers that should meet four constraints, all as ratings of the whole or a quarter "
        "each as yes/no checks of one constraint: of the base tilted to 1.5 nats of divergence, the mean of the four "
        "fitted checks meets a share of constraints greater by more than 0.01 than the fitted rating of the whole does."
    ),
    configuration=(
        "preference.fit(criterion=..., utility='features') on labels per constraint, their mean as an expression; "
        "against a fit to ratings; target.enumerate_exact at equal divergence."
    ),
    measures={
        f"{measure}, {name}": f"{what}, {reward}"
        for name, reward in {
            "holistic": "reward from 240 ratings of the whole",
            "checklist": "mean reward of four constraints, 60 checks each",
        }.items()
        for measure, what in {
            "satisfied": "share of constraints met",
            "all satisfied": "probability that all four are met",
        }.items()
    },
    checks=(Check("satisfied, checklist", "satisfied, holistic", above=0.01),),
    miniature=miniature,
    seeds=tuple(range(34)),
    beyond=(
        "A language model writes the checklist in the work; here the four constraints are given. The tilt is exact "
        "where the work trains by GRPO. A rating of five levels says more than one check: the comparison is by number "
        "of judgements, not by information."
    ),
)
