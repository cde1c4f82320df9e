"""004-184: a policy that plays against itself by preferences that no utility gives."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, exploitability, loss_of, minimised
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_M, _VOTES = 12, 600


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, General

    rng = np.random.default_rng([4184, seed])
    circle = rng.normal(size=(_M, _M))
    quality = rng.normal(size=_M)
    wins = expit(2.0 * (circle - circle.T) + 0.5 * (quality[:, None] - quality))
    world = Listed(log_softmax(0.5 * rng.normal(size=(1, _M)), axis=1), quality[None])
    rounds = 2 if quick else 12
    objectives = {
        "INPO": General(2.0, 0.1),
        "iterative DPO": DPO(1.0),
        "iterative IPO": DPO(1.0, "squared"),
        "reward and RL": DPO(2.0),
    }
    figures = {"base": exploitability(wins, world.base[0])}
    for name in objectives:
        policy = world.base
        for _ in range(1 if name == "reward and RL" else rounds):
            reference = policy if name.startswith("iterative") else world.base
            records = _played(world, policy, wins, rng)
            loss = loss_of(world, objectives[name], records, reference)
            policy = world.policy(minimised(loss, world.start, ridge=1e-3))
        figures[name] = exploitability(wins, policy[0])
    return figures


def _played(world: Listed, policy: Floats, wins: Floats, rng: np.random.Generator) -> Records:
    """Votes on pairs that the policy drew."""
    outputs = world.draw(policy, 2 * _VOTES, rng).reshape(-1, 2)
    won = rng.random(len(outputs)) < wins[outputs[:, 0], outputs[:, 1]]
    behaviour = policy[0][outputs][:, :, None]
    return Records(np.zeros(len(outputs), np.intp), outputs, {"prefer": won.astype(float), "behaviour": behaviour})


ENTRY = Entry(
    id="004-184",
    title="Iterative Nash Policy Optimization: Aligning LLMs with General Preferences via No-Regret Learning",
    area="training",
    citation="Zhang et al. 2024",
    claim=(
        "12 outputs whose preferences run in circles, 12 rounds of 600 votes on pairs that the policy drew. The "
        "exploitability max P(y preferred to the policy) − ½ of INPO's last policy is below those of iterative DPO, of "
        "iterative IPO and of a tilt by Bradley-Terry utilities, and below that of the base."
    ),
    configuration=(
        "training.General(strength=2, share=0.1) with the last policy as behaviour; training.DPO with the last policy "
        "as reference, logistic and squared; training.DPO from the base, once."
    ),
    measures={
        "base": "exploitability of the base",
        "INPO": "that of the last policy of INPO",
        "iterative DPO": "that of DPO from the last policy, round after round",
        "iterative IPO": "the same with the squared link",
        "reward and RL": "that of base · exp(2 · utility), with utilities by Bradley and Terry from votes on the base",
    },
    checks=(
        Check("INPO", "base", below=0.0),
        Check("INPO", "iterative DPO", below=0.0),
        Check("INPO", "iterative IPO", below=0.0),
        Check("INPO", "reward and RL", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond="One prompt, free policies, steps that are minimised to the end; the tilt has 600 votes once.",
)
