"""003-072: a policy trained toward a posterior, by weights over samples that are normalised among themselves."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, apart, loss_of, stepped
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_K, _STRENGTH = 8, 2.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, BRAIn, Weighted

    rng = np.random.default_rng([372, seed])
    world = Listed(log_softmax(rng.normal(size=(10, 30)), axis=1), rng.normal(size=(10, 30)))
    goal = world.target(_STRENGTH)
    figures = {"base": apart(goal, world.base)}
    for name, objective, pairs in (
        ("BRAIn", BRAIn(_STRENGTH), False),
        ("DPO", DPO(_STRENGTH), True),
        ("RAFT", Weighted("best"), False),
    ):
        theta, own = world.start, np.random.default_rng([373, seed])
        for _ in range(4 if quick else 60):
            policy = world.policy(theta)
            records = _drawn(world, policy, pairs, own)
            theta = stepped(loss_of(world, objective, records), theta, 3.0)
        figures[name] = apart(goal, world.policy(theta))
    return figures


def _drawn(world: Listed, policy: Floats, pairs: bool, rng: np.random.Generator) -> Records:
    """Outputs of the policy with their rewards; for pairs, two by two, and which is the better."""
    outputs = world.draw(policy, _K, rng)
    prompts = np.arange(len(outputs))
    if pairs:
        outputs, prompts = outputs.reshape(-1, 2), np.repeat(prompts, _K // 2)
    score = world.utility[prompts[:, None], outputs]
    behaviour = policy[prompts[:, None], outputs][:, :, None]
    prefer = {"prefer": 0.5 + 0.5 * np.sign(score[:, 0] - score[:, 1])} if pairs else {}
    return Records(prompts, outputs, {"score": score, "behaviour": behaviour} | prefer)


ENTRY = Entry(
    id="003-072",
    title="BRAIn: Bayesian Reward-conditioned Amortized Inference for natural language generation from feedback",
    area="training",
    citation="Pandey et al. 2024",
    claim=(
        "Free policies over 30 outputs to 10 prompts, 60 steps on 8 outputs a prompt that the policy drew. "
        "KL(posterior ‖ policy), the posterior being base · exp(2 · reward), is smaller for BRAIn than for RAFT and "
        "for DPO on the better and the worse of pairs of the same draws, and smaller than the base's."
    ),
    configuration="training.BRAIn(2), the policy as behaviour; training.Weighted('best'); training.DPO(2) on pairs.",
    measures={
        "base": "KL(posterior ‖ base), mean over prompts (nats)",
        "BRAIn": "KL(posterior ‖ policy) of BRAIn",
        "DPO": "that of DPO on pairs of the policy's draws",
        "RAFT": "that of imitating the best of 8",
    },
    checks=(
        Check("BRAIn", "base", below=0.0),
        Check("BRAIn", "DPO", below=0.0),
        Check("BRAIn", "RAFT", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond="The reward is known, and the work's variance of gradients is left out. All take the same step.",
)
