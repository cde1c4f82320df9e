"""004-174: preferences that a model judges itself, with how strong they are."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, minimised, scored, voted
from heedful.catalogue.proxies import Proxy
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _PAIRS, _JUDGED, _STRENGTH = 30, 300, 150, 2.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO

    rng = np.random.default_rng([4174, seed])
    world = Listed.described(rng, (2 * _PROMPTS, 12, 10))
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    known = voted(scored(seen, seen.base, 2, rng, prompts=rng.integers(_PROMPTS, size=_JUDGED)), rng)
    judge = Proxy.of(world, known, rng)
    pairs = scored(seen, seen.base, 2, rng, prompts=rng.integers(_PROMPTS, size=60 if quick else _PAIRS))
    gap = -np.diff(pairs.said["score"], axis=1)[:, 0]
    first, second = (judge.draws[:, pairs.prompts, own] for own in pairs.outputs.T)
    judged = expit(first - second).mean(0)
    logit = np.log(judged / (1 - judged))
    hard, plain = 0.5 + 0.5 * np.sign(logit), DPO(_STRENGTH)
    ways = {
        "votes": (plain, voted(pairs, rng).said["prefer"]),
        "true strength": (plain, expit(gap)),
        "hard": (plain, hard),
        "smoothed": (DPO(_STRENGTH, smooth=0.2), hard),
        "own strength": (plain, judged),
        "own, too sure": (plain, expit(3 * logit)),
        "own, too vague": (plain, expit(logit / 3)),
    }
    figures = {}
    for name, (objective, prefer) in ways.items():
        records = Records(pairs.prompts, pairs.outputs, {"prefer": prefer})
        theta = minimised(loss_of(seen, objective, records), seen.start, ridge=1e-3)
        figures[f"value, {name}"] = fresh.value(fresh.policy(theta), _STRENGTH)
        figures[f"lead, {name}"] = _lead(seen, theta, pairs)
    return figures


def _lead(world: Listed, theta: Floats, pairs: Records) -> float:
    """Mean absolute difference of log policy − log base between the two outputs of a pair."""
    ratio = (world.policy(theta) - world.base)[pairs.prompts[:, None], pairs.outputs]
    return float(np.abs(np.diff(ratio, axis=1)).mean())


_WAYS = {
    "votes": "one vote of people a pair",
    "true strength": "people's probabilities",
    "hard": "which the judge prefers",
    "smoothed": "which the judge prefers, smoothed by 0.2",
    "own strength": "the judge's probabilities",
    "own, too sure": "these with logits three times too great",
    "own, too vague": "these with logits three times too small",
}

ENTRY = Entry(
    id="004-174",
    title="Online Self-Preferring Language Models",
    area="training",
    citation="Zhai et al. 2024",
    claim=(
        "Log-linear policies of 10 features over 12 outputs; the judge is a posterior from 150 votes on 30 prompts; "
        "300 more pairs of the base on these. Of the value E[utility] − KL/2 on fresh prompts, which the target makes "
        "greatest: DPO by the judge's own probabilities comes to more than by which it prefers, smoothed or not, and "
        "more than by probabilities whose logits are three times too great; people's probabilities come to more than "
        "one vote of people a pair. The judge's probabilities lead to smaller differences of log-ratios between the "
        "outputs of a pair than which it prefers."
    ),
    configuration=(
        "preference.heads.Linear as the judge, its probability the mean over draws; training.DPO(2) with prefer that "
        "probability, or 0 and 1, or these with smooth=0.2."
    ),
    measures={
        **{f"value, {name}": f"value below the target's (nats), DPO by {how}" for name, how in _WAYS.items()},
        **{f"lead, {name}": f"mean |difference of log-ratios| of a pair (nats), {how}" for name, how in _WAYS.items()},
    },
    checks=(
        Check("value, own strength", "value, hard", above=0.0),
        Check("value, own strength", "value, smoothed", above=0.0),
        Check("value, own strength", "value, own, too sure", above=0.0),
        Check("value, true strength", "value, votes", above=0.0),
        Check("lead, own strength", "lead, hard", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "One round from draws of the base; the judge is no part of the policy, and its strengths come from its "
        "posterior and not from distances in a ranking, which the work has."
    ),
)
