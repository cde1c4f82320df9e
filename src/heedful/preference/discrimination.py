"""How sharply each instrument tells utilities apart, where several are fitted together.

A comparison and a rating need not be equally noisy: a rating may follow u closely while comparisons of the same items
waver. So each instrument but one, the reference, reads a · u with a discrimination a of its own (Samejima 1969,
"Estimation of latent ability using a response pattern of graded scores"). The reference fixes the unit. log a is one
more nuisance parameter, a priori N(0, 1.5²): an instrument whose votes are noise beside the reference is read as blunt,
and does not run off. The likelihood is no longer concave, so this is done only where the reference alone has a maximum
over all items fitted, and the instrument one over all items it is about; elsewhere a = 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from heedful.core import Floats
from heedful.preference.effects import prior_precision
from heedful.preference.identification import identify, restrict
from heedful.preference.inference import Optimum
from heedful.preference.likelihoods import Likelihood, Terms
from heedful.preference.observations import Indices
from heedful.preference.wrapping import Wrapping

LOG_DISCRIMINATION = "log discrimination"
# Beyond e^±3 an instrument is pure noise beside the other, or the other beside it: they contradict each other.
LARGEST_LOG = 3.0
PRIOR_SD = LARGEST_LOG / 2
# Below this an instrument hardly follows what the reference tells.
BLUNT_LOG = -2.0
# Where the search for the maximum turns back.
_FARTHEST = 20.0


@dataclass(frozen=True)
class Discriminating(Wrapping):
    """A likelihood that reads a · u, and thresholds a · t; its last nuisance parameter is log a.

    `observed`: whether its information is the negative Hessian, as Newton's method wants it, or the expected part of
    that, which is never negative even for some of the votes, as the sandwich does.
    """

    observed: bool = False

    @property
    def nuisances(self) -> tuple[str, ...]:
        return (*self.inner.nuisances, LOG_DISCRIMINATION)

    @property
    def shift(self) -> Floats:
        return np.append(self.inner.shift, 0.0)

    @property
    def precision(self) -> Floats:
        return np.append(prior_precision(self.inner), PRIOR_SD**-2)

    def start(self) -> Floats:
        return np.append(self.inner.start(), 0.0)

    def _scaled(self, utility: Floats, nuisance: Floats) -> tuple[Floats, Floats, float, Floats]:
        """a · u, the inner nuisance parameters, a, and the factor on each of those."""
        a = float(np.exp(nuisance[-1]))
        factor = np.where(self.inner.shift != 0, a, 1.0)
        return a * utility, factor * nuisance[:-1], a, factor

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        """By the chain rule, with y the scaled arguments, g and H the inner gradient and information, and w the part of
        y that scales with a: the information is J H Jᵀ, J = [S, w] and S = dy/d(u, c), less terms in g where it is
        `observed`. In expectation these are zero; without them Newton's method hardly moves where a is far from 1.
        """
        if abs(nuisance[-1]) > _FARTHEST:
            return Terms.outside(len(utility), len(nuisance))
        u, c, a, factor = self._scaled(utility, nuisance)
        inner = self.inner.terms(u, c)
        moves = self.inner.shift != 0
        w = np.where(moves, c, 0.0)
        g = np.where(moves, inner.nuisance_gradient, 0.0)
        turned = inner.diagonal * u + inner.cross @ w
        np.add.at(turned, inner.rows, inner.values * u[inner.columns])
        np.add.at(turned, inner.columns, inner.values * u[inner.rows])
        turned_c = inner.cross.T @ u + inner.nuisance_information @ w
        slope = float(inner.gradient @ u + g @ w)
        border, corner = factor * turned_c, float(u @ turned + w @ turned_c)
        if self.observed:
            turned, border, corner = turned - inner.gradient, border - factor * g, corner - slope
        scaled = factor[:, None] * inner.nuisance_information * factor
        return replace(
            inner,
            gradient=a * inner.gradient,
            nuisance_gradient=np.append(factor * inner.nuisance_gradient, slope),
            diagonal=a**2 * inner.diagonal,
            values=a**2 * inner.values,
            cross=np.column_stack([a * inner.cross * factor, a * turned]),
            nuisance_information=np.block([[scaled, border[:, None]], [border[None], np.array([[corner]])]]),
        )

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        u, c, a, factor = self._scaled(utility, nuisance)
        rows, columns, values = self.inner.scores(u, c)
        weight = np.concatenate([u, np.where(self.inner.shift != 0, c, 0.0)])
        factors = np.concatenate([np.full(len(u), a), factor])
        last = np.full(len(rows), len(utility) + len(c))
        return (
            np.concatenate([rows, rows]),
            np.concatenate([columns, last]),
            np.concatenate([values * factors[columns], values * weight[columns]]),
        )

    def restrict(self, new: Indices) -> Discriminating | None:
        inner = self.inner.restrict(new)
        return None if inner is None else replace(self, inner=inner)


def start_from(optimum: Optimum, likelihoods: tuple[Likelihood, ...]) -> Floats:
    """Parameters [P] fitted with all a = 1 as a start for the same likelihoods, some of which have a discrimination."""
    problem, x = optimum.point.problem, optimum.point.x
    parts = [x[: problem.coefficients]]
    for likelihood, where in zip(likelihoods, problem.slices, strict=True):
        start = np.zeros(len(likelihood.nuisances))
        start[[name != LOG_DISCRIMINATION for name in likelihood.nuisances]] = x[where]
        parts.append(start)
    return np.concatenate(parts)


def expected(optimum: Optimum) -> Optimum:
    """The same maximum with the expected information, which the sandwich can take apart by clusters."""
    problem = optimum.point.problem
    likelihoods = tuple(
        replace(own, observed=False) if isinstance(own, Discriminating) else own for own in problem.likelihoods
    )
    return replace(optimum, point=replace(problem, likelihoods=likelihoods).at(optimum.point.x))


def log_discriminations(optimum: Optimum) -> dict[str, float]:
    """log a of each instrument that has one, by kind."""
    problem, x = optimum.point.problem, optimum.point.x
    return {
        likelihood.kind: float(x[where][likelihood.nuisances.index(LOG_DISCRIMINATION)])
        for likelihood, where in zip(problem.likelihoods, problem.slices, strict=True)
        if LOG_DISCRIMINATION in likelihood.nuisances
    }


def discriminating(likelihoods: tuple[Likelihood, ...], n: int) -> tuple[Likelihood, ...] | None:
    """The likelihoods over n items with a free discrimination wherever one can be told; None where none can."""
    if len(likelihoods) < 2:
        return None
    whole = [likelihood for likelihood in likelihoods if len(identify((likelihood,), n).kept) == n]
    if not whole:
        return None
    reference = max(whole, key=lambda likelihood: (likelihood.kind == "comparison", len(likelihood.row)))
    freed = tuple(
        Discriminating(likelihood, observed=True)
        if likelihood is not reference and _tells(likelihood, n)
        else likelihood
        for likelihood in likelihoods
    )
    return freed if any(isinstance(likelihood, Discriminating) for likelihood in freed) else None


def _tells(likelihood: Likelihood, n: int) -> bool:
    """Whether an instrument alone has a maximum over all items that it is about."""
    columns = likelihood.scores(np.zeros(n), likelihood.start())[1]
    about = np.unique(columns[columns < n])
    part = restrict((likelihood,), about, n)
    return len(about) > 1 and bool(part) and len(identify(part, len(about)).kept) == len(about)
