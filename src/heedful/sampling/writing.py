"""Writing outputs token by token, beside guides, within a budget of model tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Budget, Floats, Parts, UsageError
from heedful.models import Continuations, TokenModel, drawn
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


@dataclass(slots=True, eq=False)
class Writing:
    """Outputs being written, one a row, with the guides beside them."""

    state: Continuations
    guides: tuple[Guiding, ...]
    reserved: float

    @classmethod
    def begun(cls, base: TokenModel, contexts: Sequence[Parts], guides: Sequence[Guide], budget: Budget) -> Writing:
        """Empty outputs. The most tokens they can take are reserved before any is written."""
        most = float(base.max_tokens * len(contexts))
        budget.reserve(samples=float(len(contexts)), tokens=most)
        state = base.begin(contexts)
        budget.reserve(tokens=float(state.positions))
        return cls(state, tuple(guide.begin(base, contexts) for guide in guides), most + state.positions)

    def settle(self, budget: Budget) -> dict[str, float]:
        """What was spent, the rest of what was reserved given back."""
        budget.release(tokens=self.reserved - self.state.positions)
        return {"samples": float(len(self.state)), "tokens": float(self.state.positions)}

    def write(self, rng: np.random.Generator, law: Floats | None = None) -> Floats:
        """One token on each row that is not finished, by the guided law where that is not given.

        Returns log base − log law [rows] of the one drawn: −inf where guides rule out whatever may follow. Such a row
        goes on by the base, to count for nothing.
        """
        logprobs, rows = self.state.logprobs, np.arange(len(self.state))
        if not self.guides:
            self._append(drawn(logprobs, rng))
            return np.zeros(len(rows))
        law = self.law(logprobs) if law is None else law
        lost = np.asarray(np.isneginf(law).all(axis=1))
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
