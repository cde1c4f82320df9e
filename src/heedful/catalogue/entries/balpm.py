"""004-068: labels spread over prompts, where uncertainty alone asks about one crowd of prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from heedful.catalogue.asking import Asking, Believed, Pair
from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import divergence
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Parts
from heedful.elicitation import ExpectedInformationGain, PromptEntropy, Random

_CLUSTERS, _PLACE, _OWN, _FEATURES = 10, 3, 3, 12
_START, _BATCH = 10, 12


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4068, seed])
    prompts, rounds = (60, 2) if quick else (200, 6)
    centre = rng.normal(0, 3, size=(_CLUSTERS, _PLACE))
    own = np.argsort(rng.random((_CLUSTERS, _FEATURES)), axis=1)[:, :_OWN]
    weights = rng.normal(size=_FEATURES)
    # Half of the pool's prompts are of one cluster; fresh ones are of all alike.
    crowded = np.where(rng.random(prompts) < 0.5, 0, rng.integers(_CLUSTERS, size=prompts))
    design = _outputs(crowded, own, rng)
    place = centre[crowded] + rng.normal(0, 0.2, size=(prompts, _PLACE))
    where = {Item.of(f"prompt {number}").context: place[number] for number in range(prompts)}
    items = tuple(Item.of(f"prompt {number // 2}", f"answer {number}") for number in range(2 * prompts))
    pool: list[Pair] = [(items[row], items[row + 1]) for row in range(0, 2 * prompts, 2)]
    world = Asking(items, design, design @ weights)
    fresh = _outputs(rng.integers(_CLUSTERS, size=1000), own, rng)
    true = expit((fresh[::2] - fresh[1::2]) @ weights)

    def at(contexts: Sequence[Parts]) -> Floats:
        return np.array([where[context] for context in contexts])

    def loss(believed: Believed) -> float:
        gap = believed.fitted.draws(fresh[::2]) - believed.fitted.draws(fresh[1::2])
        return divergence(true, expit(gap).mean(axis=0))

    rules = {
        "random": lambda asked: Random(_BATCH),
        "uncertainty": lambda asked: ExpectedInformationGain(_BATCH, diversity=False),
        "with entropy": lambda asked: PromptEntropy(at, [first.context for first, _ in asked], _BATCH),
    }
    start = [pool[row] for row in rng.permutation(len(pool))[:_START]]
    figures = {}
    for name, rule in rules.items():
        found = world.learn(pool, rule, start, rounds, seed)
        figures[f"loss, {name}"] = loss(found[-1])
        if name == "with entropy":
            figures["loss, with entropy, two thirds"] = loss(found[round(rounds * 2 / 3)])
    return figures


def _outputs(cluster: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> Floats:
    """Features of two outputs [2 n, 12] to each prompt: outputs differ in what prompts of a cluster bear on."""
    design = 0.1 * rng.normal(size=(2 * len(cluster), _FEATURES))
    rows = np.arange(len(design))[:, None]
    design[rows, own[np.repeat(cluster, 2)]] += rng.normal(size=(len(design), _OWN))
    return design


ENTRY = Entry(
    id="004-068",
    title="Deep Bayesian Active Learning for Preference Modeling in Large Language Models",
    area="elicitation/preference",
    citation="Melo et al. 2024",
    claim=(
        "A pool of 200 pairs, half of them on near duplicates of one prompt; outputs to one sort of prompt differ in "
        "three of twelve features only. After 10 random labels and six batches of 12, probabilities on fresh pairs of "
        "prompts of all sorts diverge less from the truth where batches add the entropy of the prompts asked about to "
        "what answers tell, than where they are the most uncertain pairs and than at random; and with two thirds of "
        "these batches no more than at random with all."
    ),
    configuration=(
        "elicitation.PromptEntropy on the places of prompts, against ExpectedInformationGain(diversity=False) and "
        "Random; preference.heads.Linear with its posterior draws."
    ),
    measures={
        "loss, random": "divergence of predicted from true probabilities, millinats, batches at random",
        "loss, uncertainty": "divergence of predicted from true probabilities, millinats, most information each",
        "loss, with entropy": "divergence of predicted from true probabilities, millinats, with entropy of prompts",
        "loss, with entropy, two thirds": "the same after four of the six batches",
    },
    checks=(
        Check("loss, uncertainty", "loss, with entropy", above=0.0),
        Check("loss, random", "loss, with entropy", above=0.0),
        Check("loss, random", "loss, with entropy, two thirds", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's features are those of a language model and its posterior that of an ensemble; here prompts have "
        "known places in three dimensions and the posterior is linear and Gaussian. The weight of the entropy is the "
        "rule's default, 0.1. Such a posterior grows sure of a crowd of prompts once a few are answered, so that "
        "uncertainty alone leaves it by itself after one batch."
    ),
)
