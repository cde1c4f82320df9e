"""Records of feedback as tokens, and how a step of them is cut into parts that fit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from heedful.core import UsageError
from heedful.models import Tokens
from heedful.training.batches import Batch
from heedful.training.packing import fitted, packed
from heedful.training.rows import Rows

Said = Mapping[str, Any]
_NOTHING: Tokens = np.zeros(0, np.intp)
_ENOUGH = 1 << 11
"""How many tokens a processor reads at once where nothing is kept for a backward pass: more take memory, and no less
time."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prompt's tokens, those of its outputs (each with its end), and what was said of them.

    `said` holds fields of `Batch` for this record: a number (weight, prefer, margin, scope), one for each output
    (label, score), or one for each token of each output (behaviour, advantage, value, focus).
    """

    prompt: tuple[int, ...]
    outputs: tuple[Tokens, ...]
    said: Said = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many are read."""
        return len(self.prompt) + sum(map(len, self.outputs))


def depth(value: Any) -> int:
    """Of what was said: 0 for a number, 1 for one of each output, 2 for one of each token of each output."""
    if not isinstance(value, Sized):  # ragged arrays have no number of dimensions
        return 0
    return 2 if len(value) and isinstance(value[0], Sized) else 1  # type: ignore[index]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some examples, by their place in the data, as rows and as a batch.

    `aside` are rows of outputs without a gradient, which come after those of `rows` in the batch.
    """

    places: tuple[int, ...]
    rows: Rows
    batch: Batch
    aside: Rows | None = None

    @property
    def tokens(self) -> int:
        """How many the outputs have."""
        return len(self.rows.target) + (0 if self.aside is None else len(self.aside.target))

    def scored(self, score: Callable[[Rows], Tensor]) -> Tensor:
        """What `score` gives for rows, of all outputs [r, k, t]."""
        if self.aside is None:
            return score(self.rows)
        with torch.no_grad():
            aside = score(self.aside)
        return _beside(score(self.rows), aside)


def parts_of(
    examples: Sequence[Example], places: Sequence[int], most: int, device: Any, trained: int | None = None
) -> Iterator[Part]:
    """Parts of at most `most` tokens read, padding counted, of rows as wide as their longest example, which shorter
    ones share; the longest first. An example that alone holds more is a part by itself. Outputs after the first
    `trained`, where given, are put aside."""
    order = sorted(places, key=lambda place: -examples[place].tokens)
    while order:
        rows = max(1, most // examples[order[0]].tokens)
        sizes = _first(examples, order, rows)
        found = fitted(sizes, rows)
        own = [place for place, where in zip(order, found, strict=False) if where is not None]
        yield _part(examples, own, [where for where in found if where is not None], device, trained)
        order = [place for place, where in zip(order, found, strict=False) if where is None] + order[len(found) :]


def all_parts(examples: Sequence[Example], most: int, device: torch.device) -> Iterator[Part]:
    """Parts of all examples, to be read without a backward pass: of at most `most` tokens, on a processor of fewer."""
    return parts_of(examples, range(len(examples)), min(most, _ENOUGH) if device.type == "cpu" else most, device)


def _first(examples: Sequence[Example], order: Sequence[int], rows: int) -> list[int]:
    """Tokens of the first examples that so many rows of the width of the first can hold, were there no gaps."""
    sizes = [examples[order[0]].tokens]
    left = (rows - 1) * sizes[0]
    for place in itertools.islice(order, 1, None):
        left -= examples[place].tokens
        if left < 0:
            break
        sizes.append(examples[place].tokens)
    return sizes


def _part(
    examples: Sequence[Example],
    own: Sequence[int],
    where: Sequence[tuple[int, int]],
    device: Any,
    trained: int | None,
) -> Part:
    chosen = [examples[place] for place in own]
    prompts, outputs = [one.prompt for one in chosen], [one.outputs for one in chosen]
    others = [] if trained is None else [many[trained:] for many in outputs]
    if not any(others):
        rows = packed(Rows.of(prompts, outputs, device), [one.tokens for one in chosen], where)
        return Part(tuple(own), rows, batch_of(chosen, rows.mask))
    rows = _close(prompts, [many[:trained] for many in outputs], device)
    aside = _close(prompts, [many or (_NOTHING,) for many in others], device)
    return Part(tuple(own), rows, batch_of(chosen, _beside(rows.mask, aside.mask)), aside)


def _close(prompts: Sequence[tuple[int, ...]], outputs: Sequence[Sequence[Tokens]], device: Any) -> Rows:
    """Rows as wide as the longest of some outputs with their prompt, which shorter ones share."""
    sizes = [len(prompt) + sum(map(len, many)) for prompt, many in zip(prompts, outputs, strict=True)]
    order = np.argsort([-size for size in sizes], kind="stable").tolist()
    found = dict(zip(order, fitted([sizes[n] for n in order], len(sizes)), strict=True))
    where = [place for _, place in sorted(found.items()) if place is not None]
    return packed(Rows.of(prompts, outputs, device), sizes, where)


def _beside(first: Tensor, second: Tensor) -> Tensor:
    """[r, k, t] and [r, l, u] as [r, k + l, max(t, u)], with zeros."""
    most = max(first.shape[2], second.shape[2])
    return torch.cat([pad(own, (0, most - own.shape[2])) for own in (first, second)], 1)


def batch_of(examples: Sequence[Example], mask: Tensor) -> Batch:
    """What was said of examples, padded to the mask [r, k, t]. Raises UsageError where some say what others do not."""
    names = set(examples[0].said)
    other = next((one for one in examples if set(one.said) != names), None)
    if other is not None:
        what = f"one example says {', '.join(sorted(names)) or 'nothing'}, another {', '.join(sorted(other.said))}"
        raise UsageError(what, where="examples", fix="train on records of one kind at a time")
    return Batch.of(mask, **{name: _field([one.said[name] for one in examples], mask) for name in names})


def _field(values: Sequence[Any], mask: Tensor) -> Tensor:
    if depth(values[0]) == 0:
        return torch.tensor([float(own) for own in values], device=mask.device)
    deep = depth(values[0]) == 2
    made = np.zeros(mask.shape if deep else mask.shape[:2], np.float32)
    for row, own in enumerate(values):
        for output, value in enumerate(own):
            if deep:
                made[row, output, : len(value)] = value
            else:
                made[row, output] = value
    return torch.from_numpy(made).to(mask.device)
