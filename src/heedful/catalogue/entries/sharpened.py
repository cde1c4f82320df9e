"""001-087: a policy trained toward what it itself finds likeliest."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, minimised, scored
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_PROMPTS, _M, _FEATURES, _DRAWS, _STRENGTH = 20, 30, 6, 64, 20.0
_SCALES = {"covered": 0.9, "uncovered": 0.3}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, scale in _SCALES.items():
        found = _learnt(scale, np.random.default_rng([187, seed]), 16 if quick else _DRAWS)
        figures |= {f"{what}, {name}": value for what, value in found.items()}
    return figures


def _learnt(scale: float, rng: np.random.Generator, draws: int) -> dict[str, float]:
    """By way of sharpening: what the mode lacks to certainty on prompts not trained on, and the share right there."""
    from heedful.training import DPO, Weighted

    world = _world(scale, rng)
    seen, fresh = world.prompts(slice(_PROMPTS)), world.prompts(slice(_PROMPTS, None))
    drawn = scored(seen, seen.base, draws, rng, reward=seen.base)
    objectives = {"best of 4": (Weighted("best"), 4), "best of 16": (Weighted("best"), 16), "RLHF": (DPO(_STRENGTH), 2)}
    policies = {"base": fresh.base}
    for name, (objective, k) in objectives.items():
        theta = minimised(loss_of(seen, objective, _grouped(drawn, k)), seen.start, ridge=1e-4)
        policies[name] = fresh.policy(theta)
    mode = np.arange(len(fresh.base)), fresh.base.argmax(1)
    found = {f"error, {name}": 1 - float(np.exp(policy[mode]).mean()) for name, policy in policies.items()}
    found |= {f"right, {name}": fresh.earned(policy) for name, policy in policies.items() if name != "best of 4"}
    missed = (1 - np.exp(fresh.base[mode])) ** 16
    return found | {"error, 16 drawn": float(missed.mean()), "right, mode": float(fresh.utility[mode].mean())}


def _world(scale: float, rng: np.random.Generator) -> Listed:
    """Bases that are log-linear, as sharpened ones are then; right is one output a prompt, drawn by the base cubed."""
    features = rng.normal(size=(2 * _PROMPTS, _M, _FEATURES))
    logits = features @ (scale * rng.normal(size=_FEATURES))
    right = (3 * logits + rng.gumbel(size=logits.shape)).argmax(1)
    return Listed(log_softmax(logits, axis=1), np.eye(_M)[right], features)


def _grouped(records: Records, k: int) -> Records:
    """Records of k outputs; what their first is preferred with, by self-reward, where that is two."""
    score = records.said["score"].reshape(-1, k)
    said: dict[str, Floats] = {"prefer": expit(score[:, 0] - score[:, 1])} if k == 2 else {"score": score}
    return Records(np.repeat(records.prompts, records.outputs.shape[1] // k), records.outputs.reshape(-1, k), said)


ENTRY = Entry(
    id="001-087",
    title="Self-Improvement in Language Models: The Sharpening Mechanism",
    area="training/sampling",
    citation="Huang et al. 2024",
    claim=(
        "Log-linear bases over 30 outputs, whose likeliest output is likely (covered) or hardly likelier than others "
        "(uncovered); the reward is the base's own log-probability. From 64 draws for each of 20 prompts, on 20 fresh "
        "ones: imitating the best of 16 leaves less probability off the mode than imitating the best of 4, and less "
        "where the mode is covered; RLHF-sharpening from the same draws leaves less than the best of 16 where it is "
        "not. It is right more often than the base, and at most 0.02 more often than the mode is: no new information."
    ),
    configuration=(
        "training.Weighted('best') on records of 4 and of 16, scored by the base; training.DPO(20) on pairs of the "
        "same draws, prefer = σ(difference of log-probabilities)."
    ),
    measures={
        f"{what}, {where}": f"{told}, mode {where}"
        for where in _SCALES
        for what, told in {
            "error, base": "probability that the base gives to other outputs than its likeliest",
            "error, best of 4": "the same of the policy that imitates the best of 4",
            "error, best of 16": "the same of the policy that imitates the best of 16",
            "error, RLHF": "the same of RLHF-sharpening",
            "error, 16 drawn": "probability that 16 draws of the base miss its likeliest output",
            "right, base": "share of right outputs of the base",
            "right, best of 16": "that of the policy that imitates the best of 16",
            "right, RLHF": "that of RLHF-sharpening",
            "right, mode": "that of the base's likeliest outputs",
        }.items()
    },
    checks=(
        Check("error, best of 16, covered", "error, best of 4, covered", below=0.0),
        Check("error, best of 16, covered", "error, best of 16, uncovered", below=0.0),
        Check("error, RLHF, uncovered", "error, best of 16, uncovered", below=0.0),
        Check("right, RLHF, covered", "right, base, covered", above=0.0),
        Check("right, RLHF, covered", "right, mode, covered", below=0.02),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "The work escapes coverage by exploring online. Here the base is log-linear, and so pairs of its own draws "
        "tell what the sharpened policy is: nothing is explored. The strength, 20, is large and not infinite."
    ),
)
