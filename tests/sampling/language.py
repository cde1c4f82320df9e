"""A language of at most 85 outputs, with potentials whose prefixes are worth exactly what one says."""

from __future__ import annotations

import numpy as np

from heedful.core import Floats, Item, Scores
from heedful.core.algebra import Expressible
from heedful.models import SequenceTable
from heedful.target import Target, enumerate_exact

CONTEXTS = (Item.of("a").context, Item.of("b c").context)
BASE = SequenceTable(
    {
        (): {"a": 0.4, "b": 0.3, "c": 0.3},
        ("a",): {"a": 0.1, "b": 0.5, "c": 0.2, "": 0.2},
        ("b",): {"a": 0.3, "b": 0.1, "c": 0.4, "": 0.2},
        ("c",): {"a": 0.25, "b": 0.45, "": 0.3},
    },
    max_tokens=3,
)


def words(item: Item) -> list[str]:
    return [word for part in item.output for word in part.text.split()]


class Liked(Expressible):
    """Utility of whole outputs; prefixes are worth `prefix_worth` a liked word."""

    scale, under, kind = "utility", None, "twist"

    def __init__(self, prefix_worth: float = 0.7) -> None:
        self.prefix_worth = prefix_worth

    def __call__(self, items):
        found = [words(item) for item in items]
        return Scores(np.array([1.2 * own.count("b") - 0.8 * len(own) + (own[-1:] == ["a"]) for own in found]))

    def prefix(self, items):
        return Scores(np.array([self.prefix_worth * words(item).count("b") for item in items], dtype=float))


class Plain(Expressible):
    """The same utility, silent on prefixes."""

    scale, under = "utility", None

    def __call__(self, items):
        return Liked()(items)


class Soft(Plain):
    """log E[exp(strength · utility) | prefix] / strength under the base: what a perfect value knows."""

    kind = "soft"

    def __init__(self, strength: float) -> None:
        self.strength = strength
        self.known: dict[Item, float] = {}

    @property
    def beta(self) -> float:
        return 1 / self.strength

    def prefix(self, items):
        for item in {*items} - {*self.known}:
            self.known[item] = self._value(item)
        return Scores(np.array([self.known[item] for item in items]))

    def _value(self, item: Item) -> float:
        support = BASE.support(item.context)
        begun = words(item)
        own = [other for other in support if words(other)[: len(begun)] == begun]
        log_prob = BASE.log_prob(own)
        joint = np.logaddexp.reduce(log_prob + self.strength * self(own).mean)
        return float(joint - np.logaddexp.reduce(log_prob)) / self.strength


def law(target: Target, context) -> dict[Item, float]:
    listed = enumerate_exact(target, context)
    return dict(zip(listed.items, listed.probability.tolist(), strict=True))


def weighted_law(items, log_weights: Floats) -> dict[Item, float]:
    """Where weighted outputs put the mass, normalised."""
    weight = np.exp(log_weights - np.logaddexp.reduce(log_weights))
    found: dict[Item, float] = {}
    for item, own in zip(items, weight.tolist(), strict=True):
        found[item] = found.get(item, 0.0) + own
    return found


def total_variation(first: dict[Item, float], second: dict[Item, float]) -> float:
    return sum(abs(first.get(item, 0.0) - second.get(item, 0.0)) for item in first | second) / 2


def sampled_variation(true: dict[Item, float], draws: int, *, runs: int = 2000, seed: int = 0) -> float:
    """The greatest total variation that exact samplers of as many draws show."""
    p = np.array(list(true.values()))
    counts = np.random.default_rng(seed).multinomial(draws, p / p.sum(), size=runs)
    return float(np.abs(counts / draws - p).sum(axis=1).max() / 2)


def frequencies(items) -> dict[Item, float]:
    return weighted_law(items, np.zeros(len(items)))
