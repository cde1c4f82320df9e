"""Which units are faulty, from the marks of critics who each err in their own way.

A unit (a line, a claim, a step) is faulty or sound; a critic marks it or not. Critic c marks a faulty unit of kind k
with probability s_ck (the sensitivity) and a sound one with f_ck (false alarms), independently of the other critics:

    P(marks of i, i faulty) = ρ_k Π_c s_ck^m_ic (1 − s_ck)^(1 − m_ic)

and with f and 1 − ρ where it is sound (Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates
using the EM algorithm", for two classes). Rates by kind are what blind spots are. Marks tell the rates of a kind only
where three critics or more see it: two who see it leave them to the prior.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, xlog1py, xlogy

from heedful.core import FitError, Floats, InputError
from heedful.preference.observations import Indices

# Beta priors of sensitivities, false alarms and prevalences. The first two say which class is the faulty one: the
# likelihood is the same with the classes exchanged.
SENSITIVITY_PRIOR, ALARM_PRIOR, PREVALENCE_PRIOR = (2.0, 1.5), (1.5, 5.0), (1.5, 2.5)
_TOLERANCE, _MOST_STEPS = 1e-8, 2000


@dataclass(frozen=True)
class Rates:
    """P(mark | faulty) and P(mark | sound) of each critic on each kind of unit [c, k], P(faulty) of each kind [k]."""

    sensitivity: Floats
    alarms: Floats
    prevalence: Floats

    @property
    def log_prior(self) -> float:
        """Up to a constant."""
        pairs = (
            (self.sensitivity, SENSITIVITY_PRIOR),
            (self.alarms, ALARM_PRIOR),
            (self.prevalence, PREVALENCE_PRIOR),
        )
        return float(sum((xlogy(a - 1, rate) + xlog1py(b - 1, -rate)).sum() for rate, (a, b) in pairs))


@dataclass(frozen=True)
class Marked:
    """`probability` [n] that each unit is faulty given all marks, and the `rates` fitted, a mode of their posterior.

    `log_posterior` is up to a constant, in nats; `steps` of EM were taken.
    """

    probability: Floats
    rates: Rates
    log_posterior: float
    steps: int
    converged: bool


def fit_marks(marks: ArrayLike, kind: ArrayLike | None = None) -> Marked:
    """Fit the rates of critics and the units they marked at once, by EM from the share of critics who marked each unit.

    marks: [n, c], 1 where critic c marked unit i, 0 where not, NaN where the critic did not look. kind: [n] codes 0, 1,
    ... of what sort of unit each is; rates of different kinds have nothing in common but their prior. None: one kind.
    Raises InputError where marks or kinds are something else, FitError where nobody looked at anything.
    """
    seen, given = _checked(marks)
    code = np.zeros(len(given), np.intp) if kind is None else _codes(kind, len(given))
    member = (code == np.arange(code.max() + 1)[:, None]).astype(np.float64)
    looked = np.maximum(seen.sum(axis=1), 1)
    probability = np.where(seen.any(axis=1), given.sum(axis=1) / looked, 0.5)
    before, steps, converged = -np.inf, 0, False
    while not converged and steps < _MOST_STEPS:
        rates = _rates(probability, member, seen, given)
        probability, value = _posterior(rates, code, seen, given)
        converged, before, steps = value - before < _TOLERANCE, value, steps + 1
    return Marked(probability, rates, before, steps, converged)


def _checked(marks: ArrayLike) -> tuple[Floats, Floats]:
    """Whether each mark is known, and the marks with 0 where it is not, both [n, c] of zeros and ones."""
    array = np.asarray(marks, np.float64)
    if array.ndim != 2 or not (np.isnan(array) | np.isin(array, (0.0, 1.0))).all():
        raise InputError("marks are 0, 1 or NaN, one row a unit and one column a critic", where="marks")
    seen = ~np.isnan(array)
    if not seen.any():
        raise FitError("no critic looked at any unit", where="marks", fix="give marks: NaN says that nobody looked")
    return seen.astype(np.float64), np.where(seen, array, 0.0)


def _codes(kind: ArrayLike, units: int) -> Indices:
    code = np.asarray(kind)
    if code.shape != (units,) or code.dtype.kind not in "iu" or (code < 0).any():
        raise InputError(f"kinds are a whole number from 0 for each of {units} units", where="kind")
    return code.astype(np.intp)


def _rates(probability: Floats, member: Floats, seen: Floats, given: Floats) -> Rates:
    """The rates of greatest posterior where each unit is faulty with this probability [n]; member [k, n] of kinds."""
    faulty, sound = member * probability, member * (1 - probability)
    return Rates(
        _mode((faulty @ given).T, (faulty @ seen).T, SENSITIVITY_PRIOR),
        _mode((sound @ given).T, (sound @ seen).T, ALARM_PRIOR),
        _mode(faulty.sum(axis=1), member.sum(axis=1), PREVALENCE_PRIOR),
    )


def _mode(hits: Floats, tries: Floats, prior: tuple[float, float]) -> Floats:
    """The most probable rate given `hits` of `tries`, under a Beta prior."""
    a, b = prior
    return np.asarray((hits + a - 1) / (tries + a + b - 2))


def _posterior(rates: Rates, code: Indices, seen: Floats, given: Floats) -> tuple[Floats, float]:
    """P(faulty) of each unit [n] at these rates, and the log-posterior of the rates."""
    missed = seen - given
    faulty, sound = (
        np.log(share)[code] + (given * np.log(own.T)[code] + missed * np.log1p(-own.T)[code]).sum(axis=1)
        for share, own in ((rates.prevalence, rates.sensitivity), (1 - rates.prevalence, rates.alarms))
    )
    return np.asarray(expit(faulty - sound)), float(np.logaddexp(faulty, sound).sum()) + rates.log_prior
