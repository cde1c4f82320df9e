"""How the votes of each instrument depend on utilities, and how raters use its scale, with draws of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from heedful.core import Floats
from heedful.preference.choices import ChoiceModel
from heedful.preference.deviations import DEVIATION
from heedful.preference.discrimination import LOG_DISCRIMINATION
from heedful.preference.effects import widths_of
from heedful.preference.grades import GradeModel
from heedful.preference.inference import Optimum
from heedful.preference.likelihoods import Likelihood
from heedful.preference.own_scales import STRETCH, STRICTNESS
from heedful.preference.own_scales import thresholds as own_thresholds
from heedful.preference.pairs import PairModel


@dataclass(frozen=True)
class Reading:
    """How one instrument's votes depend on utilities: by its model at a · u + B η, with nuisance parameters [p].

    `draws` [k, p] are of the nuisance parameters, `discrimination` [k] of a: 1 where it fixes the unit; `deviation` [k,
    q] of a judge's η, over the posterior's names; q is 0 for people. `raters` [R] have scales of their own, with draws
    of their `strictness` and of their log `stretch` [k, R]; `sds` are those of the population that they are from.
    """

    kind: str
    model: PairModel | ChoiceModel | GradeModel
    nuisance: Floats
    draws: Floats
    discrimination: Floats = field(default_factory=lambda: np.ones(1))
    deviation: Floats = field(default_factory=lambda: np.zeros((1, 0)))
    raters: tuple[str, ...] = ()
    strictness: Floats = field(default_factory=lambda: np.zeros((1, 0)))
    stretch: Floats = field(default_factory=lambda: np.zeros((1, 0)))
    sds: Floats = field(default_factory=lambda: np.zeros(2))

    @property
    def sharpness(self) -> float:
        """The discrimination a at the mean: draws of its logarithm are mirrored about that, and may be far from it."""
        return float(np.exp(np.log(self.discrimination).mean()))

    def thresholds(self, raters: Sequence[str | None]) -> Floats:
        """Draws of the thresholds of each of these raters [k, m, t]; new ones are drawn from the population."""
        common = np.sort(self.draws, axis=1)
        if not self.raters:
            return common[:, None]
        number = {name: place for place, name in enumerate(self.raters)}
        code = np.array([number.get(name, -1) if name is not None else -1 for name in raters], np.intp)
        k, rng = len(common), np.random.default_rng(0)
        normal = special.ndtri((np.arange(k) + 0.5) / k)
        new = [sd * rng.permutation(normal)[:, None] for sd in self.sds]
        b, s = (
            np.append(own, one, axis=1)[:, code] for own, one in zip((self.strictness, self.stretch), new, strict=True)
        )
        return own_thresholds(common, b, np.exp(s))


@dataclass(frozen=True)
class RaterScale:
    """How one rater uses the scale of one sort of grades, beside a rater in the middle.

    `strictness` (nats, added to every threshold: above 0 gives lower grades) and `log_stretch` (of the distances
    between thresholds: above 0 keeps to the middle of the scale; None for labels), each with its posterior standard
    deviation.
    """

    kind: str
    rater: str
    strictness: float
    strictness_sd: float
    log_stretch: float | None
    log_stretch_sd: float | None


def rater_scales(reading: Reading) -> tuple[RaterScale, ...]:
    """The scales of the raters that a reading tells apart."""
    strict, stretch = reading.strictness, reading.stretch
    one = not stretch.any()
    return tuple(
        RaterScale(
            reading.kind,
            rater,
            float(strict[:, place].mean()),
            float(strict[:, place].std()),
            None if one else float(stretch[:, place].mean()),
            None if one else float(stretch[:, place].std()),
        )
        for place, rater in enumerate(reading.raters)
    )


def readings(optimum: Optimum, x: Floats, drawn: Floats) -> tuple[Reading, ...]:
    """The nuisance parameters of each likelihood at parameters x [P], with their part of draws [k, P]."""
    problem = optimum.point.problem
    return tuple(
        _of_likelihood(likelihood, x[where], drawn[:, where])
        for likelihood, where in zip(problem.likelihoods, problem.slices, strict=True)
    )


def _of_likelihood(likelihood: Likelihood, nuisance: Floats, draws: Floats) -> Reading:
    names = np.array(likelihood.nuisances, dtype=object)
    sharpness = names == LOG_DISCRIMINATION
    effect = np.array([name.startswith(DEVIATION) for name in names], bool)
    strict, stretch = (np.array([name.startswith(own) for name in names], bool) for own in (STRICTNESS, STRETCH))
    own = ~(sharpness | effect | strict | stretch)
    a, drawn_a = np.exp(nuisance[sharpness].sum()), np.exp(draws[:, sharpness].sum(axis=1))
    moves = likelihood.shift[own] != 0
    return Reading(
        likelihood.kind,
        likelihood.model,
        np.where(moves, a, 1.0) * nuisance[own],
        np.where(moves, drawn_a[:, None], 1.0) * draws[:, own],
        drawn_a,
        draws[:, effect],
        tuple(name.removeprefix(STRICTNESS) for name in names[strict]),
        draws[:, strict],
        draws[:, stretch] if stretch.any() else np.zeros((len(draws), int(strict.sum()))),
        np.resize([*widths_of(likelihood).values(), 0.0], 2) if strict.any() else np.zeros(2),
    )
