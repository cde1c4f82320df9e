"""Languages of at most 216 outputs in each of two contexts, every law known, no two prefixes alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from heedful.core import Floats, Item, Parts, Scores
from heedful.core.algebra import Expressible
from heedful.models import SequenceTable, TableModel
from heedful.target import Enumerated, Target, enumerate_exact

LENGTH = 3
Table = Mapping[Item, float]


@dataclass(frozen=True, eq=False)
class Whole(Expressible):
    """Scores of whole outputs, silent on prefixes."""

    table: Table
    scale, under = "utility", None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self.table[item] for item in items]))


@dataclass(frozen=True, eq=False)
class Known(Whole):
    """The same scores, with those of prefixes."""

    prefixes: Table = field(default_factory=dict)
    kind: str = "twist"

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self.prefixes[item] for item in items]))


@dataclass(frozen=True, eq=False)
class Uncertain(Whole):
    """Scores with posterior draws [k] about them."""

    draws: Mapping[Item, Floats] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(super().__call__(items).mean, np.column_stack([self.draws[item] for item in items]))


@dataclass(frozen=True, eq=False)
class World:
    """A language of `words`, with the score of each output; where it `ends`, outputs may be shorter than `LENGTH`."""

    name: str
    words: str
    ends: bool
    score: Callable[[tuple[str, ...], float], float]
    seed: int = 0

    @cached_property
    def contexts(self) -> tuple[Parts, Parts]:
        return Item.of("p").context, Item.of("q").context

    @cached_property
    def base(self) -> SequenceTable:
        """The law of a token depends on all that stands before it."""
        rng, following = np.random.default_rng(self.seed), {}
        tokens = [*self.words, ""] if self.ends else [*self.words]
        for context in ("", "p", "q"):
            for length in range(LENGTH):
                for prefix in itertools.product(self.words, repeat=length):
                    row = rng.dirichlet(np.full(len(tokens), 4.0))
                    following[(*((context,) if context else ()), *prefix)] = dict(zip(tokens, row, strict=True))
        return SequenceTable(following, max_tokens=LENGTH)

    @cached_property
    def scores(self) -> Table:
        rng = np.random.default_rng([self.seed, 1])
        items = [item for context in self.contexts for item in self.base.support(context)]
        return {item: self.score(said(item), float(rng.normal())) for item in items}

    @cached_property
    def soft(self) -> Table:
        """log E[exp(score) | prefix] under the base."""
        total: dict[Item, list[float]] = {}
        items = list(self.scores)
        for item, own in zip(items, np.exp(self.base.log_prob(items)).tolist(), strict=True):
            for length in range(len(said(item)) + 1):
                mass = total.setdefault(self.base.write(item.context, said(item)[:length]), [0.0, 0.0])
                mass[0] += own
                mass[1] += own * np.exp(self.scores[item])
        with np.errstate(divide="ignore"):
            return {item: float(np.log(tilted / mass)) for item, (mass, tilted) in total.items()}

    @cached_property
    def guess(self) -> Table:
        """Half of that, and noise: what a learnt value may be."""
        rng = np.random.default_rng([self.seed, 2])
        return {item: 0.5 * value + 0.5 * float(rng.normal()) for item, value in self.soft.items()}

    def target(self, twist: str = "none") -> Target:
        """With no scores of prefixes ("none"), a guess at them ("guess"), or soft values ("soft")."""
        return Target(self.base, self.potential(twist))

    def potential(self, twist: str = "none") -> Whole:
        if twist == "none":
            return Whole(self.scores)
        known = {"guess": (self.guess, "twist"), "soft": (self.soft, "soft")}
        return Known(self.scores, *known[twist])

    @cached_property
    def whole(self) -> Target:
        """The same target over a base that gives whole outputs, which is much faster."""
        rows = {}
        for context in self.contexts:
            items = self.base.support(context)
            rows[context] = (items, self.base.log_prob(items))
        return Target(TableModel(rows), self.potential())

    @cached_property
    def listed(self) -> Mapping[Parts, Enumerated]:
        return {context: enumerate_exact(self.target(), context) for context in self.contexts}

    def law(self, context: Parts) -> dict[Item, float]:
        own = self.listed[context]
        return dict(zip(own.items, own.probability.tolist(), strict=True))


def said(item: Item) -> tuple[str, ...]:
    return tuple(word for part in item.output for word in part.text.split())


def _smooth(words: tuple[str, ...], noise: float) -> float:
    return 0.6 * words.count("b") - 0.5 * words.count("c") + 0.4 * noise


def _bound(words: tuple[str, ...], noise: float) -> float:
    """One of two words must be there, and one must not stand last."""
    return 0.5 * noise if {"b", "e"} & {*words} and words[-1] != "a" else -np.inf


def _peaked(words: tuple[str, ...], noise: float) -> float:
    return 2.7 if words[:2] == ("d", "a") else 0.5 * (words[0] == "d")


def _tied(words: tuple[str, ...], noise: float) -> float:
    return float(words.count("b") - words.count("c"))


def _rough(words: tuple[str, ...], noise: float) -> float:
    """One greatest, that nothing leads to."""
    return noise


SMOOTH = World("smooth", "abcd", True, _smooth)
BOUND = World("bound", "abcde", True, _bound, 1)
PEAKED = World("peaked", "abcdef", False, _peaked, 2)
TIED = World("tied", "abcd", True, _tied, 3)
ROUGH = World("rough", "abc", False, _rough, 4)
WORLDS = (SMOOTH, BOUND, PEAKED)
