"""What is known of each rater: how often they pick the better, how they lean, and who is careless or adversarial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, softmax

from heedful.core import Estimate, Finding, Floats, Interval
from heedful.preference.raters_inference import Mode
from heedful.preference.raters_likelihood import Marginal
from heedful.preference.raters_types import RaterModel, Types, sharpness_at

# An edge over chance within this share of that of an attentive rater is a careless rater's; one more than this share
# below chance an adversarial rater's.
CARELESS_EDGE, ADVERSARIAL_EDGE = 0.2, 0.1
# The expected share of wrongly named raters among those named.
ERROR_RATE = 0.05
_LEVEL = 0.95
# Below this mean of |2 P(adversarial) − 1| the votes do not tell who is on which side: it was 0.7 and more for crowds
# that were divided, 0.1 for two votes in all.
_SIDED = 0.5
# Half of the draws of utilities and of the distribution of types over which a rater's type is averaged.
_DRAWN = 12
_BINS = 1000
_EXAMPLES = 5
# Intervals of accuracy fell short in simulation (0.80 to 0.86 for 25 to 150 raters): the best that any rater could do
# on these pairs depends on how far apart the items are, which votes tell too loosely. Those of reliability hold.
_CAPPED = "see the interval of reliability: none holds for the accuracy"


@dataclass(frozen=True)
class RaterEstimate:
    """One rater. `votes` counts theirs.

    `accuracy` is the probability that a decided answer of theirs names the better of a pair such as those asked, were
    both candidates shown in either order: 1/2 says nothing, below is worse than nothing. `reliability` is, in the lapse
    model, the share of questions attended to (negative: answered against the utilities), in the sharpness model their
    sharpness as a multiple of the mean. `lean` are nats toward the candidate shown first, None where no order is known.
    `adversarial` and `careless` are posterior probabilities.
    """

    id: str
    votes: float
    accuracy: Estimate
    reliability: Estimate
    lean: Estimate | None
    adversarial: float
    careless: float


@dataclass(frozen=True)
class Known:
    """What the votes say of R raters, averaged over draws of everything else.

    `accuracy`, `reliability` and `lean` [R, 4]: mean, standard deviation and the ends of an interval; `adversarial` and
    `careless` [R]: probabilities.
    """

    accuracy: Floats
    reliability: Floats
    lean: Floats
    adversarial: Floats
    careless: Floats


def known(mode: Mode, rng: np.random.Generator) -> Known:
    """Averages over mirrored draws from Laplace's approximation of everything that raters share.

    Means take the distribution of types as fitted. Whether a rater is adversarial or careless is averaged over draws of
    that distribution too: a few raters do not tell it well. Intervals do without it: all types are equally likely
    beforehand, so that they hold for each rater, however rare their type is.
    """
    model, axis = mode.model, _Axis(mode.model.types)
    named, repeats = len(model.votes.raters), 2 * _DRAWN
    noise = rng.standard_normal((_DRAWN, model.size)) @ np.linalg.cholesky(mode.covariance).T
    fitted = model.types.log_prior(model.parts(mode.x)[2])
    fair: list[Floats] = []
    cautious: list[Floats] = []
    flat: list[Floats] = []
    accuracies, leans = [], []
    for x in np.concatenate([mode.x + noise, mode.x - noise]):
        told = (model.votes.counts @ model.answers(x).log_p)[:named]
        drawn = model.types.log_prior(model.parts(x)[2])
        for kept, prior in ((fair, fitted), (cautious, drawn), (flat, 0.0)):
            kept.append(softmax(told + prior, axis=1) / repeats)
        accuracies.append(type_accuracy(model, x))
        leans.append(model.parts(x)[1][0])
    mass, free = np.concatenate(fair, axis=1), np.concatenate(flat, axis=1)
    shift = np.repeat(leans, model.types.size)
    edge = type_accuracy(model, mode.x) - 0.5
    edge = edge / axis.at(edge, _typical(model.types.model))
    doubt = np.concatenate(cautious, axis=1)
    accuracy = _Cells(*(np.concatenate([axis.at(one, end) for one in accuracies]) for end in axis.ends))
    reliability = _Cells(*(np.tile(_reliability(model.types.model, end), repeats) for end in axis.ends))
    lean = _Cells(*(np.tile(end, repeats) + shift for end in axis.lean_ends))
    return Known(
        accuracy.summary(mass, free),
        reliability.summary(mass, free),
        lean.summary(mass, free),
        doubt @ np.tile(edge < -ADVERSARIAL_EDGE, repeats),
        doubt @ np.tile(np.abs(edge) < CARELESS_EDGE, repeats),
    )


@dataclass(frozen=True)
class _Axis:
    """Where the types stand on the axes of reliability and lean, and the part of each that one stands for."""

    types: Types

    @property
    def ends(self) -> tuple[Floats, Floats, Floats]:
        """Coordinates of each type, of the lower and of the upper end [G]."""
        return self.types.coordinate, *_ends(self.types.coordinate)

    @property
    def lean_ends(self) -> tuple[Floats, Floats, Floats]:
        return self.types.lean, *_ends(self.types.lean)

    def at(self, values: Floats, coordinate: Floats | float) -> Floats:
        """Values [G] that depend on the coordinate alone, interpolated."""
        return np.asarray(np.interp(coordinate, self.types.points, values[:: len(self.types.leans)]))


@dataclass(frozen=True)
class _Cells:
    """Values [c] and the ends of the cells that they stand for."""

    value: Floats
    low: Floats
    high: Floats

    def summary(self, mass: Floats, free: Floats) -> Floats:
        """Mean and standard deviation by `mass` [R, c], equal-tailed interval by `free` [R, c], together [R, 4]."""
        mean = mass @ self.value
        square = mass @ (self.value**2 + (self.high - self.low) ** 2 / 12)
        grid = np.linspace(float(self.low.min()), float(self.high.max()), _BINS + 1)
        width = np.maximum(self.high - self.low, 1e-12)[:, None]
        below = free @ np.clip((grid - self.low[:, None]) / width, 0.0, 1.0)
        tail = (1 - _LEVEL) / 2
        last = np.maximum((below <= tail).sum(axis=1) - 1, 0)
        first = np.minimum((below < 1 - tail).sum(axis=1), _BINS)
        return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0.0)), grid[last], grid[first]], axis=1)


def type_accuracy(model: Marginal, x: Floats) -> Floats:
    """P(a decided answer names the better) [G] of each type over the pairs asked, averaged over both orders."""
    theta, (_, log_tie, log_blind), _ = model.parts(x)
    asked = np.asarray(model.votes.multiplicity @ model.votes.counts)
    gap = np.abs(model.design @ theta)
    edges = np.linspace(0, max(float(gap.max()), 1e-9), 401)
    weight, _ = np.histogram(gap, edges, weights=asked)
    middle = (edges[1:] + edges[:-1]) / 2
    types = model.types
    seen = types.sharpness * middle[:, None]
    decided = np.exp(-np.logaddexp(0, log_tie - np.logaddexp(seen / 2, -seen / 2)))
    blind = np.exp(-np.logaddexp(0, log_blind - np.log(2.0)))
    attentive, careless = types.attention * decided, (1 - types.attention) * blind
    right = (attentive * expit(seen) + careless / 2) / (attentive + careless)
    return np.asarray(weight @ right / weight.sum())


def named(probability: Floats) -> np.ndarray:
    """The most raters, most probable first, of whom at most ERROR_RATE are expected not to be what they are called.

    The Bayesian false-discovery rate of Newton, Noueiry, Sarkar and Ahlquist (2004), section 4.
    """
    order = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(1 - probability[order]) / np.arange(1, len(order) + 1)
    return np.asarray(order[: int((wrong <= ERROR_RATE).sum())])


def estimates(model: Marginal, found: Known, placed: np.ndarray) -> tuple[RaterEstimate, ...]:
    """One estimate per rater; those not `placed` [R] without intervals."""
    votes, ordered = model.votes, model.votes.ordered
    note = "shares too few items with other raters to be compared with them"
    number = votes.votes

    def estimate(row: Floats, rater: int, spans: bool = True) -> Estimate:
        mean, sd, low, high = (float(value) for value in row)
        why = note if not placed[rater] else "" if spans else _CAPPED
        interval = None if why else Interval(min(low, mean), max(high, mean), "at least", _LEVEL)
        return Estimate(mean, round(float(number[rater])), sd**2, interval, bool(placed[rater]), why)

    return tuple(
        RaterEstimate(
            name,
            float(number[r]),
            estimate(found.accuracy[r], r, spans=False),
            estimate(found.reliability[r], r),
            estimate(found.lean[r], r) if ordered else None,
            float(found.adversarial[r]),
            float(found.careless[r]),
        )
        for r, name in enumerate(votes.raters)
    )


def findings(raters: tuple[RaterEstimate, ...]) -> list[Finding]:
    """Who is adversarial or careless, and what the votes cannot tell."""
    told = [rater for rater in raters if rater.accuracy.identified]
    rate = f"of those named, {ERROR_RATE:.0%} are expected to be named wrongly"
    found = []
    for trait, severity, says, fix in _TRAITS:
        chosen = [told[i].id for i in named(np.array([getattr(rater, trait) for rater in told]))]
        if chosen:
            message = f"{len(chosen):,} of {len(raters):,} raters {says} ({rate})."
            examples = tuple(chosen[:_EXAMPLES])
            found.append(Finding(f"raters.{trait}", severity, message, fix, len(chosen), examples))
    apart = [rater.id for rater in raters if not rater.accuracy.identified]
    if len(raters) == 1:
        message = "There is one rater, so nothing says how reliable they are: the fit takes them as typical."
        found.append(Finding("raters.one", "warning", message, "Collect votes on the same items by others.", 1))
    elif apart:
        message = f"{len(apart):,} of {len(raters):,} raters share too few items with others to be compared with them."
        fix = "Ask them about items that others judge too."
        found.append(Finding("raters.apart", "warning", message, fix, len(apart), tuple(apart[:_EXAMPLES])))
    return found


def majority(raters: tuple[RaterEstimate, ...]) -> list[Finding]:
    """A warning where the votes hardly tell the better from the worse: which side is right is then a convention, or
    they do not even tell who is on which side (probabilities that differ little from one half)."""
    probability = np.array([rater.adversarial for rater in raters])
    against = float(probability.mean()) if raters else 0.0
    if against < 0.4:
        return []
    if np.abs(2 * probability - 1).mean() < _SIDED:
        message = "The votes do not tell which raters answer with the others and which against them."
        return [
            Finding("raters.untold", "warning", message, "Ask each of them more about the same items.", len(raters))
        ]
    message = (
        f"About {against:.0%} of the raters answer against the others, so which of the two sides is right is taken "
        "from the slight majority."
    )
    fix = "Check a few answers yourself, or fit the two groups apart."
    return [Finding("raters.divided", "problem", message, fix, round(against * len(raters)))]


_TRAITS: tuple[tuple[str, Literal["problem", "warning"], str, str], ...] = (
    (
        "adversarial",
        "problem",
        "tend to name the worse candidate",
        "Check that they read the instructions the right way round; their votes are turned round by this fit.",
    ),
    (
        "careless",
        "warning",
        f"have less than {CARELESS_EDGE:.0%} of the edge over chance that an attentive rater has",
        "Do not ask them again, or check how they were instructed; their votes count for next to nothing here.",
    ),
)


def _reliability(model: RaterModel, coordinate: Floats) -> Floats:
    return coordinate if model == "lapse" else sharpness_at(coordinate)


def _typical(model: RaterModel) -> float:
    """The coordinate of an attentive rater: one who attends to every question, or of mean sharpness."""
    if model == "lapse":
        return 1.0
    fine = np.linspace(0, 1, 10_001)
    return float(np.interp(1.0, _reliability(model, fine), fine))


def _ends(values: Floats) -> tuple[Floats, Floats]:
    """The lower and upper end of the part of an axis that each grid value stands for."""
    distinct, where = np.unique(values, return_inverse=True)
    middle = (distinct[1:] + distinct[:-1]) / 2
    return np.append(distinct[0], middle)[where], np.append(middle, distinct[-1])[where]
