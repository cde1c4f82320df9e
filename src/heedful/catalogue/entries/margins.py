"""004-191: which pairs of one's own to have compared, by the margin of what is believed, and when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heedful.catalogue.asking import Believed, Pair
from heedful.catalogue.entry import Entry
from heedful.catalogue.policies import Drawn, Online
from heedful.catalogue.verdicts import Check
from heedful.elicitation import Margin, Random, policy_pairs
from heedful.models import TableModel
from heedful.worlds import CRITERIA, LanguageWorld

_POOL = 8


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4191, seed])
    weights = dict(zip(CRITERIA, rng.normal(size=4).tolist(), strict=True))
    online = Online(LanguageWorld(length=2, prompts=6, weights=weights, seed=seed))
    start = policy_pairs(online.base, online.base, online.asked(30, rng), rng=rng)
    every = 10 if quick else 40

    def chosen(rule: type[Margin] | type[Random], **options: bool) -> Drawn:
        def drawn(policy: TableModel, believed: Believed, count: int, rng: np.random.Generator) -> Sequence[Pair]:
            pool = policy_pairs(policy, policy, online.asked(_POOL * count, rng), rng=rng)
            found = rule(count, **options)(believed, pool, rng=rng).items
            return [(first, second) for first, second in found]

        return drawn

    def shortfall(drawn: Drawn, rounds: tuple[int, ...]) -> float:
        found = online.learn(start, drawn, rounds, seed)
        return 1000 * (online.best - online.value(online.policy(found[-1])))

    even, small = (every,) * 3, chosen(Margin)
    return {
        "shortfall, small": shortfall(small, even),
        "shortfall, large": shortfall(chosen(Margin, largest=True), even),
        "shortfall, random": shortfall(chosen(Random), even),
        "shortfall, small, falling": shortfall(small, (every * 3 // 2, every, every // 2)),
        "shortfall, small, rising": shortfall(small, (every // 2, every, every * 3 // 2)),
    }


ENTRY = Entry(
    id="004-191",
    title="Not All Preference Pairs Are Created Equal: A Recipe for Annotation-Efficient Iterative Preference Learning",
    area="elicitation/training",
    citation="Yang et al. 2024",
    claim=(
        "Policies over 72 answers to six questions are exact tilts of a reward linear in counts of words. After 30 "
        "comparisons, three rounds in which 40 of 320 pairs of the policy's own answers are compared: where these are "
        "the pairs of smallest margin, the policy falls less short of the best value of its true objective than where "
        "they are those of the largest and than at random. And 60, 40 and 20 pairs leave less short than 20, 40 and 60."
    ),
    configuration=(
        "elicitation.Margin (smallest and largest) and Random on elicitation.policy_pairs; preference.heads.Linear; "
        "policies by elicitation.optimistic without optimism, which is the tilt."
    ),
    measures={
        f"shortfall, {name}": f"true utility less divergence short of the best, millinats, {meaning}"
        for name, meaning in {
            "small": "smallest margins",
            "large": "largest margins",
            "random": "at random",
            "small, falling": "smallest margins, most of them early",
            "small, rising": "smallest margins, most of them late",
        }.items()
    },
    checks=(
        Check("shortfall, large", "shortfall, small", above=0.0),
        Check("shortfall, random", "shortfall, small", above=0.0),
        Check("shortfall, small, rising", "shortfall, small, falling", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Margins are those of the fitted reward, which the tilted policy implies exactly. Pairs of small margin are "
        "those, too, that hardly differ in what the reward sees (13 per cent in nothing, against 2.5 of all pairs, "
        "after the first comparisons): from these a linear reward learns little."
    ),
)
