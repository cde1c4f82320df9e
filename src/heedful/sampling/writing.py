"""Writing outputs token by token, beside guides, within a budget of model tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Base, Budget, Floats, InputError, Item, Parts, UsageError
from heedful.models import Continuations, TokenModel, complete, drawn
from heedful.sampling.batches import portions
from heedful.sampling.guides import Guide, Guiding
from heedful.target import Target


def token_base(target: Target, engine: str) -> TokenModel:
    """The target's base. Raises UsageError where it does not write token by token."""
    if not isinstance(target.base, TokenModel):
        raise UsageError(
            f"{type(target.base).__name__} does not write token by token",
            where=engine,
            fix="use models.LocalModel or models.SequenceTable, or an engine that draws whole outputs (BestOfN)",
        )
    return target.base


def writing_plan(base: Base, rows: int) -> dict[str, float]:
    """The most that so many outputs can cost to write, their contexts not counted; tokens where the base has such."""
    tokens = {"tokens": float(rows * base.max_tokens)} if isinstance(base, TokenModel) else {}
    return {"samples": float(rows), **tokens}


def refuse_beyond(budget: Budget, plan: dict[str, float]) -> None:
    """Raises BudgetExceededError where a plan does not fit; reserves nothing."""
    budget.reserve(**plan)
    budget.release(**plan)


@dataclass(slots=True, eq=False)
class Writing:
    """Outputs being written, one a row, with the guides beside them."""

    state: Continuations
    guides: tuple[Guiding, ...]
    reserved: float

    @classmethod
    def begun(cls, base: TokenModel, contexts: Sequence[Parts], guides: Sequence[Guide], budget: Budget) -> Writing:
        """Empty outputs. The most tokens they can take are reserved before any is written."""
        plan = writing_plan(base, len(contexts))
        budget.reserve(**plan)
        state = base.begin(contexts)
        budget.reserve(tokens=float(state.positions))
        return cls(state, tuple(guide.begin(base, contexts) for guide in guides), plan["tokens"] + state.positions)

    def settle(self, budget: Budget) -> dict[str, float]:
        """What was spent, the rest of what was reserved given back."""
        budget.release(tokens=self.reserved - self.state.positions)
        return {"samples": float(len(self.state)), "tokens": float(self.state.positions)}

    def write(self, rng: np.random.Generator) -> Floats:
        """One token on each row that is not finished, and log base − log law [rows] of the one drawn."""
        logprobs, rows = self.state.logprobs, np.arange(len(self.state))
        if not self.guides:
            self._append(drawn(logprobs, rng))
            return np.zeros(len(rows))
        law = self.law(logprobs)
        lost = np.asarray(
            np.isneginf(law).all(axis=1)
        )  # whatever follows is ruled out: it goes on by the base, at weight 0
        tokens = drawn(np.where(lost[:, None], logprobs, law), rng)
        self._append(tokens)
        return np.where(lost, -np.inf, logprobs[rows, tokens] - np.where(lost, 0.0, law[rows, tokens]))

    def law(self, logprobs: Floats) -> Floats:
        """The guided law of the next token [rows, vocabulary]; all −inf where guides leave none."""
        logits = logprobs.copy()
        for guide in self.guides:
            logits += guide.logits(self.state)
        done = self.state.finished
        logits[done] = logprobs[done]
        total = logsumexp(logits, axis=1, keepdims=True)
        return np.where(np.isneginf(total), -np.inf, logits - np.where(np.isneginf(total), 0.0, total))

    def keep(self, rows: NDArray[np.intp]) -> None:
        self.state = self.state.keep(rows)
        self.guides = tuple(guide.keep(rows) for guide in self.guides)

    def _append(self, tokens: NDArray[np.intp]) -> None:
        self.state.append(tokens)
        for guide in self.guides:
            guide.append(tokens)


def base_draws(
    base: Base, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    """n draws from the base for each context, in order, and their cost, reserved before they are drawn.

    A base that writes token by token writes many outputs at once, and its tokens are counted. Raises InputError where a
    base gives another number of samples than it was asked for.
    """
    total = n * len(contexts)
    if isinstance(base, TokenModel):
        return _written(base, contexts, n, budget, rng)
    cost = {"samples": float(total)}
    budget.reserve(**cost)
    drawn = [item for context in contexts for item in base.sample(context, n, rng=rng)]
    if len(drawn) != total:
        raise InputError(f"the base gave {len(drawn)} samples, not the {total} asked for", where="base.sample")
    return drawn, cost


def _written(
    base: TokenModel, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    refuse_beyond(budget, writing_plan(base, n * len(contexts)))
    cost: Counter[str] = Counter()
    drawn: list[Item] = []
    for portion in portions(base, contexts, n):
        writing = Writing.begun(base, [context for context in portion for _ in range(n)], (), budget)
        complete(writing.state, rng)
        drawn += writing.state.items()
        cost.update(writing.settle(budget))
    return drawn, dict(cost)
