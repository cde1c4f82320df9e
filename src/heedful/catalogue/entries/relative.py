"""004-169: policy gradients of pairs, which no shift of a prompt's rewards can disturb."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, at_divergence, loss_of, ordered, scored, stepped
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Floats

_PROMPTS, _OFFSET, _RATE, _NATS, _KEPT = 16, 5.0, 1.0, 0.5, 0.5
_REWARDS = ("plain", "shifted")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, PolicyGradient, pairwise_ppo

    rng = np.random.default_rng([4169, seed])
    world = Listed.described(rng, (_PROMPTS, 12, 6))
    shifted = world.utility + _OFFSET * rng.normal(size=(_PROMPTS, 1))
    objectives: dict[str, Any] = {
        "P3O": pairwise_ppo(),
        "PPO": PolicyGradient("none", (0.2, 0.2), whole="sum", over="output"),
        "PPO with values": PolicyGradient("none", (0.2, 0.2), whole="sum", over="output"),
        "DPO": DPO(4.0),
    }
    figures = {}
    for reward, told in zip((world.utility, shifted), _REWARDS, strict=True):
        for name, objective in objectives.items():
            theta = _trained(world, objective, reward, 3 if quick else 25, seed, valued=name.endswith("values"))
            figures[f"{name}, {told}"] = world.earned(world.policy(at_divergence(world, theta, _NATS)))
    drawn = scored(world, world.base, 2, rng)
    for name in ("P3O", "PPO"):
        slopes = [_slope(world, objectives[name], drawn, reward) for reward in (world.utility, shifted)]
        figures[f"gradients apart, {name}"] = float(np.abs(slopes[0] - slopes[1]).max() / np.abs(slopes[0]).max())
    return figures


def _trained(world: Listed, objective: Any, reward: Floats, rounds: int, seed: int, *, valued: bool) -> Floats:
    """θ after rounds of four steps on two outputs a prompt; `valued`: less what the prompt has earned so far."""
    rng, theta, value = np.random.default_rng([4170, seed]), world.start, np.zeros(len(reward))
    for number in range(rounds):
        drawn = ordered(scored(world, world.policy(theta), 2, rng, reward=reward))
        if valued:
            earned = drawn.said["score"]
            value = earned.mean(1) if number == 0 else value
            drawn = Records(
                drawn.prompts, drawn.outputs, {**drawn.said, "advantage": (earned - value[:, None])[:, :, None]}
            )
            value = _KEPT * value + (1 - _KEPT) * earned.mean(1)
        theta = stepped(loss_of(world, objective, drawn), theta, _RATE, 4)
    return theta


def _slope(world: Listed, objective: Any, drawn: Records, reward: Floats) -> Floats:
    score = reward[drawn.prompts[:, None], drawn.outputs]
    return loss_of(world, objective, Records(drawn.prompts, drawn.outputs, {"score": score}))(world.start)[1]


ENTRY = Entry(
    id="004-169",
    title="Pairwise Proximal Policy Optimization: Harnessing Relative Feedback for LLM Alignment",
    area="training",
    citation="Wu et al. 2023",
    claim=(
        "Log-linear policies of 6 features over 12 outputs to 16 prompts, 25 rounds of two outputs a prompt and four "
        "steps; rewards are utilities, or these with a normal number of deviation 5 added for each prompt. The "
        "gradient of P3O is the same with either to 1e-9, that of PPO differs by more than its greatest entry. At 0.5 "
        "nats of divergence from the base, with shifted rewards, P3O earns more than PPO, and than PPO that subtracts "
        "what each prompt has earned so far; with plain ones it earns more than PPO."
    ),
    configuration=(
        "training.pairwise_ppo(); training.PolicyGradient('none', (0.2, 0.2), whole='sum', over='output') on scores, "
        "and on advantages over a running mean of each prompt's rewards; training.DPO(4) on the same pairs."
    ),
    measures={
        f"{name}, {told}": f"mean utility (nats) at 0.5 nats of divergence, {what}, {told} rewards"
        for told in _REWARDS
        for name, what in {
            "P3O": "pairwise policy gradients",
            "PPO": "policy gradients without baseline",
            "PPO with values": "with a running mean of the prompt's rewards as baseline",
            "DPO": "DPO on which of the two earned more",
        }.items()
    }
    | {
        f"gradients apart, {name}": f"greatest change of {name}'s gradient by the shift, relative to its greatest entry"
        for name in ("P3O", "PPO")
    },
    checks=(
        Check("gradients apart, P3O", below=1e-9),
        Check("gradients apart, PPO", above=1.0),
        Check("P3O, shifted", "PPO, shifted", above=0.0),
        Check("P3O, shifted", "PPO with values, shifted", above=0.0),
        Check("P3O, plain", "PPO, plain", above=0.0),
    ),
    miniature=miniature,
    seeds=SEEDS[:30],
    missing=without_torch,
    beyond=(
        "Outputs are one token, so that whole outputs and tokens are the same, and there is no network of values: its "
        "place is taken by a running mean of each prompt's own rewards, which confuses no prompt with another. "
        "Policies are brought to equal divergence by a multiple of θ. What "
        "invariance saves is what a baseline by prompt saves: with one, PPO loses nothing by the shift either."
    ),
)
