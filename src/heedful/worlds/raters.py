"""Simulated raters: how people with known faults judge things of known utility.

Every judgement comes from one random-utility model. A rater perceives utility + their own taste + shared errors +
biases, each of these in nats, and adds noise of their temperature: Gumbel on each candidate, hence logistic on a
difference. Comparisons are then Bradley-Terry, rankings and best-of-K Plackett-Luce, ratings and labels ordinal logit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from heedful.core import Floats, InputError
from heedful.worlds.effects import normal_effect

Whole = NDArray[np.integer[Any]]
TieLaw = Literal["davidson", "threshold"]

# Streams of random effects that must not share a cell.
_PERSON, _PROMPT, _DRIFT = 1, 2, 3


@dataclass(frozen=True)
class Shown:
    """What n questions show, k candidates each, to whoever answers.

    utility [n, k] true utilities in nats; `traits` [n, k, d] numbers of what taste can differ on (an item, a
    criterion) with `loadings` [n, k, d] how much of each a candidate has; length [n, k], log length less the world's
    mean; prompt [n] numbers the prompts.
    """

    utility: Floats
    traits: Whole
    loadings: Floats
    length: Floats
    prompt: Whole

    def take(self, rows: Whole) -> Shown:
        """The questions with these numbers."""
        return Shown(self.utility[rows], self.traits[rows], self.loadings[rows], self.length[rows], self.prompt[rows])

    def apart(self) -> Shown:
        """Each of the n · k candidates as a question of its own."""
        n, k, d = self.traits.shape
        traits, loadings = self.traits.reshape(n * k, 1, d), self.loadings.reshape(n * k, 1, d)
        return Shown(
            self.utility.reshape(-1, 1), traits, loadings, self.length.reshape(-1, 1), np.repeat(self.prompt, k)
        )


@dataclass(frozen=True, eq=False)
class SimulatedRaters:
    """`count` raters. Each of the first five traits is one number for all of them, or one for each.

    temperature      scale of the noise in utilities (1: the Bradley-Terry model; 0 is not allowed)
    position_bias    nats added to the candidate shown first
    length_bias      nats per unit of log length
    carelessness     probability of an answer that ignores the question (uniform; never a tie)
    leniency         nats added in ratings and labels only
    disagreement     standard deviation of each person's lasting deviation from the shared taste, per trait
    shared_error     standard deviation of an error per prompt and trait that all raters share: votes on one prompt
                     are then correlated, and no number of raters removes it
    drift            standard deviation, per trait, of how far the shared taste moves from the first judgement to the
                     last; the true utility is the taste halfway
    tie, tie_law     "davidson": a tie weighs tie·sqrt(π₁π₂) beside π₁ and π₂ (Davidson 1970); "threshold": a tie where
                     the noisy difference, over the temperature, is within ±tie (Rao and Kupper 1967, tie = their
                     η). Rankings tie under the second law only
    degree_step      nats by which a noisy difference must grow for a degree more, 1 to `degrees`; None: no degrees
    rating_cuts      rising cut points in nats between the ratings 1, 2, ...
    """

    count: int = 50
    temperature: ArrayLike = 1.0
    position_bias: ArrayLike = 0.0
    length_bias: ArrayLike = 0.0
    carelessness: ArrayLike = 0.0
    leniency: ArrayLike = 0.0
    disagreement: float = 0.0
    shared_error: float = 0.0
    drift: float = 0.0
    tie: float = 0.0
    tie_law: TieLaw = "davidson"
    degree_step: float | None = None
    degrees: int = 3
    rating_cuts: tuple[float, ...] = (-2.0, -0.7, 0.7, 2.0)
    seed: int = 0
    ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(f"rater-{number + 1:03d}" for number in range(self.count)))
        for name in ("temperature", "position_bias", "length_bias", "carelessness", "leniency"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.ndim > 1 or (values.ndim == 1 and len(values) != self.count):
                raise InputError(f"{name} is one number or {self.count}", where="SimulatedRaters")
            object.__setattr__(self, name, np.broadcast_to(values, (self.count,)))
        self._check()

    def _check(self) -> None:
        allowed = {
            "count, at least 1": self.count >= 1,
            "temperature, above 0": bool((np.asarray(self.temperature) > 0).all()),
            "carelessness, in [0, 1]": bool(
                ((self._each("carelessness") >= 0) & (self._each("carelessness") <= 1)).all()
            ),
            "spreads and tie, at least 0": min(self.disagreement, self.shared_error, self.drift, self.tie) >= 0,
            "rating_cuts, rising": bool((np.diff(self.rating_cuts) > 0).all()),
            "degree_step, above 0": self.degree_step is None or self.degree_step > 0,
        }
        for rule, kept in allowed.items():
            if not kept:
                raise InputError(f"out of range: {rule}", where="SimulatedRaters")

    def _each(self, name: str) -> Floats:
        return np.asarray(getattr(self, name), dtype=np.float64)

    def perceived(self, shown: Shown, rater: Whole, time: Floats) -> Floats:
        """Utilities [n, k] as rater [n] sees them at `time` [n] in [0, 1], before noise."""
        taste = np.zeros(shown.traits.shape)
        person, prompt = rater[:, None, None], shown.prompt[:, None, None]
        if self.disagreement:
            taste += self.disagreement * normal_effect(self.seed, _PERSON, person, shown.traits)
        if self.shared_error:
            taste += self.shared_error * normal_effect(self.seed, _PROMPT, prompt, shown.traits)
        if self.drift:
            moved = (time - 0.5)[:, None, None]
            taste += self.drift * moved * normal_effect(self.seed, _DRIFT, shown.traits)
        seen = shown.utility + (taste * shown.loadings).sum(axis=2)
        seen += self._each("length_bias")[rater, None] * shown.length
        if seen.shape[1] > 1:
            seen[:, 0] += self._each("position_bias")[rater]
        return np.asarray(seen)

    def outcome_probabilities(self, difference: Floats, rater: Whole) -> Floats:
        """P(first), P(second), P(tie) [3, n] given the perceived difference of utility [n] to rater [n]."""
        scaled = difference / self._each("temperature")[rater]
        first, second, tie = tie_probabilities(scaled, self.tie, self.tie_law)
        care = 1 - self._each("carelessness")[rater]
        return np.stack([care * first + (1 - care) / 2, care * second + (1 - care) / 2, care * tie])

    def compare(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> tuple[Whole, Whole | None]:
        """Comparisons of two candidates: outcomes [n] (0 first, 1 second, 2 tie) and degrees [n] (0 for a tie).

        Outcomes follow `outcome_probabilities`. One uniform number decides outcome and degree: a degree more for each
        `degree_step` by which the logistic difference lies beyond the edge of a tie.
        """
        seen = self.perceived(shown, rater, time)
        temperature = self._each("temperature")[rater]
        scaled = (seen[:, 0] - seen[:, 1]) / temperature
        first, second, _ = tie_probabilities(scaled, self.tie, self.tie_law)
        uniform = rng.random(len(scaled))
        careless = rng.random(len(scaled)) < self._each("carelessness")[rater]
        first, second = np.where(careless, 0.5, first), np.where(careless, 0.5, second)
        outcome = np.where(uniform < second, 1, np.where(uniform >= 1 - first, 0, 2)).astype(np.int8)
        if self.degree_step is None:
            return outcome, None
        tail = np.where(outcome == 0, 1 - uniform, uniform)
        beyond = (_finite_logit(np.where(outcome == 0, first, second)) - _finite_logit(tail)) * temperature
        degree = 1 + np.minimum(beyond // self.degree_step, self.degrees - 1)
        return outcome, np.where(outcome == 2, 0, degree).astype(np.int8)

    def rank(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Whole:
        """Ranks [n, k], 1 = best; under the threshold law neighbours within tie·temperature share a rank."""
        noisy = self._noisy(shown, rater, time, rng)
        order = np.argsort(-noisy, axis=1)
        falling = np.take_along_axis(noisy, order, axis=1)
        margin = self.tie * self._each("temperature")[rater] if self.tie_law == "threshold" else np.zeros(len(rater))
        apart = np.diff(-falling, axis=1) > margin[:, None]
        place = np.concatenate([np.ones((len(noisy), 1), dtype=np.int64), 1 + np.cumsum(apart, axis=1)], axis=1)
        ranks = np.empty_like(place)
        np.put_along_axis(ranks, order, place, axis=1)
        return ranks

    def best_of(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Whole:
        """The column [n] of the candidate each rater likes best."""
        return np.asarray(self._noisy(shown, rater, time, rng).argmax(axis=1))

    def best_worst(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> tuple[Whole, Whole]:
        """The columns [n] of the candidates liked best and, of the rest, least: each a choice with noise of its own.

        Marley and Louviere (2005), the sequential model of best, then worst.
        """
        seen = self._attended(shown, rater, time, rng)
        best = (seen + self._gumbel(seen, rater, rng)).argmax(axis=1)
        least = self._gumbel(seen, rater, rng) - seen
        np.put_along_axis(least, best[:, None], -np.inf, axis=1)
        return best, least.argmax(axis=1)

    def rate(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Whole:
        """Ratings [n] of one candidate each, 1 to len(rating_cuts) + 1 (proportional odds: McCullagh 1980)."""
        cuts = np.asarray(self.rating_cuts)
        rating = 1 + np.searchsorted(cuts, self._lone(shown, rater, time, rng))
        careless = rng.random(len(rating)) < self._each("carelessness")[rater]
        return np.where(careless, rng.integers(1, len(cuts) + 2, len(rating)), rating)

    def label(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Yes or no [n] for one candidate each: yes where its noisy utility is above 0."""
        yes = self._lone(shown, rater, time, rng) > 0
        careless = rng.random(len(yes)) < self._each("carelessness")[rater]
        return np.where(careless, rng.random(len(yes)) < 0.5, yes)

    def _attended(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Floats:
        """Perceived utilities [n, k]; all alike for a careless answer."""
        seen = self.perceived(shown, rater, time)
        careless = rng.random(len(seen)) < self._each("carelessness")[rater]
        seen[careless] = 0.0
        return seen

    def _gumbel(self, seen: Floats, rater: Whole, rng: np.random.Generator) -> Floats:
        return np.asarray(self._each("temperature")[rater, None] * rng.gumbel(size=seen.shape))

    def _noisy(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Floats:
        """Perceived utilities [n, k] with Gumbel noise; for a careless answer nothing but noise."""
        seen = self._attended(shown, rater, time, rng)
        return seen + self._gumbel(seen, rater, rng)

    def _lone(self, shown: Shown, rater: Whole, time: Floats, rng: np.random.Generator) -> Floats:
        """The perceived utility [n] of the one candidate with leniency and logistic noise."""
        seen = self.perceived(shown, rater, time)[:, 0] + self._each("leniency")[rater]
        return np.asarray(seen + self._each("temperature")[rater] * rng.logistic(size=len(seen)))


def tie_probabilities(difference: Floats, tie: float, law: TieLaw) -> tuple[Floats, Floats, Floats]:
    """P(first), P(second), P(tie), each [n], for a difference of utility [n] in units of the noise."""
    if law == "threshold":
        first, second = expit(difference - tie), expit(-difference - tie)
        return first, second, 1 - first - second
    # Davidson's weights e^{d/2}, e^{-d/2} and tie, written so that nothing overflows.
    first = 1 / (1 + np.exp(-np.abs(difference)) + tie * np.exp(-np.abs(difference) / 2))
    loser = first * np.exp(-np.abs(difference))
    drawn = first * tie * np.exp(-np.abs(difference) / 2)
    return np.where(difference >= 0, first, loser), np.where(difference >= 0, loser, first), drawn


def _finite_logit(probability: Floats) -> Floats:
    """log p/(1 − p) with p kept inside (0, 1), where a float can no longer tell it from 0 or 1."""
    return np.asarray(logit(np.clip(probability, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)))
