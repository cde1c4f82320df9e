"""Marks of critics: the posterior of units by enumeration, rates by a general optimiser, blind spots by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta

from heedful.core import FitError, InputError
from heedful.preference.marks import ALARM_PRIOR, PREVALENCE_PRIOR, SENSITIVITY_PRIOR, fit_marks

SEEING, BLIND, ALARM = 0.85, 0.1, 0.1


def simulated(units: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Marks by seven critics, two kinds of units, their faults, and the sensitivities [7, 2]: four critics are blind
    to the second kind."""
    rng = np.random.default_rng(seed)
    sensitivity = np.full((7, 2), SEEING)
    sensitivity[:4, 1] = BLIND
    kind, faulty = rng.integers(2, size=units), rng.random(units) < 0.3
    rate = np.where(faulty[:, None], sensitivity.T[kind], ALARM)
    return (rng.random((units, 7)) < rate).astype(float), kind, faulty, sensitivity


def log_joint(marks: np.ndarray, faulty: tuple[int, ...], s: np.ndarray, f: np.ndarray, prevalence: float) -> float:
    """log P(marks, classes | rates) of one kind, written out unit by unit and critic by critic."""
    total = 0.0
    for row, z in zip(marks, faulty, strict=True):
        total += np.log(prevalence if z else 1 - prevalence)
        for mark, hit, alarm in zip(row, s, f, strict=True):
            rate = hit if z else alarm
            total += 0.0 if np.isnan(mark) else np.log(rate if mark else 1 - rate)
    return total


def test_probabilities_are_those_of_enumeration() -> None:
    marks = np.array([[1, 1, 0.0], [0, 0, 1], [np.nan, 1, 1], [0, np.nan, 0], [1, 0, 1]])
    fitted = fit_marks(marks)
    s, f, prevalence = fitted.rates.sensitivity[:, 0], fitted.rates.alarms[:, 0], fitted.rates.prevalence[0]
    weight = {z: np.exp(log_joint(marks, z, s, f, prevalence)) for z in itertools.product((0, 1), repeat=5)}
    total = sum(weight.values())
    expected = [sum(w for z, w in weight.items() if z[unit]) / total for unit in range(5)]
    np.testing.assert_allclose(fitted.probability, expected, atol=1e-10)
    assert fitted.log_posterior == pytest.approx(np.log(total) + fitted.rates.log_prior, abs=1e-9)


def test_rates_are_a_mode_of_the_posterior() -> None:
    """A general optimiser over the logits of all rates, started where EM ended, finds nothing better."""
    marks, _, _, _ = simulated(60, 3)
    fitted = fit_marks(marks)
    rates = np.concatenate([fitted.rates.sensitivity[:, 0], fitted.rates.alarms[:, 0], fitted.rates.prevalence])
    priors = [SENSITIVITY_PRIOR] * 7 + [ALARM_PRIOR] * 7 + [PREVALENCE_PRIOR]

    def value(logits: np.ndarray) -> float:
        p = expit(logits)
        faulty = p[14] * np.prod(np.where(marks == 1, p[:7], 1 - p[:7]), axis=1)
        sound = (1 - p[14]) * np.prod(np.where(marks == 1, p[7:14], 1 - p[7:14]), axis=1)
        prior = sum(beta.logpdf(rate, *own) for rate, own in zip(p, priors, strict=True))
        return -float(np.log(faulty + sound).sum() + prior)

    start = np.log(rates / (1 - rates))
    found = minimize(value, start, method="BFGS")
    np.testing.assert_allclose(expit(found.x), rates, atol=2e-3)
    assert fitted.converged


def test_blind_spots_are_found_and_outvoted() -> None:
    """Where four of seven critics are blind, the majority misses what the three who see agree on."""
    marks, kind, faulty, sensitivity = simulated(4000, 1)
    fitted = fit_marks(marks, kind)
    np.testing.assert_allclose(fitted.rates.sensitivity, sensitivity, atol=0.06)
    np.testing.assert_allclose(fitted.rates.alarms, ALARM, atol=0.04)
    np.testing.assert_allclose(fitted.rates.prevalence, 0.3, atol=0.04)
    second = kind == 1
    wrong = {
        "fitted": ((fitted.probability > 0.5) != faulty)[second].mean(),
        "majority": ((marks.mean(axis=1) > 0.5) != faulty)[second].mean(),
    }
    assert wrong["fitted"] < 0.6 * wrong["majority"]


def test_probabilities_are_calibrated() -> None:
    marks, kind, faulty, _ = simulated(4000, 2)
    probability = fit_marks(marks, kind).probability
    for low, high in itertools.pairwise((0.0, 0.1, 0.5, 0.9, 1.0)):
        rows = (probability > low) & (probability <= high)
        assert abs(faulty[rows].mean() - probability[rows].mean()) < 4 * 0.5 / np.sqrt(rows.sum())


def test_critics_who_are_alike_are_alike() -> None:
    marks, _, _, _ = simulated(50, 4)
    order = [4, 2, 0, 6, 1, 3, 5]
    np.testing.assert_allclose(fit_marks(marks[:, order]).probability, fit_marks(marks).probability, atol=1e-9)
    kinds = np.repeat([0, 1], 25)
    apart = np.concatenate([fit_marks(marks[:25]).probability, fit_marks(marks[25:]).probability])
    np.testing.assert_allclose(fit_marks(marks, kinds).probability, apart, atol=1e-3)


def test_a_unit_that_nobody_saw_has_the_prevalence() -> None:
    marks, _, _, _ = simulated(50, 5)
    marks[7] = np.nan
    fitted = fit_marks(marks)
    assert fitted.probability[7] == pytest.approx(fitted.rates.prevalence[0])


def test_faults_are_named() -> None:
    with pytest.raises(InputError, match="0, 1 or NaN"):
        fit_marks([[0.5, 1.0]])
    with pytest.raises(InputError, match="0, 1 or NaN"):
        fit_marks([1.0, 0.0])
    with pytest.raises(InputError, match="for each of 2 units"):
        fit_marks([[1.0], [0.0]], [0])
    with pytest.raises(InputError, match="for each of 1 units"):
        fit_marks([[1.0]], [-1])
    with pytest.raises(FitError, match="no critic looked"):
        fit_marks([[np.nan, np.nan]])
