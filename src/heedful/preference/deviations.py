"""Judges that do not want quite what people want: deviations from the common utility, as random effects.

A model judge reads a · u + B η instead of u, with B the identity over free items or their features, a its sharpness,
and η ~ N(0, sd²) for each judge apart: a regression of what the judge wants on what people want. Its votes then tell u
only up to its own deviations, however many there are: they help most where people have said little, and never outvote
them. (Compare Angelopoulos et al. 2023, "Prediction-powered inference", which corrects for a judge's bias instead of
modelling it.) The width sd is chosen by the evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from heedful.core import Floats
from heedful.preference.likelihoods import Likelihood, Terms, information_times
from heedful.preference.observations import Indices
from heedful.preference.wrapping import Wrapping

DEVIATION = "deviation"
# Widths tried, in nats: from a judge that hardly deviates to one who wants something else altogether.
WIDTHS = tuple(0.02 * 10 ** (step / 4) for step in range(9))
START_SD = 0.5


@dataclass(frozen=True)
class Deviating(Wrapping):
    """A likelihood that reads u + B η; its last nuisance parameters are η [q], a priori N(0, `sd`²).

    `basis` [n, q] is B; None stands for the identity over `width` = n items.
    """

    sd: float
    width: int
    basis: Floats | None = None

    @property
    def nuisances(self) -> tuple[str, ...]:
        return (*self.inner.nuisances, *(f"{DEVIATION} {number}" for number in range(self.width)))

    @property
    def shift(self) -> Floats:
        return np.append(self.inner.shift, np.zeros(self.width))

    @property
    def precision(self) -> Floats:
        """The prior precision of each nuisance parameter, 0 where it has no prior."""
        return np.append(np.zeros(len(self.inner.nuisances)), np.full(self.width, self.sd**-2))

    def start(self) -> Floats:
        return np.append(self.inner.start(), np.zeros(self.width))

    def _read(self, utility: Floats, nuisance: Floats) -> tuple[Floats, Floats]:
        """The utilities that the judge reads, and the inner nuisance parameters."""
        own, eta = np.split(nuisance, [len(nuisance) - self.width])
        return utility + (eta if self.basis is None else self.basis @ eta), own

    def _gathered(self, values: Floats) -> Floats:
        """Bᵀ values."""
        return values if self.basis is None else self.basis.T @ values

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        inner = self.inner.terms(*self._read(utility, nuisance))
        turned = information_times(inner, np.eye(self.width) if self.basis is None else self.basis)
        between = self._gathered(inner.cross)
        return replace(
            inner,
            nuisance_gradient=np.append(inner.nuisance_gradient, self._gathered(inner.gradient)),
            cross=np.column_stack([inner.cross, turned]),
            nuisance_information=np.block([[inner.nuisance_information, between.T], [between, self._gathered(turned)]]),
        )

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        n, own = len(utility), len(self.inner.nuisances)
        rows, columns, values = self.inner.scores(*self._read(utility, nuisance))
        item = columns < n
        if self.basis is None:
            more = rows[item], n + own + columns[item], values[item]
        else:
            spread = values[item, None] * self.basis[columns[item]]
            place = np.tile(n + own + np.arange(self.width), len(spread))
            more = np.repeat(rows[item], self.width), place, spread.ravel()
        return tuple(np.concatenate(both) for both in zip((rows, columns, values), more, strict=True))  # type: ignore[return-value]

    def restrict(self, new: Indices) -> Deviating | None:
        inner, kept = self.inner.restrict(new), np.flatnonzero(new >= 0)
        if inner is None:
            return None
        if self.basis is None:
            return replace(self, inner=inner, width=len(kept))
        return replace(self, inner=inner, basis=self.basis[kept[np.argsort(new[kept])]])


@runtime_checkable
class Penalised(Protocol):
    """A likelihood some of whose nuisance parameters have a prior of their own."""

    @property
    def precision(self) -> Floats: ...


def prior_precision(likelihood: Likelihood) -> Floats:
    """The prior precision [p] of a likelihood's nuisance parameters: those of random effects, else 0."""
    return likelihood.precision if isinstance(likelihood, Penalised) else np.zeros(len(likelihood.nuisances))


def effects(likelihood: Likelihood) -> Deviating | None:
    """The deviations that a likelihood holds, also inside of others."""
    if isinstance(likelihood, Deviating):
        return likelihood
    inner = getattr(likelihood, "inner", None)
    return None if inner is None else effects(inner)


def deviating(
    likelihoods: Iterable[Likelihood], judged: Collection[str], n: int, basis: Floats | None = None
) -> tuple[Likelihood, ...]:
    """The likelihoods over n items, with deviations for the kinds that are `judged` by judges."""
    width = n if basis is None else basis.shape[1]
    return tuple(
        Deviating(likelihood, START_SD, width, basis) if likelihood.kind in judged else likelihood
        for likelihood in likelihoods
    )


def resized(likelihoods: Iterable[Likelihood], sds: dict[str, float]) -> tuple[Likelihood, ...]:
    """The likelihoods with the standard deviations given by kind, the others as they are."""
    return tuple(
        _resized(likelihood, sds[likelihood.kind]) if likelihood.kind in sds else likelihood
        for likelihood in likelihoods
    )


def _resized(likelihood: Any, sd: float) -> Any:
    if isinstance(likelihood, Deviating):
        return replace(likelihood, sd=sd)
    return replace(likelihood, inner=_resized(likelihood.inner, sd))


def widths(likelihoods: Iterable[Likelihood]) -> dict[str, float]:
    """The standard deviation of each judge's deviations, by kind."""
    held = ((likelihood.kind, effects(likelihood)) for likelihood in likelihoods)
    return {kind: own.sd for kind, own in held if own is not None}
