"""004-177: whether people compare segments of behaviour by what they gain or by what they waste."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import compared
from heedful.catalogue.verdicts import Check
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes
from heedful.preference.regret import fit_regret, negated_regrets, partial_returns
from heedful.worlds import GridWorld

_SYMBOLS, _LENGTH, _PRIOR_SD = 5, 3, 3.0
_SIZES = (50, 400)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4177, seed])
    world = GridWorld(size=4 if quick else 6, symbols=_SYMBOLS, seed=seed)
    wanted = np.append(rng.normal(-0.5, 1.0, _SYMBOLS - 1), rng.uniform(1, 10))
    process = world.process()
    visits = world.walks(2 * max(_SIZES), _LENGTH, rng=rng)
    returns = partial_returns(process, visits)
    seen = {"return": returns, "regret": negated_regrets(process, visits, process.best(wanted))}
    figures: dict[str, float] = {}
    for rater, features in seen.items():
        won = compared(features @ wanted, rng)
        for size in _SIZES:
            asked = slice(0, 2 * size)
            votes = Votes.of(np.arange(0, 2 * size, 2), np.arange(1, 2 * size, 2), won[:size])
            linear = Linear(prior_sd=_PRIOR_SD, pairs=2).fit(returns[asked], votes, rng=rng)
            regret = fit_regret(process, visits[asked], votes, prior_sd=_PRIOR_SD, rng=rng)
            for fit, policy in (("return", process.best(linear.weights)), ("regret", regret.policy)):
                value = world.normalised_value(policy, wanted)
                figures[f"{rater} raters, {fit} fit, {size}"] = 100 * value
    return figures


_BY = {"return": "partial return", "regret": "regret"}

ENTRY = Entry(
    id="004-177",
    title="Models of human preference for learning reward functions",
    area="preference/control",
    citation="Knox et al. 2022",
    claim=(
        "Random 6 × 6 grids with rewards for five symbols, pairs of random segments of three steps, simulated raters "
        "who compare by regret or by partial return, and the value of the policy best under the fitted reward, 0 for "
        "random moves and 100 for the best policy. With raters by regret, the fit by regret is worth more than the fit "
        "by partial return, at 50 votes and at 400. At 400 votes, the fit by regret to raters by regret is worth more "
        "than the fit by partial return to raters by partial return."
    ),
    configuration=(
        "worlds.GridWorld (exact policy iteration, successor features) and SimulatedRaters; preference.regret: "
        "fit_regret, which differentiates through the best policy, and partial_returns under heads.Linear, both with "
        "the same Gaussian prior."
    ),
    measures={
        f"{rater} raters, {fit} fit, {size}": (
            f"normalised value, per cent, raters by {_BY[rater]}, fit by {_BY[fit]}, {size} votes"
        )
        for rater in _BY
        for size in _SIZES
        for fit in _BY
    },
    checks=(
        Check("regret raters, regret fit, 50", "regret raters, return fit, 50", above=0.0),
        Check("regret raters, regret fit, 400", "regret raters, return fit, 400", above=0.0),
        Check("regret raters, regret fit, 400", "return raters, return fit, 400", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work approximates V* by successor features of some policies, softened; here the best policy under the "
        "reward at hand is solved exactly, where its features are the derivative of the regret. The discount is 0.95, "
        "and A* is summed without it. That the work's raters were people cannot be checked here: the table of both "
        "raters and both fits says what each model costs where it is wrong."
    ),
)
