"""Outputs of an enumerable language while they are being written, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, Parts
from heedful.models.token_models import WAIT, Finished, Tokens, checked_rows, checked_tokens, drawn

Numbers = tuple[int, ...]


class Language(Protocol):
    """A table of next tokens: its words by number, and the law [vocabulary] of the next one in nats."""

    @property
    def vocabulary(self) -> tuple[str, ...]: ...
    @property
    def end(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    def law(self, context: Parts, output: tuple[str, ...]) -> Floats: ...
    def write(self, context: Parts, words: tuple[str, ...]) -> Item: ...


@dataclass(slots=True, eq=False)
class TableContinuations:
    """The state of `SequenceTable.begin`: one row for each of `contexts`, what it holds in `written`."""

    language: Language
    contexts: tuple[Parts, ...]
    written: list[Numbers]
    log_prob: Floats
    positions: int

    @classmethod
    def empty(cls, language: Language, contexts: Sequence[Parts]) -> TableContinuations:
        read = sum(max(1, sum(len(part.text.split()) for part in context)) for context in set(contexts))
        return cls(language, tuple(contexts), [()] * len(contexts), np.zeros(len(contexts)), read)

    def __len__(self) -> int:
        return len(self.contexts)

    @property
    def finished(self) -> Finished:
        full, end = self.language.max_tokens, (self.language.end,)
        return np.array([len(own) >= full or own[-1:] == end for own in self.written], dtype=bool)

    @property
    def logprobs(self) -> Floats:
        law = np.full((len(self), len(self.language.vocabulary)), -np.inf)
        done = self.finished
        law[done, self.language.end] = 0.0
        for row in np.flatnonzero(~done).tolist():
            law[row] = self.language.law(self.contexts[row], self._words(self.written[row]))
        return law

    def draw(self, rng: np.random.Generator) -> Tokens:
        return drawn(self.logprobs, rng)

    def append(self, tokens: Tokens) -> None:
        given = self._checked(tokens)
        on = np.flatnonzero(given != WAIT)
        self.log_prob[on] += self.logprobs[on, given[on]]
        self._write(given)
        self.positions += int((~self.finished[on]).sum())

    def keep(self, rows: Sequence[int] | NDArray[np.intp]) -> TableContinuations:
        chosen = checked_rows(rows, len(self))
        contexts = tuple(self.contexts[row] for row in chosen)
        written = [self.written[row] for row in chosen]
        return TableContinuations(self.language, contexts, written, self.log_prob[chosen], self.positions)

    def grown(self, rows: Sequence[int] | NDArray[np.intp], tokens: Tokens) -> tuple[tuple[Item, ...], Finished]:
        kept = self.keep(rows)
        kept._write(kept._checked(tokens))
        return kept.items(), kept.finished

    def tokens(self) -> tuple[Tokens, ...]:
        return tuple(np.array(own, dtype=np.intp) for own in self.written)

    def items(self) -> tuple[Item, ...]:
        texts = [self._words(own[:-1] if own[-1:] == (self.language.end,) else own) for own in self.written]
        return tuple(self.language.write(context, own) for context, own in zip(self.contexts, texts, strict=True))

    def _checked(self, tokens: Tokens) -> Tokens:
        return checked_tokens(tokens, self.finished, len(self.language.vocabulary), self.language.end)

    def _write(self, given: Tokens) -> None:
        for row in np.flatnonzero(given != WAIT).tolist():
            self.written[row] = (*self.written[row], int(given[row]))

    def _words(self, written: Numbers) -> tuple[str, ...]:
        return tuple(self.language.vocabulary[number] for number in written)
