"""004-099: the best of fifty prompts by fifty answers, where people only say which of two outputs is better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.elicitation import DoubleThompson, Perturbed, Random
from heedful.elicitation.duels import Outcome
from heedful.models import NgramFeatures
from heedful.preference.heads import GaussianProcess, Linear
from heedful.rewriting import Duelling
from heedful.worlds import RuleWorld

_PROMPTS, _QUESTIONS, _BATCH, _DIMENSIONS = 50, 50, 5, 16
_SD = 1.0  # of every prior on the utility of a prompt, in nats
_WORLD = RuleWorld()
_PROCESS = GaussianProcess(lengthscale=1.0, sd=_SD, waves=256)
_WAYS = {
    "APOHF": "Gaussian process on n-grams; the best against what may yet beat it by most",
    "linear": "linear utility on n-grams; the best against what may yet beat it by most",
    "Thompson": "a free utility for each prompt; double Thompson sampling",
    "random": "Gaussian process on n-grams; random duels",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4099, seed])
    prompts = _pool(15 if quick else _PROMPTS, rng)
    worth = {prompt: _utility(prompt) for prompt in prompts}
    lacking = {"any": max(worth.values()) - float(np.mean(list(worth.values())))}
    for name, duelling in _ways(prompts, 10 if quick else _QUESTIONS).items():
        done = duelling(prompts, _Person(rng), rng=rng)
        lacking[name] = max(worth.values()) - worth[done.best]
    return lacking


def _pool(count: int, rng: np.random.Generator) -> list[str]:
    """Different prompts in which one to eight random rules stand."""
    rules, found = np.array(list(_WORLD.rules)), dict[str, None]()
    while len(found) < count:
        standing = rng.choice(rules, int(rng.integers(1, 9)), replace=False)
        found["\n".join(["You answer questions.", *standing.tolist()])] = None
    return list(found)


def _utility(prompt: str) -> float:
    """The expected utility of an answer, in nats, exactly."""
    stakes = abs(_WORLD.worth).sum(axis=1)
    topics = zip(stakes.tolist(), _WORLD.topics, strict=True)
    return float(np.mean([stake * (_WORLD.expected(prompt, topic) - 0.5) for stake, topic in topics]))


class _Person:
    """Sees an answer by each prompt to the same random question, and prefers by their utilities at temperature 1."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[Outcome]:
        return [self._of(pair) for pair in pairs]

    def _of(self, pair: tuple[str, str]) -> Outcome:
        context = _WORLD.contexts(1, rng=self.rng)[0]
        first, second = (_WORLD.utility(_WORLD.sample(prompt, context, 1, rng=self.rng)[0]) for prompt in pair)
        return "first" if self.rng.random() < expit(first - second) else "second"


def _ways(prompts: Sequence[str], questions: int) -> dict[str, Duelling]:
    """Every way with a prior of the same width on the utility of a prompt, columns being on one scale beforehand."""
    words, rule = NgramFeatures(dimensions=_DIMENSIONS), Perturbed(_BATCH, noise=0.0, bonus=1.0)
    share = 1 / len(prompts)
    alone = Linear(_SD * math.sqrt(share * (1 - share)), pairs=64)
    free = Given.by_output(prompts, np.eye(len(prompts)))
    linear = Linear(_SD / math.sqrt(_DIMENSIONS), pairs=64)
    return {
        "APOHF": Duelling(rule, _PROCESS, words, questions, doubt=0.0),
        "linear": Duelling(rule, linear, words, questions, doubt=0.0),
        "Thompson": Duelling(DoubleThompson(_BATCH), alone, free, questions, doubt=0.0),
        "random": Duelling(Random(_BATCH), _PROCESS, words, questions, doubt=0.0),
    }


ENTRY = Entry(
    id="004-099",
    title="Prompt Optimization with Human Feedback",
    area="rewriting/elicitation",
    citation="Lin et al. 2024",
    claim=(
        "50 prompts of one to eight random rules, 50 duels in batches of five, each of an answer by either prompt. "
        "What the prompt chosen last lacks of the best in the pool, in nats, is less where a nonlinear score of "
        "embedded prompts is fitted and duels are of its best against what may yet beat it by most, than with random "
        "duels and the same score, than with the same rule and a linear score, and than by double Thompson sampling of "
        "prompts that are known each by itself."
    ),
    configuration=(
        "rewriting.Duelling with elicitation.Perturbed(noise=0, bonus=1) and preference.heads.GaussianProcess on "
        "models.NgramFeatures; heads.Linear in its place; elicitation.DoubleThompson with a free utility for each "
        "prompt; elicitation.Random. worlds.RuleWorld answers."
    ),
    measures={
        "any": "nats that a random prompt of the pool lacks",
        **{name: f"nats that the prompt chosen lacks of the best in the pool, {what}" for name, what in _WAYS.items()},
    },
    checks=tuple(Check(name, "APOHF", above=0.0) for name in ("random", "linear", "Thompson")),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "A Gaussian process of given width and length takes the place of the neural network, and its posterior of the "
        "gradient features; embeddings are of n-grams, so that it runs anywhere, and all priors have the same width. "
        "The work asks one question at a time, here five. Its formula is not in the abstract."
    ),
)
