"""Base distributions small enough to list: a table of outputs per context, and a bounded language of tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from heedful.core import Floats, InputError, Item, Parts
from heedful.core.items import text_parts
from heedful.models.table_tokens import TableContinuations
from heedful.models.token_models import Tokens

Words = tuple[str, ...]

END = ""
"""The token that ends a sequence, in the tables of `SequenceTable`."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class TableModel:
    """Finitely many outputs per context, with their log-probabilities (nats). An enumerable base.

    `rows` maps a context to its outputs, each once, and their log-probabilities [s], which are finite and sum to one.
    """

    rows: Mapping[Parts, tuple[tuple[Item, ...], Floats]]

    @classmethod
    def of(cls, table: Mapping[str, Mapping[str, float]], *, system: str | None = None) -> Self:
        """From probabilities by context and output, given as texts: `{"2+2?": {"4": 0.9, "5": 0.1}}`.

        Outputs of probability 0 are no part of the support. Raises InputError unless each context's sum to one.
        """
        return cls({text_parts(c, "world"): _row(c, outputs, system, counted=False) for c, outputs in table.items()})

    @classmethod
    def from_counts(cls, table: Mapping[str, Mapping[str, float]], *, system: str | None = None) -> Self:
        """From counts, or any weights, of outputs by context: probabilities are in proportion to them."""
        return cls({text_parts(c, "world"): _row(c, outputs, system, counted=True) for c, outputs in table.items()})

    def support(self, context: Parts) -> tuple[Item, ...]:
        """Every output of positive probability, in the table's order. Raises InputError for an unknown context."""
        return self._row(context)[0]

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws."""
        items, log_prob = self._row(context)
        probability = np.exp(log_prob)
        return tuple(items[row] for row in rng.choice(len(items), n, p=probability / probability.sum()))

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where it is not in the support."""
        places: dict[Parts, dict[Parts, float]] = {}
        for context in {item.context for item in items}:
            listed, log_prob = self._row(context)
            places[context] = {item.output: value for item, value in zip(listed, log_prob.tolist(), strict=True)}
        return np.array([places[item.context].get(item.output, -math.inf) for item in items], dtype=np.float64)

    def _row(self, context: Parts) -> tuple[tuple[Item, ...], Floats]:
        if context not in self.rows:
            raise InputError(
                f"the table has no row for the context {_shown(context)!r}",
                where="TableModel",
                fix=f"use one of its {len(self.rows)} contexts",
            )
        return self.rows[context]


@dataclass(frozen=True, slots=True, eq=False)
class SequenceTable:
    """A language of tokens in which each token depends on the few before it, and no output is longer than `max_tokens`.

    `following` maps a history (a tuple of tokens, possibly empty) to the probabilities of the next token, where `END`
    ends the output. The row used is that of the longest ending of context and output so far that has one, so `()`
    needs a row. At `max_tokens` the output ends. Outputs are tokens joined by a space; contexts are split into tokens
    at white space, and tokens of theirs that no row knows simply match none. An enumerable base, and a token model
    whose vocabulary is `END` and then the other tokens in the order of the alphabet.
    """

    following: Mapping[Words, Mapping[str, float]]
    max_tokens: int
    system: str | None = None
    most_outputs: int = 1_000_000
    order: int = field(init=False)
    vocabulary: tuple[str, ...] = field(init=False)
    _laws: dict[Words | None, Floats] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or () not in self.following:
            raise InputError(
                "a language needs max_tokens of 1 or more and a row for the empty history ()", where="SequenceTable"
            )
        object.__setattr__(self, "order", max(map(len, self.following)))
        for history, row in self.following.items():
            where = f"SequenceTable, after {' '.join(history)!r}"
            _probabilities(row, where)
            if any(token.split() != [token] for token in row if token != END):
                raise InputError("a token is a text without white space", where=where)
        known = {END, *(token for row in self.following.values() for token in row)}
        object.__setattr__(self, "vocabulary", tuple(sorted(known)))

    @property
    def end(self) -> int:
        return self.vocabulary.index(END)

    def begin(self, contexts: Sequence[Parts]) -> TableContinuations:
        """Empty outputs, one a row, to be written token by token."""
        return TableContinuations.empty(self, contexts)

    def reading(self, contexts: Sequence[Parts]) -> int:
        """How many words different contexts have, an empty one as one."""
        return sum(max(1, sum(len(part.text.split()) for part in context)) for context in set(contexts))

    def encode(self, items: Sequence[Item]) -> tuple[Tokens, ...]:
        """Numbers of each output's tokens, its end included but at `max_tokens`.

        Raises InputError where an output is longer or has a token that the language lacks.
        """
        number = {token: place for place, token in enumerate(self.vocabulary)}
        encoded = []
        for item in items:
            words = _tokens(item.output)
            if item.output != text_parts(" ".join(words), "system") or not number.keys() >= set(words):
                raise InputError(f"the language cannot write {_shown(item.output)!r}", where="SequenceTable.encode")
            if len(words) > self.max_tokens:
                what = f"{_shown(item.output)!r} has {len(words)} tokens, more than {self.max_tokens}"
                raise InputError(what, where="SequenceTable.encode")
            whole = words if len(words) == self.max_tokens else (*words, END)
            encoded.append(np.array([number[word] for word in whole], dtype=np.intp))
        return tuple(encoded)

    def write(self, context: Parts, words: Words) -> Item:
        """An output of these tokens."""
        return Item(context, text_parts(" ".join(words), "system"), self.system)

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], *, order: int = 1, max_tokens: int, smoothing: float = 0.0, system: str | None = None
    ) -> Self:
        """N-gram frequencies of texts: the next token after each history of up to `order` tokens.

        `smoothing` is added to the count of every token known, and of the end, after every history met (Lidstone).
        Texts longer than `max_tokens` are counted whole.
        """
        counts: dict[Words, Counter[str]] = {}
        for text in texts:
            tokens = (*text.split(), END)
            for place, token in enumerate(tokens):
                for length in range(min(order, place) + 1):
                    counts.setdefault(tokens[place - length : place], Counter())[token] += 1
        if not counts:
            raise InputError("a language cannot be learnt from no texts", where="SequenceTable.from_texts")
        known = sorted(counts[()])
        weighed = {h: {token: row[token] + smoothing for token in known} for h, row in counts.items()}
        return cls({h: _normalised(row, repr(h)) for h, row in weighed.items()}, max_tokens, system)

    def next_tokens(self, context: Parts, output: Words) -> dict[str, float]:
        """Probabilities of the token that follows, those of 0 left out; certainly the end at `max_tokens`."""
        history = self._history(context, output)
        row = {END: 1.0} if history is None else self.following[history]
        return {token: probability for token, probability in row.items() if probability > 0}

    def law(self, context: Parts, output: Words) -> Floats:
        """Log-probabilities of the token that follows, in the order of the vocabulary."""
        history = self._history(context, output)
        if history not in self._laws:
            following = self.next_tokens(context, output)
            with np.errstate(divide="ignore"):
                self._laws[history] = np.log([following.get(token, 0.0) for token in self.vocabulary])
        return self._laws[history]

    def _history(self, context: Parts, output: Words) -> Words | None:
        """The longest ending of context and output that has a row; None where the output is full."""
        if len(output) >= self.max_tokens:
            return None
        words = (*_tokens(context), *output)
        endings = (words[len(words) - length :] for length in range(min(self.order, len(words)), -1, -1))
        return next(ending for ending in endings if ending in self.following)

    def support(self, context: Parts) -> tuple[Item, ...]:
        """Every output of positive probability. Raises InputError where there are more than `most_outputs`."""
        found: list[Words] = []
        open_prefixes: list[Words] = [()]
        while open_prefixes:
            prefix = open_prefixes.pop()
            for token in reversed(self.next_tokens(context, prefix)):
                if token == END:
                    found.append(prefix)
                else:
                    open_prefixes.append((*prefix, token))
            if len(found) + len(open_prefixes) > self.most_outputs:
                raise InputError(
                    f"there are more than {self.most_outputs:,} outputs",
                    where="SequenceTable.support",
                    fix="lower max_tokens, use fewer tokens, or raise most_outputs",
                )
        return tuple(self.write(context, tokens) for tokens in found)

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws, token by token: draws that share a prefix are split among its next tokens together."""
        drawn: list[Item] = []
        open_prefixes: list[tuple[Words, int]] = [((), n)]
        while open_prefixes:
            prefix, count = open_prefixes.pop()
            row = self.next_tokens(context, prefix)
            share = np.array(list(row.values()))
            for token, part in zip(row, rng.multinomial(count, share / share.sum()).tolist(), strict=True):
                if token == END:
                    drawn += [self.write(context, prefix)] * part
                elif part:
                    open_prefixes.append(((*prefix, token), part))
        return tuple(drawn[row] for row in rng.permutation(n))

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where it is not in the support."""
        return np.array([self._log_prob(item) for item in items], dtype=np.float64)

    def _log_prob(self, item: Item) -> float:
        tokens = _tokens(item.output)
        if item.output != text_parts(" ".join(tokens), "system"):
            return -math.inf
        total = 0.0
        for place, token in enumerate((*tokens, END)):
            probability = self.next_tokens(item.context, tokens[:place]).get(token, 0.0)
            if probability == 0.0:
                return -math.inf
            total += math.log(probability)
        return total


def _tokens(parts: Parts) -> Words:
    return tuple(token for part in parts for token in part.text.split())


def _shown(parts: Parts) -> str:
    return " ".join(part.text for part in parts)[:60]


def _row(
    context: str, outputs: Mapping[str, float], system: str | None, *, counted: bool
) -> tuple[tuple[Item, ...], Floats]:
    where = f"TableModel, context {context[:60]!r}"
    row = _normalised(outputs, where) if counted else outputs
    probability = _probabilities(row, where)
    items = tuple(Item.of(context, output, system) for output in row)
    kept = np.flatnonzero(probability > 0)
    return tuple(items[place] for place in kept), np.log(probability[kept])


def _probabilities(row: Mapping[str, float], where: str) -> Floats:
    probability = np.array(list(row.values()), dtype=np.float64)
    if not (np.isfinite(probability).all() and (probability >= 0).all() and probability.size):
        raise InputError("probabilities are finite numbers of 0 or more, and there must be some", where=where)
    if abs(probability.sum() - 1) > _TOLERANCE:
        raise InputError(
            f"the probabilities add up to {probability.sum():.9g}, not 1", where=where, fix="give counts to from_counts"
        )
    return probability


def _normalised(row: Mapping[str, float], where: str) -> dict[str, float]:
    total = math.fsum(row.values())
    if not (0 < total < math.inf) or min(row.values()) < 0:
        raise InputError("counts are finite numbers of 0 or more, and one must be more", where=where)
    return {name: count / total for name, count in row.items()}
