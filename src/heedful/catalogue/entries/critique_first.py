"""003-064: a reward by way of critiqued attributes, and votes that weigh by the margin of a reward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Head, Linear, Ratings, Staged, Votes
from heedful.preference.heads.noise import mended, strengths

_FEATURES, _ATTRIBUTES = 20, ("faithful", "complete", "clear")
_FEW, _MANY = 60, 600
_HEAD = Linear(prior_sd=0.5, pairs=8)
_DROPPED = 0.25


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3064, seed])
    figures = {}
    seen = rng.normal(0, 1 / np.sqrt(_FEATURES), (_FEATURES, len(_ATTRIBUTES)))
    weights = seen @ rng.dirichlet(np.ones(len(_ATTRIBUTES))) * 3
    weights += rng.normal(0, 0.5 / np.sqrt(_FEATURES), _FEATURES)
    heads: dict[str, Head] = {"direct": _HEAD, "critique": Staged(_ATTRIBUTES, _HEAD, Linear(prior_sd=2.0, pairs=8))}
    fresh = rng.normal(size=(2000, _FEATURES))
    for size in (_FEW, _MANY):
        n = size // 4 if quick else size
        x, gap = _pairs(n, weights, rng)
        shared = _votes(n, rng.random(n) < expit(gap))
        rows = np.arange(2 * n)
        graded = np.clip(np.round(3 + 1.5 * (x @ seen + 0.5 * rng.normal(size=(2 * n, len(_ATTRIBUTES))))), 1, 5)
        ratings = {name: Ratings(rows, graded[:, place], rows % n) for place, name in enumerate(_ATTRIBUTES)}
        for name, head in heads.items():
            votes = shared if name == "direct" else replace(shared, ratings=ratings)
            figures[f"errors, {name}, {size}"] = _errors(head, x, votes, fresh, weights, rng)
        figures[f"gain, {size}"] = figures[f"errors, direct, {size}"] - figures[f"errors, critique, {size}"]
    return figures | scaled(weights, fresh, 100 if quick else 400, rng)


def scaled(weights: Floats, fresh: Floats, n: int, rng: np.random.Generator) -> dict[str, float]:
    """Errors of fits to votes that are wrong the more often the closer two answers are, by what is made of margins."""
    x, gap = _pairs(n, weights, rng)
    wrong = rng.random(n) < 0.45 * np.exp(-np.abs(gap) / 0.5)
    votes = _votes(n, (gap > 0) ^ wrong)
    margin, _ = strengths(_HEAD, x, votes, voters=10, count=5, rng=rng)
    fitted = {
        "constant": votes,
        "dropped": mended(votes, margin, "drop", _DROPPED),
        "dynamic": mended(votes, margin, "weigh", _DROPPED),
    }
    return {f"errors, {name}": _errors(_HEAD, x, own, fresh, weights, rng) for name, own in fitted.items()}


def _pairs(n: int, weights: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A design of n pairs, rows r and n + r, and how much more the first is worth than the second."""
    x = rng.normal(size=(2 * n, _FEATURES))
    return x, (x[:n] - x[n:]) @ weights


def _votes(n: int, won: np.ndarray) -> Votes:
    return Votes.of(np.arange(n), np.arange(n, 2 * n), won.astype(np.float64), group=np.arange(n))


def _errors(head: Head, x: Floats, votes: Votes, fresh: Floats, weights: Floats, rng: np.random.Generator) -> float:
    mean, true = head.fit(x, votes, rng=rng).mean(fresh), fresh @ weights
    return misordered(expit(true[::2] - true[1::2]), expit(mean[::2] - mean[1::2]))


ENTRY = Entry(
    id="003-064",
    title="MM-RLHF: The Next Step Forward in Multimodal LLM Alignment",
    area="preference/training",
    citation="Zhang et al. 2025",
    claim=(
        "With 60 comparisons of answers with twenty features, a reward that first predicts three critiqued attributes, "
        "each rated from 1 to 5 on the same answers, and then the score from them, puts at least 3 points fewer fresh "
        "pairs in the wrong order than a direct one; and that gain is smaller with 600, as a part of what people want "
        "is in no attribute. And from 400 votes that are wrong the more often the closer two answers are, votes "
        "weighed by 1 + w (1 - exp(-k margin)) give fewer errors than equal weights, and fewer than dropping the "
        "quarter of least margin."
    ),
    configuration=(
        "preference.heads.Staged: Linear heads on the ratings of each attribute, a Linear head on comparisons over "
        "their means; against Linear alone. heads.noise: strengths for the margins, mended 'weigh' (w = k = 1/2) and "
        "'drop'."
    ),
    measures={
        **{
            f"errors, {name}, {n}": f"fresh pairs in the wrong order, per cent, {what}, {n} comparisons"
            for n in (_FEW, _MANY)
            for name, what in {"direct": "direct reward", "critique": "attributes first"}.items()
        },
        **{
            f"gain, {n}": f"points fewer in the wrong order by attributes first, {n} comparisons" for n in (_FEW, _MANY)
        },
        "errors, constant": "fresh pairs in the wrong order, per cent, noisy votes of equal weight",
        "errors, dropped": "the same, the quarter of votes with the least margin dropped",
        "errors, dynamic": "the same, votes weighed by their margin",
    },
    checks=(
        Check("gain, 60", above=3.0),
        Check("gain, 60", "gain, 600", above=0.0),
        Check("errors, constant", "errors, dynamic", above=0.0),
        Check("errors, dropped", "errors, dynamic", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The formula of the weight, with its two halves, is not in the abstract; the work puts it in for the strength "
        "of its regularisation, here it is the weight of a vote in the likelihood, scaled to the same total. Margins "
        "come from fits that have not seen the vote. Critiques are ratings of attributes, so that this arm has 360 "
        "judgements more than the direct one, as in the work its critiques cost more than its choices."
    ),
)
