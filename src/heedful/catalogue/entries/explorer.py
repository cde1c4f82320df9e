"""001-066: rewards that lean to what could be good, so that a good answer that the base hardly gives is found."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.asking import Believed, Pair
from heedful.catalogue.entry import Entry
from heedful.catalogue.policies import Drawn, Online
from heedful.catalogue.verdicts import Check
from heedful.elicitation import policy_pairs
from heedful.models import TableModel
from heedful.worlds import LanguageWorld

_OPTIMISM = 10.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1066, seed])
    weights, shy = {"courtesy": 3.0, "relevance": 0.5}, {"shy": {"courtesy": -5.0}}
    world = LanguageWorld(length=2, prompts=6, weights=weights, systems=shy, seed=seed)
    online = Online(world, strength=2.0, system="shy")

    def by(optimism: float) -> Drawn:
        def drawn(policy: TableModel, believed: Believed, count: int, rng: np.random.Generator) -> tuple[Pair, ...]:
            bold = online.policy(believed, optimism)
            return policy_pairs(bold, bold, online.asked(count, rng), rng=rng)

        return drawn

    start = policy_pairs(online.base, online.base, online.asked(20, rng), rng=rng)
    figures: dict[str, float] = {}
    for name, optimism in {"optimistic": _OPTIMISM, "plain": 0.0}.items():
        found = online.learn(start, by(optimism), (8,) * (2 if quick else 8), seed)
        short = [1000 * (online.best - online.value(online.policy(own))) for own in found]
        figures |= {f"regret, {name}": float(np.mean(short)), f"shortfall, {name}": short[-1]}
    return figures


ENTRY = Entry(
    id="001-066",
    title="Self-Exploring Language Models: Active Preference Elicitation for Online Alignment",
    area="elicitation/training",
    citation="Zhang et al. 2024",
    claim=(
        "People want courtesy most, and the base, of 72 answers to six questions, is hardly ever courteous. Policies "
        "are exact tilts of a reward linear in counts of words. After 20 comparisons, eight rounds of 8: where "
        "compared answers are of the tilt by an optimistic reward, the plain tilt falls less short of the best value "
        "of the true objective, in the mean over rounds and after the last, than where they are of the plain tilt "
        "itself."
    ),
    configuration="elicitation.optimistic (α = 10 and 0) and policy_pairs; preference.heads.Linear.",
    measures={
        f"{what}, {name}": f"true utility less divergence short of the best, millinats, {when}, {meaning}"
        for name, meaning in {
            "optimistic": "answers of the optimistic tilt",
            "plain": "answers of the plain tilt",
        }.items()
        for what, when in {"regret": "mean over rounds", "shortfall": "after the last round"}.items()
    },
    checks=(
        Check("regret, plain", "regret, optimistic", above=0.0),
        Check("shortfall, plain", "shortfall, optimistic", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's bilevel problem is solved by one Newton step from the posterior's mode, with the covariance of its "
        "draws (derived, and tested against the maximum found numerically); α was set before any run."
    ),
)
