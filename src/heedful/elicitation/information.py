"""What the answers to questions would tell: mutual information between answers and utilities, over posterior draws.

Outcome arrays have the shape [o, k, n]: outcome (first wins, second wins and, where there are ties, tie), posterior
draw, question. All information is in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, entr

from heedful.core import Floats

Indices = NDArray[np.intp]


def entropy(probability: Floats) -> Floats:
    """Entropy in nats over the first axis."""
    total = entr(probability[0])
    for row in probability[1:]:
        total = total + entr(row)
    return np.asarray(total, dtype=np.float64)


def information_gain(outcomes: Floats) -> Floats:
    """Mutual information of each answer and the utilities [n]: H(mean over draws) − mean over draws of H.

    outcomes: [o, k, n]. Houlsby et al. 2011, "Bayesian active learning for classification and preference learning",
    equation 1. Over k draws it cannot exceed ln k.
    """
    return np.asarray(entropy(outcomes.mean(axis=1)) - entropy(outcomes).mean(axis=0))


def one_sided_gain(answers: Indices) -> Floats:
    """What the next answer tells about a rate after this many answers [n] that all went one way, in nats [n].

    With none yet and no prior, the rate is 0 or 1 with equal odds: ln 2, all that a decided answer can carry. After
    that the rate is Beta(answers + 1/2, 1/2) (Jeffreys' prior), for which H(mean) − E[H] has the closed form below.
    It stands in for the mutual information of questions about an item that a posterior knows nothing of.
    """
    a, b = np.asarray(answers) + 0.5, 0.5
    mean, total = a / (a + b), a + b
    expected = digamma(total + 1) - mean * digamma(a + 1) - (1 - mean) * digamma(b + 1)
    return np.asarray(np.where(np.asarray(answers) == 0, np.log(2), entr(mean) + entr(1 - mean) - expected))


@dataclass(frozen=True)
class Histories:
    """Possible answers to the questions chosen so far, as beliefs over the draws that each would leave.

    `probability` [h] of each history; `weights` [h, k] is the belief over the k draws given it, rows sum to one.
    With at most `limit` histories they are all listed and every gain is exact for the draws; beyond, `limit` of them
    are drawn (systematic resampling), which keeps every expectation unbiased.
    """

    probability: Floats
    weights: Floats
    limit: int

    @classmethod
    def none(cls, draws: int, *, limit: int) -> Self:
        """No question chosen yet: one history, all draws alike."""
        return cls(np.ones(1), np.full((1, draws), 1.0 / draws), limit)

    def gain(self, outcomes: Floats) -> Floats:
        """Expected information [n] of each question's answer once the chosen questions are answered.

        outcomes: [o, k, n]. The conditional mutual information I(answer; draw | answers so far), so the gains of a
        batch add up to its joint information (BatchBALD: Kirsch et al. 2019, equation 8).
        """
        predicted = np.stack([self.weights @ outcome for outcome in outcomes])
        certain = (self.probability @ self.weights) @ entropy(outcomes)
        return np.asarray(self.probability @ entropy(predicted) - certain)

    def ask(self, outcomes: Floats, rng: np.random.Generator) -> Histories:
        """The histories after one more question, with outcomes [o, k]."""
        joint = (self.weights[None] * outcomes[:, None, :]).reshape(-1, self.weights.shape[1])
        conditional = joint.sum(axis=1)
        probability = np.tile(self.probability, len(outcomes)) * conditional
        possible = np.flatnonzero(probability > 0)
        if len(possible) > self.limit:
            possible = possible[systematic(probability[possible], self.limit, rng)]
            kept = np.full(self.limit, 1.0 / self.limit)
        else:
            kept = probability[possible] / probability[possible].sum()
        return Histories(kept, joint[possible] / conditional[possible, None], self.limit)


def systematic(probability: Floats, size: int, rng: np.random.Generator) -> Indices:
    """`size` indices drawn with these probabilities by one uniform number: each is expected size·p times."""
    edges = np.cumsum(probability / probability.sum())
    edges[-1] = 1.0
    return np.searchsorted(edges, (rng.random() + np.arange(size)) / size, side="right")
