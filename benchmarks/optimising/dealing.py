"""Draws of a model made once for each context, and dealt anew to every engine that asks for outputs or steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from heedful.core import Budget, Floats, Item, Part, Parts
from heedful.models import LineSteps, TableModel
from heedful.models.token_models import whole
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
        self.prompt = (cost["tokens"] - sum(len(_text(item)) for item in items)) / len(contexts)  # tokens of a context
        self.outputs = {context: items[n * row : n * (row + 1)] for row, context in enumerate(contexts)}
        self._longer: dict[Begun, list[Item]] = defaultdict(list)
        for item in items:
            steps = lines_of(item.output[0].text)
            for size in range(len(steps)):
                self._longer[item.context, steps[:size]].append(Item(item.context, steps[: size + 1]))
        self._log_prob: dict[Item, float] = {}

    def longer(self, items: Sequence[Item]) -> list[list[Item]]:
        """What each item was gone on with."""
        rare = [own for own in dict.fromkeys(items) if len(self._longer[own.context, own.output]) < LEAST]
        grown = self.lines.continued([own for own in rare for _ in range(LEAST)], rng=self.rng)
        for item in grown:
            self._longer[item.context, item.output[:-1]].append(item)
        return [self._longer[own.context, own.output] for own in items]

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each whole output under the model; each different one is asked for once."""
        texts = [whole(item) for item in items]
        fresh = [item for item in dict.fromkeys(texts) if item not in self._log_prob]
        self._log_prob.update(zip(fresh, self.lines.model.log_prob(fresh).tolist() if fresh else (), strict=True))
        return np.array([self._log_prob[item] for item in texts])

    def best_of(self, n: int, reward: Any, pessimism: float) -> float:
        """KL(best of n ‖ base) in nats, mean over contexts, by its exact law over the outputs drawn."""
        counts = {context: Counter(items) for context, items in self.outputs.items()}
        table = {c: (tuple(own), np.log([*own.values()]) - np.log(own.total())) for c, own in counts.items()}
        target = Target(TableModel(table), reward)
        return float(np.mean([best_of_n_law(target, context, n, pessimism=pessimism).kl for context in table]))

    def divergence(self, items: Sequence[Item]) -> float:
        """KL(result ‖ base) in nats, mean over contexts, from many outputs of each.

        By the shares of different outputs, and the model's own log-probabilities; less (different outputs − 1) / 2
        outputs, by which entropies from shares fall short (Miller 1955, "Note on the bias of information estimates").
        """
        found: dict[Parts, Counter[Item]] = defaultdict(Counter)
        for item in items:
            found[item.context][whole(item)] += 1
        return float(np.mean([self._divergence(own) for own in found.values()]))

    def _divergence(self, counts: Counter[Item]) -> float:
        share = np.array([*counts.values()]) / counts.total()
        plain = share @ (np.log(share) - self.log_prob([*counts]))
        return float(plain - (len(counts) - 1) / (2 * counts.total()))


class Dealt:
    """A base that deals what was drawn: each context's and prefix's cards in a random order, and again once all are
    dealt. `tokens` counts the characters of what it dealt, which are the small model's tokens."""

    def __init__(self, drawn: Drawn) -> None:
        self.drawn, self.tokens = drawn, 0
        self._decks: dict[Any, Iterator[Item]] = {}

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        items = tuple(self._card(context, self.drawn.outputs[context], rng) for _ in range(n))
        self.tokens += sum(len(item.output[0].text) for item in items)
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
        """−inf where something follows an output's end; else what the model says of its tokens, the end left out."""
        model = self.drawn.lines.model
        told = model.token_logprobs([whole(item) for item in items])
        total = [float(own[: len(_text(item))].sum()) for own, item in zip(told, items, strict=True)]
        broken = [not all(part.text.endswith("\n") for part in item.output[:-1]) for item in items]
        return np.where(broken, -np.inf, total)

    def _card(self, key: Any, cards: Sequence[Item], rng: np.random.Generator) -> Item:
        if key not in self._decks:
            self._decks[key] = _dealt(cards, rng)
        return next(self._decks[key])


def lines_of(text: str) -> Parts:
    """A text as steps, each with the line's end that it was written with."""
    *ended, last = text.split("\n")
    return (*(Part(f"{line}\n") for line in ended), Part(last))


def _text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def _dealt(cards: Sequence[Item], rng: np.random.Generator) -> Iterator[Item]:
    while True:
        yield from (cards[place] for place in rng.permutation(len(cards)).tolist())
