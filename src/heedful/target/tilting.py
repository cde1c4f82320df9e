"""The target: a base tilted by evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Base, EnumerableBase, Floats, InputError, Item, Parts, Potential, Scores, UsageError


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """target(y | x) ∝ base(y | x) · exp(expression(x, y)), with the strengths in the expression.

    `Target(base, 2.0 * helpful + 0.5 * tests)`. A single potential at strength 1/β is the policy that maximises
    E[potential] − β · KL(policy ‖ base) (Korbak, Perez & Buckley 2022, "RL with KL penalties is better viewed as
    Bayesian inference"). A function of the context alone changes nothing: it cancels.
    """

    base: Base
    expression: Potential

    def __post_init__(self) -> None:
        if not isinstance(self.base, Base):
            raise UsageError("a base has sample(context, n, rng=) and log_prob(items)", where="Target(base, ...)")
        if not isinstance(self.expression, Potential):
            raise UsageError(
                f"{type(self.expression).__name__} is not a potential",
                where="Target(..., expression)",
                fix="give a potential, or a sum of them with strengths",
            )

    def scores(self, items: Sequence[Item]) -> Scores:
        """The expression's scores. Raises InputError where a mean is NaN or +inf."""
        scores = self.expression(items)
        bad = np.isnan(scores.mean) | np.isposinf(scores.mean)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"the expression is {scores.mean[first]} for {int(bad.sum())} of {len(items)} items",
                where=f"item {first} ({items[first].key})",
                fix="potentials must be finite, or -inf to rule an item out",
            )
        return scores

    def log_weight(self, items: Sequence[Item]) -> Floats:
        """log target − log base, up to the normaliser: the mean of the expression [n], in nats."""
        return self.scores(items).mean


@dataclass(frozen=True, slots=True, eq=False)
class Enumerated:
    """A target listed whole for one context of s outputs.

    `base_log_prob` [s] and `log_prob` [s] are normalised; `log_normalizer` is log Σ base · exp(expression);
    `expected` is the expression's mean under the target and `kl` is KL(target ‖ base) = expected − log_normalizer,
    both in nats; `scores` are the expression's.
    """

    items: tuple[Item, ...]
    base_log_prob: Floats
    log_prob: Floats
    log_normalizer: float
    kl: float
    expected: float
    scores: Scores

    @property
    def probability(self) -> Floats:
        """The target's probability of each item [s]."""
        return np.exp(self.log_prob)

    def expectation(self, values: Floats) -> float:
        """The mean under the target of values [s], one per item; those of items of probability 0 do not count."""
        held = self.log_prob > -np.inf
        return float(self.probability[held] @ values[held])


def support(target: Target, context: Parts) -> tuple[Item, ...]:
    """Every output of the target's base in a context. Raises UsageError where the base cannot be listed."""
    if not isinstance(target.base, EnumerableBase):
        raise UsageError(
            f"{type(target.base).__name__} cannot be listed",
            where="target.base",
            fix="use a base with support(context), or a sampling engine that does not list",
        )
    return target.base.support(context)


def enumerate_exact(target: Target, context: Parts) -> Enumerated:
    """The target in one context, exactly, over the support of its base.

    Raises UsageError where the base cannot be listed, InputError where every output is ruled out.
    """
    items = support(target, context)
    scores = target.scores(items)
    base = np.asarray(target.base.log_prob(items), dtype=np.float64)
    joint = base + scores.mean
    top = joint.max(initial=-np.inf)
    if top == -np.inf:
        raise InputError(
            f"all {len(items)} outputs of the context are ruled out, so there is no target",
            where="enumerate_exact",
            fix="loosen the constraints in the expression",
        )
    log_normalizer = float(top + np.log(np.exp(joint - top).sum()))
    log_prob = joint - log_normalizer
    held = log_prob > -np.inf
    probability = np.exp(log_prob[held])
    expected = float(probability @ scores.mean[held])
    kl = max(0.0, float(probability @ (log_prob[held] - base[held])))  # below 0 by rounding only
    return Enumerated(items, base, log_prob, log_normalizer, kl, expected, scores)
