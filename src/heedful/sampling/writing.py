"""Writing outputs token by token, beside guides, within a budget of model tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Base, Budget, Floats, InputError, Item, Parts, UsageError
from heedful.models import Continuations, TokenModel, complete, drawn
from heedful.models.token_models import WAIT, Tokens
from heedful.sampling.batches import portions
from heedful.sampling.guides import Guide, Guiding
from heedful.sampling.spending import Bought, refuse_beyond, reserved, tokens_each, writing_plan
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


@dataclass(slots=True, eq=False)
class Writing:
    """Outputs being written, one a row, with the guides beside them, and a `part` of them that is written apart."""

    state: Continuations
    guides: tuple[Guiding, ...] = ()
    part: Writing | None = None
    _apart: Counter[str] = field(default_factory=Counter)

    @classmethod
    @contextmanager
    def begun(
        cls, base: TokenModel, contexts: Sequence[Parts], guides: Sequence[Guide], budget: Budget, *, times: int = 1
    ) -> Iterator[Writing]:
        """Empty outputs, to be written so many times at most, and their budget.

        The most tokens that takes are reserved before any is read; what is left of them at the end of this context is
        given back, also where that is an error.
        """
        rows = float(len(contexts) * times)
        plan = {"samples": rows, "tokens": rows * tokens_each(base) + base.reading(contexts)}
        with reserved(budget, plan) as spent:
            writing = cls(base.begin(contexts))
            try:
                writing.guides = tuple(guide.begin(base, contexts) for guide in guides)
                yield writing
            finally:
                spent.update(writing.cost)

    def again(self, chosen: NDArray[np.intp] | None = None) -> Writing:
        """The same outputs, or some rows of them, to be written apart, in the place of the last that were."""
        rows = np.arange(len(self.state)) if chosen is None else chosen
        self._apart = Counter(self._of_parts())
        self.part = Writing(self.state.keep(rows), tuple(guide.keep(rows) for guide in self.guides))
        return self.part

    @property
    def cost(self) -> dict[str, float]:
        """Outputs and tokens so far; of outputs written apart, these alone."""
        parts = self._of_parts()
        samples = parts["samples"] or float(len(self.state))
        return {"samples": samples, "tokens": float(self.state.positions) + parts["tokens"]}

    def _of_parts(self) -> dict[str, float]:
        own = self.part
        rows, tokens = (0, 0) if own is None else (len(own.state), own.state.positions - self.state.positions)
        return {"samples": self._apart["samples"] + float(rows), "tokens": self._apart["tokens"] + float(tokens)}

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


def base_draws(
    base: Base, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    """n draws from the base for each context, in order, and their cost, reserved before they are drawn.

    A base that writes token by token writes many outputs at once, and its tokens are counted; one that buys its draws
    is asked for all at once, and what it charged meanwhile is counted, also where it fails. Raises InputError where a
    base gives another number of samples than it was asked for.
    """
    if isinstance(base, TokenModel):
        return _written(base, contexts, n, budget, rng)
    drawn: list[Item] = []
    with reserved(budget, writing_plan(base, contexts, n)) as spent:
        if isinstance(base, Bought):
            drawn += _bought(base, contexts, n, spent, rng)
        else:
            for context in contexts:
                spent["samples"] += n  # which a base that fails may have drawn
                drawn += base.sample(context, n, rng=rng)
    total = n * len(contexts)
    if len(drawn) != total:
        raise InputError(f"the base gave {len(drawn)} samples, not the {total} asked for", where="base.sample")
    return drawn, {unit: float(amount) for unit, amount in spent.items()}


def _bought(
    base: Bought, contexts: Sequence[Parts], n: int, spent: Counter[str], rng: np.random.Generator
) -> Sequence[Item]:
    before, spent["samples"] = base.charged(), n * len(contexts)
    try:
        return base.sample_each(contexts, n, rng=rng)
    finally:
        spent.update({unit: amount - before[unit] for unit, amount in base.charged().items()})


def _written(
    base: TokenModel, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator
) -> tuple[list[Item], dict[str, float]]:
    cost: Counter[str] = Counter()
    return [item for state in written(base, contexts, n, budget, rng, cost) for item in state.items()], dict(cost)


def written(
    base: TokenModel, contexts: Sequence[Parts], n: int, budget: Budget, rng: np.random.Generator, cost: Counter[str]
) -> Iterator[Continuations]:
    """n draws of each context, one context after the other, in finished states of as many as the base holds at once.

    Where n are more than that, a context is read once for all of them. What they cost is added to `cost`.
    """
    refuse_beyond(budget, writing_plan(base, contexts, n))
    most = min(n, getattr(base, "batch_size", n))
    for portion in portions(base, contexts, n):
        with Writing.begun(base, portion, (), budget, times=n) as writing:
            for start in range(0, n, most):
                rows = np.repeat(np.arange(len(portion)), min(most, n - start))
                part = writing if n == 1 else writing.again(rows)
                complete(part.state, rng)
                yield part.state
            cost.update(writing.cost)
