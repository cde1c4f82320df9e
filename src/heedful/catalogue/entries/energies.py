"""004-019: an autoregressive model of sequences, weighed by an energy of whole sequences."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import apart
from heedful.catalogue.settings import KnownScores
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item
from heedful.models import TableModel
from heedful.sampling import BestOfN
from heedful.target import Target, enumerate_exact

_EVENTS, _LENGTH, _M = "abc", 6, 16
Words = NDArray[np.intp]
_WORDS: Words = np.array(list(itertools.product(range(3), repeat=_LENGTH)))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([419, seed])
    truth = log_softmax(_pairs(_WORDS) @ _couplings(rng))
    seen = rng.choice(len(_WORDS), 500 if quick else 4000, p=np.exp(truth))
    auto = _markov(seen)
    noise = rng.choice(len(_WORDS), len(seen), p=np.exp(auto))
    energy = _contrasted(_pairs(_WORDS[seen]), _pairs(_WORDS[noise]))
    names = ["".join(_EVENTS[event] for event in word) for word in _WORDS]
    base = TableModel.of({"": dict(zip(names, np.exp(auto).tolist(), strict=True))})
    items = base.support(Item.of("").context)
    place = {name: row for row, name in enumerate(names)}
    scores = {item: float(_pairs(_WORDS)[place[item.output[0].text]] @ energy) for item in items}
    target = Target(base, KnownScores(scores, "log_prob"))
    whole = enumerate_exact(target, Item.of("").context)
    tilted = np.full(len(names), -np.inf)
    tilted[[place[item.output[0].text] for item in whole.items]] = np.log(whole.probability)
    drawn = BestOfN(_M, soft=True)(target, [Item.of("").context] * (50 if quick else 500), budget=Budget(), rng=rng)
    count = Counter(item.output[0].text[0] == item.output[0].text[-1] for item in drawn.items)
    first_is_last = _WORDS[:, 0] == _WORDS[:, -1]
    share = float(np.exp(truth)[first_is_last].sum())
    return {
        "autoregressive, divergence": apart(truth, auto),
        "weighed, divergence": apart(truth, tilted),
        "autoregressive, off the rule": abs(float(np.exp(auto)[first_is_last].sum()) - share),
        "resampled, off the rule": abs(count[True] / len(drawn.items) - share),
    }


def _couplings(rng: np.random.Generator) -> Floats:
    """Weights of equal events by distance: those far apart matter, of which one step knows nothing."""
    return np.array([0.5, 0.0, 0.0, 0.0, 1.5]) * rng.uniform(0.8, 1.2, 5)


def _pairs(words: Words) -> Floats:
    """How many events are equal to the one so many places before [n, distances]."""
    return np.stack([(words[:, k:] == words[:, :-k]).sum(1) for k in range(1, _LENGTH)], 1).astype(np.float64)


def _markov(seen: Words) -> Floats:
    """log-probabilities of all sequences under a chain fitted to those seen, one more of each step counted."""
    words = _WORDS[seen]
    first = np.log(np.bincount(words[:, 0], minlength=3) + 1.0)
    steps = np.ones((3, 3))
    np.add.at(steps, (words[:, :-1].ravel(), words[:, 1:].ravel()), 1.0)
    follow = log_softmax(np.log(steps), axis=1)
    return np.asarray(log_softmax(first)[_WORDS[:, 0]] + follow[_WORDS[:, :-1], _WORDS[:, 1:]].sum(1))


def _contrasted(real: Floats, noise: Floats) -> Floats:
    """Weights by which real sequences are told from the model's own: noise-contrastive estimation of −E."""
    features, label = np.concatenate([real, noise]), np.r_[np.ones(len(real)), np.zeros(len(noise))]
    design = np.column_stack([features, np.ones(len(features))])

    def loss(weight: Floats) -> tuple[float, Floats]:
        score = design @ weight
        lost = np.logaddexp(0, score) - label * score
        return float(lost.mean() + 1e-4 * weight @ weight), design.T @ (expit(score) - label) / len(
            label
        ) + 2e-4 * weight

    return np.asarray(minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x[:-1])


ENTRY = Entry(
    id="004-019",
    title="HYPRO: A Hybridly Normalized Probabilistic Model for Long-Horizon Prediction of Event Sequences",
    area="sampling",
    citation="Xue, Shi, Zhang and Mei 2022",
    claim=(
        "Sequences of 6 events of 3 kinds, of which the first and the last tend to be equal: a rule that a chain of "
        "single steps cannot know. A chain fitted to 4,000 sequences, weighed by an energy that tells them from 4,000 "
        "of its own, has a smaller divergence from the truth than the chain; outputs drawn in proportion to weight "
        "among 16 proposals follow the rule nearer to as often as they should."
    ),
    configuration=(
        "models.TableModel (the chain, listed) tilted by the energy as a potential of log-probabilities; "
        "target.enumerate_exact, and sampling.BestOfN(16, soft=True)."
    ),
    measures={
        "autoregressive, divergence": "KL(truth ‖ chain) in nats",
        "weighed, divergence": "KL(truth ‖ chain · exp(−energy), normalised)",
        "autoregressive, off the rule": "how far the chain's share of equal ends is from the truth's",
        "resampled, off the rule": "the same of 500 outputs, each drawn by weight among 16",
    },
    checks=(
        Check("weighed, divergence", "autoregressive, divergence", below=0.0),
        Check("resampled, off the rule", "autoregressive, off the rule", below=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Events have no times. The energy is linear in how many events are equal at each distance, which has the truth "
        "in it; it is fitted by logistic regression, which noise-contrastive estimation is."
    ),
)
