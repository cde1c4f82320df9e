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

Tokens = tuple[str, ...]

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
    at white space, and tokens of theirs that no row knows simply match none. An enumerable base.
    """

    following: Mapping[Tokens, Mapping[str, float]]
    max_tokens: int
    system: str | None = None
    most_outputs: int = 1_000_000
    order: int = field(init=False)

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

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], *, order: int = 1, max_tokens: int, smoothing: float = 0.0, system: str | None = None
    ) -> Self:
        """N-gram frequencies of texts: the next token after each history of up to `order` tokens.

        `smoothing` is added to the count of every token known, and of the end, after every history met (Lidstone).
        Texts longer than `max_tokens` are counted whole.
        """
        counts: dict[Tokens, Counter[str]] = {}
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

    def next_tokens(self, context: Parts, output: Tokens) -> dict[str, float]:
        """Probabilities of the token that follows, those of 0 left out; certainly the end at `max_tokens`."""
        if len(output) >= self.max_tokens:
            return {END: 1.0}
        history = (*_tokens(context), *output)
        for length in range(min(self.order, len(history)), -1, -1):
            row = self.following.get(history[len(history) - length :])
            if row is not None:
                return {token: probability for token, probability in row.items() if probability > 0}
        raise AssertionError("the empty history has a row")

    def support(self, context: Parts) -> tuple[Item, ...]:
        """Every output of positive probability. Raises InputError where there are more than `most_outputs`."""
        found: list[Tokens] = []
        open_prefixes: list[Tokens] = [()]
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
        return tuple(self._item(context, tokens) for tokens in found)

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws, token by token: draws that share a prefix are split among its next tokens together."""
        drawn: list[Item] = []
        open_prefixes: list[tuple[Tokens, int]] = [((), n)]
        while open_prefixes:
            prefix, count = open_prefixes.pop()
            row = self.next_tokens(context, prefix)
            share = np.array(list(row.values()))
            for token, part in zip(row, rng.multinomial(count, share / share.sum()).tolist(), strict=True):
                if token == END:
                    drawn += [self._item(context, prefix)] * part
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

    def _item(self, context: Parts, tokens: Tokens) -> Item:
        return Item(context, text_parts(" ".join(tokens), "system"), self.system)


def _tokens(parts: Parts) -> Tokens:
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
