"""003-085: relevance, a length incentive and a repetition penalty in place of a reward learnt from preferences."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, language_encoder, listed
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Potential
from heedful.evidence import Expression
from heedful.models import StyleFeatures
from heedful.preference import fit
from heedful.sampling.best_of_n import best_of_n_law
from heedful.target import Target
from heedful.worlds import CRITERIA, LanguageWorld, SimulatedRaters, collect

_PARTS = ("echo", "log_words", "distinct_words")
_RELEVANCE = 4.0
_N = 64


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([385, seed])
    world = LanguageWorld(length=2 if quick else 3, prompts=6, seed=seed)
    base, contexts = world.base(), world.contexts
    items = listed(base, contexts)
    raters = SimulatedRaters(count=50, length_bias=2.0, seed=seed)
    table = collect(world, 200 if quick else 500, raters=raters, rng=rng)
    encoder = language_encoder(world.length)
    learnt = fit(table, utility="features", features=encoder, prior_sd=0.3, clusters="none", draws=2)
    style = StyleFeatures(_PARTS).encode(items)
    relevance, length, variety = (
        KnownScores(dict(zip(items, column.tolist(), strict=True)), "utility") for column in style.T
    )
    rewards: dict[str, Potential] = {
        "learnt": KnownScores.of(learnt.potential(), items),
        "relevance": relevance,
        "mix": Expression.of(relevance, _RELEVANCE) + Expression.of(length) + Expression.of(variety),
    }
    traits = world.criteria(items)
    figures: dict[str, float] = {}
    for name, reward in rewards.items():
        figures[f"fooled, {name}"] = _fooled(reward(items).mean, items, traits)
        laws = [best_of_n_law(Target(base, reward), context, _N) for context in contexts]
        gold = [float(np.exp(law.log_prob) @ world.truth(law.items)) for law in laws]
        figures[f"gold, {name}"] = float(np.mean(gold))
    return figures


def _fooled(reward: Floats, items: list[Item], traits: Floats) -> float:
    """Share, in per cent, of (long and off the topic, short and on it) pairs of a prompt whose former is preferred."""
    words = np.array([len(item.output[0].text.split()) for item in items])
    relevance, digression = (traits[:, CRITERIA.index(name)] for name in ("relevance", "digression"))
    prompt = np.unique([item.context[0].text for item in items], return_inverse=True)[1]
    fooled = []
    for own in range(prompt.max() + 1):
        long = reward[(prompt == own) & (words == words.max()) & (relevance == 0) & (digression > 0)]
        short = reward[(prompt == own) & (words == 1) & (relevance == 1)]
        fooled.append((long[:, None] > short).mean())
    return float(100 * np.mean(fooled))


ENTRY = Entry(
    id="003-085",
    title="Preference-free Alignment Learning with Regularized Relevance Reward",
    area="preference/training",
    citation="Kim et al. 2024",
    claim=(
        "A reward learnt from 500 votes by people who lean to length prefers a long answer off the topic to a short "
        "one on it more often, by at least 10 points, than the mix 4 × relevance + log length + variety, which saw no "
        "votes. And of the best of 64 answers, the mix has more true utility than relevance alone."
    ),
    configuration=(
        "models.StyleFeatures columns as potentials: 4 × echo (share of the answer's words that the prompt holds) + "
        "log_words + distinct_words; against preference.fit(utility='features'); sampling.best_of_n_law, exactly."
    ),
    measures={
        f"{measure}, {name}": f"{what}, {reward}"
        for name, reward in {
            "learnt": "reward learnt from votes that lean to length",
            "relevance": "relevance alone",
            "mix": "relevance, length and variety",
        }.items()
        for measure, what in {
            "fooled": "long answers off the topic preferred to short ones on it, per cent",
            "gold": f"true utility of the best of {_N}, nats",
        }.items()
    },
    checks=(
        Check("fooled, learnt", "fooled, mix", above=10.0),
        Check("gold, mix", "gold, relevance", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Relevance is the overlap of words, as this language has no paraphrases, where the work takes a retriever. The "
        "strengths of the mix were set before the first run. Branching to a reference answer is left out: there is "
        "none."
    ),
)
