"""004-173: pairs whose comparison moves the reward the way that the policy's true objective would."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.asking import Believed, Pair
from heedful.catalogue.entry import Entry
from heedful.catalogue.policies import Online
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import interpolate, pilaf_pairs, policy_pairs
from heedful.models import TableModel
from heedful.worlds import LanguageWorld

_STRENGTH = 2.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4173, seed])
    weights = dict(zip(("relevance", "digression", "courtesy", "padding"), rng.normal(size=4).tolist(), strict=True))
    online = Online(LanguageWorld(length=2, prompts=6, weights=weights, seed=seed), strength=_STRENGTH)

    def alone(policy: TableModel, believed: Believed, count: int, rng: np.random.Generator) -> tuple[Pair, ...]:
        return policy_pairs(policy, policy, online.asked(count, rng), rng=rng)

    def interpolated(policy: TableModel, believed: Believed, count: int, rng: np.random.Generator) -> tuple[Pair, ...]:
        return pilaf_pairs(policy, online.base, online.asked(count, rng), beta=1 / _STRENGTH, rng=rng)

    start = policy_pairs(online.base, online.base, online.asked(40, rng), rng=rng)
    rounds = (30,) if quick else (100, 100, 100)
    figures = {}
    for name, drawn in {"on-policy": alone, "interpolated": interpolated}.items():
        found = online.learn(start, drawn, rounds, seed)
        figures[f"shortfall, {name}"] = 1000 * (online.best - online.value(online.policy(found[-1])))
    first = online.policy(online.learn(start, alone, (), seed)[0])
    return figures | _cosines(online, first)


def _cosines(online: Online, policy: TableModel) -> dict[str, float]:
    """Cosines of the expected gradient of the comparison loss with that of the objective, by all logits, per cent."""
    plus, minus = (interpolate(policy, online.base, online.contexts, sign / _STRENGTH) for sign in (1.0, -1.0))
    loss: dict[str, list[Floats]] = {"on-policy": [], "interpolated": [], "in proportion": []}
    objective = []
    for context in online.contexts:
        items, log_prob = policy.rows[context]
        pi, above, below = (np.exp(own.rows[context][1]) for own in (policy, plus, minus))
        reward, true = (log_prob - online.base.log_prob(items)) / _STRENGTH, online.world.truth(items)
        lacking = true - reward
        objective.append(pi * (lacking - pi @ lacking))
        error = expit(true[:, None] - true) - expit(reward[:, None] - reward)
        own, across = np.outer(pi, pi), np.outer(above, below)
        both = (across + across.T) / 2
        z = float(np.exp(reward) @ pi * (np.exp(-reward) @ pi))
        laws = (own, (own + both) / 2, (own + z * both) / (1 + z))
        for parts, mu in zip(loss.values(), laws, strict=True):
            parts.append(2 * (mu * error).sum(axis=1))
    wanted = np.concatenate(objective)
    wanted /= np.linalg.norm(wanted)
    found = {f"cosine, {name}": np.concatenate(parts) for name, parts in loss.items()}
    return {name: float(100 * own @ wanted / np.linalg.norm(own)) for name, own in found.items()}


ENTRY = Entry(
    id="004-173",
    title="PILAF: Optimal Human Preference Sampling for Reward Modeling",
    area="elicitation/training",
    citation="Feng et al. 2025",
    claim=(
        "Policies over 72 answers to six questions are exact tilts, at strength 2, of a reward linear in counts of "
        "words, which is never quite right. After 40 comparisons of answers of the base and three rounds of 100, the "
        "policy falls less short of the best value of the true objective where half of the pairs are of an optimistic "
        "and a pessimistic interpolation of policy and base than where all are on-policy. And at the first policy, the "
        "gradient of the comparison loss lies more along that of the true objective."
    ),
    configuration=(
        "elicitation.pilaf_pairs and policy_pairs; preference.heads.Linear; policies by elicitation.optimistic without "
        "optimism, which is the tilt."
    ),
    measures={
        "shortfall, on-policy": "true utility less divergence short of the best, millinats, pairs of the policy",
        "shortfall, interpolated": "true utility less divergence short of the best, millinats, half interpolated",
        "cosine, on-policy": "cosine of the two gradients by all logits, per cent, pairs of the policy",
        "cosine, interpolated": "cosine of the two gradients by all logits, per cent, half interpolated",
        "cosine, in proportion": "cosine of the two gradients by all logits, per cent, interpolated as theory says",
    },
    checks=(
        Check("shortfall, on-policy", "shortfall, interpolated", above=0.0),
        Check("cosine, interpolated", "cosine, on-policy", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work trains the policy by the comparison loss; here it is the exact tilt of a reward fitted to all "
        "comparisons so far, which is what that loss reaches. Gradients are exact, over all pairs. They agree to first "
        "order in what the reward lacks (tested), and only with the two sorts of pairs in the proportion that theory "
        "gives, which is the third cosine; the work, and the other figures, take half of each."
    ),
)
