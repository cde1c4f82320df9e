"""002-036: negative-aware fine-tuning, and what it has in common with policy gradients."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, stepped
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_K = 8


def miniature(seed: int, quick: bool) -> dict[str, float]:
    from heedful.training import NFT, PolicyGradient, Weighted

    rng = np.random.default_rng([236, seed])
    base = log_softmax(1.5 * rng.normal(size=(16, 12)), axis=1)
    right = (rng.random((16, 12)) < 0.25).astype(float)
    right[:, 0] = 1.0
    world = Listed(base, right)
    objectives = {
        "RFT": Weighted("above"),
        "NFT": NFT(),
        "GRPO": PolicyGradient("standardised", over="step"),
    }
    figures = {"gradients apart": _apart(world, objectives["NFT"], objectives["GRPO"], rng)}
    for name, objective in objectives.items():
        theta, own = world.start, np.random.default_rng([237, seed])
        for _ in range(5 if quick else 40):
            records = _drawn(world, world.policy(theta), own)
            theta = stepped(loss_of(world, objective, records), theta, 4.0)
        figures[name] = world.earned(world.policy(theta))
    return figures


def _drawn(world: Listed, policy: Floats, rng: np.random.Generator) -> Records:
    outputs = world.draw(policy, _K, rng)
    prompts = np.arange(len(outputs))
    score = world.utility[prompts[:, None], outputs]
    return Records(prompts, outputs, {"score": score, "label": score})


def _apart(world: Listed, one: object, other: object, rng: np.random.Generator) -> float:
    """The greatest relative difference of gradients on what the policy has just drawn, units and scale apart.

    Standard deviations with n − 1 are √(n/(n − 1)) of those with n, which the identity has.
    """
    records = _drawn(world, world.base, rng)
    mixed = (records.said["score"].mean(1) > 0) & (records.said["score"].mean(1) < 1)
    kept = Records(records.prompts[mixed], records.outputs[mixed], {k: v[mixed] for k, v in records.said.items()})
    first, second = (loss_of(world, own, kept)(world.start)[1] for own in (one, other))
    second = second * np.sqrt(_K / (_K - 1))
    return float(np.abs(first - second).max() / np.abs(second).max())


ENTRY = Entry(
    id="002-036",
    title="Bridging Supervised Learning and Reinforcement Learning in Math Reasoning",
    area="training",
    citation="Chen et al. 2025",
    claim=(
        "Free policies over 12 outputs to 16 prompts, a quarter of them right. On what the policy has just drawn, the "
        "gradient of NFT with its weight by prompt is that of GRPO without clipping, to 1e-9 of its greatest entry. "
        "After 40 rounds of 8 outputs a prompt, NFT is right more often than RFT, and no less than 0.02 below GRPO."
    ),
    configuration=(
        "training.NFT(), training.Weighted('above') as RFT, training.PolicyGradient('standardised', over='step') as "
        "GRPO, on the same draws."
    ),
    measures={
        "gradients apart": "greatest difference of the two gradients, relative to the greatest entry",
        "RFT": "share of right outputs after training on right ones alone",
        "NFT": "share of right outputs after negative-aware fine-tuning",
        "GRPO": "share of right outputs after policy gradients",
    },
    checks=(
        Check("gradients apart", below=1e-9),
        Check("NFT", "RFT", above=0.0),
        Check("NFT", "GRPO", above=-0.02),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The identity holds with standard deviations over n, and to a factor √(n/(n − 1)) with those over n − 1 that "
        "GRPO has here. One step a round, so that no ratio is clipped."
    ),
)
