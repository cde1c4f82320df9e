"""003-079: one policy for a few dozen questions that does well from easy problems to hopeless ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.games import Drawn, laplace
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DoubleThompson, ExpectedInformationGain, Perturbed, Random

ITEMS, DUELS = 8, 24
# Classes of difficulty: how far apart utilities are, and whether one stands out.
WORLDS: Mapping[str, Callable[[np.random.Generator], Floats]] = {
    "spread 0.5": lambda rng: 0.5 * rng.normal(size=ITEMS),
    "spread 1": lambda rng: rng.normal(size=ITEMS),
    "spread 3": lambda rng: 3.0 * rng.normal(size=ITEMS),
    "one ahead": lambda rng: rng.permutation([1.5, *[0.0] * (ITEMS - 1)]),
    "two ahead": lambda rng: rng.permutation([3.5, 3.0, *[0.0] * (ITEMS - 2)]),
}
_RULES: Mapping[str, tuple[AcquisitionRule, str]] = {
    "robust": (Perturbed(1), "robust weights"),
    "Thompson": (DoubleThompson(1), "double Thompson sampling"),
    "information": (ExpectedInformationGain(1), "the most informative duels"),
    "random": (Random(1), "random duels"),
}
_NAMES = tuple(Item(system=str(number)) for number in range(ITEMS))
_POOL = tuple(combinations(_NAMES, 2))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    losses: dict[str, list[float]] = {name: [] for name in _RULES}
    for number, world in enumerate(WORLDS.values()):
        truth = world(np.random.default_rng([3079, seed, number]))
        for name, (rule, _) in _RULES.items():
            game = np.random.default_rng([3079, seed, number, 1])
            losses[name].append(_lost(truth, rule, 6 if quick else DUELS, game))
    figures = {f"{world}, {name}": own[place] for place, world in enumerate(WORLDS) for name, own in losses.items()}
    return figures | {f"worst, {name}": max(own) for name, own in losses.items()}


def _lost(truth: Floats, rule: AcquisitionRule, duels: int, rng: np.random.Generator) -> float:
    """What the item of the greatest mean lacks after so many duels, per cent of what one at random does."""
    wins, (mean, covariance) = np.zeros((ITEMS, ITEMS)), laplace(np.zeros((ITEMS, ITEMS)), np.zeros(ITEMS))
    for _ in range(duels):
        draws = rng.multivariate_normal(mean, covariance, 64, method="cholesky")
        ((first, second),) = rule(Drawn(_NAMES, draws), _POOL, rng=rng).items
        a, b = _NAMES.index(first), _NAMES.index(second)
        wins[(a, b) if rng.random() < expit(truth[a] - truth[b]) else (b, a)] += 1
        mean, covariance = laplace(wins, mean)
    return float(100 * (truth.max() - truth[mean.argmax()]) / (truth.max() - truth.mean()))


ENTRY = Entry(
    id="003-079",
    title="Learning to Actively Learn: A Robust Approach",
    area="elicitation",
    citation="Zhang et al. 2021",
    claim=(
        "Five worlds of eight items, from hardly apart to far apart, one game of 24 duels in each; the loss is what "
        "the item named at the end lacks, as a share of what one at random lacks. In the worst of the five, duels by "
        "the weights that were chosen for the least regret over such worlds lose less than double Thompson sampling, "
        "than the most informative duels and than random ones."
    ),
    configuration=(
        "elicitation.Perturbed with its committed weights, which benchmarks/robust_duels.py chooses from a grid by "
        "elicitation.minimax_regret; DoubleThompson, ExpectedInformationGain, Random; a Gaussian posterior, N(0, 1)."
    ),
    measures={
        **{
            f"{world}, {name}": f"loss, per cent of an item at random, {what}; {world}"
            for world in WORLDS
            for name, (_, what) in _RULES.items()
        },
        **{f"worst, {name}": f"loss in the worst of five games, {what}" for name, (_, what) in _RULES.items()},
    },
    checks=tuple(Check(f"worst, {name}", "worst, robust", above=0.0) for name in _RULES if name != "robust"),
    miniature=miniature,
    beyond=(
        "The work trains networks against an adversary who picks the problem; here two weights of one rule are chosen "
        "from a grid of twenty, over the classes of these five worlds but on other draws of them. 20 questions and "
        "jokes are left out."
    ),
)
