"""Calibration of a head on votes it was not fitted to: cross-fitting by group, then a temperature or a curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from heedful.core import Floats, InputError, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.heads.base import FittedHead, Gap, Head, prefixed, under
from heedful.preference.heads.saved import load_head
from heedful.preference.heads.votes import Votes, folds
from heedful.preference.observations import Indices
from heedful.stats import expected_calibration_error, log_loss

Method = Literal["temperature", "isotonic", "flips"]

# A temperature is looked for between 1/50 and 50; one at an end is reported as such.
_WIDEST = math.log(50.0)


@dataclass(frozen=True)
class OutOfFold:
    """Decided votes [v] as predicted by fits to the other folds: the gaps of each fold, and what happened.

    `place` holds the votes of each fold, as places among the decided votes.
    """

    gaps: tuple[Gap, ...]
    place: tuple[Indices, ...]
    share: Floats
    weight: Floats
    group: Indices
    fold: Indices

    def probability(self, temperature: float = 1.0) -> Floats:
        """P(first wins | decided) [v]."""
        result = np.empty(len(self.share))
        for gap, place in zip(self.gaps, self.place, strict=True):
            result[place] = gap.probability(temperature)
        return result

    def only(self, kept: set[int]) -> OutOfFold:
        """The votes of some folds alone."""
        inside = np.isin(self.fold, list(kept))
        number = np.cumsum(inside) - 1
        gaps = tuple(gap for fold, gap in enumerate(self.gaps) if fold in kept)
        place = tuple(number[place] for fold, place in enumerate(self.place) if fold in kept)
        _, fold = np.unique(self.fold[inside], return_inverse=True)
        return OutOfFold(gaps, place, self.share[inside], self.weight[inside], self.group[inside], fold)


def cross_fit(head: Head, design: Floats, votes: Votes, *, count: int = 5, rng: np.random.Generator) -> OutOfFold:
    """Every decided comparison predicted by a fit to the other folds.

    Raises InputError with too few groups, or where votes and design do not go together.
    """
    votes.check(design)
    fold, decided = folds(votes.groups, count, rng), np.flatnonzero(~votes.tied)
    where = fold[decided]
    gaps, places = [], []
    for number in range(count):
        fitted = head.fit(*votes.take(fold != number).compact(design), rng=rng)
        place = np.flatnonzero(where == number)
        own = decided[place]
        gaps.append(fitted.gap(design[votes.first[own]], design[votes.second[own]]))
        places.append(place)
    return OutOfFold(
        tuple(gaps), tuple(places), votes.share[decided], votes.weight[decided], votes.group[decided], where
    )


@dataclass(frozen=True)
class Curve:
    """A rising map of probabilities, symmetric about one half: straight lines between points `x` [p] and `y` [p]."""

    x: Floats
    y: Floats

    def __call__(self, probability: Floats) -> Floats:
        # Both orientations, so that swapping candidates gives one less it to the last bit.
        return np.asarray((1 + self._at(probability) - self._at(1 - probability)) / 2)

    def _at(self, probability: Floats) -> Floats:
        return np.asarray(np.interp(probability, self.x, self.y))


def fitted_temperature(votes: OutOfFold) -> float:
    """The temperature with the least weighted log loss of votes that were held out (Guo et al. 2017, section 4.2).

    It divides every draw and spread, not the logit of the averaged probability, so that scores and probabilities
    remain those of one scale.
    """

    def loss(log_temperature: float) -> float:
        temperature, total = math.exp(log_temperature), 0.0
        for gap, place in zip(votes.gaps, votes.place, strict=True):
            total += float(votes.weight[place] @ gap.log_loss(votes.share[place], temperature))
        return total

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-3})
    return math.exp(float(found.x))


def fitted_curve(votes: OutOfFold) -> Curve:
    """Isotonic regression of outcomes on probabilities (Zadrozny and Elkan 2002), each vote seen from both sides.

    Values stay 1/(w + 2) away from 0 and 1, w the weight of all votes: a step of a few lucky votes proves no certainty.
    """
    from sklearn.isotonic import IsotonicRegression

    p, limit = votes.probability(), 1 / (votes.weight.sum() + 2)
    fit = IsotonicRegression(y_min=limit, y_max=1 - limit, out_of_bounds="clip")
    share, weight = np.concatenate([votes.share, 1 - votes.share]), np.tile(votes.weight, 2)
    fit.fit(np.concatenate([p, 1 - p]), share, weight)
    return Curve(np.asarray(fit.X_thresholds_, np.float64), np.asarray(fit.y_thresholds_, np.float64))


def fitted_flips(votes: OutOfFold) -> tuple[float, float]:
    """The temperature and the share ε in [0, ½] of flipped votes that make votes held out most likely, jointly."""

    def loss(log_temperature: float) -> float:
        return flip_rate(votes, math.exp(log_temperature))[1]

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded", options={"xatol": 1e-3})
    temperature = math.exp(float(found.x))
    return temperature, flip_rate(votes, temperature)[0]


def flip_rate(votes: OutOfFold, temperature: float = 1.0) -> tuple[float, float]:
    """The best ε given probabilities of what was meant, and the log loss there; the loss is convex in ε."""
    p = votes.probability(temperature)

    def loss(rate: float) -> float:
        return float(votes.weight @ log_loss((1 - rate) * p + rate * (1 - p), votes.share))

    found = minimize_scalar(loss, bounds=(1e-6, 0.5), method="bounded", options={"xatol": 1e-6})
    return float(found.x), float(found.fun)


def flips(rate: float) -> Curve:
    """Probabilities of votes from those of what was meant: the line from ε to 1 − ε."""
    return Curve(np.array([0.0, 1.0]), np.array([rate, 1 - rate]))


def learnt(votes: OutOfFold, method: Method) -> tuple[float, Curve | None]:
    """The temperature (1 where none is learnt) and the curve of a calibration by `method`."""
    if method == "temperature":
        return fitted_temperature(votes), None
    if method == "isotonic":
        return 1.0, fitted_curve(votes)
    temperature, rate = fitted_flips(votes)
    return temperature, flips(rate)


@dataclass(frozen=True)
class Report:
    """Calibration on votes held out from the fits: log loss (nats) and debiased calibration error, before and after.

    `after` is cross-fitted once more: each fold's votes are mapped by what the other folds' votes taught.
    `at_end` says that the temperature lies at the end of the range searched, so that no finite one is best.
    """

    method: Method
    n: int
    temperature: float
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float
    at_end: bool


def calibration_report(votes: OutOfFold, method: Method, *, rng: np.random.Generator) -> Report:
    """What a calibration by `method` does to votes it has not seen."""
    before, after = votes.probability(), np.empty(len(votes.share))
    for number, place in enumerate(votes.place):
        temperature, curve = learnt(votes.only(set(range(len(votes.gaps))) - {number}), method)
        own = votes.gaps[number].probability(temperature)
        after[place] = own if curve is None else curve(own)
    value = learnt(votes, method)[0]
    losses = [float(np.average(log_loss(p, votes.share), weights=votes.weight)) for p in (before, after)]
    errors = [debiased_error(p, votes.share, votes.group, rng) for p in (before, after)]
    at_end = bool(abs(math.log(value)) > _WIDEST - 0.01)
    return Report(method, len(votes.share), value, losses[0], losses[1], errors[0], errors[1], at_end)


def debiased_error(probability: Floats, share: Floats, group: Indices, rng: np.random.Generator) -> float:
    """The expected calibration error of the predicted winner less what noise alone adds, votes clustered by group."""
    swap = probability < 0.5
    sure, won = np.where(swap, 1 - probability, probability).round(12), np.where(swap, 1 - share, share)
    return expected_calibration_error(sure, won, rng=rng, clusters=[group])["ece"]


@dataclass(frozen=True)
class Calibrated:
    """A head, then a calibration learnt by cross-fitting it over `folds` parts of whole groups.

    "temperature" divides utilities, draws and spread by one number; "isotonic" maps probabilities of comparisons by a
    rising curve and leaves utilities as they are; "flips" learns a temperature and a share of flipped votes.
    On HH-RLHF isotonic curves lose with every head and a temperature changes nothing; see docs/benchmarks.md.
    """

    head: Head
    method: Method = "temperature"
    folds: int = 5

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            fix = f"choose one of {', '.join(get_args(Method))}"
            raise UsageError(f"{self.method!r} is no calibration", where="method", fix=fix)

    @property
    def name(self) -> str:
        return f"{self.head.name}, {self.method}"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedCalibrated:
        """folds + 1 fits of the head. Raises InputError with fewer groups than folds, or no decided comparison."""
        if not (~votes.tied).any():
            raise InputError("calibration needs decided comparisons, and there are none", where="votes")
        held = cross_fit(self.head, design, votes, count=self.folds, rng=rng)
        return self.calibrate(self.head.fit(design, votes, rng=rng), held, rng)

    def calibrate(self, fitted: FittedHead, held: OutOfFold, rng: np.random.Generator) -> FittedCalibrated:
        """A fit calibrated by predictions that were made already."""
        temperature, curve = learnt(held, self.method)
        return FittedCalibrated(fitted, temperature, curve, calibration_report(held, self.method, rng=rng))


@dataclass(frozen=True, eq=False)
class FittedCalibrated:
    """A fitted head with a temperature, and a curve of probabilities where that was learnt instead."""

    head: FittedHead
    temperature: float
    curve: Curve | None
    report: Report

    @property
    def name(self) -> str:
        return f"{self.head.name}, {self.report.method}"

    @property
    def facts(self) -> dict[str, Any]:
        return {**self.head.facts, "calibration": asdict(self.report)}

    def mean(self, features: Floats) -> Floats:
        return self.head.mean(features) / self.temperature

    def draws(self, features: Floats) -> Floats:
        return self.head.draws(features) / self.temperature

    def aleatoric(self, features: Floats) -> Floats | None:
        spread = self.head.aleatoric(features)
        return None if spread is None else spread / self.temperature

    def gap(self, first: Floats, second: Floats) -> Gap:
        inner = self.head.gap(first, second)
        return Gap(inner.values / self.temperature, inner.weights)

    def prefer(self, first: Floats, second: Floats) -> Floats:
        probability = self.gap(first, second).probability()
        return probability if self.curve is None else self.curve(probability)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        own, state = self.head.state()
        arrays = prefixed("head.", own)
        if self.curve is not None:
            arrays |= {"curve.x": self.curve.x, "curve.y": self.curve.y}
        return arrays, {"head": "calibrated", "of": state, "report": asdict(self.report)}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        report = Report(**state["report"])
        curve = Curve(arrays["curve.x"], arrays["curve.y"]) if "curve.x" in arrays else None
        return cls(load_head(under("head.", arrays), state["of"]), report.temperature, curve, report)
