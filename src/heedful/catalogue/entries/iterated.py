"""004-134: preference learning from votes on the policy's own outputs, round after round, and what explores for it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Listed, Records, joined, loss_of, minimised, scored, two_of, voted
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _ROUNDS, _VOTES, _STRENGTH, _STEPS = 20, 4, 40, 4.0, 4


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4134, seed])
    drawn = Listed.described(rng, (_PROMPTS, 20, 8), hidden=0.7)
    world = Listed(log_softmax(drawn.base - 0.7 * drawn.utility, axis=1), drawn.utility, drawn.features)
    rounds = 2 if quick else _ROUNDS
    prompts = rng.integers(_PROMPTS, size=(rounds, _VOTES))
    policies = {
        "offline": _learnt(world, prompts, rounds, 2, rng),
        "iterative": _learnt(world, prompts, 1, 2, rng),
        "best and worst of 8": _learnt(world, prompts, 1, 8, rng),
        "hybrid": _learnt(world, prompts, rounds // 2, 8, rng),
    }
    figures = {name: world.value(policy, _STRENGTH) for name, policy in policies.items()}
    chain = [world.base, *(world.target(_STRENGTH * step / _STEPS) for step in range(1, _STEPS + 1))]
    rates = [_accepted(later, before) for before, later in pairwise(chain)]
    figures["accepted, one step"] = float(_accepted(chain[-1], chain[0]).mean())
    figures["accepted, least of 4 steps"] = float(np.min(rates, axis=0).mean())
    figures["accepted, all of 4 steps"] = float(np.prod(rates, axis=0).mean())
    return figures


def _learnt(world: Listed, prompts: Indices, offline: int, k: int, rng: np.random.Generator) -> Floats:
    """The policy by DPO on all votes so far after each round, of which the first so many are on pairs of the base.

    Later pairs are of the policy's own outputs; of more than two, those which it itself finds best and worst.
    """
    from heedful.training import DPO

    policy, held = world.base, []
    for number, asked in enumerate(prompts):
        if number < offline:
            pairs = scored(world, world.base, 2, rng, prompts=asked)
        else:
            pairs = _extremes(scored(world, policy, k, rng, prompts=asked), world)
        held.append(voted(pairs, rng))
        theta = minimised(loss_of(world, DPO(_STRENGTH), joined(*held)), world.start, ridge=1e-3)
        policy = world.policy(theta)
    return policy


def _extremes(drawn: Records, world: Listed) -> Records:
    """Of each record the outputs that its policy's own reward, log policy − log base, finds best and worst."""
    reward = drawn.said["behaviour"][:, :, 0] - world.base[drawn.prompts[:, None], drawn.outputs]
    return two_of(drawn, reward.argmax(1)[:, None], reward.argmin(1)[:, None])


def _accepted(target: Floats, proposal: Floats) -> Floats:
    """Share of proposals that rejection accepts at each prompt: 1 / max target / proposal."""
    return np.asarray(np.exp(-(target - proposal).max(1)))


ENTRY = Entry(
    id="004-134",
    title=(
        "Iterative Preference Learning from Human Feedback: Bridging Theory and Practice for RLHF under KL-Constraint"
    ),
    area="training/elicitation",
    citation="Xiong et al. 2023",
    claim=(
        "Log-linear policies of 8 features, which do not tell all, over 20 outputs to 20 prompts; the base seldom "
        "gives good ones; 160 votes of Bradley and Terry. Of the value E[utility] − KL/4, which the target makes "
        "greatest: four rounds of 40 votes, after the first on pairs that the policy drew, come to more than all "
        "votes on pairs of the base; votes on what it finds best and worst of 8 of its outputs come to more than "
        "either; and two rounds of the base and two of these to more than the base alone. Rejection toward the target "
        "by four equal steps accepts at its worst step more than three times what it accepts in one."
    ),
    configuration=(
        "training.DPO(4) from the base on all votes so far, the pairs drawn from the base or from the policy, two or "
        "the best and the worst of 8 by log policy − log base; targets of strength 1, 2, 3 and 4, listed."
    ),
    measures={
        "offline": "value below the target's (nats), all votes on pairs of the base",
        "iterative": "the same, votes on pairs of the policy after each round",
        "best and worst of 8": "the same, votes on what the policy finds best and worst of 8 outputs",
        "hybrid": "the same, half of the votes on pairs of the base and then on best and worst of 8",
        "accepted, one step": "share of draws of the base that rejection toward the target accepts, mean over prompts",
        "accepted, least of 4 steps": "the least share of four steps by which strength rises, each from the one before",
        "accepted, all of 4 steps": "the product of the four shares",
    },
    checks=(
        Check("iterative", "offline", above=0.0),
        Check("best and worst of 8", "offline", above=0.0),
        Check("best and worst of 8", "iterative", above=0.0),
        Check("hybrid", "offline", above=0.0),
        Check("accepted, least of 4 steps", "accepted, one step", factor=3.0, above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The policy that explores is the policy itself, whose best and worst of 8 the work takes in practice. What "
        "four steps accept in all is what one step does: ratios of targets multiply to that of the whole. Steps gain "
        "only where a model is trained to be the next proposal."
    ),
)
