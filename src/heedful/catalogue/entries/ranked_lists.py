"""004-113: lists of graded outputs, by losses that look at one, at two, or at the whole list."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, at_divergence, every_two, loss_of, minimised, ordered, scored
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.core import Floats

_PROMPTS, _GRADED, _NATS, _STRENGTH = 30, 480, 1.0, 2.0


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import BCO, DPO, LiPO, PlackettLuce, info_nca

    rng = np.random.default_rng([4113, seed])
    world = Listed.described(rng, (2 * _PROMPTS, 12, 6), hidden=1.0)
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    lists = {k: _graded(seen, k, 120 if quick else _GRADED, rng) for k in (2, 4, 8)}
    eight = lists[8]
    single = Records(np.repeat(eight.prompts, 8), eight.outputs.reshape(-1, 1), {"label": _grade(eight).reshape(-1, 1)})
    methods: dict[str, tuple[Any, Records]] = {
        "pointwise, 8": (BCO(_STRENGTH, shift=False), single),
        "DPO, 8": (DPO(_STRENGTH), ordered(every_two(eight))),
        "SLiC, 8": (DPO(_STRENGTH, "hinge"), ordered(every_two(eight))),
        "Plackett-Luce, 8": (PlackettLuce(_STRENGTH), eight),
        "softmax, 8": (info_nca(_STRENGTH), eight),
    }
    methods |= {
        f"lambda, {k}": (LiPO(_STRENGTH), Records(own.prompts, own.outputs, {"score": _grade(own)}))
        for k, own in lists.items()
    }
    figures = {"base": fresh.earned(fresh.base)}
    for name, (objective, records) in methods.items():
        theta = minimised(loss_of(seen, objective, records), seen.start, ridge=1e-3)
        figures[name] = fresh.earned(fresh.policy(at_divergence(fresh, theta, _NATS)))
    return figures


def _graded(world: Listed, k: int, count: int, rng: np.random.Generator) -> Records:
    """Lists of k outputs of the base, so many outputs in all, each graded with noise (nats)."""
    drawn = scored(world, world.base, k, rng, prompts=rng.integers(len(world.base), size=count // k))
    noisy = drawn.said["score"] + rng.normal(size=drawn.outputs.shape)
    return Records(drawn.prompts, drawn.outputs, {"score": noisy})


def _grade(records: Records) -> Floats:
    """Scores on the range from 0 to 1 [r, k]."""
    return np.asarray(expit(records.said["score"]))


ENTRY = Entry(
    id="004-113",
    title="LiPO: Listwise Preference Optimization through Learning-to-Rank",
    area="training",
    citation="Liu et al. 2024",
    claim=(
        "Log-linear policies of 6 features, which tell two thirds of the variance of utilities, over 12 outputs; 480 "
        "outputs of the base, graded with noise. On fresh prompts, at 1 nat of divergence from the base: LiPO-λ on "
        "lists of 8 earns more than DPO and than SLiC on all pairs of the same lists, and more than LiPO-λ on as many "
        "outputs in lists of 2."
    ),
    configuration=(
        "training.LiPO(2) on lists of 2, 4 and 8, scores from 0 to 1; training.DPO(2), logistic and hinge, BCO(2, "
        "shift=False), PlackettLuce(2) and info_nca(2) on those of 8."
    ),
    measures={
        "base": "mean utility of the base on fresh prompts (nats)",
        "pointwise, 8": "that of BCO on the outputs one by one, their grades as labels, at 1 nat of divergence",
        "DPO, 8": "that of DPO on all pairs of lists of 8",
        "SLiC, 8": "the same with the hinge",
        "Plackett-Luce, 8": "that of the likelihood of the orders",
        "softmax, 8": "that of the policy's shares by those of the scores",
        **{f"lambda, {k}": f"that of LiPO-λ on lists of {k}" for k in (2, 4, 8)},
    },
    checks=(
        Check("lambda, 8", "DPO, 8", above=0.0),
        Check("lambda, 8", "SLiC, 8", above=0.0),
        Check("lambda, 8", "lambda, 2", above=0.0),
    ),
    miniature=miniature,
    seeds=SEEDS[:30],
    missing=without_torch,
    beyond=(
        "Outputs are listed and features given. Policies are brought to equal divergence by a multiple of θ, so that a "
        "loss cannot win by going farther; the work compares each at its own. Lists of 2 cost as many grades as lists "
        "of 8, and give fewer pairs. With six weights and grades this many, losses hardly "
        "differ: each learns most of what there is."
    ),
)
