"""004-081: direct preference optimisation from votes of which some are turned around."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, minimised
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check

_STRENGTH = 2.0
_FLIPS = 0.3


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import DPO

    rng = np.random.default_rng([481, seed])
    features = rng.normal(size=(20, 8, 5))
    world = Listed(log_softmax(rng.normal(size=(20, 8)), axis=1), features @ rng.normal(size=5), features)
    prompts = rng.integers(20, size=300 if quick else 2000)
    outputs = world.draw(world.base, 2, rng, prompts)
    gap = world.utility[prompts, outputs[:, 0]] - world.utility[prompts, outputs[:, 1]]
    won = rng.random(len(prompts)) < expit(gap)
    turned = rng.random(len(prompts)) < _FLIPS
    methods = {
        "DPO, clean": (DPO(_STRENGTH), won),
        "robust DPO, clean": (DPO(_STRENGTH, flips=0.0), won),
        "DPO": (DPO(_STRENGTH), won ^ turned),
        "conservative DPO": (DPO(_STRENGTH, smooth=_FLIPS), won ^ turned),
        "IPO": (DPO(_STRENGTH, "squared"), won ^ turned),
        "robust DPO": (DPO(_STRENGTH, flips=_FLIPS), won ^ turned),
    }
    figures = {}
    for name, (objective, votes) in methods.items():
        if name == "robust DPO, clean":
            continue
        records = Records(prompts, outputs, {"prefer": votes.astype(float)})
        theta = minimised(loss_of(world, objective, records), world.start, ridge=1e-4)
        figures[name] = world.value(world.policy(theta), _STRENGTH)
    return figures


ENTRY = Entry(
    id="004-081",
    title="Provably Robust DPO: Aligning Language Models with Noisy Feedback",
    area="training",
    citation="Chowdhury, Kini and Natarajan 2024",
    claim=(
        "Log-linear policies of 5 features over 8 outputs to 20 prompts, from 2,000 Bradley-Terry votes on pairs drawn "
        "from the base, 30 % of them turned around. Of the value E[utility] − KL/2, which the target makes greatest: "
        "robust DPO, told the share, comes to more than DPO, conservative DPO (the same share as label smoothing) and "
        "IPO do from the same votes."
    ),
    configuration="training.DPO(strength, flips=share), with flips 0, smooth=share and the squared link beside it.",
    measures={
        "DPO, clean": "value below the target's (nats), DPO from votes as they were given",
        "DPO": "the same from votes of which 30 % are turned around",
        "conservative DPO": "with the share as label smoothing",
        "IPO": "with the squared link",
        "robust DPO": "with the loss made unbiased for the share",
    },
    checks=(
        Check("robust DPO", "DPO", above=0.0),
        Check("robust DPO", "conservative DPO", above=0.0),
        Check("robust DPO", "IPO", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond="The share of turned votes is told and not estimated; the transformer of the miniature's list is left out.",
)
