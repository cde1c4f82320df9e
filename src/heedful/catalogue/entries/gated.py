"""004-114: tokens of outputs less preferred held against rivals of them, by how far the pair is in order already."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Loss, Records
from heedful.catalogue.settings import compared, without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes

_TOKENS, _LENGTH, _PAIRS, _DRAWN = 8, 6, 120, 150
_REPEATING, _DISLIKED = 1.5, 1.0  # nats: how much the base likes to repeat a token, and the judge does not
_LOOKS, _STEPS, _RATE, _STRENGTH, _GROUPS = 6, 5, 0.05, 10.0, 15
_Losses = Callable[[Floats], Loss]
"""Weights now -> the loss to go down next."""


def _seen(prompts: Indices, before: Indices) -> Indices:
    """The last token."""
    return before[:, -1:] if before.shape[1] else np.full((len(before), 1), _TOKENS)


_WRITER = Writer(_TOKENS, _LENGTH, _TOKENS + 1, _seen)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4114, seed])
    clean = rng.normal(size=(_TOKENS + 1, _TOKENS))
    base = (clean + _REPEATING * np.eye(_TOKENS + 1, _TOKENS)).ravel()

    def worth(outputs: Indices) -> Floats:
        """How likely clean text is to be so, less what repeats cost, nats [r, k]."""
        repeats = (outputs[..., 1:] == outputs[..., :-1]).sum(-1)
        return np.asarray(_WRITER.log_prob(clean.ravel(), _nobody(outputs), outputs).sum(2) - _DISLIKED * repeats)

    pairs = _WRITER.write(base, np.zeros(30 if quick else _PAIRS, np.intp), 2, rng)
    wins = compared(worth(pairs).ravel(), rng) == 1
    votes = Votes.of(2 * np.arange(len(pairs)), 2 * np.arange(len(pairs)) + 1, wins)
    reward = Linear(prior_sd=1.0, pairs=2).fit(_counted(pairs), votes, rng=rng).weights
    ordered = np.where(wins[:, None, None], pairs, pairs[:, ::-1])
    fresh = _WRITER.write(base, np.zeros(_DRAWN, np.intp), 4, rng)
    found = {"base": base}
    for name, losses in _arms(reward, base, ordered, rng).items():
        found[name] = _stopped(base, losses, reward, quick, rng)
    for name in ("pairwise Cringe", "DPO"):
        weights = found[name]
        for _ in range(1 if quick else 2):
            own = _own(weights, reward, len(ordered), rng)
            weights = _stopped(weights, _arms(reward, weights, own, rng)[name], reward, quick, rng)
        found[f"{name}, iterated"] = weights
    figures: dict[str, float] = {}
    for name, weights in found.items():
        outputs = _WRITER.write(weights, np.zeros(_DRAWN, np.intp), 4, rng)
        figures[f"wins, {name}"] = float(expit(worth(outputs) - worth(fresh)).mean())
        figures[f"repeats, {name}"] = float((outputs[..., 1:] == outputs[..., :-1]).mean())
    return figures


def _nobody(outputs: Indices) -> Indices:
    return np.zeros(len(outputs), np.intp)


def _counted(outputs: Indices) -> Floats:
    """How often each token follows each other, or begins, in outputs in a row [r · k, features]."""
    flat = outputs.reshape(-1, _LENGTH)
    before = np.column_stack([np.full(len(flat), _TOKENS), flat[:, :-1]])
    made = np.zeros((len(flat), (_TOKENS + 1) * _TOKENS))
    np.add.at(made, (np.arange(len(flat))[:, None], before * _TOKENS + flat), 1.0)
    return made


def _arms(reward: Floats, reference: Floats, pairs: Indices, rng: np.random.Generator) -> dict[str, _Losses]:
    """What each method goes down, of pairs [r, 2, length] of which the first is preferred."""
    from heedful.training import DPO, PolicyGradient, Unlikelihood
    from heedful.training.objectives import Cringe, rivals

    single = pairs.reshape(-1, 1, _LENGTH)
    called = Records(_nobody(single), single, {"label": np.tile([1.0, 0.0], len(pairs))[:, None]})
    both = Records(_nobody(pairs), pairs, {"label": np.tile([1.0, 0.0], (len(pairs), 1))})
    compared = Records(_nobody(pairs), pairs, {"prefer": np.ones(len(pairs))})
    fixed = {
        "unlikelihood": _WRITER.loss(Unlikelihood(), called),
        "binary Cringe": _WRITER.loss(Cringe(0.3), called, beside=partial(rivals, rng=rng)),
        "pairwise Cringe": _WRITER.loss(Cringe(0.3, margin=5.0, softness=5.0), both, beside=partial(rivals, rng=rng)),
        "DPO": _WRITER.loss(DPO(_STRENGTH), compared, reference),
    }

    def reinforced(weights: Floats) -> Loss:
        outputs = _WRITER.write(weights, np.zeros(_GROUPS, np.intp), 8, rng)
        own, first = (_WRITER.log_prob(each, _nobody(outputs), outputs) for each in (weights, reference))
        score = (_counted(outputs) @ reward).reshape(-1, 8) - (own - first).sum(2) / _STRENGTH
        return _WRITER.loss(PolicyGradient("others"), Records(_nobody(outputs), outputs, {"score": score}))

    return {name: lambda _, own=loss: own for name, loss in fixed.items()} | {"PPO": reinforced}


def _own(weights: Floats, reward: Floats, count: int, rng: np.random.Generator) -> Indices:
    """The best and the worst, by the reward, of four outputs, so many times [count, 2, length]."""
    outputs = _WRITER.write(weights, np.zeros(count, np.intp), 4, rng)
    order = (_counted(outputs) @ reward).reshape(count, 4).argsort(1)
    return np.take_along_axis(outputs, order[:, [-1, 0], None], axis=1)


def _stopped(start: Floats, losses: _Losses, reward: Floats, quick: bool, rng: np.random.Generator) -> Floats:
    """Weights trained from a start, as they were when the reward liked their outputs best."""
    learner, seen = Learner(start, _RATE), {}
    for _ in range(1 if quick else _LOOKS):
        for _ in range(_STEPS):
            learner.step(losses(learner.weights))
        outputs = _WRITER.write(learner.weights, np.zeros(_DRAWN, np.intp), 4, rng)
        seen[float((_counted(outputs) @ reward).mean())] = learner.weights
    return seen[max(seen)]


_NAMES = {
    "base": "the base",
    "unlikelihood": "unlikelihood",
    "binary Cringe": "Cringe of outputs called good or bad",
    "pairwise Cringe": "pairwise Cringe",
    "DPO": "DPO",
    "PPO": "policy gradients on the reward",
    "pairwise Cringe, iterated": "pairwise Cringe, three rounds",
    "DPO, iterated": "DPO, three rounds",
}
ENTRY = Entry(
    id="004-114",
    title="Some things are more CRINGE than others: Preference Optimization with the Pairwise Cringe Loss",
    area="training",
    citation="Xu et al. 2023",
    claim=(
        "Strings of six tokens by a base that repeats itself; a judge likes what clean text is like, and repeats 1 nat "
        "less each. On 120 pairs of its outputs that were compared, each method stopped where a reward fitted to them "
        "likes its outputs best of six looks: outputs of pairwise Cringe are preferred to the base's more often than "
        "those of DPO, of policy gradients on the reward, of Cringe on each output called good or bad, and of "
        "unlikelihood; and more often still after two more rounds on pairs of its own that the reward put in order."
    ),
    configuration=(
        "training.objectives.Cringe with rivals (of pairs, and of single outputs); training.Unlikelihood, DPO(10) and "
        "PolicyGradient('others') with rewards less a tenth of a nat for each nat of KL; preference.heads.Linear."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in _NAMES.items()
        for what, shown in {
            "wins": "P(preferred to an output of the base)",
            "repeats": "share of tokens that repeat the one before",
        }.items()
    },
    checks=(
        *[
            Check("wins, pairwise Cringe", f"wins, {name}", above=0.0)
            for name in ("DPO", "PPO", "binary Cringe", "unlikelihood")
        ],
        Check("wins, pairwise Cringe, iterated", "wins, pairwise Cringe", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "There are no prompts, and policies know the last token alone. Policy gradients are on fresh outputs, 120 a "
        "step, so that nothing is clipped. Rivals weigh 0.3, the gate has a margin of 5 nats and a softness of 5: of "
        "three settings tried at three seeds the best for pairwise Cringe, all of them far behind DPO at its one. That "
        "a reward stops each method is equal for all of them, and not of the work."
    ),
)
