"""002-068: a reward from given votes that labels the policy's own outputs, round after round."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import (
    Listed,
    Records,
    at_divergence,
    joined,
    loss_of,
    minimised,
    ordered,
    scored,
    two_of,
    voted,
)
from heedful.catalogue.proxies import Proxy, overlong
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _M, _TOLD, _OTHERS = 20, 20, 6, 20
_VOTES, _LABELS, _ROUNDS, _STRENGTH, _NATS = 200, 200, 3, 2.0, 1.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([268, seed])
    told = overlong(rng, (2 * _PROMPTS, _M, _TOLD))
    described = np.concatenate([told.features, rng.normal(size=(2 * _PROMPTS, _M, _OTHERS))], axis=2)
    world = Listed(told.base, told.utility, described)
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    votes = voted(scored(seen, seen.base, 2, rng, prompts=rng.integers(_PROMPTS, size=_VOTES)), rng)
    reward = Proxy.of(told, votes, rng).mean
    proxy, judged = reward[:_PROMPTS], Listed(fresh.base, reward[_PROMPTS:])
    rounds = 1 if quick else _ROUNDS
    thetas = {
        "votes": _fitted(seen, votes),
        "labels on the base": _labelled(seen, proxy, 2, 0.0, rounds, rng),
        "pairs of the policy": _labelled(seen, proxy, 2, 1.0, rounds, rng),
        "best and worst of 8": _labelled(seen, proxy, 8, 1.0, rounds, rng),
        "exploring": _labelled(seen, proxy, 8, 0.5, rounds, rng),
    }
    figures = {"base": fresh.earned(fresh.base)}
    for name, theta in thetas.items():
        policy = fresh.policy(at_divergence(fresh, theta, _NATS))
        figures[name] = fresh.earned(policy)
        figures[f"gap, {name}"] = judged.earned(policy) - judged.earned(fresh.base) - figures[name] + figures["base"]
    return figures


def _fitted(world: Listed, records: Records) -> Floats:
    from heedful.training import DPO

    return minimised(loss_of(world, DPO(_STRENGTH), records), world.start, ridge=1e-3)


def _labelled(world: Listed, proxy: Floats, k: int, share: float, rounds: int, rng: np.random.Generator) -> Floats:
    """θ by DPO on all labels so far after each round: on the best and the worst by proxy of k outputs drawn by the
    geometric mean of policy and base, with this share of the policy."""
    theta, held = world.start, []
    for _ in range(rounds):
        writer = world.policy(share * theta)
        drawn = scored(world, writer, k, rng, prompts=rng.integers(_PROMPTS, size=_LABELS), reward=proxy)
        score = drawn.said["score"]
        held.append(ordered(two_of(drawn, score.argmax(1)[:, None], score.argmin(1)[:, None])))
        theta = _fitted(world, joined(*held))
    return theta


_WAYS = {
    "votes": "DPO on the votes themselves",
    "labels on the base": "on labels of pairs of the base",
    "pairs of the policy": "on labels of pairs that the policy drew",
    "best and worst of 8": "on the best and the worst of 8 outputs of the policy",
    "exploring": "on the best and the worst of 8 outputs drawn half-way between policy and base",
}

ENTRY = Entry(
    id="002-068",
    title="RLHF Workflow: From Reward Modeling to Online RLHF",
    area="training/preference",
    citation="Dong et al. 2024",
    claim=(
        "Log-linear policies of 26 features over 20 outputs; utilities depend on 6, and a reward linear in these is "
        "fitted to 200 votes on the base, though of one people want only so much. It labels 200 pairs in each of "
        "three rounds. On fresh prompts, at 1 nat of divergence from the base, DPO on all labels of the best and the "
        "worst of 8 outputs that the policy drew comes to a greater utility than DPO on the votes, than on as many "
        "labels of pairs of the base, and than on labels of pairs that the policy drew."
    ),
    configuration=(
        "preference.heads.Linear as the reward; training.DPO(2) from the base on all labels so far, in three rounds, "
        "pairs drawn from the base or the policy, two or the best and the worst of 8."
    ),
    measures={
        "base": "mean utility of the base on fresh prompts (nats)",
        **{name: f"the same at 1 nat of divergence, {how}" for name, how in _WAYS.items()},
        **{f"gap, {name}": f"gain in reward less gain in utility, {how}" for name, how in _WAYS.items()},
    },
    checks=(
        Check("best and worst of 8", "votes", above=0.0),
        Check("best and worst of 8", "labels on the base", above=0.0),
        Check("best and worst of 8", "pairs of the policy", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The reward reads fewer features than the policy writes by, which is why it has more from the votes; in the "
        "work it is a model of its own, from open data. Outputs are listed. Policies are brought to equal divergence "
        "by a multiple of θ."
    ),
)
