"""Guides: what is added to the log-probabilities of next tokens before one is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Parts, Potential, UsageError
from heedful.core.algebra import Expression
from heedful.models import Continuations, TokenModel
from heedful.sampling.twists import Twist

Rows = Sequence[int] | NDArray[np.intp]


class Guiding(Protocol):
    """A guide of outputs that are being written, one a row, in step with the base's state."""

    def logits(self, state: Continuations) -> Floats:
        """What to add [rows, vocabulary], up to a constant a row; −inf for tokens that must not follow."""
        ...

    def append(self, tokens: NDArray[np.intp]) -> None: ...
    def keep(self, rows: Rows) -> Self: ...


class Guide(Protocol):
    """Starts to guide outputs in `contexts`, one a row."""

    def begin(self, base: TokenModel, contexts: Sequence[Parts]) -> Guiding: ...


@dataclass(frozen=True, slots=True, eq=False)
class TokenGuide:
    """strength · (log guide(token) − log reference(token)): another model's word on each token.

    Without a reference: base · guide^strength, a product of experts token by token (a reward learnt as the
    log-probabilities of tokens: Xu et al. 2024, "GenARM: Reward guided generation with autoregressive reward model",
    equation 8). With one: what tuning changed in a small model, added to a large one (Liu et al. 2024, "Tuning language
    models by proxy", equation 1). All models share one vocabulary.
    """

    model: TokenModel
    strength: float = 1.0
    reference: TokenModel | None = None

    def begin(self, base: TokenModel, contexts: Sequence[Parts]) -> Guiding:
        """Raises UsageError where vocabularies differ, or a model's outputs end before the base's."""
        models = [(self.strength, self.model)]
        models += [] if self.reference is None else [(-self.strength, self.reference)]
        for _, model in models:
            if model.vocabulary != base.vocabulary or model.end != base.end:
                raise UsageError(
                    "a guide and what it guides need the same tokens",
                    where="TokenGuide",
                    fix="use models of one tokenizer, or guide by a value of texts (ValueGuide)",
                )
            if model.max_tokens < base.max_tokens:
                raise UsageError(
                    f"a model writes at most {model.max_tokens} tokens, and what it guides {base.max_tokens}",
                    where="TokenGuide",
                    fix=f"give it max_tokens={base.max_tokens}",
                )
        return _Beside(tuple((strength, model.begin(contexts)) for strength, model in models))


@dataclass(slots=True, eq=False)
class _Beside:
    states: tuple[tuple[float, Continuations], ...]

    def logits(self, state: Continuations) -> Floats:
        total = np.zeros(state.logprobs.shape)
        for strength, own in self.states:
            # A token that a reference never writes is as likely as before: log 0 is not to become a reward.
            logprobs = own.logprobs if strength > 0 else np.where(np.isneginf(own.logprobs), 0.0, own.logprobs)
            total += strength * logprobs
        return total

    def append(self, tokens: NDArray[np.intp]) -> None:
        for _, own in self.states:
            own.append(tokens)

    def keep(self, rows: Rows) -> _Beside:
        return _Beside(tuple((strength, own.keep(rows)) for strength, own in self.states))


@dataclass(frozen=True, slots=True, eq=False)
class ValueGuide:
    """The value of the output with each token added: an expression, whose terms score prefixes and whole outputs.

    Only the `width` likeliest tokens are tried (None: all that may follow), the others ruled out, which is what makes
    it affordable and what makes it inexact. With soft values at the strength of the target, and all tokens, the law is
    the target's (Mudgal et al. 2024, "Controlled decoding from language models", equation 6; rewards of prefixes in
    place of values: Khanov, Burapacheep and Li 2024, "ARGS", equation 1).
    """

    value: Potential
    width: int | None = None
    _twist: Twist = field(init=False, repr=False)

    def __post_init__(self) -> None:
        twist = Twist.of(self.value)
        if twist is None:
            raise UsageError("nothing in the value scores unfinished outputs", where="ValueGuide")
        if self.width is not None and self.width < 1:
            raise UsageError(f"a width is 1 or more, not {self.width}", where="ValueGuide")
        object.__setattr__(self, "_twist", twist)

    @property
    def soft(self) -> bool:
        """Whether it says to be exact: all tokens, and one soft value V at a strength s with s · beta = 1.

        V = beta · log E[exp(score / beta) | prefix] under the base; beta is the potential's, 1 where it names none.
        """
        terms = [term for term in Expression.of(self.value).terms if term.strength != 0]
        beta = getattr(terms[0].potential, "beta", 1.0)
        soft = len(terms) == 1 and getattr(terms[0].potential, "kind", None) == "soft"
        return self.width is None and soft and math.isclose(terms[0].strength * beta, 1.0)

    def begin(self, base: TokenModel, contexts: Sequence[Parts]) -> Guiding:
        return self

    def logits(self, state: Continuations) -> Floats:
        logprobs = state.logprobs
        allowed = np.isfinite(logprobs)
        if self.width is not None and self.width < logprobs.shape[1]:
            least = np.partition(logprobs, -self.width, axis=1)[:, -self.width, None]
            allowed &= logprobs >= least
        rows, tokens = np.nonzero(allowed)
        total = np.full(logprobs.shape, -np.inf)
        items, done = state.grown(rows, tokens)
        values = np.empty(len(items))
        for which, score in ((done, lambda own: self.value(own).mean), (~done, self._twist)):
            place = np.flatnonzero(which)
            if len(place):
                values[place] = score([items[number] for number in place])
        total[rows, tokens] = values
        return total

    def append(self, tokens: NDArray[np.intp]) -> None:
        """Nothing is kept between tokens."""

    def keep(self, rows: Rows) -> Self:
        return self


@dataclass(frozen=True, slots=True, eq=False)
class WordGuide:
    """Nats added to some tokens, named by their text without white space around it; −inf bans them.

    A rule on logits that has learnt nothing: what a reward is to be held against.
    """

    nats: Mapping[str, float]

    def __post_init__(self) -> None:
        wrong = {word: value for word, value in self.nats.items() if not value < np.inf}
        if wrong or not self.nats:
            raise UsageError(f"finite nats or −inf are needed for some words, not {wrong}", where="WordGuide")

    def begin(self, base: TokenModel, contexts: Sequence[Parts]) -> Guiding:
        """Raises UsageError where a word is no token of the base."""
        texts = [text.strip() for text in base.vocabulary]
        missing = sorted(self.nats.keys() - set(texts))
        if missing:
            raise UsageError(
                f"{', '.join(map(repr, missing))} are no tokens of the base",
                where="WordGuide",
                fix="name tokens; a word of several is one for a ValueGuide or a constraint",
            )
        return _Same(np.array([self.nats.get(text, 0.0) for text in texts]))


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """The same at every token."""

    added: Floats

    def logits(self, state: Continuations) -> Floats:
        return np.broadcast_to(self.added, state.logprobs.shape)

    def append(self, tokens: NDArray[np.intp]) -> None:
        """Nothing is kept between tokens."""

    def keep(self, rows: Rows) -> Self:
        return self
