"""004-001: preference optimisation from outputs that were accepted, rejected, or both."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, minimised
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import PMPO

    rng = np.random.default_rng([401, seed])
    features = rng.normal(size=(20, 10, 6))
    utility = features @ rng.normal(size=6)
    world = Listed(log_softmax(rng.normal(size=(20, 10)), axis=1), expit(utility), features)
    prompts = rng.integers(20, size=200 if quick else 1000)
    outputs = world.draw(world.base, 1, rng, prompts)
    accepted = rng.random(len(prompts)) < world.utility[prompts, outputs[:, 0]]
    records = Records(prompts, outputs, {"label": accepted[:, None].astype(float)})
    figures = {"base": world.earned(world.base)}
    for name, objective in (
        ("accepted", PMPO(1.0, 0.0)),
        ("rejected", PMPO(0.0, 1.5)),
        ("both", PMPO(0.5, 0.75)),
    ):
        theta = minimised(loss_of(world, objective, records), world.start, ridge=1e-3)
        figures[name] = world.earned(world.policy(theta))
    return figures


ENTRY = Entry(
    id="004-001",
    title="Preference Optimization as Probabilistic Inference",
    area="training/preference",
    citation="Abdolmaleki et al. 2024",
    claim=(
        "Log-linear policies of 6 features over 10 outputs to 20 prompts, from 1,000 outputs of the base, each "
        "accepted with a probability that is its worth. Trained toward the accepted ones alone, away from the rejected "
        "ones alone (held to the base by all of them), or on both, the policy is accepted more often than the base."
    ),
    configuration="training.PMPO(share, hold): (1, 0) for accepted, (0, 1.5) for rejected, (0.5, 0.75) for both.",
    measures={
        "base": "share of the base's outputs that are accepted",
        "accepted": "that of the policy trained on accepted outputs alone",
        "rejected": "that of the policy pushed away by rejected outputs alone, and held to the base by all",
        "both": "that of the policy trained on both",
    },
    checks=(
        Check("accepted", "base", above=0.0),
        Check("rejected", "base", above=0.0),
        Check("both", "base", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The divergence to the base is estimated from all outputs, draws of the base as they are. In a first run the "
        "policy was given rejected outputs alone and held by these, which makes them likelier: 0.33 against the base's "
        "0.49. It had also a claim on policies that are not held, which the objective refuses. One round from logged "
        "outputs; the work also samples anew."
    ),
)
