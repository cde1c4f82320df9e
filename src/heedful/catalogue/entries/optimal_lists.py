"""000-013: which lists of answers to have ranked or rated, by optimal design."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

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
# Figures that no check is of: how lists are chosen, and how far apart utilities are beside those of the checks.
_ADDED = {
    "ranking, informed": ("informed", 1.0),
    "ranking, uniform, close": ("uniform", 0.2),
    "ranking, optimal, close": ("optimal", 0.2),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([13, seed])
    spread = np.exp(rng.normal(0, 0.7, _LISTS))
    features = (spread[:, None, None] * rng.normal(size=(_LISTS, _SIZE, _FEATURES))).reshape(-1, _FEATURES)
    weights = rng.normal(0, 0.5, _FEATURES)
    members = np.arange(len(features)).reshape(_LISTS, _SIZE)
    budget = _BUDGET // 4 if quick else _BUDGET
    figures: dict[str, float] = {}
    for answers in ("ranking", "ratings"):
        for arm in _ARMS:
            asked = _chosen(arm, features, members, answers, budget, rng)
            figures[f"{answers}, {arm}"] = _errors(features, weights, members[asked], answers == "ranking", rng)
    for name, (arm, scale) in _ADDED.items():
        asked = _chosen(arm, features, members, "ranking", budget, rng, features @ weights)
        figures[name] = _errors(features, scale * weights, members[asked], True, rng)
    return figures


def _chosen(
    arm: str,
    features: Floats,
    members: Whole,
    answers: Answers,
    budget: int,
    rng: np.random.Generator,
    utility: Floats | None = None,
) -> Whole:
    """Rows of the lists to ask about, a list as often as its share says; "informed" knows the `utility`."""
    if arm == "uniform":
        return rng.integers(_LISTS, size=budget)
    known = utility if utility is not None and arm == "informed" else np.zeros(len(features))
    lists = Lists.of(members, known, answers)
    if arm != "widest":
        return frank_wolfe_design(features, lists).draw(budget, rng)
    return np.argsort(-lists.leverages(features))[:budget]


def _errors(features: Floats, weights: Floats, asked: Whole, ranked: bool, rng: np.random.Generator) -> float:
    """Pairs within all lists that the fit to answers about those `asked` puts in the wrong order, per cent."""
    utility = features @ weights
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
    true, predicted = (values.reshape(_LISTS, _SIZE) for values in (utility, guess))
    return misordered(*(expit(own[:, one] - own[:, other]).ravel() for own in (true, predicted)))


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
        **{
            f"{answers}, {arm}": f"pairs within lists in the wrong order, per cent, from {answers}, {how}"
            for answers in ("ranking", "ratings")
            for arm, how in zip(
                _ARMS, ("lists drawn alike", "the lists widest apart", "lists of the optimal design"), strict=True
            )
        },
        "ranking, informed": "the same from rankings of lists of the design that knows the true utilities",
        "ranking, uniform, close": "the same from lists drawn alike, utilities a fifth as far apart",
        "ranking, optimal, close": "the same from lists of the optimal design, utilities a fifth as far apart",
    },
    checks=(
        Check("ranking, uniform", "ranking, optimal", above=0.0),
        Check("ratings, uniform", "ratings, optimal", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract gives no formula: the design maximises log det of the sum of the lists' information, counting "
        "all differences of a list alike for rankings and each answer by itself for ratings, which is Plackett and "
        "Luce's information where utilities are equal. Ratings are read by a cumulative logit, not least squares. In "
        "the first run the design did no better than lists drawn alike: it asks again and again for the few widest "
        "lists, whose order is soon known. By figures added after it, the design is far ahead where utilities differ "
        "a fifth as much, and ahead where it weighs differences by how open they are at the true utilities."
    ),
)
