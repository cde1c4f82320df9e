"""What one token model says of each token against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models.texts import joined
from heedful.models.token_models import WAIT, TokenModel, Tokens, begun_tokens, tokens_at, whole


@dataclass(frozen=True, slots=True, eq=False)
class TokenRatios:
    """log policy(token | before) − log reference(token | before), of models with the same tokens.

    Raises UsageError where their tokens differ.
    """

    policy: TokenModel
    reference: TokenModel

    def __post_init__(self) -> None:
        if self.policy.vocabulary != self.reference.vocabulary or self.policy.end != self.reference.end:
            raise UsageError(
                "a ratio of token probabilities needs two models of the same tokens",
                where="TokenRatios",
                fix="use models of one tokenizer",
            )

    def log_ratios(self, items: Sequence[Item]) -> Floats:
        """Of each token of whole outputs [n, longest], their end included, in nats; 0 beyond an output's own.

        −inf where the policy never writes a token. Raises InputError where the reference never does.
        """
        return self._ratios(items, self.reference.encode([whole(item) for item in items]))

    def prefix_log_ratios(self, items: Sequence[Item]) -> Floats:
        """The same of outputs that may go on: without an end."""
        encoded = self.reference.encode([whole(item) for item in items])
        return self._ratios(items, [begun_tokens(own, self.reference.end) for own in encoded])

    def _ratios(self, items: Sequence[Item], tokens: Sequence[Tokens]) -> Floats:
        reference = _logprobs(self.reference, items, tokens)
        if np.isneginf(reference).any():
            row = int(np.isneginf(reference).any(axis=1).argmax())
            what = f"the reference never writes {joined(whole(items[row]).output)[:60]!r}"
            raise InputError(what, where=f"item {items[row].key}", fix="give outputs that the reference can write")
        return _logprobs(self.policy, items, tokens) - reference


def _logprobs(model: TokenModel, items: Sequence[Item], tokens: Sequence[Tokens]) -> Floats:
    """Log-probability [n, longest] of each of these tokens, 0 beyond an item's own."""
    found = np.zeros((len(items), max(map(len, tokens), default=0)))
    size = int(getattr(model, "batch_size", len(items) or 1))
    for start in range(0, len(items), size):
        own = tokens[start : start + size]
        state = model.begin([item.context for item in items[start : start + size]])
        for place in range(max(map(len, own))):
            given = tokens_at(own, place)
            rows = np.flatnonzero(given != WAIT)
            found[start + rows, place] = state.logprobs[rows, given[rows]]
            state.append(given)
    return found
