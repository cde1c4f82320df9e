"""Outputs that are made to look again: a text put in when a budget is used, and a larger budget after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, Floats, Honesty, InputError, Item, Parts, Samples, UsageError
from heedful.core.items import text_parts
from heedful.models import TokenModel, Tokens
from heedful.models.token_models import begun_tokens
from heedful.sampling.batches import joined, portions, refuse_no_contexts, selected
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class Deepening:
    """One output per context, kept among n that were each made to look again, up to `times` times.

    An output is written until its budget of `first` tokens is used or it would end. In place of what would follow
    stands the `trigger` ("Wait, let me check."), and it goes on with `growth` times the budget; after the last trigger
    it ends where the base ends it (Chen, Koenig and Dilkina 2025, "Iterative deepening sampling for large language
    models").

    reopen  False to leave alone what ends by itself within its budget
    answer  what an output's vote is for: the answer with most votes is kept, of those the output with the greatest
            score, ties broken at random; None to keep the greatest score of all

    Triggers count as tokens written, and are cut with the output at the base's `max_tokens`. The law is its own, and
    there is no KL to tell.
    """

    n: int
    trigger: str
    first: int
    growth: float = 2.0
    times: int = 1
    reopen: bool = True
    answer: Callable[[Item], Hashable] | None = None
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.n < 1 or self.first < 1 or self.times < 0 or not (1 <= self.growth < np.inf):
            what = f"{self.n} outputs, {self.first} tokens that grow {self.growth} times on {self.times} occasions"
            raise UsageError(what, where="Deepening", fix="numbers of 1 or more, and 0 or more times")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before anything is written, UsageError where the base is no token model.

        InputError where it cannot write the trigger.
        """
        refuse_no_contexts(contexts)
        base = token_base(target, "Deepening")
        trigger = self._tokens(base, contexts[0])
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, self.n):
            rows = [context for context in portion for _ in range(self.n)]
            with Writing.begun(base, rows, (), budget) as writing:
                self._write(writing, trigger, base.end, rng)
                budget.reserve(scores=float(len(rows)))
                pieces.append(self._kept(target, writing, rng))
        return joined(pieces)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost."""
        written = writing_plan(base, contexts, self.n)
        return written | {"scores": written["samples"]}

    def _tokens(self, base: TokenModel, context: Parts) -> Tokens:
        (encoded,) = base.encode([Item(context, text_parts(self.trigger, "system"))])
        trigger = begun_tokens(encoded, base.end)
        if not len(trigger):
            raise InputError("the trigger is empty", where="Deepening", fix="give a text, such as 'Wait.'")
        return trigger

    def _kept(self, target: Target, writing: Writing, rng: np.random.Generator) -> Samples:
        items = writing.state.items()
        scores = target.scores(items)
        kept = self._chosen(items, scores.mean, rng)
        return Samples(
            items=tuple(items[row] for row in kept.tolist()),
            context_index=np.arange(len(kept)),
            log_weights=np.zeros(len(kept)),
            scores=selected(scores, kept),
            cost={**writing.cost, "scores": float(len(items))},
        )

    def _write(self, writing: Writing, trigger: Tokens, end: int, rng: np.random.Generator) -> None:
        """All rows to their end. `place` is where in the trigger a row is, its length where in none."""
        size = len(writing.state)
        looked, used = np.zeros(size, dtype=np.intp), np.zeros(size, dtype=np.intp)
        place = np.full(size, len(trigger))
        while not writing.state.finished.all():
            tokens = writing.state.draw(rng)
            full = used >= np.floor(self.first * self.growth**looked)
            again = (place == len(trigger)) & (looked < self.times) & (full | (self.reopen & (tokens == end)))
            again &= ~writing.state.finished
            looked, used, place = looked + again, np.where(again, 0, used), np.where(again, 0, place)
            given = (place < len(trigger)) & ~writing.state.finished
            tokens[given] = trigger[place[given]]
            place, used = place + given, used + ~given
            writing.append(tokens)

    def _chosen(self, items: Sequence[Item], score: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
        """The row kept of each context."""
        votes = np.zeros(len(items))
        if self.answer is not None:
            said = [(row // self.n, self.answer(item)) for row, item in enumerate(items)]
            count = Counter(said)
            votes = np.array([count[own] for own in said], dtype=float)
        order = np.lexsort((rng.random(len(items)), score, votes, np.arange(len(items)) // self.n))
        return np.asarray(order.reshape(-1, self.n)[:, -1])
