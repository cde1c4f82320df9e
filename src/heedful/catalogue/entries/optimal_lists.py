"""000-013: which lists of answers to have ranked or rated, by optimal design."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, Whole, misordered, questions
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.elicitation import Lists, frank_wolfe_design
from heedful.elicitation.lists import Answers
from heedful.preference import fit
from heedful.worlds import SimulatedRaters, judge

_LISTS, _SIZE, _FEATURES, _BUDGET = 100, 4, 8, 40
_RATERS = SimulatedRaters(count=20)
_ARMS = ("uniform", "widest", "optimal")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([13, seed])
    spread = np.exp(rng.normal(0, 0.7, _LISTS))
    features = (spread[:, None, None] * rng.normal(size=(_LISTS, _SIZE, _FEATURES))).reshape(-1, _FEATURES)
    utility = features @ rng.normal(0, 0.5, _FEATURES)
    members = np.arange(len(features)).reshape(_LISTS, _SIZE)
    budget = _BUDGET // 4 if quick else _BUDGET
    figures: dict[str, float] = {}
    for answers in ("ranking", "ratings"):
        for arm in _ARMS:
            asked = members[_chosen(arm, features, members, answers, budget, rng)]
            figures[f"{answers}, {arm}"] = _errors(features, utility, members, asked, answers == "ranking", rng)
    return figures


def _chosen(
    arm: str, features: Floats, members: Whole, answers: Answers, budget: int, rng: np.random.Generator
) -> Whole:
    """Rows of the lists to ask about, a list as often as its share says."""
    if arm == "uniform":
        return rng.integers(_LISTS, size=budget)
    lists = Lists.of(members, np.zeros(len(features)), answers)
    if arm == "optimal":
        return frank_wolfe_design(features, lists).draw(budget, rng)
    return np.argsort(-lists.leverages(features))[:budget]


def _errors(
    features: Floats, utility: Floats, members: Whole, asked: Whole, ranked: bool, rng: np.random.Generator
) -> float:
    """Pairs within all lists that the fit to the answers puts in the wrong order, per cent."""
    outputs = [f"answer {number}" for number in range(len(features))]
    index, kind = (asked, "ranking") if ranked else (asked.reshape(-1, 1), "rating")
    rater = rng.integers(_RATERS.count, size=len(index))
    table = judge(questions(index, utility, outputs=outputs), raters=_RATERS, rng=rng, kind=kind, rater=rater)  # type: ignore[arg-type]
    encoder = Given.by_output(outputs, features)
    posterior = fit(
        table, utility="features", features=encoder, prior_sd=0.5, clusters="none", scales="common", draws=2
    )
    guess = posterior([Item.of("which?", output) for output in outputs]).mean
    one, other = np.triu_indices(_SIZE, 1)
    gaps = [values[members[:, one]] - values[members[:, other]] for values in (utility, guess)]
    return misordered(*(0.5 + np.arctan(gap.ravel()) / np.pi for gap in gaps))


ENTRY = Entry(
    id="000-013",
    title="Optimal Design for Human Preference Elicitation",
    area="elicitation/preference",
    citation="Mukherjee et al. 2024",
    claim=(
        "100 lists of four answers with 8 features, some lists wider apart than others (log-normal, 0.7), and 40 "
        "answers about lists to spend. Asked in the shares of the D-optimal design of lists, both 40 rankings and 40 "
        "times four ratings on five levels lead to fewer pairs of answers in the wrong order, over all lists, than "
        "lists drawn alike."
    ),
    configuration=(
        "elicitation.Lists of information at equal utilities, for rankings and for ratings; "
        "elicitation.frank_wolfe_design and Design.draw; preference.fit(utility='features') on what raters answer."
    ),
    measures={
        f"{answers}, {arm}": f"pairs within lists in the wrong order, per cent, from {answers}, {how}"
        for answers in ("ranking", "ratings")
        for arm, how in zip(
            _ARMS, ("lists drawn alike", "the lists widest apart", "lists of the optimal design"), strict=True
        )
    },
    checks=(
        Check("ranking, uniform", "ranking, optimal", above=0.0),
        Check("ratings, uniform", "ratings, optimal", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract gives no formula: the design maximises log det of the sum of the lists' information, counting "
        "all differences of a list alike for rankings and each answer by itself for ratings, which is Plackett and "
        "Luce's information where utilities are equal. Ratings are read by a cumulative logit instead of least squares."
    ),
)
