"""004-072: reward against the root of the divergence, preference models of two halves, and fresh comparisons weekly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Listed, Records, loss_of, stepped
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes

_PROMPTS, _OUTPUTS, _FEATURES = 20, 64, 24
_WEEKS, _WEEK = 4, 75
_NEAR, _FAR = 0.5, 2.0


@dataclass(frozen=True, eq=False)
class _Run:
    """A policy after each step of training: its divergence [t], and its policy [t, c, m]."""

    divergence: Floats
    policies: Floats

    def at(self, worth: Floats, divergence: Floats | float) -> Floats:
        """What outputs of worth [c, m] earn at these divergences, beyond what they earn at first."""
        earned = (np.exp(self.policies) * worth).sum(2).mean(1)
        return np.asarray(np.interp(divergence, self.divergence, earned - earned[0]))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([472, seed])
    features = rng.normal(size=(_PROMPTS, _OUTPUTS, _FEATURES))
    gold = features @ rng.normal(0, 1.5 / np.sqrt(_FEATURES), _FEATURES)
    world = Listed(log_softmax(0.5 * rng.normal(size=gold.shape), axis=1), gold, features)
    far = 0.6 if quick else _FAR

    def asked(policy: Floats, count: int) -> Indices:
        """Prompts and two different outputs of each."""
        prompts = rng.integers(_PROMPTS, size=4 * count)
        both = world.draw(policy, 2, rng, prompts)
        different = both[:, 0] != both[:, 1]
        return np.asarray(np.column_stack([prompts, both])[different][:count])

    models = [_scores(world, asked(world.base, _WEEKS * _WEEK // 2), rng) for _ in range(2)]
    halves = [_trained(world, reward, far, rng) for reward in models]
    apart, root = models[0] - models[1], np.linspace(0, np.sqrt(far), 20)
    rewards = halves[0].at(models[0], root**2)
    told = asked(world.base, _WEEK)
    answers = _answers(world, told, rng)
    for week in range(_WEEKS):
        weekly = _trained(world, _fitted(world, told, answers, rng), far, rng)
        if week < _WEEKS - 1:
            fresh = asked(weekly.policies[-1], _WEEK)
            told, answers = np.concatenate([told, fresh]), np.r_[answers, _answers(world, fresh, rng)]
    once = _trained(world, _scores(world, asked(world.base, _WEEKS * _WEEK), rng), far, rng)
    return {
        "linear in the root": float(np.corrcoef(root, rewards)[0, 1] ** 2),
        "linear in the divergence": float(np.corrcoef(root**2, rewards)[0, 1] ** 2),
        **{
            f"gap, {name}": float(halves[0].at(apart, place) - halves[1].at(apart, place)) / 2
            for name, place in (("near", _NEAR), ("far", _FAR))
        },
        "gold, halves": float(np.mean([run.at(gold, _FAR) for run in halves])),
        "gold, once": float(once.at(gold, _FAR)),
        "gold, weekly": float(weekly.at(gold, _FAR)),
    }


def _answers(world: Listed, told: Indices, rng: np.random.Generator) -> Floats:
    """1 where the first of a prompt's two outputs is preferred [n], for rows [n, 3] of a prompt and two outputs."""
    first, second = (world.utility[told[:, 0], told[:, side]] for side in (1, 2))
    return np.asarray(rng.random(len(told)) < expit(first - second), np.float64)


def _fitted(world: Listed, told: Indices, answers: Floats, rng: np.random.Generator) -> Floats:
    """What a preference model of these answers gives every output [c, m]."""
    assert world.features is not None
    design = world.features.reshape(-1, _FEATURES)
    first, second = (told[:, 0] * _OUTPUTS + told[:, side] for side in (1, 2))
    head = Linear(prior_sd=1.0, pairs=2).fit(design, Votes.of(first, second, answers), rng=rng)
    return head.mean(design).reshape(world.base.shape)


def _scores(world: Listed, told: Indices, rng: np.random.Generator) -> Floats:
    return _fitted(world, told, _answers(world, told, rng), rng)


def _trained(world: Listed, reward: Floats, far: float, rng: np.random.Generator) -> _Run:
    """PPO from the base, two steps to each draw, until the divergence is `far`."""
    from heedful.training import PolicyGradient

    objective, theta, prompts = PolicyGradient("others", (0.2, 0.2)), world.start, np.arange(_PROMPTS)
    policies, divergences = [world.base], [0.0]
    while divergences[-1] < far:
        outputs = world.draw(policies[-1], 4, rng)
        chosen = (prompts[:, None], outputs)
        said = {"score": reward[chosen], "behaviour": policies[-1][chosen][:, :, None]}
        theta = stepped(loss_of(world, objective, Records(prompts, outputs, said)), theta, 0.1, times=2)
        policies.append(world.policy(theta))
        divergences.append(world.divergence(policies[-1]))
    return _Run(np.maximum.accumulate(divergences), np.array(policies))


ENTRY = Entry(
    id="004-072",
    title="Training a Helpful and Harmless Assistant with Reinforcement Learning from Human Feedback",
    area="training/feedback",
    citation="Bai et al. 2022",
    claim=(
        "64 outputs to each of 20 prompts, whose worth is linear in 24 features. PPO against a preference model of 150 "
        "comparisons, up to 2 nats of KL from the base: the reward is linear in √KL (R² above 0.98), and more so than "
        "in KL. The model it is trained against comes to give it more than one of 150 other comparisons, by more at 2 "
        "nats than at a half. And at 2 nats and 300 comparisons, the policy is worth more where three quarters of them "
        "were of outputs of the newest policy, asked in four weeks, than where all were of the base's."
    ),
    configuration=(
        "preference.heads.Linear on comparisons; training.PolicyGradient('others', clip=(0.2, 0.2)), two steps to each "
        "draw of 4 outputs a prompt, from the base each week; all comparisons so far are fitted together."
    ),
    measures={
        "linear in the root": "R² of a line of reward in √KL, at 20 places from 0 to √2",
        "linear in the divergence": "R² of a line of reward in KL, at the same places",
        "gap, near": "reward gained by the model trained against less by the other, each in turn, nats, at ½ nat of KL",
        "gap, far": "the same at 2 nats of KL",
        "gold, halves": "true worth gained at 2 nats of KL, 150 comparisons of the base's outputs, nats",
        "gold, once": "the same with 300 comparisons of the base's outputs",
        "gold, weekly": "the same with 300 comparisons, 75 a week, of the newest policy's outputs",
    },
    checks=(
        Check("linear in the root", above=0.98),
        Check("linear in the root", "linear in the divergence", above=0.0),
        Check("gap, far", "gap, near", above=0.0),
        Check("gold, weekly", "gold, once", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "A log-linear policy in the features that the preference model sees; one kind of worth, not helpfulness and "
        "harmlessness; no penalty of KL, which is small in the work, but a stop at 2 nats. Policies are evaluated "
        "exactly, over all outputs. That fresh comparisons gain so little is of this miniature: outputs of the base "
        "differ in all features, and what they tell of these holds for every policy."
    ),
)
