"""Writing outputs token by token, beside guides, within a budget of model tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Budget, Floats, Parts, UsageError
from heedful.models import Continuations, TokenModel, drawn
from heedful.models.token_models import Tokens
from heedful.sampling.guides import Guide, Guiding
from heedful.target import Target

DRAW = -1
"""In place of a token that is given: this one is drawn."""


def token_base(target: Target, engine: str) -> TokenModel:
    """The target's base. Raises UsageError where it does not write token by token."""
    if not isinstance(target.base, TokenModel):
        raise UsageError(
            f"{type(target.base).__name__} does not write token by token",
            where=engine,
            fix="use models.LocalModel or models.SequenceTable, or an engine that draws whole outputs (BestOfN)",
        )
    return target.base


def tokens_at(outputs: Sequence[Tokens], place: int) -> Tokens:
    """The token [rows] at one place of each output, `DRAW` beyond its end."""
    return np.array([own[place] if place < len(own) else DRAW for own in outputs], dtype=np.intp)


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
        most = float(base.max_tokens * len(contexts) * times)
        budget.reserve(samples=float(len(contexts) * times), tokens=most)
        state = base.begin(contexts)
        budget.reserve(tokens=float(state.positions))
        return cls(state, tuple(guide.begin(base, contexts) for guide in guides), most + state.positions, times)

    def again(self) -> Writing:
        """The same outputs, to be written on apart from these. What they cost is for `settle` of these."""
        rows = np.arange(len(self.state))
        return Writing(self.state.keep(rows), tuple(guide.keep(rows) for guide in self.guides), 0.0)

    def settle(self, budget: Budget, apart: float = 0.0) -> dict[str, float]:
        """What was spent, with tokens of writings `apart`; the rest of what was reserved given back."""
        spent = self.state.positions + apart
        budget.release(tokens=self.reserved - spent)
        return {"samples": float(len(self.state) * self.times), "tokens": float(spent)}

    def write(self, rng: np.random.Generator, law: Floats | None = None, given: Tokens | None = None) -> Floats:
        """One token on each row that is not finished: the one `given`, or (`DRAW`) drawn by the guided law.

        Returns log base − log law [rows] of the token: −inf where guides rule out whatever may follow. Such a row goes
        on by the base, to count for nothing. `law` spares computing it.
        """
        logprobs, rows = self.state.logprobs, np.arange(len(self.state))
        lost, chosen = np.zeros(len(rows), dtype=bool), logprobs
        if self.guides:
            law = self.law(logprobs) if law is None else law
            lost = np.asarray(np.isneginf(law).all(axis=1))
            chosen = np.where(lost[:, None], logprobs, law)
        tokens = drawn(chosen, rng)
        if given is not None:
            tokens = np.where(given == DRAW, tokens, given)
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
