"""Raters who use a scale in ways of their own: each a leniency and a stretch of the thresholds, as random effects.

Rater r puts threshold k at m + b_r + e^{s_r} (t_k − m), with m the mean of the common thresholds t: a positive b is
strict, a positive s keeps to the middle of the scale (scale usage heterogeneity: Rossi, Gilula and Allenby 2001,
"Overcoming scale usage heterogeneity", with a cumulative logit in place of their normal grid). b ~ N(0, sd_b²) and
s ~ N(0, sd_s²); both widths are chosen by the evidence. A label has one threshold, which no stretch moves.

Utilities are then those that a rater of middling leniency reads. Thresholds in common, in contrast, give utilities that
shrink as raters differ more, and that are off where lenient raters rated other items than strict ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from heedful.core import Floats
from heedful.preference.grades import Crossings, Scale, slopes
from heedful.preference.likelihoods import Likelihood, Terms, summed
from heedful.preference.observations import Grades, Indices
from heedful.preference.wrapping import Wrapping

STRICTNESS, STRETCH = "strictness of rater ", "log stretch of rater "
# Fewer raters than this do not tell how much raters differ; more than MOST would make fits too slow.
FEWEST, MOST = 5, 400
_START_SD = 0.5
_CELLS = 1_000_000
# e^±5 would be a rater who tells no levels apart, or only the outermost.
_FARTHEST = 5.0


@dataclass(frozen=True)
class OwnScales(Wrapping):
    """Grades by R raters with thresholds of their own. Nuisance parameters are t, then b [R] and, beyond labels, s.

    `inner` counts the votes by item and rater; `names` [R] are those of the raters it numbers, `sds` are of b and s.
    """

    inner: Scale
    names: tuple[str, ...]
    sds: tuple[float, ...]

    @property
    def raters(self) -> int:
        return len(self.names)

    @property
    def nuisances(self) -> tuple[str, ...]:
        effects = (STRICTNESS, STRETCH)[: len(self.sds)]
        return (*self.inner.nuisances, *(effect + name for effect in effects for name in self.names))

    @property
    def shift(self) -> Floats:
        return np.append(self.inner.shift, np.zeros(self.raters * len(self.sds)))

    @property
    def precision(self) -> Floats:
        own = [np.full(self.raters, sd**-2) for sd in self.sds]
        return np.concatenate([np.zeros(len(self.inner.nuisances)), *own])

    @property
    def widths(self) -> dict[str, float]:
        """The standard deviations of the effects, by a name that says whose and of what."""
        return dict(zip(self._families, self.sds, strict=True))

    @property
    def places(self) -> dict[str, slice]:
        starts = [len(self.inner.nuisances) + number * self.raters for number in range(len(self.sds))]
        return {name: slice(start, start + self.raters) for name, start in zip(self._families, starts, strict=True)}

    @property
    def leading(self) -> tuple[str, ...]:
        return ()

    def resized(self, sds: Mapping[str, float]) -> Self:
        return replace(self, sds=tuple(sds.get(name, sd) for name, sd in self.widths.items()))

    @property
    def _families(self) -> tuple[str, ...]:
        return tuple(f"{effect} in {self.kind}" for effect in ("strictness", "stretch")[: len(self.sds)])

    def start(self) -> Floats:
        return np.append(self.inner.start(), np.zeros(self.raters * len(self.sds)))

    def _read(self, nuisance: Floats) -> tuple[Floats, Floats, Floats]:
        """The common thresholds t [k], how each rater stretches [R], and where that rater's thresholds are [R, k]."""
        t, effects = np.split(nuisance, [len(self.inner.nuisances)])
        b, s = np.append(effects, np.zeros((2 - len(self.sds)) * self.raters)).reshape(2, self.raters)
        stretch = np.exp(s)
        return t, stretch, thresholds(t, b, stretch)

    def terms(self, utility: Floats, nuisance: Floats) -> Terms:
        """By the chain rule from each rater's thresholds."""
        inner, n, none = self.inner, len(utility), np.zeros(0, np.intp)
        t, stretch, own = self._read(nuisance)
        if (np.diff(t) <= 0).any() or (np.abs(np.log(stretch)) > _FARTHEST).any():
            return Terms.outside(n, len(nuisance))
        found = Crossings.of(inner.counts, own[inner.rater] - utility[inner.items, None])
        slope = np.stack([summed(inner.rater, column, self.raters) for column in found.gradient.T], axis=1)
        turn = self._jacobian(t, stretch)
        gradient = np.einsum("rk,rkp->rp", slope, turn)
        bend = np.einsum("rkp,rkj,rjq->rpq", turn, found.gathered(inner.rater, self.raters), turn)
        self._add_curvature(bend, slope, t, stretch)
        between = -np.einsum("mk,mkp->mp", found.rows, turn[inner.rater])
        return Terms(
            value=found.value,
            gradient=-summed(inner.items, found.gradient.sum(axis=1), n),
            nuisance_gradient=self._gathered(gradient),
            diagonal=summed(inner.items, found.rows.sum(axis=1), n),
            rows=none,
            columns=none,
            values=np.zeros(0),
            cross=self._crossed(between, n),
            nuisance_information=self._bordered(bend),
        )

    def _add_curvature(self, bend: Floats, slope: Floats, t: Floats, stretch: Floats) -> None:
        """Take from each rater's information what its thresholds curve with t and s, weighted by the slope [R, k]."""
        if len(self.sds) > 1:
            by_t = stretch[:, None] * (slope - slope.mean(axis=1, keepdims=True))
            bend[:, :-2, -1] -= by_t
            bend[:, -1, :-2] -= by_t
            bend[:, -1, -1] -= stretch * (slope @ (t - t.mean()))

    def _jacobian(self, t: Floats, stretch: Floats) -> Floats:
        """How rater r's threshold k moves with t, b_r and s_r [R, k, k + effects]."""
        k = len(t)
        by_t = stretch[:, None, None] * np.eye(k) + (1 - stretch[:, None, None]) / k
        by_s = stretch[:, None] * (t - t.mean())
        effects = np.stack([np.ones((self.raters, k)), by_s], axis=2)[:, :, : len(self.sds)]
        return np.concatenate([by_t, effects], axis=2)

    def _gathered(self, gradient: Floats) -> Floats:
        """Gradients by rater [R, k + effects] as one over the nuisance parameters."""
        k = len(self.inner.nuisances)
        return np.append(gradient[:, :k].sum(axis=0), gradient[:, k:].T.ravel())

    def _crossed(self, between: Floats, n: int) -> Floats:
        """The information between items and nuisance parameters [n, p], from that of each cell [m, k + effects]."""
        items, k, size = self.inner.items, len(self.inner.nuisances), self.raters
        common = [summed(items, column, n) for column in between[:, :k].T]
        cell = items * size + self.inner.rater
        effects = [summed(cell, column, n * size).reshape(n, size) for column in between[:, k:].T]
        return np.concatenate([np.stack(common, axis=1), *effects], axis=1)

    def _bordered(self, bend: Floats) -> Floats:
        """The information over nuisance parameters, from that of each rater [R, k + effects, k + effects]."""
        k, size = len(self.inner.nuisances), self.raters
        matrix = np.zeros((len(self.nuisances),) * 2)
        matrix[:k, :k] = bend[:, :k, :k].sum(axis=0)
        places = [k + effect * size + np.arange(size) for effect in range(len(self.sds))]
        for effect, place in enumerate(places):
            matrix[:k, place] = bend[:, :k, k + effect].T
            matrix[place, :k] = bend[:, :k, k + effect]
            for other, beside in enumerate(places):
                matrix[place, beside] = bend[:, k + effect, k + other]
        return matrix

    def scores(self, utility: Floats, nuisance: Floats) -> tuple[Indices, Indices, Floats]:
        inner, n, k = self.inner, len(utility), len(self.inner.nuisances)
        t, stretch, own = self._read(nuisance)
        item, rater = inner.items[inner.place], inner.rater[inner.place]
        above, under = slopes(inner.level, own[rater] - utility[item, None])
        pull, vote = np.zeros((len(item), k + 2)), np.arange(len(item))
        pull[vote, inner.level + 1] = inner.weight * above  # columns 0 and k + 1 are the ends, which do not move
        pull[vote, inner.level] = inner.weight * under
        parts = np.einsum("vk,vkp->vp", pull[:, 1:-1], self._jacobian(t, stretch)[rater])
        columns = [np.full(len(item), n + place) for place in range(k)]
        columns += [n + k + effect * self.raters + rater for effect in range(len(self.sds))]
        return (
            np.tile(inner.row, 1 + len(columns)),
            np.concatenate([item, *columns]),
            np.concatenate([-pull[:, 1:-1].sum(axis=1), parts.T.ravel()]),
        )

    def restrict(self, new: Indices) -> OwnScales | None:
        inner = self.inner.restrict(new)
        return None if inner is None else replace(self, inner=inner, sds=self.sds[: _effects(inner)])


def thresholds(t: Floats, b: Floats, stretch: Floats) -> Floats:
    """The thresholds of raters [..., R, k] by the common ones [..., k], strictness and stretch [..., R]."""
    middle = t.mean(axis=-1)[..., None, None]
    return np.asarray(middle + b[..., None] + stretch[..., None] * (t[..., None, :] - middle))


def _effects(scale: Scale) -> int:
    return min(len(scale.nuisances), 2)


def own_scales(kind: str, votes: Grades, n: int, names: Sequence[str]) -> Likelihood | None:
    """Grades of n items by raters with scales of their own, where `told_apart` they are; else on one scale in common.

    `names` are those of the raters by number. None where the grades say nothing.
    """
    if votes.rater is not None and told_apart(votes, n):
        raters, number = np.unique(votes.rater, return_inverse=True)
        scale = Scale.of(kind, replace(votes, rater=number), n, by_rater=True)
        own = tuple(names[rater] for rater in raters)
        return None if scale is None else OwnScales(scale, own, (_START_SD,) * _effects(scale))
    return Scale.of(kind, votes, n)


def told_apart(votes: Grades, n: int) -> bool:
    """Whether every rater is known, grades twice on average, and raters are neither too few nor `too_many`."""
    if votes.rater is None or not len(votes.rater) or votes.rater.min() < 0:
        return False
    raters = len(np.unique(votes.rater))
    return FEWEST <= raters <= len(votes.rater) / 2 and not too_many(raters, n)


def too_many(raters: int, n: int) -> bool:
    """Whether scales of so many raters would make the fit of n items too slow."""
    return raters > MOST or raters * n > _CELLS
