"""The mode of the marginal posterior, its information, and the fitted spread of the utilities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky, solve_triangular

from heedful.core import Floats
from heedful.preference.raters_likelihood import Marginal

# Converged where Newton's step would move every parameter by less than this many posterior standard deviations.
TOLERANCE = 1e-4
_ROUNDS = 20
_CLIMB = 60
# log spread ~ N(_SPREAD[0], _SPREAD[1]²): nine of ten spreads between 0.2 and 8 nats.
SPREAD_PRIOR = (float(np.log(1.25)), 1.1)
# ... and where the spread (relatively) and what integration adds (in standard deviations) would move by less.
OUTER_TOLERANCE = 2e-2
_TILTED = 6


@dataclass(frozen=True)
class Mode:
    """Where the ascent stopped: parameters x [P], the information there [P, P], and Laplace's log-evidence (nats).

    `decrement` is the largest step Newton's method would still take, in posterior standard deviations.
    """

    model: Marginal
    x: Floats
    covariance: Floats
    evidence: float
    decrement: float
    evaluations: int

    @property
    def converged(self) -> bool:
        return self.decrement < TOLERANCE


def maximise(model: Marginal, start: Floats | None = None, *, settled: bool = False) -> Mode:
    """The mode at the spread of most evidence; by default from all items alike and most raters reliable.

    Each round climbs by L-BFGS in coordinates whitened by the information (at first by that of known types) and ends
    with one step of Newton's method. The spread follows MacKay's (1992) update, the mean of û² + Var(u), under its
    prior. `settled` keeps the spread and the tilt as the model has them.
    """
    x = model.start() if start is None else start
    metric, evaluations = model.complete(x), 0
    search, decrement = _Spread(), np.inf
    for _ in range(_ROUNDS):
        x, used = _climb(model, x, metric)
        evaluations += used
        metric = _positive(model, x)
        x, decrement = _newton(model, x, metric)
        if settled:
            if decrement < TOLERANCE:
                break
            continue
        following, tilt = search.following(model, x, metric), _tilt(model, x, metric)
        before = np.zeros(model.size) if model.tilt is None else model.tilt
        swerve = float(np.abs(cho_solve(cho_factor(metric), tilt - before) / _deviations(metric)).max())
        if decrement < TOLERANCE and max(abs(np.log(following / model.spread)), swerve) < OUTER_TOLERANCE:
            break
        model = replace(model, spread=following, tilt=tilt)
    return _upright(Mode(model, x, _inverse(metric), _evidence(model, x, metric), decrement, evaluations))


def _upright(mode: Mode) -> Mode:
    """Of the two modes that mirror one another, the one in which raters are reliable on average."""
    model = mode.model
    shared = model.width + len(model.shared)
    prior = np.exp(model.types.log_prior(mode.x[shared:]))
    if prior @ model.types.coordinate >= 0:
        return mode
    signs = np.concatenate([-np.ones(model.width), np.ones(len(model.shared)), model.types.parity])
    turned = replace(model, tilt=None if model.tilt is None else model.tilt * signs)
    return replace(mode, model=turned, x=mode.x * signs, covariance=mode.covariance * np.outer(signs, signs))


def _climb(model: Marginal, start: Floats, metric: Floats) -> tuple[Floats, int]:
    from scipy.optimize import minimize  # a tenth of a second that other fits need not wait for

    factor = cholesky(metric, lower=True)

    def down(z: Floats) -> tuple[float, Floats]:
        value, gradient = model.value(start + solve_triangular(factor, z, lower=True, trans="T"))
        return -value, -solve_triangular(factor, gradient, lower=True)

    options = {"maxiter": _CLIMB, "maxcor": 20, "ftol": 1e-13, "gtol": 2e-2}
    found = minimize(down, np.zeros(len(start)), jac=True, method="L-BFGS-B", options=options)
    return start + solve_triangular(factor, found.x, lower=True, trans="T"), int(found.nfev)


def _positive(model: Marginal, x: Floats) -> Floats:
    """The information, or where it has no inverse that of known types, in whose metric to climb on."""
    information = model.information(x)
    try:
        cholesky(information)
    except LinAlgError:
        return model.complete(x)
    return information


def _newton(model: Marginal, x: Floats, information: Floats) -> tuple[Floats, float]:
    """Newton's step from near the mode, and the largest step left after it, in posterior standard deviations."""
    factor = cho_factor(information)
    sd = np.sqrt(np.diag(cho_solve(factor, np.eye(len(x)))))
    step = cho_solve(factor, model.value(x)[1])
    if np.abs(step / sd).max() > 0.1:
        return x, float(np.abs(step / sd).max())
    x = x + step
    return x, float(np.abs(cho_solve(factor, model.value(x)[1]) / sd).max())


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _deviations(information: Floats) -> Floats:
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))))


def _tilt(model: Marginal, x: Floats, information: Floats) -> Floats:
    """E[∇L] over the utilities' posterior given the rest, less ∇L at its mode, in what all raters share [P].

    The gradient of log ∫ exp L du (Fisher's identity) where the gradient at the mode is that of max L, which would put
    down as a fact how far apart the utilities are. By fixed draws mirrored about the mode.
    """
    d = model.width
    factor = np.linalg.cholesky(np.linalg.inv(information[:d, :d]))
    noise = np.zeros((_TILTED, model.size))
    noise[:, :d] = np.random.default_rng(0).standard_normal((_TILTED, d)) @ factor.T
    plain = replace(model, tilt=None)
    at = plain.value(x)[1]
    moved = np.mean([plain.value(x + side * own)[1] - at for own in noise for side in (1, -1)], axis=0)
    return np.concatenate([np.zeros(d), moved[d:]])


class _Spread:
    """MacKay's update as a fixed point, with the step of a geometric series (Aitken's) where it creeps."""

    def __init__(self) -> None:
        self.before: tuple[float, float] | None = None

    def following(self, model: Marginal, x: Floats, information: Floats) -> float:
        at = float(np.log(model.spread))
        step = _log_spread(model, x, information) - at
        ratio = 0.0
        if self.before is not None and abs(at - self.before[0]) > 1e-8:
            ratio = float(np.clip(1 + (step - self.before[1]) / (at - self.before[0]), 0.0, 0.9))
        self.before = at, step
        return float(np.exp(at + step / (1 - ratio)))


def _log_spread(model: Marginal, x: Floats, information: Floats) -> float:
    """log of the standard deviation of the utilities that maximises E log N(u; 0, s²) + log prior of s."""
    n = model.items
    second = float((x[:n] ** 2).sum() + np.trace(np.linalg.inv(information)[:n, :n]))
    mean, sd = SPREAD_PRIOR
    log = np.log(second / n) / 2
    for _ in range(50):
        pull = second * np.exp(-2 * log)
        step = (pull - n - (log - mean) / sd**2) / (2 * pull + 1 / sd**2)
        log += step
        if abs(step) < 1e-10:
            break
    return float(log)


def _evidence(model: Marginal, x: Floats, information: Floats) -> float:
    """Log-likelihood at the mode of what all raters share, with Δ's parameters integrated over by Laplace's method."""
    d = model.width
    model = replace(model, tilt=None)
    mean, precision = model.prior
    off = x - mean
    _, log_det = np.linalg.slogdet(information[:d, :d])
    above = float(precision[d:] @ off[d:] ** 2) / 2
    return float(model.value(x)[0] + above + (np.log(precision[:d]).sum() - log_det) / 2)
