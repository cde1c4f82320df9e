"""Maximum likelihood of comparisons with covariates: Newton's method, one pass over the rows an iteration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heedful.core import FitError, Floats
from heedful.preference.covariate_rows import sampled
from heedful.preference.covariate_spread import Scores
from heedful.preference.covariate_sums import Problem, Totals, totals
from heedful.preference.information import Dense, Singular

# Steps (nats of utility or of a covariate's root mean square) after which the last pass is due, and which leave its
# sums as good as those at the maximum.
_NEAR, _THERE = 1e-3, 1e-6
_ITERATIONS, _LAST = 50, 5
# With more steps than this, whether there is a maximum at all is looked into, to this part of a step.
_MANY, _LOSES = 12, 1e-3
# Rows that a first fit is made to, where there are many times more.
_SAMPLE, _TIMES = 1 << 18, 4
# The part of a covariate's square beside items and other covariates that rounding alone may leave.
_ROUNDING = 1e-11


@dataclass(frozen=True, eq=False)
class CovariateFit:
    """The maximum x [n + d + p] over utilities, which sum to zero, coefficients and nuisance parameters, with H⁻¹ and,
    where the sandwich was asked for, what scores add up to."""

    problem: Problem
    x: Floats
    log_likelihood: float
    inverse: Floats
    scores: Scores | None
    iterations: int

    @property
    def sandwich(self) -> Floats:
        """H⁻¹ M H⁻¹ [P, P], M the sum of squares of scores."""
        assert self.scores is not None
        return np.asarray(self.inverse @ self.scores.middle @ self.inverse)


@dataclass(frozen=True, eq=False)
class _Newton:
    """Newton's method in units of `scale` [P], the inverse of a covariate's root mean square and 1 for others.

    `centre` [P] is that of a Gaussian prior of precision 1 in these units; None is no prior.
    """

    problem: Problem
    scale: Floats
    names: Sequence[str]
    centre: Floats | None = None

    def at(self, x: Floats, scores: Scores | None = None) -> Totals:
        found = totals(self.problem, x, scores)
        if self.centre is not None:
            off = (x - self.centre) / self.scale
            found.value -= float(off @ off) / 2
            found.gradient -= off / self.scale
        return found

    def information(self, found: Totals) -> Dense:
        n, matrix = self.problem.items, found.products.matrix * np.outer(self.scale, self.scale)
        if self.centre is not None:
            matrix[np.diag_indices_from(matrix)] += 1.0
        return Dense(matrix, np.append(np.ones(n), np.zeros(len(matrix) - n)))

    def step(self, found: Totals, information: Dense) -> Floats:
        n, right = self.problem.items, found.gradient * self.scale
        right[:n] -= right[:n].mean()  # along the gauge it is rounding
        step = information.solve(right)
        step[:n] -= step[:n].mean()
        return step * self.scale

    def size(self, step: Floats) -> float:
        return float(np.abs(step / self.scale).max())

    def inverse(self, information: Dense) -> Floats:
        """H⁻¹ [P, P], with utilities that sum to zero."""
        n, matrix = self.problem.items, information.inverse.copy()
        matrix[:n] -= matrix[:n].mean(axis=0)
        matrix[:, :n] -= matrix[:, :n].mean(axis=1)[:, None]
        return matrix * np.outer(self.scale, self.scale)

    def climb(self, x: Floats, near: float) -> tuple[Floats, Dense, int]:
        """x after the first step below `near`, the information before it, and how many steps there were.

        With backtracking. Raises FitError where there is no maximum to arrive at.
        """
        found, step = self.at(x), np.zeros_like(x)
        self._refuse_aliased(found)
        for iteration in range(1, _ITERATIONS + 1):
            before, information = step, self.information(found)
            try:
                step = self.step(found, information)
            except Singular:
                self._refuse_separated(before)
                break
            if self.size(step) < near:
                return x + step, information, iteration
            if iteration > _MANY:
                self._refuse_separated(step)
            x, found = self._line_search(x, found, step)
        raise _lost()

    def _line_search(self, x: Floats, found: Totals, step: Floats) -> tuple[Floats, Totals]:
        """The first of step, step/2, step/4, ... that gains a fair part of what its slope promises."""
        slope, size = float(found.gradient @ step), 1.0
        rounding = 1e-13 * max(abs(found.value), 1.0)
        while size > 1e-10:
            there = self.at(x + size * step)
            if there.value >= found.value + 1e-4 * size * slope - rounding:
                return x + size * step, there
            size /= 2
        return x, found

    def _refuse_aliased(self, found: Totals) -> None:
        """Raise FitError where a combination of covariates is a difference of items (or nothing) in all rows."""
        _, own, _ = self.problem.parts
        matrix = self.information(found).matrix
        size = np.sqrt(np.diag(matrix)[own])
        names = [name for name, s in zip(self.names, size, strict=True) if s == 0]
        if not names and len(size):
            others = np.delete(np.arange(len(matrix)), own)
            gauge = (others < self.problem.items).astype(float)
            cross = matrix[others, own] / size
            rest = Dense(matrix[np.ix_(others, others)], gauge).solve(cross)
            values, vectors = np.linalg.eigh(matrix[own, own] / np.outer(size, size) - cross.T @ rest)
            names = _large(vectors[:, 0], self.names) if values[0] < _ROUNDING else []
        if names:
            raise FitError(
                f"nothing tells the effect of {', '.join(names)}: which items are compared, or other covariates, "
                "already tell them",
                where="covariates",
                fix="leave one of them out; what is the same for all answers of an item is part of its strength",
            )

    def _refuse_separated(self, direction: Floats) -> None:
        """Raise FitError where along a direction of parameters hardly any comparison loses likelihood, for ever."""
        slope, levels = self.problem.model.recession()
        bend = (levels @ direction[self.problem.parts[2]])[:, :, None]
        most = _LOSES * self.size(direction)
        for block in self.problem.blocks():
            moved = self.problem.differences(block, direction)
            lost = (slope[:, :, None] * moved + bend).max(axis=1)
            if (lost[block.counts > 0] > most).any():
                return
        own = self.problem.parts[1]
        raise FitError(
            f"{', '.join(_large((direction / self.scale)[own], self.names))}: with items they tell who is preferred "
            "without fail, so the likelihood has no maximum",
            where="covariates",
            fix="leave them out, or leave out the comparisons that they decide",
        )


def _lost() -> FitError:
    return FitError(
        "Newton's method does not arrive at a maximum",
        fix="look for covariates that almost decide who is preferred, or almost follow from one another",
    )


def _large(vector: Floats, names: Sequence[str]) -> list[str]:
    return [name for name, size in zip(names, np.abs(vector), strict=True) if size > 0.05 * np.abs(vector).max()]


def most_likely(
    problem: Problem,
    start: Floats,
    scale: Floats,
    names: Sequence[str],
    rows: int,
    robust: tuple[NDArray[np.bool_], int] | None,
) -> CovariateFit:
    """The maximum, from `start` [P]; covariates have root mean square 1 / `scale` and `names`.

    Where there are many `rows`, the fit to some of them comes first. `robust`: for the sandwich, which items are
    `firm` and how many clusters there are. Raises FitError where a covariate cannot be told, or there is no maximum.
    """
    scales = np.ones(problem.size)
    scales[problem.parts[1]] = scale
    if rows > _TIMES * _SAMPLE:
        some = replace(problem, rows=sampled(problem.rows, rows // _SAMPLE))
        start, _, _ = _Newton(some, scales, names, centre=start).climb(start, 0.01)
    newton = _Newton(problem, scales, names)
    x, information, steps = newton.climb(start, _NEAR)
    for _ in range(_LAST):
        scores = None if robust is None else Scores(problem, newton.inverse(information), *robust)
        found = newton.at(x, scores)
        information = newton.information(found)
        step, steps = newton.step(found, information), steps + 1
        x = x + step
        if newton.size(step) < _THERE:
            return CovariateFit(problem, x, found.value, newton.inverse(information), scores, steps)
    raise _lost()
