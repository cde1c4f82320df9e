"""004-070: questions about what the policy does, or about all that was ever done."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.asking import Believed, Pair
from heedful.catalogue.entry import Entry
from heedful.catalogue.policies import Drawn, Online
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.elicitation import ExpectedInformationGain, policy_pairs
from heedful.models import TableModel
from heedful.worlds import CRITERIA, LanguageWorld


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4070, seed])
    weights = dict(zip(CRITERIA, rng.normal(size=4).tolist(), strict=True))
    online = Online(LanguageWorld(length=2, prompts=6, weights=weights, seed=seed))
    start = policy_pairs(online.base, online.base, online.asked(20, rng), rng=rng)

    def by(near: bool) -> Drawn:
        def drawn(policy: TableModel, believed: Believed, count: int, rng: np.random.Generator) -> list[Pair]:
            writer = policy if near else online.base
            pool = policy_pairs(writer, writer, online.asked(8 * count, rng), rng=rng)
            rule = ExpectedInformationGain(count, diversity=False)
            return [(first, second) for first, second in rule(believed, pool, rng=rng).items]

        return drawn

    fresh = policy_pairs(online.base, online.base, online.asked(500, rng), rng=rng)
    first, second = (online.asking.design[places] for places in online.asking.places(fresh).T)
    true = expit(np.subtract(*(online.asking.utility[places] for places in online.asking.places(fresh).T)))
    figures = {}
    for name, near in {"near": True, "everywhere": False}.items():
        believed = online.learn(start, by(near), (20,) * (1 if quick else 5), seed)[-1]
        figures[f"shortfall, {name}"] = 1000 * (online.best - online.value(online.policy(believed)))
        guess = expit(believed.fitted.mean(first) - believed.fitted.mean(second))
        figures[f"errors, {name}"] = misordered(true, guess)
    return figures


ENTRY = Entry(
    id="004-070",
    title="Query-Policy Misalignment in Preference-Based Reinforcement Learning",
    area="elicitation/control",
    citation="Hu et al. 2023",
    claim=(
        "Policies over 72 answers to six questions are exact tilts of a reward linear in counts of words, which is "
        "never quite right. After 20 comparisons, five rounds in which the 20 most informative of 160 pairs are "
        "compared: of answers of the current policy rather than of the base, they leave the policy less short of the "
        "best value of its true objective, though the reward puts more pairs of the base in the wrong order."
    ),
    configuration=(
        "elicitation.ExpectedInformationGain(diversity=False) on policy_pairs of the current policy or of the base; "
        "preference.heads.Linear; policies by elicitation.optimistic without optimism, which is the tilt."
    ),
    measures={
        "shortfall, near": "true utility less divergence short of the best, millinats, pairs of the policy",
        "shortfall, everywhere": "true utility less divergence short of the best, millinats, pairs of the base",
        "errors, near": "pairs of the base in the wrong order, per cent, pairs of the policy",
        "errors, everywhere": "pairs of the base in the wrong order, per cent, pairs of the base",
    },
    checks=(
        Check("shortfall, everywhere", "shortfall, near", above=0.0),
        Check("errors, near", "errors, everywhere", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's agents act in continuous control, and its replay mixes recent segments in; here outputs are single "
        "answers and the policy is found exactly, so that only the choice of questions is at stake."
    ),
)
