"""What engines spend: planned, reserved before it is spent, and given back where it is not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from heedful.core import Base, Budget, Parts
from heedful.models import TokenModel
from heedful.sampling.batches import portions


def writing_plan(
    base: Base, contexts: Sequence[Parts], n: int = 1, *, times: int = 1, rounds: int = 1
) -> dict[str, float]:
    """The most that n outputs of each context can cost to write, so many times; tokens where the base has such.

    The contexts of which the base holds n outputs at once are read once, or in each of so many `rounds`. Raises
    InputError where a context cannot be read.
    """
    plan = {"samples": float(n * times * len(contexts))}
    if isinstance(base, TokenModel):
        read = sum(base.reading(portion) for portion in portions(base, contexts, n))
        plan["tokens"] = plan["samples"] * base.max_tokens + float(rounds * read)
    return plan


def affordable(base: Base, budget: Budget) -> float:
    """How many more outputs a budget can surely pay for, their contexts not counted; infinite where it has no cap."""
    each = {"samples": 1.0} | ({"tokens": float(base.max_tokens)} if isinstance(base, TokenModel) else {})
    left = ((budget.left(unit), amount) for unit, amount in each.items())
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
