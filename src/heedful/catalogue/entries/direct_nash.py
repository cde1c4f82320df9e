"""001-086: regression on win rates against oneself, round after round, toward an equilibrium of preferences."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, every_two, exploitability, loss_of, minimised, scored
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Floats

_M, _K, _TOURNAMENTS, _STRENGTH = 12, 16, 5, 2.0
_PAIRS = np.triu_indices(_K, 1)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO

    rng = np.random.default_rng([186, seed])
    circle, quality = rng.normal(size=(_M, _M)), rng.normal(size=_M)
    wins = expit(2.0 * (circle - circle.T) + quality[:, None] - quality)
    world = Listed(log_softmax(0.5 * rng.normal(size=(1, _M)), axis=1), quality[None])
    rounds = 2 if quick else 10
    opponent = log_softmax(quality)
    figures = {
        "exploitability, base": exploitability(wins, world.base[0]),
        "against another, base": _beats(wins, world.base[0], opponent),
    }
    for name, strength in (("DNO", _STRENGTH), ("iterative DPO", _STRENGTH / 4)):
        policy = world.base
        for number in range(rounds):
            held = _tournaments(world, policy, wins, rng, regressed=name == "DNO")
            loss = loss_of(world, DPO(strength), held, policy)
            policy = world.policy(minimised(loss, policy[0] - world.base[0], ridge=1e-3))
            if name == "DNO" and number == rounds // 2 - 1:
                figures["against another, half-way"] = _beats(wins, policy[0], opponent)
        figures[f"exploitability, {name}"] = exploitability(wins, policy[0])
        figures[f"against the base, {name}"] = _beats(wins, policy[0], world.base[0])
        if name == "DNO":
            figures["against another, DNO"] = _beats(wins, policy[0], opponent)
    asked = [_tournaments(world, world.base, wins, rng, regressed=False) for _ in range(rounds)]
    fits = [minimised(loss_of(world, DPO(1.0), own), world.start, ridge=1e-3) for own in asked]
    tilts = [world.policy(strength * np.mean(fits, axis=0))[0] for strength in (0.25, 0.5, 1.0, 2.0, 4.0)]
    figures["exploitability, reward and RL"] = min(exploitability(wins, tilt) for tilt in tilts)
    return figures


def _beats(wins: Floats, policy: Floats, other: Floats) -> float:
    """P(an output of the policy is preferred to one of the other)."""
    return float(np.exp(policy) @ wins @ np.exp(other))


def _tournaments(world: Listed, policy: Floats, wins: Floats, rng: np.random.Generator, *, regressed: bool) -> Records:
    """All pairs of each tournament's outputs, with the vote on each, or with what their win rates in it regress to."""
    drawn = scored(world, policy, _K, rng, prompts=np.zeros(_TOURNAMENTS, np.intp))
    votes = np.full((_TOURNAMENTS, _K, _K), 0.5)
    first, second = _PAIRS
    won = rng.random((_TOURNAMENTS, len(first))) < wins[drawn.outputs[:, first], drawn.outputs[:, second]]
    votes[:, first, second], votes[:, second, first] = won, ~won
    rate = votes.mean(2)
    prefer = expit(rate[:, first] - rate[:, second]) if regressed else won.astype(np.float64)
    pairs = every_two(drawn)
    return Records(pairs.prompts, pairs.outputs, {"prefer": prefer.ravel()})


_ROUNDS_TOLD = "10 rounds of 600 votes"

ENTRY = Entry(
    id="001-086",
    title="Direct Nash Optimization: Teaching Language Models to Self-Improve with General Preferences",
    area="training",
    citation="Rosset et al. 2024",
    claim=(
        "12 outputs whose preferences run in circles about a quality, 10 rounds of 600 votes in tournaments of 16 "
        "outputs that the policy drew. DNO's last policy is preferred to the base more than 60 % of the time, and to "
        "outputs drawn by quality, which it never met, more often than half-way, and then more often than the base. It "
        "is less exploitable (max P(y preferred to the policy) − ½) than iterative DPO's on votes alike, with steps as "
        "long where preferences are weak, and than the least exploitable of five tilts by Bradley-Terry utilities."
    ),
    configuration=(
        "training.DPO(2), the last policy as reference, prefer = σ(difference of win rates in the tournament); "
        "training.DPO(½) on the votes themselves; training.DPO from the base on as many votes, at five strengths."
    ),
    measures={
        "exploitability, base": "max P(y preferred to the policy) − ½ of the base",
        "exploitability, DNO": f"that of DNO's last policy, {_ROUNDS_TOLD}",
        "exploitability, iterative DPO": f"that of iterative DPO's last policy, {_ROUNDS_TOLD}",
        "exploitability, reward and RL": "the least of five tilts of the base, by utilities from 6,000 votes on it",
        "against the base, DNO": "P(an output of DNO's last policy is preferred to one of the base)",
        "against the base, iterative DPO": "P(one of iterative DPO's is preferred to one of the base)",
        "against another, base": "P(an output of the base is preferred to one drawn ∝ exp(quality))",
        "against another, half-way": "the same of DNO's policy after 5 rounds",
        "against another, DNO": "the same of DNO's last policy",
    },
    checks=(
        Check("against the base, DNO", above=0.6),
        Check("against another, half-way", "against another, base", above=0.0),
        Check("against another, DNO", "against another, half-way", above=0.0),
        Check("exploitability, DNO", "exploitability, iterative DPO", below=0.0),
        Check("exploitability, DNO", "exploitability, reward and RL", below=0.0),
    ),
    miniature=miniature,
    seeds=SEEDS[:30],
    missing=without_torch,
    beyond=(
        "One prompt, free policies, steps minimised to the end, and no teacher whose outputs are compared too. All "
        "pairs are kept, not those of large margin. The strengths of the tilt are chosen by the truth, in its "
        "favour. A last policy goes round the equilibrium: what no-regret learning promises is of the mean of all."
    ),
)
