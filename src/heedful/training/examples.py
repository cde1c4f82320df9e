"""Records of feedback as tokens, and how a step of them is cut into parts that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heedful.core import UsageError
from heedful.models import Tokens
from heedful.training.batches import Batch
from heedful.training.rows import Rows

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A prompt's tokens, those of its outputs (each with its end), and what was said of them.

    `said` holds fields of `Batch` for this record: a number (weight, prefer, margin, scope), one for each output
    (label, score), or one for each token of each output (behaviour, advantage, focus).
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
    """Some examples, by their place in the data, as rows and as a batch."""

    places: tuple[int, ...]
    rows: Rows
    batch: Batch


def parts_of(
    examples: Sequence[Example], places: Sequence[int], most: int, device: Any, records: int | None = None
) -> Iterator[Part]:
    """Parts of at most `most` tokens read, padding counted, each of examples of alike length, the longest first.

    An example that alone holds more is a part by itself. At most `records` examples a part, where given.
    """
    order = sorted(places, key=lambda place: -examples[place].tokens)
    while order:
        fit = max(1, most // examples[order[0]].tokens)
        own, order = order[: min(fit, records or fit)], order[min(fit, records or fit) :]
        chosen = [examples[place] for place in own]
        rows = Rows.of([one.prompt for one in chosen], [one.outputs for one in chosen], device)
        yield Part(tuple(own), rows, batch_of(chosen, rows.mask))


def batch_of(examples: Sequence[Example], mask: Tensor) -> Batch:
    """What was said of examples, padded to the mask [r, k, t]. Raises UsageError where some say what others do not."""
    names = set(examples[0].said)
    other = next((one for one in examples if set(one.said) != names), None)
    if other is not None:
        what = f"one example says {', '.join(sorted(names)) or 'nothing'}, another {', '.join(sorted(other.said))}"
        raise UsageError(what, where="examples", fix="train on records of one kind at a time")
    return Batch.of(mask, **{name: _field([one.said[name] for one in examples], mask) for name in names})


def _field(values: Sequence[Any], mask: Tensor) -> Tensor:
    if not hasattr(values[0], "__getitem__") or getattr(values[0], "ndim", 1) == 0:
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
