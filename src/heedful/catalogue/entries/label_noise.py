"""003-084: the strength of a vote, by what fits to other votes make of it, and mending with it."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered, separation
from heedful.catalogue.verdicts import Check
from heedful.preference.heads.base import Head
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.noise import FlipNoise, Voted, strengths
from heedful.preference.heads.votes import Votes

_FEATURES, _FLIPPED = 10, 0.2
_HEAD = Linear(prior_sd=1.0, pairs=16)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([384, seed])
    n = 150 if quick else 400
    weights = rng.normal(0, 0.7, _FEATURES)
    design = rng.normal(size=(2 * n, _FEATURES))
    first, second = np.arange(n), np.arange(n, 2 * n)
    meant = rng.random(n) < expit((design[first] - design[second]) @ weights)
    flipped = rng.random(n) < _FLIPPED
    votes = Votes.of(first, second, (meant ^ flipped).astype(np.float64), group=first)
    strength, _ = strengths(_HEAD, design, votes, voters=5, count=5, rng=rng)
    fresh = rng.normal(size=(2, 1000, _FEATURES))
    true = expit((fresh[0] - fresh[1]) @ weights)
    figures = {"found": separation(-strength, flipped)}
    heads: dict[str, Head] = {
        "plain": _HEAD,
        "turned round": Voted(_HEAD, "flip"),
        "softened": Voted(_HEAD, "soft"),
        "rate": FlipNoise(_HEAD),
    }
    for name, head in heads.items():
        fitted = head.fit(design, votes, rng=rng)
        figures[f"errors, {name}"] = misordered(true, expit(fitted.mean(fresh[0]) - fitted.mean(fresh[1])))
    return figures


ENTRY = Entry(
    id="003-084",
    title="Secrets of RLHF in Large Language Models Part II: Reward Modeling",
    area="preference/curation",
    citation="Wang et al. 2024",
    claim=(
        "400 votes on pairs with ten features, a fifth of them flipped: the mean margin that fits to other votes give "
        "a vote tells flipped from unflipped votes with an area under the curve above 75 %. And rewards fitted to "
        "votes mended by that margin, turned round or softened, put fewer fresh pairs in the wrong order than one "
        "fitted to the votes as they are."
    ),
    configuration=(
        "preference.heads.noise: strengths (repeated cross-fitting of a linear head), Voted(mending='flip' and "
        "'soft'); FlipNoise beside them; heads.linear.Linear on the votes as they are."
    ),
    measures={
        "found": "P(a flipped vote has less strength than one that is not), per cent",
        "errors, plain": "fresh pairs in the wrong order, per cent, votes as they are",
        "errors, turned round": "fresh pairs in the wrong order, per cent, votes of negative margin turned round",
        "errors, softened": "fresh pairs in the wrong order, per cent, labels averaged with what other fits expect",
        "errors, rate": "fresh pairs in the wrong order, per cent, flip rate fitted with the head",
    },
    checks=(
        Check("found", above=75.0),
        Check("errors, plain", "errors, turned round", above=0.0),
        Check("errors, plain", "errors, softened", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work votes with differently trained networks; here the voters are fits that have not seen the vote. Its "
        "contrastive loss and meta-learning are left out: they act on representations, and these features are fixed."
    ),
)
