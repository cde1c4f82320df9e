"""A token model as one that writes line by line: each line a step of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, Part, Parts, UsageError
from heedful.models.token_models import WAIT, Continuations, TokenModel, begun_tokens, begun_with, whole


@dataclass(frozen=True, eq=False)
class LineSteps:
    """The outputs of `model` in steps, one part each, the parts together the text as it was written.

    A step ends with a token that has `separator` in its text. The last step has none, and is empty where an output ends
    with a separator, so that what is written tells whether an output has ended. `continued` reads each different prefix
    once, as the tokens that the model encodes it as: the law is the model's own where each text has one way to be
    written (tables, letters), and as close to it as that of `LocalModel.log_prob` elsewhere. Rows at their separator
    wait for the others, which networks with sliding windows or recurrent layers refuse.
    """

    model: TokenModel
    separator: str = "\n"

    @cached_property
    def breaks(self) -> NDArray[np.bool_]:
        """Which tokens end a step [vocabulary]. Raises UsageError where none does."""
        found = np.array([self.separator in text for text in self.model.vocabulary])
        if not self.separator or not found.any():
            what = f"no token of the model holds the separator {self.separator!r}"
            raise UsageError(what, where="LineSteps", fix="give one that a single token can write")
        return found

    def ended(self, item: Item) -> bool:
        """Whether nothing can follow."""
        return bool(item.output) and self.separator not in item.output[-1].text

    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[Item, ...]:
        """Each item with one more step, drawn; one that has ended stays as it is."""
        return self.written(items, rng=rng)[0]

    def written(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[tuple[Item, ...], int]:
        """The same, and how many tokens the model read for it, prefixes included.

        Raises InputError where the model cannot write a prefix, or its text changes with what follows.
        """
        found, positions = list(items), 0
        unfinished = [row for row, item in enumerate(items) if not self.ended(item)]
        for start in range(0, len(unfinished), self._batch):
            rows = unfinished[start : start + self._batch]
            own = [items[row] for row in rows]
            state = begun_with(self.model, own)
            for row, item in zip(rows, self._grown(own, state, rng), strict=True):
                found[row] = item
            positions += state.positions
        return tuple(found), positions

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws, each token read once."""
        begun = self.model.begin([context])
        drawn_items: list[Item] = []
        for start in range(0, n, self._batch):
            items = [Item(context)] * min(self._batch, n - start)
            state = begun.keep([0] * len(items))
            while not all(map(self.ended, items)):
                items = self._grown(items, state, rng)
            drawn_items += items
        return tuple(drawn_items)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where it is unfinished or its steps end elsewhere."""
        total = np.full(len(items), -np.inf)
        rows = [row for row, item in enumerate(items) if self.ended(item)]
        total[rows] = self.model.log_prob([whole(items[row]) for row in rows])
        begun = [
            (row, size) for row in np.flatnonzero(total > -np.inf).tolist() for size in range(1, len(items[row].output))
        ]
        prefixes = [Item(items[row].context, items[row].output[:size]) for row, size in begun]
        for (row, size), tokens in zip(begun, self.model.encode([whole(item) for item in prefixes]), strict=True):
            broken = self.breaks[begun_tokens(tokens, self.model.end)]
            if broken.sum() != size or not broken[-1]:
                total[row] = -np.inf
        return total

    def whole(self, item: Item) -> Item:
        """The output as one text."""
        return whole(item)

    @property
    def _batch(self) -> int:
        return int(getattr(self.model, "batch_size", 1024))

    def _grown(self, items: Sequence[Item], state: Continuations, rng: np.random.Generator) -> list[Item]:
        """Items that have not ended with the step that is drawn now on their rows."""
        writing = ~state.finished
        while writing.any():
            tokens = np.where(writing, state.draw(rng), WAIT)
            state.append(tokens)
            writing &= ~state.finished & ~self.breaks[tokens]
        pairs = zip(items, state.items(), strict=True)
        return [item if self.ended(item) else _with_step(item, grown) for item, grown in pairs]


def _text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def _with_step(item: Item, grown: Item) -> Item:
    before, text = _text(item), _text(grown)
    if not text.startswith(before):
        what = f"the text {before[-60:]!r} reads otherwise once more is written"
        raise InputError(what, where=f"item {item.key}", fix="end steps where the tokenizer leaves texts alone")
    return Item(item.context, (*item.output, Part(text[len(before) :])), grown.system)
