"""Votes that may be wrong: a flip rate fitted with the head, and votes mended by what other models make of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from heedful.core import Floats, InputError, UsageError
from heedful.preference.heads.base import FittedHead, Head
from heedful.preference.heads.calibration import (
    Calibrated,
    FittedCalibrated,
    OutOfFold,
    cross_fit,
    fitted_flips,
)
from heedful.preference.heads.votes import Votes

Mending = Literal["flip", "soft", "margin", "weigh", "drop"]

# How much more a vote of great margin weighs than one of none, and how fast that comes with the margin (per nat).
_GAIN, _STEEPNESS = 0.5, 0.5


@dataclass(frozen=True)
class FlipNoise:
    """P(vote for first) = (1 − ε) σ(Δ) + ε (1 − σ(Δ)): a share ε of votes says the opposite of what was meant.

    Cross-fitted expectation-maximisation: in each of `rounds`, votes are predicted by fits to the other folds; ε, with
    a temperature, and the chance of each vote to be a flip follow; the next fits are to soft labels of what was meant.
    Scores are of what is meant; probabilities of votes have the flips put back (`FittedCalibrated.curve`). ε and the
    scale of utilities are told apart only by votes that should be sure and are not: with weak preferences ε is vague.
    """

    head: Head
    rounds: int = 3
    folds: int = 5

    @property
    def name(self) -> str:
        return f"{self.head.name}, flips"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedCalibrated:
        """Raises InputError where there is no decided comparison or there are fewer groups than folds."""
        if votes.tied.all():
            raise InputError("a flip rate needs decided comparisons, and there are none", where="votes")
        meaning, decided = votes, np.flatnonzero(~votes.tied)
        held = cross_fit(self.head, design, votes, count=self.folds, rng=rng)
        for _ in range(self.rounds):
            temperature, rate = fitted_flips(held)
            share = votes.share.copy()
            share[decided] = meant(held.probability(temperature), held.share, rate)
            meaning = replace(votes, share=share)
            held = observed(cross_fit(self.head, design, meaning, count=self.folds, rng=rng), votes)
        return Calibrated(self.head, "flips").calibrate(self.head.fit(design, meaning, rng=rng), held, rng)


def observed(held: OutOfFold, votes: Votes) -> OutOfFold:
    """Predictions by fits to mended votes, with the votes as they were given."""
    return replace(held, share=votes.share[~votes.tied])


def meant(p: Floats, share: Floats, rate: float) -> Floats:
    """The share of votes [v] that were meant for the first, given those made and P(first is meant) = p."""
    kept = (1 - rate) * p / ((1 - rate) * p + rate * (1 - p))
    flipped = rate * p / ((1 - rate) * (1 - p) + rate * p)
    return share * kept + (1 - share) * flipped


@dataclass(frozen=True)
class Voted:
    """A head fitted to votes mended by their strength, the mean margin that `voters` fits to other votes give them.

    After Wang et al. 2024, "Secrets of RLHF in large language models part II", sections 2.2 and 2.3, with margins
    from fits that have not seen the vote (repeated cross-fitting). "flip": votes whose margin is below zero, at most
    `share` of all and the most negative first, are turned round. "soft": each label is averaged with the probability
    the others give it. "margin": a vote the others agree with is asked to be won by their margin (Networks only).
    "weigh": votes weigh 1 + w (1 − exp(−k δ)), δ the margin or 0 below it, w = k = ½, scaled to the weight they had
    together; the dynamic reward scaling of Zhang et al. 2025, "MM-RLHF", there of β. "drop": the `share` of votes
    with the least margin have no weight.

    On HH-RLHF and PandaLM "soft" is not shown to help a linear head; see docs/benchmarks.md.
    """

    head: Head
    mending: Mending = "soft"
    voters: int = 10
    folds: int = 5
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.mending not in get_args(Mending):
            fix = f"choose one of {get_args(Mending)}"
            raise UsageError(f"{self.mending!r} is no mending", where="mending", fix=fix)

    @property
    def name(self) -> str:
        return f"{self.head.name}, voted {self.mending}"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedHead:
        """Raises InputError with fewer groups than folds."""
        mean, _ = strengths(self.head, design, votes, voters=self.voters, count=self.folds, rng=rng)
        return self.head.fit(design, mended(votes, mean, self.mending, self.share), rng=rng)


def strengths(
    head: Head, design: Floats, votes: Votes, *, voters: int, count: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mean and standard deviation [v] over voters of each vote's margin (nats) toward its winner; 0 for ties.

    Voters are fits of `head` to other folds, `voters` / `count` rounds of them, rounded up to 2: a margin below zero
    says that those who have not seen the vote expect the other to win.
    """
    rounds = max(2, -(-voters // count))
    found = np.zeros((rounds, len(votes.first)))
    sign = np.where(votes.tied, 0.0, 2 * votes.share - 1)
    for own in found:
        held = cross_fit(head, design, votes, count=count, rng=rng)
        gap = np.empty(len(held.share))
        for each, place in zip(held.gaps, held.place, strict=True):
            gap[place] = each.values.mean(axis=0).T @ each.weights
        own[~votes.tied] = gap
    return sign * found.mean(axis=0), np.abs(sign) * found.std(axis=0, ddof=1)


def mended(votes: Votes, margin: Floats, how: Mending, share: float) -> Votes:
    """The votes as mended by their margins [v]; see `Voted`."""
    decided = ~votes.tied
    if how == "margin":
        return replace(votes, margin=np.where(decided, np.maximum(margin, 0.0), 0.0))
    if how == "soft":
        sign = np.where(votes.share >= 0.5, 1.0, -1.0)
        believed = 1 / (1 + np.exp(-sign * margin))
        return replace(votes, share=np.where(decided, (votes.share + believed) / 2, votes.share))
    if how == "weigh":
        grown = votes.weight * (1 - _GAIN * np.expm1(-_STEEPNESS * np.maximum(margin, 0.0)))
        return replace(votes, weight=grown * (votes.weight.sum() / grown.sum()))
    order = np.argsort(np.where(decided, margin, np.inf))[: int(share * decided.sum())]
    if how == "drop":
        return replace(votes, weight=np.where(np.isin(np.arange(len(margin)), order), 0.0, votes.weight))
    turned = order[margin[order] < 0]
    changed = votes.share.copy()
    changed[turned] = 1 - changed[turned]
    return replace(votes, share=changed)
