"""Guided decoding: each token drawn by the base and the guides at once, and nothing weighed afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from heedful.core import Base, Budget, Estimate, Floats, Honesty, InputError, Item, Parts, Samples, UsageError
from heedful.core.algebra import Expression
from heedful.models import WAIT
from heedful.models.token_models import tokens_at
from heedful.sampling.batches import by_context, joined, portions
from heedful.sampling.guides import Guide, ValueGuide
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.twists import Twist
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target, support

_OFF = 1e-3  # nats that a soft value may be off; float32 log-probabilities of hundreds of tokens add up to less


@dataclass(frozen=True, slots=True, eq=False)
class Guided:
    """One output per context (repeat a context for more), each token by ∝ base · exp(Σ guides).

    One guide that is `ValueGuide.soft` gives the target exactly, and the engine declares it: it then takes no other
    target than the guide's value, and refuses a value that any draw shows not to be soft (its log importance weight
    would have to be log Z, and is held to that within 0.001). With any other guides the law is its own, which no
    expression names; weigh the draws by `Particles(n, guides=...)` where the target is wanted.

    `kl` is Σ over tokens of KL(law ‖ base) along the outputs, unbiased for KL(result ‖ base); outputs of one context
    are averaged. Where guides rule out all that may follow, an output goes on by the base and has log-weight −inf.
    Costs model tokens like `Particles`, and one score an output.
    """

    guides: tuple[Guide, ...]

    def __post_init__(self) -> None:
        if not self.guides:
            raise UsageError("there are no guides", where="Guided", fix="give some; BestOfN(1) draws from the base")

    @property
    def honesty(self) -> Honesty:
        return "heuristic" if self._value is None else "exact"

    @property
    def _value(self) -> Expression | None:
        """What tilts the target that this is exact for."""
        only = self.guides[0]
        exact = len(self.guides) == 1 and isinstance(only, ValueGuide) and only.soft
        return Expression.of(only.value) if exact and isinstance(only, ValueGuide) else None

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before anything is written, UsageError where base or target do not fit the guides.

        InputError where a value said to be soft is not.
        """
        places = by_context(contexts)
        base = token_base(target, "Guided")
        if self._value is not None:
            _refuse_other(self._value, target)
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, 1):
            with Writing.begun(base, portion, self.guides, budget) as writing:
                pieces.append(self._written(target, writing, budget, rng))
        divergence = np.concatenate([own for _, own in pieces])
        return replace(joined([samples for samples, _ in pieces]), kl=_means(divergence, places))

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, but for what guides ask."""
        return writing_plan(base, contexts) | {"scores": float(len(contexts))}

    def _written(
        self, target: Target, writing: Writing, budget: Budget, rng: np.random.Generator
    ) -> tuple[Samples, Floats]:
        """Outputs written side by side, and Σ KL(law ‖ base) along each."""
        log_ratio, divergence = np.zeros(len(writing.state)), np.zeros(len(writing.state))
        twist = None if self._value is None else Twist.of(self._value)
        claimed = None if twist is None else twist(writing.state.items())
        while not writing.state.finished.all():
            logprobs = writing.state.logprobs
            law = writing.law(logprobs)
            divergence += _divergence(law, logprobs)
            log_ratio += writing.write(rng, law)
        items = writing.state.items()
        budget.reserve(scores=float(len(items)))
        scores = target.scores(items)
        if claimed is not None:
            _refuse_contradiction(claimed, log_ratio + scores.mean, items)
        samples = Samples(
            items=items,
            context_index=np.arange(len(items)),
            log_weights=np.where(np.isneginf(log_ratio), -np.inf, 0.0),
            scores=scores,
            cost={**writing.cost, "scores": float(len(items))},
            log_normalizer=claimed,
        )
        return samples, divergence


@dataclass(frozen=True, slots=True, eq=False)
class GuidedLaw:
    """The law of guided decoding in one context of s outputs: `log_prob` [s] and KL(law ‖ base), in nats."""

    items: tuple[Item, ...]
    log_prob: Floats
    kl: float


def guided_law(target: Target, guides: Sequence[Guide], context: Parts) -> GuidedLaw:
    """The exact law of `Guided(guides)` over a base that writes token by token and can be listed.

    Raises UsageError where the base is not such, InputError where guides rule out all that may follow somewhere.
    """
    base, items = token_base(target, "guided_law"), support(target, context)
    tokens, rows = base.encode(items), np.arange(len(items))
    log_prob = np.zeros(len(items))
    with Writing.begun(base, [context] * len(items), guides, Budget()) as writing:
        for place in range(max(map(len, tokens))):
            law, given = writing.law(writing.state.logprobs), tokens_at(tokens, place)
            if np.isneginf(law).all(axis=1).any():
                raise InputError("the guides rule out whatever may follow a prefix", where="guided_law")
            log_prob += np.where(given == WAIT, 0.0, law[rows, given])
            writing.append(given)
    base_log_prob, held = base.log_prob(items), log_prob > -np.inf
    kl = float(np.exp(log_prob[held]) @ (log_prob[held] - base_log_prob[held]))
    return GuidedLaw(items, log_prob, max(kl, 0.0))


def _divergence(law: Floats, base: Floats) -> Floats:
    """KL(law ‖ base) [rows] of log-probabilities [rows, vocabulary]; 0 where a law is −inf throughout."""
    held = np.isfinite(law)
    gain = np.subtract(law, base, out=np.zeros_like(law), where=held)
    return np.asarray((np.exp(law) * gain).sum(axis=1))


def _means(divergence: Floats, places: dict[Parts, list[int]]) -> tuple[Estimate, ...]:
    """The mean over outputs of one context, for each of them."""
    kl = [Estimate(np.nan, 0)] * len(divergence)
    for own in places.values():
        n, value = len(own), divergence[own]
        estimate = Estimate(float(value.mean()), n, float(value.var(ddof=1)) / n if n > 1 else None)
        for place in own:
            kl[place] = estimate
    return tuple(kl)


def _refuse_other(value: Expression, target: Target) -> None:
    asked, given = (
        {(id(term.potential), term.strength) for term in one.terms if term.strength}
        for one in (value, Expression.of(target.expression))
    )
    if asked != given:
        raise UsageError(
            "the guide is exact for the target tilted by its own value, and this is another",
            where="Guided",
            fix="give Target(base, value) with the guide's value, or weigh the draws: Particles(n, guides=...)",
        )


def _refuse_contradiction(claimed: Floats, log_weight: Floats, items: Sequence[Item]) -> None:
    off = np.abs(np.where(np.isneginf(claimed), np.inf, log_weight - claimed))
    worst = int(off.argmax())
    if not off[worst] <= _OFF:
        told, weighed = float(claimed[worst]), float(log_weight[worst])
        raise InputError(
            f"the value says to be soft and log Z to be {told:.6g}, but by a draw it is {weighed:.6g}",
            where=f"item {items[worst].key}",
            fix='give its kind as "mean", "terminal" or "twist": the engine is then heuristic',
        )
