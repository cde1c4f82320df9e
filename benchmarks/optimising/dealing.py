"""Draws of a model made once for each context, and dealt anew to every engine that asks for outputs or steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import digamma

from heedful.core import Budget, Floats, Item, Part, Parts, text_parts
from heedful.models import LineSteps, TableModel
from heedful.sampling import best_of_n_law
from heedful.sampling.writing import base_draws
from heedful.target import Target

LEAST = 32
Begun = tuple[Parts, Parts]


class Drawn:
    """`n` outputs of a model that writes lines in each of different contexts, and the lines that follow each prefix.

    What follows a prefix is a sample of the model's own law, since outputs were drawn without a look at them; where
    fewer than `LEAST` outputs begin so, the model goes on from it `LEAST` times more.
    """

    def __init__(self, model: Any, contexts: Sequence[Parts], n: int, rng: np.random.Generator) -> None:
        self.lines, self.rng = LineSteps(model), rng
        items, cost = base_draws(model, contexts, n, Budget(), rng)
        items = [plain(item) for item in items]
        self.prompt = (cost["tokens"] - sum(len(text(item)) for item in items)) / len(contexts)  # tokens of a context
        self.outputs = {context: items[n * row : n * (row + 1)] for row, context in enumerate(contexts)}
        self._longer: dict[Begun, list[Item]] = defaultdict(list)
        for item in items:
            steps = lines_of(text(item))
            for size in range(len(steps)):
                self._longer[item.context, steps[:size]].append(Item(item.context, steps[: size + 1]))
        self._log_prob: dict[Item, float] = {}

    def longer(self, items: Sequence[Item]) -> list[list[Item]]:
        """What each item was gone on with."""
        rare = [own for own in dict.fromkeys(items) if len(self._longer[own.context, own.output]) < LEAST]
        grown = self.lines.continued([own for own in rare for _ in range(LEAST)], rng=self.rng)
        for item in grown:
            self._longer[item.context, item.output[:-1]].append(Item(item.context, item.output))
        return [self._longer[own.context, own.output] for own in items]

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each whole output under the model; each different one is asked for once."""
        fresh = [item for item in dict.fromkeys(items) if item not in self._log_prob]
        self._log_prob.update(zip(fresh, self.lines.model.log_prob(fresh).tolist() if fresh else (), strict=True))
        return np.array([self._log_prob[item] for item in items])

    def best_of(self, n: int, reward: Any) -> float:
        """KL(best of n ‖ base) in nats, mean over contexts, by its exact law over the outputs drawn."""
        counts = {context: Counter(items) for context, items in self.outputs.items()}
        table = {c: (tuple(own), np.log([*own.values()]) - np.log(own.total())) for c, own in counts.items()}
        target = Target(TableModel(table), reward)
        return float(np.mean([best_of_n_law(target, context, n).kl for context in table]))

    def divergence(self, items: Sequence[Item]) -> float:
        """KL(result ‖ base) in nats, mean over contexts, from many outputs of each: by the shares of different outputs
        and the model's own log-probabilities.

        The entropy of k outputs among n is log n − Σ k G(k) / n, with Grassberger's G (2003, "Entropy estimates from
        insufficient samplings", equation 28), which falls short by much less than that of shares.
        """
        found: dict[Parts, Counter[Item]] = defaultdict(Counter)
        for item in items:
            found[item.context][item] += 1
        return float(np.mean([divergence(np.array([*own.values()]), self.log_prob([*own])) for own in found.values()]))


def divergence(counts: Floats, log_prob: Floats) -> float:
    """KL(law ‖ base) in nats, from how often outputs came [m] and the base's log-probabilities of them [m]."""
    grown = digamma(counts) + (-1.0) ** counts / 2 * (digamma((counts + 1) / 2) - digamma(counts / 2))
    return float(counts @ (grown - np.log(counts.sum()) - log_prob) / counts.sum())


class Dealt:
    """A base that deals what was drawn: each context's and prefix's cards in a random order, and again once all are
    dealt. `tokens` counts the characters of what it dealt, which are the small model's tokens."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.tokens = drawn, 0
        self._decks: dict[Any, Iterator[Item]] = {}

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        items = tuple(self._card(context, self.drawn.outputs[context], rng) for _ in range(n))
        self.tokens += sum(len(text(item)) for item in items)
        return items

    def ended(self, item: Item) -> bool:
        return self.drawn.lines.ended(item)

    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[Item, ...]:
        rows = [row for row, item in enumerate(items) if not self.ended(item)]
        found = list(items)
        for row, cards in zip(rows, self.drawn.longer([items[row] for row in rows]), strict=True):
            found[row] = self._card((items[row].context, items[row].output), cards, rng)
            self.tokens += len(found[row].output[-1].text)
        return tuple(found)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        return self.drawn.log_prob(items)

    def prefix_log_prob(self, items: Sequence[Item]) -> Floats:
        """log P(begins so) [n] as far as `HillClimb` asks: −inf where something follows an end, else 0, since the model
        gives every text some probability."""
        broken = [not all(part.text.endswith("\n") for part in item.output[:-1]) for item in items]
        return np.where(broken, -np.inf, 0.0)

    def _card(self, key: Any, cards: Sequence[Item], rng: np.random.Generator) -> Item:
        if key not in self._decks:
            self._decks[key] = _dealt(cards, rng)
        return next(self._decks[key])


def lines_of(text: str) -> Parts:
    """A text as steps, each with the line's end that it was written with."""
    *ended, last = text.split("\n")
    return (*(Part(f"{line}\n") for line in ended), Part(last))


def plain(item: Item) -> Item:
    """The output in one text, whoever wrote it."""
    return Item(item.context, text_parts(text(item), "system"))


def text(item: Item) -> str:
    """An output as it was written, in steps or at once."""
    return "".join(part.text for part in item.output)


def _dealt(cards: Sequence[Item], rng: np.random.Generator) -> Iterator[Item]:
    while True:
        yield from (cards[place] for place in rng.permutation(len(cards)).tolist())
