"""Records of feedback as tokens, and how a step of them is cut into parts that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from heedful.core import UsageError
from heedful.models import Tokens
from heedful.training.batches import Batch
from heedful.training.rows import Rows

Said = Mapping[str, Any]
_NOTHING: Tokens = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prompt's tokens, those of its outputs (each with its end), and what was said of them.

    `said` holds fields of `Batch` for this record: a number (weight, prefer, margin), one for each output (label,
    score), or one for each token of each output (behaviour, advantage).
    """

    prompt: tuple[int, ...]
    outputs: tuple[Tokens, ...]
    said: Said = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many are read."""
        return len(self.prompt) + sum(map(len, self.outputs))


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
    examples: Sequence[Example],
    places: Sequence[int],
    most: int,
    device: Any,
    records: int | None = None,
    trained: int | None = None,
) -> Iterator[Part]:
    """Parts of at most `most` tokens read, padding counted, each of examples of alike length, the longest first.

    An example that alone holds more is a part by itself. At most `records` examples a part, where given. Outputs after
    the first `trained`, where given, are put aside.
    """
    order = sorted(places, key=lambda place: -examples[place].tokens)
    while order:
        fit = max(1, most // examples[order[0]].tokens)
        own, order = order[: min(fit, records or fit)], order[min(fit, records or fit) :]
        yield _part(tuple(own), [examples[place] for place in own], device, trained)


def _part(places: tuple[int, ...], chosen: Sequence[Example], device: Any, trained: int | None) -> Part:
    prompts = [one.prompt for one in chosen]
    rows = Rows.of(prompts, [one.outputs[:trained] for one in chosen], device)
    others = [] if trained is None else [one.outputs[trained:] for one in chosen]
    if not any(others):
        return Part(places, rows, batch_of(chosen, rows.mask))
    aside = Rows.of(prompts, [own or (_NOTHING,) for own in others], device)
    return Part(places, rows, batch_of(chosen, _beside(rows.mask, aside.mask)), aside)


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
    if np.ndim(values[0]) == 0:
        return torch.tensor([float(own) for own in values], device=mask.device)
    deep = np.ndim(values[0][0]) == 1
    made = np.zeros(mask.shape if deep else mask.shape[:2], np.float32)
    for row, own in enumerate(values):
        for output, value in enumerate(own):
            if deep:
                made[row, output, : len(value)] = value
            else:
                made[row, output] = value
    return torch.from_numpy(made).to(mask.device)
