"""What engines spend: planned, reserved before it is spent, and given back where it is not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np

from heedful.core import Base, Budget, Item, Parts
from heedful.models import TokenModel
from heedful.sampling.batches import portions


@runtime_checkable
class Bought(Base, Protocol):
    """A base whose draws cost more than samples (calls, tokens, money): it says how much at most, and keeps count."""

    def plan(self, contexts: Sequence[Parts], n: int) -> dict[str, float]:
        """The most that n draws in each context can cost. Raises UsageError where a context cannot be asked about."""
        ...

    def charged(self) -> dict[str, float]:
        """What was charged so far."""
        ...

    def sample_each(self, contexts: Sequence[Parts], n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """n draws for each context, one context after the other."""
        ...


def tokens_each(base: TokenModel) -> float:
    """The most model tokens that an output can cost: its last is written, and not read."""
    return float(base.max_tokens - 1)


def writing_plan(
    base: Base, contexts: Sequence[Parts], n: int = 1, *, times: int = 1, rounds: int = 1
) -> dict[str, float]:
    """The most that n outputs of each context can cost to write, so many times; calls and tokens where there are such.

    The contexts of which the base holds n outputs at once are read once, or in each of so many `rounds`. Raises
    InputError or UsageError where a context cannot be read.
    """
    plan = {"samples": float(n * times * len(contexts))}
    if isinstance(base, Bought):
        plan |= base.plan(contexts, n * times)
    if isinstance(base, TokenModel):
        read = sum(base.reading(portion) for portion in portions(base, contexts, n))
        plan["tokens"] = plan["samples"] * tokens_each(base) + float(rounds * read)
    return plan


def affordable(base: Base, budget: Budget) -> float:
    """How many more outputs a budget can surely pay for, with a score each, their contexts not counted; infinite where
    it has no cap."""
    each = {"samples": 1.0, "scores": 1.0} | ({"tokens": tokens_each(base)} if isinstance(base, TokenModel) else {})
    left = ((budget.left(unit), amount) for unit, amount in each.items() if amount)
    return min(math.inf if own == math.inf else max(0.0, own // amount) for own, amount in left)


def refuse_beyond(budget: Budget, plan: Mapping[str, float]) -> None:
    """Raises BudgetExceededError where a plan does not fit; reserves nothing."""
    budget.reserve(**plan)
    budget.release(**plan)


@contextmanager
def reserved(budget: Budget, plan: Mapping[str, float]) -> Iterator[Counter[str]]:
    """A plan reserved, of which what is counted in the Counter given is spent; the rest is given back at the end, also
    where that is an error. Raises BudgetExceededError before anything is done."""
    budget.reserve(**plan)
    spent: Counter[str] = Counter()
    try:
        yield spent
    finally:
        budget.settle(plan, spent)
