"""004-118: pairs labelled by a reward, of which only those are kept that it is sure of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import (
    Listed,
    Records,
    at_divergence,
    differing,
    joined,
    loss_of,
    minimised,
    ordered,
    scored,
    voted,
)
from heedful.catalogue.proxies import Proxy
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _M, _TOLD, _OTHERS = 20, 20, 12, 12
_VOTES, _FLIPS, _PAIRS, _ROUNDS, _NATS = 60, 0.2, 200, 4, 1.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4118, seed])
    told = Listed.described(rng, (2 * _PROMPTS, _M, _TOLD), hidden=0.3)
    described = np.concatenate([told.features, rng.normal(size=(2 * _PROMPTS, _M, _OTHERS))], axis=2)
    world = Listed(told.base, told.utility, described)
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    votes = voted(scored(seen, seen.base, 2, rng, prompts=rng.integers(_PROMPTS, size=_VOTES)), rng)
    prefer = np.where(rng.random(_VOTES) < _FLIPS, 1 - votes.said["prefer"], votes.said["prefer"])
    proxy = Proxy.of(told, Records(votes.prompts, votes.outputs, {"prefer": prefer}), rng).prompts(slice(_PROMPTS))
    figures = {"gold, base": fresh.earned(fresh.base)}
    for name in _WAYS:
        theta, wrong = _iterated(seen, proxy, name, 2 if quick else _ROUNDS, np.random.default_rng([4119, seed]))
        figures[f"gold, {name}"] = fresh.earned(fresh.policy(at_divergence(fresh, theta, _NATS)))
        figures[f"wrong, {name}"] = wrong
    return figures


def _iterated(world: Listed, proxy: Proxy, way: str, rounds: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """θ by DPO on all kept so far after each round, and the share of weight that lies on pairs labelled wrongly."""
    from heedful.training import DPO

    theta, held, wrong = world.start, [], []
    for _ in range(rounds):
        drawn = scored(
            world, world.policy(theta), 2, rng, prompts=rng.integers(_PROMPTS, size=_PAIRS), reward=proxy.mean
        )
        labelled = _weighed(ordered(differing(drawn)), proxy, way, rng)
        held.append(labelled)
        theta = minimised(loss_of(world, DPO(2.0), joined(*held)), world.start, ridge=1e-3)
        gap = np.diff(world.utility[labelled.prompts[:, None], labelled.outputs], axis=1)[:, 0]
        wrong.append(np.average((labelled.said["prefer"] - 0.5) * gap > 0, weights=labelled.said["weight"]))
    return theta, float(np.mean(wrong))


def _weighed(labelled: Records, proxy: Proxy, way: str, rng: np.random.Generator) -> Records:
    """With the weight of each pair: 1 or 0 by whether it is in the better half, or how sure its label is."""
    first, second = (proxy.draws[:, labelled.prompts, own] for own in labelled.outputs.T)
    sure = np.abs(((first > second).mean(0) + (first >= second).mean(0)) - 1)
    gap = np.abs(np.diff(labelled.said["score"], axis=1)[:, 0])
    weights = {
        "all": np.ones(len(gap)),
        "half at random": _upper_half(rng.random(len(gap))),
        "great margins": _upper_half(gap),
        "sure": _upper_half(sure),
        "weighed": sure,
    }
    return Records(labelled.prompts, labelled.outputs, {**labelled.said, "weight": weights[way]})


def _upper_half(values: Floats) -> NDArray[np.float64]:
    return (values.argsort(kind="stable").argsort() >= len(values) // 2).astype(np.float64)


_WAYS = {
    "all": "all pairs",
    "half at random": "half of them, at random",
    "great margins": "the half with the greatest differences of reward",
    "sure": "the half whose sign the reward is surest of",
    "weighed": "all, each weighed by how sure the sign is",
}

ENTRY = Entry(
    id="004-118",
    title="Self-Evolutionary Large Language Models through Uncertainty-Enhanced Preference Optimization",
    area="training/preference",
    citation="Wang et al. 2024",
    claim=(
        "Log-linear policies of 24 features over 20 outputs; utilities depend on 12 and on what no feature tells; a "
        "reward in these is fitted to 60 votes, of which a fifth is turned around. It labels 200 pairs that the "
        "policy drew in each of four rounds. Of the half of which its draws agree most on the sign, fewer are "
        "labelled wrongly than of all and than of the half with the greatest differences; and on fresh prompts, at 1 "
        "nat of divergence from the base, DPO on that half comes to a greater utility than on either."
    ),
    configuration=(
        "preference.heads.Linear, its draws the uncertainty; training.DPO(2) from the base on all pairs kept so far, "
        "with weights of records."
    ),
    measures={
        "gold, base": "mean utility of the base on fresh prompts (nats)",
        **{f"gold, {name}": f"the same at 1 nat of divergence, DPO on {how}" for name, how in _WAYS.items()},
        **{f"wrong, {name}": f"share of weight on pairs labelled wrongly, {how}" for name, how in _WAYS.items()},
    },
    checks=(
        Check("wrong, sure", "wrong, all", below=0.0),
        Check("wrong, sure", "wrong, great margins", below=0.0),
        Check("gold, sure", "gold, all", above=0.0),
        Check("gold, sure", "gold, great margins", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "Pairs of an output and itself are left out. A first run kept them, and counted them as labelled rightly: of "
        "all pairs 12 % were then wrong, of those the reward is sure of 16. Draws of a posterior stand for a "
        "network's dropout. The work keeps pairs by reward and certainty together and also weighs its loss; here each "
        "is by itself. Policies are brought to equal divergence by a multiple of θ."
    ),
)
