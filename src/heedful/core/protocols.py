"""The contracts between packages. An implementation need not inherit from these; it must pass their contract tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from heedful.core.items import Item, Parts
from heedful.core.values import Budget, Floats, Honesty, Loss, Queries, Rewritten, Samples, Scale, Scores


@runtime_checkable
class Base(Protocol):
    """A system as it is: something that can be sampled and, given an output, says how likely it was (nats)."""

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]: ...
    def log_prob(self, items: Sequence[Item]) -> Floats: ...


@runtime_checkable
class EnumerableBase(Base, Protocol):
    """A base whose outputs can be listed, each once, in a fixed order."""

    def support(self, context: Parts) -> tuple[Item, ...]: ...


@runtime_checkable
class Potential(Protocol):
    """One piece of evidence about what is good. `under` names the policy it holds under, or None."""

    @property
    def scale(self) -> Scale: ...
    @property
    def under(self) -> str | None: ...
    def __call__(self, items: Sequence[Item]) -> Scores: ...


@runtime_checkable
class PrefixPotential(Potential, Protocol):
    """A potential that also scores unfinished outputs."""

    @property
    def kind(self) -> Literal["terminal", "mean", "soft", "twist"]: ...
    def prefix(self, items: Sequence[Item]) -> Scores: ...


@runtime_checkable
class Preference(Protocol):
    """P(first preferred to second | context), for each pair: values in [0, 1], prefer(a, b) + prefer(b, a) = 1."""

    def prefer(self, first: Sequence[Item], second: Sequence[Item]) -> Floats: ...


@runtime_checkable
class Posterior(Preference, Protocol):
    """What people want, as far as the feedback tells: a preference that scores give."""

    def __call__(self, items: Sequence[Item]) -> Scores: ...
    def potential(self, *, scale: Scale = "utility", reference: Sequence[Item] | None = None) -> Potential: ...


@runtime_checkable
class SamplingEngine(Protocol):
    """Draws from a target. `honesty` declares what the draws are worth; conformance tests hold it to that."""

    @property
    def honesty(self) -> Honesty: ...
    def __call__(
        self, target: Any, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples: ...


@runtime_checkable
class AcquisitionRule(Protocol):
    """Chooses from `pool` (tuples of items that could be judged together) what to ask next."""

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries: ...


@runtime_checkable
class Objective(Protocol):
    """A pure training loss of token log-probabilities [n, t] (nats) and a batch of feedback."""

    def __call__(self, policy_logprobs: Any, reference_logprobs: Any, batch: Any) -> Loss: ...


@runtime_checkable
class TextualEngine(Protocol):
    """Improves a program of texts toward a target."""

    def __call__(
        self, program: Any, target: Any, examples: Sequence[Any], *, budget: Budget, rng: np.random.Generator
    ) -> Rewritten: ...
