"""002-055: mirror prox, whose last policy comes to the equilibrium of a regularised preference game."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, apart, exploitability, loss_of, minimised
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Floats

_M, _TEMPERATURE, _STEP = 8, 0.05, 1.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, mirror_prox

    rng = np.random.default_rng([255, seed])
    circle = rng.normal(size=(_M, _M))
    wins = expit(2.0 * (circle - circle.T))
    world = Listed(log_softmax(0.5 * rng.normal(size=(1, _M)), axis=1), np.zeros((1, _M)))
    step, rounds = mirror_prox(temperature=_TEMPERATURE, step=_STEP), 2 if quick else 10
    half = whole = played = alone = world.base
    for _ in range(rounds):
        half = _step(world, step, wins, whole, whole)
        whole = _step(world, step, wins, whole, half)
        for _ in range(2):
            alone = _step(world, step, wins, alone, alone)
            played = _step(world, DPO(_STEP), wins, played, played, reference=played)
    goal = _equilibrium(world.base[0], wins)
    return {
        "mirror prox": apart(goal, whole[0]),
        "mirror descent": apart(goal, alone[0]),
        "exploitability, mirror prox": exploitability(wins, whole[0]),
        "exploitability, self-play DPO": exploitability(wins, played[0]),
    }


def _step(
    world: Listed, objective: object, wins: Floats, last: Floats, opponent: Floats, reference: Floats | None = None
) -> Floats:
    """The least of an objective over all pairs, in proportion to what the opponent draws."""
    first, second = (grid.ravel() for grid in np.meshgrid(np.arange(_M), np.arange(_M), indexing="ij"))
    outputs = np.stack([first, second], 1)
    said = {
        "prefer": wins[first, second],
        "weight": np.exp(opponent[0][first] + opponent[0][second]),
        "behaviour": last[0][outputs][:, :, None],
    }
    records = Records(np.zeros(len(outputs), np.intp), outputs, said)
    return world.policy(minimised(loss_of(world, objective, records, reference), last[0] - world.base[0]))


def _equilibrium(base: Floats, wins: Floats) -> Floats:
    """log of the policy that is base · exp(P(· preferred to it) / temperature), by small damped steps."""
    policy = base
    for _ in range(3_000):
        policy = log_softmax(0.97 * policy + 0.03 * (base + wins @ np.exp(policy) / _TEMPERATURE))
    return np.asarray(policy)


ENTRY = Entry(
    id="002-055",
    title="Accelerating Nash Learning from Human Feedback via Mirror Prox",
    area="training",
    citation="Tiapkin et al. 2025",
    claim=(
        "8 outputs whose preferences run in circles, the preference game regularised to the base at temperature 0.05. "
        "After 10 steps of mirror prox (20 rounds of preferences), KL(equilibrium ‖ last policy) is below that of 20 "
        "steps of online mirror descent with the same step, and the last policy is less exploitable than that of 20 "
        "rounds of self-play DPO."
    ),
    configuration=(
        "training.mirror_prox(temperature=0.05, step=1), half a step against the last policy and a step against that; "
        "the same against itself alone; training.DPO with the last policy as reference."
    ),
    measures={
        "mirror prox": "KL(equilibrium ‖ last policy) of mirror prox (nats)",
        "mirror descent": "the same of mirror descent",
        "exploitability, mirror prox": "max P(y preferred to the policy) − ½ of mirror prox's last policy",
        "exploitability, self-play DPO": "that of self-play DPO's",
    },
    checks=(
        Check("mirror prox", "mirror descent", below=0.0),
        Check("exploitability, mirror prox", "exploitability, self-play DPO", below=0.0),
    ),
    miniature=miniature,
    seeds=SEEDS[:30],
    missing=without_torch,
    beyond="All pairs in their exact proportions, and steps minimised to the end: no sampling, no network.",
)
