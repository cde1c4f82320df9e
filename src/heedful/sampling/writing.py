"""Writing outputs token by token, beside guides, within a budget of model tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Base, Budget, BudgetExceededError, Floats, InputError, Item, Parts, UsageError
from heedful.models import Continuations, TokenModel, complete, drawn
from heedful.models.token_models import WAIT, Tokens
from heedful.sampling.batches import portions
from heedful.sampling.guides import Guide, Guiding
from heedful.target import Target

DRAW = WAIT
"""In place of a token that is given, as `tokens_at` has it beyond an output's end: this one is drawn."""


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


def affordable(base: Base, budget: Budget) -> float:
    """How many more outputs a budget can surely pay for, their contexts not counted; infinite where it has no cap."""
    left = ((budget.left(unit), amount) for unit, amount in writing_plan(base, 1).items())
    return min(math.inf if own == math.inf else max(0.0, own // amount) for own, amount in left)


@dataclass(slots=True, eq=False)
class Writing:
    """Outputs being written, one a row, with the guides beside them; `times` over the tokens are `reserved`."""

    state: Continuations
    guides: tuple[Guiding, ...]
    reserved: float
    times: int = 1

    @classmethod
    def begun(
        cls, base: TokenModel, contexts: Sequence[Parts], guides: Sequence[Guide], budget: Budget, *, times: int = 1
    ) -> Writing:
        """Empty outputs. The most tokens they can take, so many times, are reserved before any is written."""
        plan = writing_plan(base, len(contexts) * times)
        budget.reserve(**plan)
        state = base.begin(contexts)
        try:
            budget.reserve(tokens=float(state.positions))
        except BudgetExceededError:
            budget.release(**plan)
            raise
        begun = tuple(guide.begin(base, contexts) for guide in guides)
        return cls(state, begun, plan["tokens"] + state.positions, times)

    def again(self, chosen: NDArray[np.intp] | None = None) -> Writing:
        """The same outputs, or some rows of them, to be written apart. What they cost is for `settle` of these."""
        rows = np.arange(len(self.state)) if chosen is None else chosen
        return Writing(self.state.keep(rows), tuple(guide.keep(rows) for guide in self.guides), 0.0)

    def settle(self, budget: Budget, apart: float = 0.0, samples: int | None = None) -> dict[str, float]:
        """What was spent, with tokens of writings `apart`; the rest of what was reserved given back.

        samples: how many outputs were written; None where all were.
        """
        spent, planned = self.state.positions + apart, len(self.state) * self.times
        written = planned if samples is None else samples
        budget.release(tokens=self.reserved - spent, samples=float(planned - written))
        return {"samples": float(written), "tokens": float(spent)}

    def write(self, rng: np.random.Generator, law: Floats | None = None, given: Tokens | None = None) -> Floats:
        """One token on each row that is not finished: the one `given`, or (`DRAW`) drawn by the guided law.

        Returns log base − log law [rows] of the token: −inf where guides rule out whatever may follow. Such a row goes
        on by the base, to count for nothing. `law` spares computing it.
        """
        if not self.guides:
            self.append(_chosen(self.state.draw(rng), given))
            return np.zeros(len(self.state))
        logprobs, rows = self.state.logprobs, np.arange(len(self.state))
        law = self.law(logprobs) if law is None else law
        lost = np.asarray(np.isneginf(law).all(axis=1))
        chosen = np.where(lost[:, None], logprobs, law)
        tokens = _chosen(drawn(chosen, rng), given)
        self.append(tokens)
        return np.where(lost, -np.inf, logprobs[rows, tokens] - chosen[rows, tokens])

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

    def append(self, tokens: NDArray[np.intp]) -> None:
        self.state.append(tokens)
        for guide in self.guides:
            guide.append(tokens)


def _chosen(drawn: Tokens, given: Tokens | None) -> Tokens:
    return drawn if given is None else np.where(given == DRAW, drawn, given)


@runtime_checkable
class ManyContexts(Base, Protocol):
    """A base that draws for many contexts at once, n for each, one context after the other."""

    def sample_each(self, contexts: Sequence[Parts], n: int, *, rng: np.random.Generator) -> tuple[Item, ...]: ...


def base_draws(
    base: Base, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    """n draws from the base for each context, in order, and their cost, reserved before they are drawn.

    A base that writes token by token writes many outputs at once, and its tokens are counted; one that draws for many
    contexts at once (`sample_each`) is asked for all. Raises InputError where a base gives another number of samples
    than it was asked for.
    """
    total = n * len(contexts)
    if isinstance(base, TokenModel):
        return _written(base, contexts, n, budget, rng)
    cost = {"samples": float(total)}
    budget.reserve(**cost)
    if isinstance(base, ManyContexts):
        drawn = list(base.sample_each(contexts, n, rng=rng))
    else:
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
