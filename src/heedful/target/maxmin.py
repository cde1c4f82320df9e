"""Max-min over groups: the policy whose worst-off group gains the most.

    max over π of  min over k of  E_π[u_k]  −  β · KL(π ‖ base)

is concave in π, so that maximum and minimum change places: with λ on the simplex of groups the inner maximum is the
target of Σ_k λ_k u_k at strength 1/β, and λ minimises β log Σ base · exp(Σ_k λ_k u_k / β), which is convex. The
objective is that of Chakraborty et al. 2024, "MaxMin-RLHF", the dual the usual one of minimax. What solves it is a
target whose strengths λ_k / β are found rather than given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import EnumerableBase, FitError, Floats, InputError, Parts, Potential, UsageError
from heedful.core.algebra import Expression
from heedful.target.tilting import Target

_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class MaxMin:
    """The solution. `weights` [K] are the dual variables λ; `target` is the policy, base · exp(Σ λ_k/β · u_k).

    `gains` [K] are E_π[u_k] less the base's expectation (or E_π[u_k] itself, where the utilities were taken as they
    are), `kl` is KL(π ‖ base), both averaged over contexts; `value` is min gain − β kl. No policy has a value above
    `value` + `gap` (nats).
    """

    target: Target
    weights: Floats
    gains: Floats
    kl: float
    value: float
    gap: float

    @property
    def worst(self) -> int:
        """The group that gains least."""
        return int(np.argmin(self.gains))


def solve_max_min(
    base: EnumerableBase,
    utilities: Sequence[Potential],
    contexts: Sequence[Parts],
    *,
    strength: float,
    context_weights: Floats | None = None,
    relative: bool = True,
) -> MaxMin:
    """The max-min policy over the listed outputs of some contexts, at strength 1/β; exact up to `gap`.

    The minimum is over groups of their mean over contexts, weighted by `context_weights` (default: alike). Utilities
    are known up to a constant for each group and context, which the minimum would notice: `relative` takes each as its
    gain over the base, where no constant matters; put them to scale yourself to use `relative=False`. Raises
    UsageError for no groups or contexts or a strength not above 0, InputError where utilities are not finite, FitError
    where the dual was not solved.
    """
    if not utilities or not contexts or not strength > 0 or not np.isfinite(strength):
        raise UsageError("max-min needs groups, contexts and a strength above 0", where="solve_max_min")
    if not isinstance(base, EnumerableBase):
        raise UsageError(
            f"{type(base).__name__} cannot be listed", where="base", fix="use a base with support(context)"
        )
    dual = _Dual(base, utilities, contexts, strength, _shares(context_weights, len(contexts)), relative)
    weights = dual.solve()
    expected, kl = dual.expected(weights)
    gap = float(weights @ expected - expected.min())
    if gap > _TOLERANCE * max(1.0, dual.spread):
        raise FitError(
            f"the max-min policy was found only to within {gap:.2g} nats",
            where="solve_max_min",
            fix="ask for a lower strength, or put utilities to a narrower scale",
        )
    parts = [Expression.of(u, strength * w) for u, w in zip(utilities, weights.tolist(), strict=True)]
    expression = sum(parts[1:], start=parts[0])
    return MaxMin(Target(base, expression), weights, expected, kl, float(expected.min()) - kl / strength, gap)


def _shares(weights: Floats | None, contexts: int) -> Floats:
    shares = np.ones(contexts) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (contexts,) or not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
        raise UsageError("one finite weight per context, 0 or more and not all 0", where="context_weights")
    return np.asarray(shares / shares.sum())


class _Dual:
    """The dual function over the simplex, with every context's outputs listed."""

    def __init__(
        self,
        base: EnumerableBase,
        utilities: Sequence[Potential],
        contexts: Sequence[Parts],
        strength: float,
        shares: Floats,
        relative: bool,
    ) -> None:
        self.strength, self.shares, self.groups = strength, shares, len(utilities)
        self.base: list[Floats] = []
        self.scores: list[Floats] = []
        for context in contexts:
            items = base.support(context)
            log_prob = np.asarray(base.log_prob(items), dtype=np.float64)
            scores = np.array([utility(items).mean for utility in utilities])
            if not np.isfinite(scores).all():
                raise InputError(
                    "a group's utility is not finite", where="solve_max_min", fix="rule outputs out of the base"
                )
            self.base.append(log_prob)
            self.scores.append(scores - (scores @ np.exp(log_prob))[:, None] if relative else scores)
        self.spread = max(float(np.ptp(scores)) for scores in self.scores)

    def _policies(self, weights: Floats) -> list[tuple[Floats, float]]:
        """log π and log normaliser of every context."""
        found = []
        for log_base, scores in zip(self.base, self.scores, strict=True):
            joint = log_base + self.strength * (weights @ scores)
            total = float(np.logaddexp.reduce(joint))
            found.append((joint - total, total))
        return found

    def value(self, weights: Floats) -> float:
        """max over π of Σ λ_k E[u_k] − β KL."""
        totals = [total for _, total in self._policies(weights)]
        return float(self.shares @ np.array(totals)) / self.strength

    def expected(self, weights: Floats) -> tuple[Floats, float]:
        """E_π[u_k] [K] and KL(π ‖ base) of the inner maximum: the former is the dual's gradient."""
        expected, kl = np.zeros(self.groups), 0.0
        pieces = zip(self.shares, self.base, self.scores, self._policies(weights), strict=True)
        for share, log_base, scores, (log_policy, _) in pieces:
            policy = np.exp(log_policy)
            expected += share * (scores @ policy)
            kl += share * float(policy @ (log_policy - log_base))
        return expected, max(kl, 0.0)

    def curvature(self, weights: Floats) -> Floats:
        """The dual's Hessian [K, K]: strength · Cov_π(u)."""
        total = np.zeros((self.groups, self.groups))
        for share, scores, (log_policy, _) in zip(self.shares, self.scores, self._policies(weights), strict=True):
            policy = np.exp(log_policy)
            away = scores - (scores @ policy)[:, None]
            total += share * self.strength * (away * policy) @ away.T
        return total

    def solve(self) -> Floats:
        """From a strength at which policies hardly differ, doubled until the one asked for, each from the last's λ.

        At once, a great strength makes the dual so nearly piecewise linear that Newton's steps lead nowhere.
        """
        weights, wanted = np.full(self.groups, 1 / self.groups), self.strength
        self.strength = min(wanted, 1 / max(self.spread, 1e-300))
        while self.strength < wanted:
            weights = self._descended(weights)
            self.strength = min(2 * self.strength, wanted)
        return self._descended(weights)

    def _descended(self, weights: Floats) -> Floats:
        """Sequential quadratic programming, each step a quadratic programme on the simplex."""
        for _ in range(200):
            gradient, _ = self.expected(weights)
            if weights @ gradient - gradient.min() < 1e-3 * _TOLERANCE * max(1.0, self.spread):
                break
            # Shares sum to one: a constant in the gradient changes no step, but would drown the rest in rounding.
            following = _quadratic_step(gradient - weights @ gradient, self.curvature(weights), weights)
            size, value = 1.0, self.value(weights)
            slope, blur = float(gradient @ (following - weights)), 4e-16 * abs(value)
            while (
                size > 1e-12 and self.value(weights + size * (following - weights)) > value + 1e-4 * size * slope + blur
            ):
                size /= 2
            if size <= 1e-12:
                break  # as low as rounding can tell: every further step would fail alike
            weights = weights + size * (following - weights)
        return weights


def _quadratic_step(gradient: Floats, curvature: Floats, weights: Floats) -> Floats:
    """The minimum over the simplex of g·(λ − λ0) + (λ − λ0)ᵀ H (λ − λ0) / 2, by a primal active-set method.

    It starts at λ0 and only descends, so that what it returns leads down even where H is as good as singular.
    """
    curvature = curvature + 1e-12 * max(float(np.trace(curvature)), 1e-12) * np.eye(len(weights))
    found, free = weights, weights > 0
    for _ in range(10 * len(weights)):
        slopes = gradient + curvature @ (found - weights)
        step = _free_step(slopes, curvature, free, int(np.argmax(found)))
        shrinking = np.flatnonzero(step < 0)
        reaches = found[shrinking] / -step[shrinking]
        if reaches.size and reaches.min() < 1:
            out = shrinking[np.argmin(reaches)]
            found = np.maximum(found + reaches.min() * step, 0.0)
            found[out], free = 0.0, free & (np.arange(len(free)) != out)
            continue
        found = found + step
        slopes = gradient + curvature @ (found - weights)
        level = float(slopes[free].mean())
        entering = int(np.argmin(np.where(free, np.inf, slopes)))
        if free.all() or slopes[entering] >= level - 1e-14 * float(np.abs(slopes).max()):
            break
        free = free | (np.arange(len(free)) == entering)
    return np.asarray(found / found.sum())


def _free_step(slopes: Floats, curvature: Floats, free: NDArray[np.bool_], pivot: int) -> Floats:
    """Newton's step among the free shares: what they gain, the largest (`pivot`) loses, so that the sum stays."""
    step, moved = np.zeros(len(slopes)), np.flatnonzero(free & (np.arange(len(free)) != pivot))
    rows = curvature[moved] - curvature[pivot]
    within = rows[:, moved] - rows[:, [pivot]]
    step[moved] = -np.linalg.solve(within, slopes[moved] - slopes[pivot])
    step[pivot] = -step[moved].sum()
    return step
