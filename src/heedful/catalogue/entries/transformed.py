"""001-098: rewards passed through log σ against a reference before they are added: a conjunction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, expected, language_encoder, listed, tilts_at
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.evidence import conjunction
from heedful.preference import FittedPosterior, fit
from heedful.worlds import LanguageWorld, SimulatedRaters, collect

_HELPFUL = {"relevance": 1.5, "digression": -1.0}
_PLEASANT = {"courtesy": 1.5, "padding": -0.8}
_KL = 1.5
_QUANTILE = 0.85


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([198, seed])
    worlds = [
        LanguageWorld(length=2 if quick else 3, prompts=6, weights=weights, seed=seed)
        for weights in (_HELPFUL, _PLEASANT)
    ]
    base, contexts = worlds[0].base(), worlds[0].contexts
    items = listed(base, contexts)
    law = np.exp(base.log_prob(items))
    rewards = [_fitted(world, 200 if quick else 400, rng) for world in worlds]
    raw = KnownScores.of(rewards[0].potential() + rewards[1].potential(), items)
    logs = [_against_quantile(reward, items, law, len(contexts)) for reward in rewards]
    both = KnownScores.of(conjunction(*logs), items)
    wins = [{context: _wins(world, base.support(context)) for context in contexts} for world in worlds]
    figures: dict[str, float] = {}
    for name, potential in (("sum", raw), ("log-sigmoid sum", both)):
        tilted = tilts_at(base, potential, contexts, _KL)
        joint = {context: wins[0][context] * wins[1][context] for context in contexts}
        figures[f"better on both, {name}"] = expected(tilted, joint)
        figures[f"worse criterion, {name}"] = min(expected(tilted, win) for win in wins)
    return figures


def _fitted(world: LanguageWorld, votes: int, rng: np.random.Generator) -> FittedPosterior:
    """A reward from votes on one criterion, learnt from texts: near the truth, and not equal to it."""
    table = collect(world, votes, raters=SimulatedRaters(count=50), rng=rng)
    encoder = language_encoder(world.length)
    return fit(table, utility="features", features=encoder, prior_sd=0.3, clusters="none", draws=2)


def _against_quantile(reward: FittedPosterior, items: Sequence[Item], law: Floats, contexts: int) -> KnownScores:
    """log σ(r − r_ref), r_ref the reward that the base reaches with probability 0.15 in the context."""
    value = reward(items).mean
    references = []
    for own in np.array_split(np.arange(len(items)), contexts):
        rising = own[np.argsort(value[own])]
        references.append(items[rising[np.searchsorted(np.cumsum(law[rising]), _QUANTILE)]])
    return KnownScores.of(reward.potential(scale="log_prob", reference=references), items)


def _wins(world: LanguageWorld, items: Sequence[Item]) -> Floats:
    """P(a fair rater prefers each item [n] to a fresh output of the base), all in one context."""
    row = world.question(items[0].context)
    gap = world.truth(items)[:, None] - world.utility[row]
    return np.asarray(expit(gap) @ np.exp(world.log_prob[row]))


ENTRY = Entry(
    id="001-098",
    title="Transforming and Combining Rewards for Aligning Large Language Models",
    area="preference/training",
    citation="Wang et al. 2024",
    claim=(
        "Two rewards (to the point; pleasant) fitted to 400 votes each on 584 answers to 6 questions. Of the base "
        "tilted to 1.5 nats of divergence, by the sum of log σ(r − r_ref) with r_ref the base's 85 % quantile or by "
        "the sum of r: the former is more often preferred to the base on both criteria at once, and on the worse one."
    ),
    configuration=(
        "preference.fit(utility='features') per criterion; potential(scale='log_prob', reference=...) joined by "
        "evidence.conjunction, against the plain sum of potentials; target.enumerate_exact at equal divergence."
    ),
    measures={
        "better on both, sum": "P(preferred to a fresh output of the base on both criteria), raw sum",
        "worse criterion, sum": "the smaller of the two probabilities of being preferred, raw sum",
        "better on both, log-sigmoid sum": "P(preferred on both criteria), sum of log σ",
        "worse criterion, log-sigmoid sum": "the smaller of the two probabilities of being preferred, sum of log σ",
    },
    checks=(
        Check("better on both, log-sigmoid sum", "better on both, sum", above=0.0),
        Check("worse criterion, log-sigmoid sum", "worse criterion, sum", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract gives no formula. With events independent given the answer, Σ log σ(r_i − r_ref,i) is the log "
        "probability of beating the reference on every criterion, which is what the conjunction computes. The tilt is "
        "exact, so neither under-fitting nor the optimiser plays a part."
    ),
)
