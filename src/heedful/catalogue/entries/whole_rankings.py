"""004-116: rankings of several outputs as the likelihood of the policy's own order."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import (
    Indices,
    Listed,
    Records,
    at_divergence,
    every_two,
    loss_of,
    minimised,
    mixed,
    ordered,
    scored,
)
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _LISTS, _NATS, _SUPERVISED = 30, 120, 1.0, 0.05
_LENGTHS = (2, 3, 5, 8)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO, Weighted

    rng = np.random.default_rng([4116, seed])
    world = Listed.described(rng, (2 * _PROMPTS, 20, 6), hidden=0.5)
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    prompts = rng.integers(_PROMPTS, size=30 if quick else _LISTS)
    ranked = {f"PRO, {k}": _ranked(seen, seen.base, k, prompts, rng) for k in _LENGTHS}
    ranked["PRO, 5 alike"] = _ranked(seen, log_softmax(3 * seen.base, axis=1), 5, prompts, rng)
    thetas = {name: _pro(seen, own) for name, own in ranked.items()}
    five = ranked["PRO, 5"]
    for name, objective, records in (
        ("SFT, 5", Weighted("best"), five),
        ("DPO, 5", DPO(2.0), ordered(every_two(five))),
    ):
        thetas[name] = minimised(loss_of(seen, objective, records), seen.start, ridge=1e-3)
    earned = {name: fresh.earned(fresh.policy(at_divergence(fresh, own, _NATS))) for name, own in thetas.items()}
    return {"base": fresh.earned(fresh.base), **earned}


def _ranked(world: Listed, policy: Floats, k: int, prompts: Indices, rng: np.random.Generator) -> Records:
    """k outputs for each of the prompts, in an order by Plackett and Luce: utilities with a Gumbel number each."""
    drawn = scored(world, policy, k, rng, prompts=prompts)
    return Records(prompts, drawn.outputs, {"score": drawn.said["score"] + rng.gumbel(size=drawn.outputs.shape)})


def _pro(world: Listed, ranked: Records) -> Floats:
    """θ by the likelihood of the rankings under the policy's own log-probabilities, and a little of imitation."""
    from heedful.training import PlackettLuce, Weighted

    order = loss_of(world, PlackettLuce(1.0), ranked, np.zeros_like(world.base))
    imitation = loss_of(world, Weighted("best"), ranked)
    return minimised(mixed((1.0, order), (_SUPERVISED, imitation)), world.start, ridge=1e-3)


ENTRY = Entry(
    id="004-116",
    title="Preference Ranking Optimization for Human Alignment",
    area="training",
    citation="Song et al. 2023",
    claim=(
        "Log-linear policies of 6 features over 20 outputs; 120 prompts with k outputs of the base each, ranked with "
        "the noise of Plackett and Luce. On fresh prompts, at 1 nat of divergence from the base: PRO on rankings of 5 "
        "earns more than imitation of their best and than DPO on all their pairs; PRO on rankings of 8 earns more than "
        "on rankings of 2; and on 5 outputs of the base it earns more than on 5 that are alike, of the base cubed."
    ),
    configuration=(
        "training.PlackettLuce(1) against a reference of 0 nats (the policy's own log-probabilities), and 0.05 of "
        "training.Weighted('best'); training.Weighted('best') alone, and training.DPO(2) on all pairs."
    ),
    measures={
        "base": "mean utility of the base on fresh prompts (nats)",
        **{f"PRO, {k}": f"that of PRO on rankings of {k}, at 1 nat of divergence" for k in _LENGTHS},
        "PRO, 5 alike": "that of PRO on rankings of 5 outputs drawn from the base cubed",
        "SFT, 5": "that of imitating the best of each 5",
        "DPO, 5": "that of DPO on all pairs of each 5",
    },
    checks=(
        Check("PRO, 5", "SFT, 5", above=0.0),
        Check("PRO, 5", "DPO, 5", above=0.0),
        Check("PRO, 8", "PRO, 2", above=0.0),
        Check("PRO, 5", "PRO, 5 alike", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "Outputs are one token, so that lengths need no normalising, and features are given. The temperatures that the "
        "work sets by gaps of a reward are left out: rankings have no gaps. Longer rankings cost more outputs, as they "
        "do there. Policies are brought to equal divergence by a multiple of θ. What "
        "the ranking tells is in its pairs too: DPO on all of them has no less from it than PRO."
    ),
)
