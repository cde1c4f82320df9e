"""Outputs of an enumerable language while they are being written, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, Parts
from heedful.models.token_models import WAIT, Finished, Tokens, Uniforms, checked_rows, checked_tokens, drawn

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
    def reading(self, contexts: Sequence[Parts]) -> int: ...


@dataclass(slots=True, eq=False)
class _Met:
    """Prefixes met so far, each once and by number: what is written, its item, whether it is done, what follows."""

    language: Language
    contexts: list[Parts] = field(default_factory=list)
    written: list[Numbers] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    done: list[bool] = field(default_factory=list)
    laws: list[Floats] = field(default_factory=list)
    _begun: dict[Parts, int] = field(default_factory=dict)
    _longer: dict[tuple[int, int], int] = field(default_factory=dict)

    def begun(self, context: Parts) -> int:
        if context not in self._begun:
            self._begun[context] = self._added(context, ())
        return self._begun[context]

    def longer(self, number: int, token: int) -> int:
        """One prefix with one more token."""
        if (number, token) not in self._longer:
            self._longer[number, token] = self._added(self.contexts[number], (*self.written[number], token))
        return self._longer[number, token]

    def _added(self, context: Parts, written: Numbers) -> int:
        language, over = self.language, written[-1:] == (self.language.end,)
        words = tuple(language.vocabulary[token] for token in (written[:-1] if over else written))
        done = over or len(written) >= language.max_tokens
        self.contexts.append(context)
        self.written.append(written)
        self.items.append(language.write(context, words))
        self.done.append(done)
        self.laws.append(_only_end(language) if done else language.law(context, words))
        return len(self.written) - 1


@dataclass(slots=True, eq=False)
class TableContinuations:
    """The state of `SequenceTable.begin`: one row for each context, and the number of the prefix it holds."""

    met: _Met
    number: NDArray[np.intp]
    log_prob: Floats
    positions: int

    @classmethod
    def empty(cls, language: Language, contexts: Sequence[Parts]) -> TableContinuations:
        met = _Met(language)
        number = np.array([met.begun(context) for context in contexts], dtype=np.intp)
        return cls(met, number, np.zeros(len(contexts)), language.reading(contexts))

    def __len__(self) -> int:
        return len(self.number)

    @property
    def finished(self) -> Finished:
        which, row = np.unique(self.number, return_inverse=True)
        return np.array([self.met.done[number] for number in which.tolist()], dtype=bool)[row]

    @property
    def logprobs(self) -> Floats:
        which, row = np.unique(self.number, return_inverse=True)
        laws = np.array([self.met.laws[number] for number in which.tolist()], dtype=np.float64)
        return laws.reshape(-1, len(self.met.language.vocabulary))[row]

    def draw(self, rng: Uniforms) -> Tokens:
        return drawn(self.logprobs, rng)

    def append(self, tokens: Tokens) -> None:
        given = self._checked(tokens)
        on = np.flatnonzero(given != WAIT)
        pairs = zip(self.number[on].tolist(), given[on].tolist(), strict=True)
        self.log_prob[on] += [self.met.laws[number][token] for number, token in pairs]
        self._write(given)
        self.positions += int((~self.finished[on]).sum())

    def keep(self, rows: Sequence[int] | NDArray[np.intp]) -> TableContinuations:
        chosen = checked_rows(rows, len(self))
        return TableContinuations(self.met, self.number[chosen], self.log_prob[chosen], self.positions)

    def grown(self, rows: Sequence[int] | NDArray[np.intp], tokens: Tokens) -> tuple[tuple[Item, ...], Finished]:
        kept = self.keep(rows)
        kept._write(kept._checked(tokens))
        return kept.items(), kept.finished

    def tokens(self) -> tuple[Tokens, ...]:
        return tuple(np.array(self.met.written[number], dtype=np.intp) for number in self.number.tolist())

    def items(self) -> tuple[Item, ...]:
        return tuple(self.met.items[number] for number in self.number.tolist())

    def _checked(self, tokens: Tokens) -> Tokens:
        language = self.met.language
        return checked_tokens(tokens, self.finished, len(language.vocabulary), language.end)

    def _write(self, given: Tokens) -> None:
        on = np.flatnonzero(given != WAIT)
        pairs = zip(self.number[on].tolist(), given[on].tolist(), strict=True)
        self.number[on] = [self.met.longer(number, token) for number, token in pairs]


def _only_end(language: Language) -> Floats:
    return np.where(np.arange(len(language.vocabulary)) == language.end, 0.0, -np.inf)
