"""003-089: a reward that takes the principle as input, on principles it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads.criteria import Crossing
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes

_FEATURES, _EMBEDDING = 6, 12
_PRINCIPLES, _EACH, _NEW = 40, 25, 6
_HEAD = Linear(prior_sd=1.0, pairs=16)


@dataclass(frozen=True)
class Judged:
    """Pairs judged by principles: features [2, n, d], the principle of each [n], P(first) [n] and the vote [n]."""

    features: Floats
    principle: np.ndarray
    true: Floats
    won: Floats


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([389, seed])
    known, new = (10, 3) if quick else (_PRINCIPLES, _NEW)
    wanted = np.array([1.0, 0.5, 0, 0, 0, 0]) + rng.normal(0, 1, (known + new, _FEATURES))
    texts = wanted @ rng.normal(0, 1, (_FEATURES, _EMBEDDING)) + rng.normal(0, 0.3, (known + new, _EMBEDDING))
    train = _judged(wanted, np.repeat(np.arange(known), _EACH), rng)
    crossing = Crossing.fit(
        np.column_stack([texts, np.ones(len(texts))])[:known], np.concatenate(train.features), rank=8
    )
    conditioned = _HEAD.fit(_crossed(crossing, texts, train), _votes(train), rng=rng)
    fixed = _HEAD.fit(np.concatenate(train.features), _votes(train), rng=rng)
    errors: dict[str, list[float]] = {"fixed": [], "retrained": [], "conditioned": []}
    for principle in range(known, known + new):
        own = _judged(wanted, np.full(_EACH, principle), rng)
        retrained = _HEAD.fit(np.concatenate(own.features), _votes(own), rng=rng)
        fresh = _judged(wanted, np.full(500, principle), rng)
        plain, crossed = np.concatenate(fresh.features), _crossed(crossing, texts, fresh)
        for name, head, design in (
            ("fixed", fixed, plain),
            ("retrained", retrained, plain),
            ("conditioned", conditioned, crossed),
        ):
            first, second = np.split(head.mean(design), 2)
            errors[name].append(misordered(fresh.true, expit(first - second)))
    return {name: float(np.mean(values)) for name, values in errors.items()}


def _judged(wanted: Floats, principle: np.ndarray, rng: np.random.Generator) -> Judged:
    features = rng.normal(size=(2, len(principle), _FEATURES))
    true = expit(((features[0] - features[1]) * wanted[principle]).sum(axis=1))
    return Judged(features, principle, true, (rng.random(len(true)) < true).astype(np.float64))


def _crossed(crossing: Crossing, texts: Floats, judged: Judged) -> Floats:
    """Features by the principle's text and the answer, first answers then second ones; a constant lets all share."""
    own = np.column_stack([texts, np.ones(len(texts))])[np.tile(judged.principle, 2)]
    return crossing.encode(own, np.concatenate(judged.features))


def _votes(judged: Judged) -> Votes:
    n = len(judged.won)
    return Votes.of(np.arange(n), np.arange(n, 2 * n), judged.won, group=np.arange(n))


ENTRY = Entry(
    id="003-089",
    title="RewardAnything: Generalizable Principle-Following Reward Models",
    area="preference/evaluation",
    citation="Yu et al. 2025",
    claim=(
        "40 principles, each with 25 comparisons by it and a noisy embedding of 12 numbers: on 6 principles never "
        "seen, a reward bilinear in embedding and answer puts fewer pairs in the wrong order than one reward for all "
        "principles, by more than 10 points, and fewer than a reward retrained on 25 comparisons by that principle."
    ),
    configuration=(
        "preference.heads.criteria.Crossing (products of principle and answer features) under heads.linear.Linear; "
        "Linear on the answers alone, pooled or per principle."
    ),
    measures={
        "fixed": "pairs in the wrong order by an unseen principle, per cent, one reward for all principles",
        "retrained": "the same, reward fitted to 25 comparisons by that principle",
        "conditioned": "the same, reward that reads the principle and saw no comparison by it",
    },
    checks=(Check("fixed", "conditioned", above=10.0), Check("retrained", "conditioned", above=0.0)),
    miniature=miniature,
    beyond=(
        "The work trains a language model to reason about the principle; here a principle is a noisy linear image of "
        "the weights it means, so that only generalisation across principles is tested, not the reading of text."
    ),
)
