"""Judges that do not want quite what people want: deviations from the common utility, as random effects.

A model judge reads a · u + B η instead of u, with B the identity over free items or their features, a its sharpness,
and η ~ N(0, sd²) for each judge apart: a regression of what the judge wants on what people want. Its votes then tell u
only up to its own deviations, however many there are: they help most where people have said little, and never outvote
them. (Compare Angelopoulos et al. 2023, "Prediction-powered inference", which corrects for a judge's bias instead of
modelling it.) The width sd is chosen by the evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from heedful.core import Floats
from heedful.preference.effects import prior_precision
from heedful.preference.likelihoods import Likelihood, Terms, information_times
from heedful.preference.observations import Indices
from heedful.preference.wrapping import Wrapping

DEVIATION = "deviation"
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
        return np.append(prior_precision(self.inner), np.full(self.width, self.sd**-2))

    @property
    def widths(self) -> dict[str, float]:
        return {**super().widths, self.kind: self.sd}

    @property
    def places(self) -> dict[str, slice]:
        own = len(self.inner.nuisances)
        return {**super().places, self.kind: slice(own, own + self.width)}

    @property
    def leading(self) -> tuple[str, ...]:
        return (*super().leading, self.kind)

    def resized(self, sds: Mapping[str, float]) -> Self:
        return replace(super().resized(sds), sd=sds.get(self.kind, self.sd))

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


def deviating(
    likelihoods: Iterable[Likelihood], judged: Collection[str], n: int, basis: Floats | None = None
) -> tuple[Likelihood, ...]:
    """The likelihoods over n items, with deviations for the kinds that are `judged` by judges."""
    width = n if basis is None else basis.shape[1]
    return tuple(
        Deviating(likelihood, START_SD, width, basis) if likelihood.kind in judged else likelihood
        for likelihood in likelihoods
    )
