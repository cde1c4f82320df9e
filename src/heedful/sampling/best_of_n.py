"""Best-of-N: draw n answers from the base and keep one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Bound, Budget, Floats, Honesty, Item, Parts, Samples, UsageError
from heedful.evidence import lowered
from heedful.sampling.batches import refuse_no_contexts, selected
from heedful.sampling.resampling import proportional
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import base_draws
from heedful.target import Target, support


@dataclass(frozen=True, slots=True)
class BestOfN:
    """One answer per context (repeat a context for more), kept among `n` independent draws from the base.

    Hard (`soft` False): the draw of greatest score, ties broken at random. Its law is its own, not the target: see
    `best_of_n_law`. Soft: a draw chosen with probability ∝ exp(score), which is self-normalised importance resampling;
    its law tends to the target as n grows (Verdun et al. 2025, "Soft best-of-n sampling for model alignment").

    The score is the target's expression, for the hard one less `pessimism` posterior standard deviations. Costs n
    samples and n scores per context, reserved before anything is drawn. The KL to the base is at most
    log n − (n − 1)/n, for whichever of n draws is kept (Beirami et al. 2024, "Theoretical guarantees on the best-of-n
    alignment policy", for the best one; any other choice puts no more mass than it on any set of outputs of given base
    probability). Where soft resampling finds all n draws ruled out (-inf), one is returned with log-weight -inf.
    """

    n: int
    pessimism: float = 0.0
    soft: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError(f"n must be 1 or more, not {self.n}", where="BestOfN")
        if not (math.isfinite(self.pessimism) and self.pessimism >= 0):
            raise UsageError(f"pessimism is a finite number of 0 or more, not {self.pessimism}", where="BestOfN")
        if self.soft and self.pessimism:
            raise UsageError(
                "soft best-of-N with pessimism tends to another target than the one given",
                where="BestOfN",
                fix="tilt by pessimistic(expression, k) instead: Target(base, pessimistic(expression, k))",
            )

    @property
    def honesty(self) -> Honesty:
        return "consistent" if self.soft else "maximiser"

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before drawing, InputError where a score is NaN or +inf."""
        refuse_no_contexts(contexts)
        total = float(self.n * len(contexts))
        refuse_beyond(budget, self.plan(target.base, contexts))
        drawn, cost = base_draws(target.base, contexts, self.n, budget, rng)
        budget.reserve(scores=total)
        scores = target.scores(drawn)
        value = lowered(scores, self.pessimism).reshape(len(contexts), self.n)
        kept = (proportional if self.soft else greatest)(value, rng) + self.n * np.arange(len(contexts))
        ruled_out = np.isneginf(value).all(axis=1)
        bound = Bound(best_of_n_kl_bound(self.n), "upper")
        return Samples(
            items=tuple(drawn[row] for row in kept.tolist()),
            context_index=np.arange(len(contexts)),
            log_weights=np.where(ruled_out & self.soft, -np.inf, 0.0),
            scores=selected(scores, kept),
            cost={**cost, "scores": total},
            kl=(bound,) * len(contexts),
        )

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost."""
        return writing_plan(base, contexts, self.n) | {"scores": float(self.n * len(contexts))}


def greatest(value: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    """The column [c] of the greatest of each row of value [c, n], ties broken at random; NaN where nothing stands."""
    best = value == np.nanmax(value, axis=1, keepdims=True)
    return np.asarray(np.argmax(np.where(best, rng.random(value.shape), -1.0), axis=1))


def best_of_n_kl_bound(n: int) -> float:
    """log n − (n − 1)/n in nats: an upper bound on KL(best of n ‖ base), met where no two outputs tie."""
    return math.log(n) - (n - 1) / n


@dataclass(frozen=True, slots=True, eq=False)
class BestOfNLaw:
    """The law of hard best-of-N in one context of s outputs: `log_prob` [s] and KL(law ‖ base), in nats."""

    items: tuple[Item, ...]
    log_prob: Floats
    kl: float


def best_of_n_law(target: Target, context: Parts, n: int, *, pessimism: float = 0.0) -> BestOfNLaw:
    """The exact law of hard best-of-N over a base that can be listed.

    With F the base's probability of a score at most that of y, and F⁻ of one below it, the best of n draws has that
    score with probability Fⁿ − F⁻ⁿ; among outputs that tie, it is distributed as the base is.
    Raises UsageError where the base cannot be listed.
    """
    items = support(target, context)
    value = lowered(target.scores(items), pessimism)
    base = np.asarray(target.base.log_prob(items), dtype=np.float64)
    _, level = np.unique(value, return_inverse=True)
    mass = np.bincount(level, np.exp(base) / np.exp(base).sum())
    below_or_at, drawn = np.minimum(np.cumsum(mass), 1.0), mass > 0
    # log(Fⁿ − F⁻ⁿ) by way of the ratio F⁻/F = 1 − mass/F, without cancellation.
    with np.errstate(divide="ignore"):
        log_ratio = n * np.log1p(-np.minimum(mass[drawn] / below_or_at[drawn], 1.0))
        log_law = n * np.log(below_or_at[drawn]) + np.log(-np.expm1(log_ratio))
    gain = np.zeros(len(mass))  # outputs that the base never gives stay at log 0
    gain[drawn] = log_law - np.log(mass[drawn])
    return BestOfNLaw(items, base + gain[level], float(max(0.0, np.exp(log_law) @ gain[drawn])))
