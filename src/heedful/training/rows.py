"""Prompts with their outputs as rows of tokens, each prompt once, its outputs side by side, unseen by one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedful.core import UsageError
from heedful.models import Tokens

PAD = -1


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A prompt and its outputs a row [rows, columns], one after the other, padded on the right.

    tokens, position  [rows, columns]              what is read, and its place after the prompt's beginning
    seen              [rows, 1, columns, columns]  which columns a column sees; None for all before it
    source            [n]                          the column, over all rows, that foretells each token of an output
    target            [n]                          that token
    mask              [rows, k, t]                 where those tokens stand among the outputs', in the same order
    """

    tokens: Tensor
    position: Tensor
    source: Tensor
    target: Tensor
    mask: Tensor
    seen: Tensor | None

    @classmethod
    def of(cls, prompts: Sequence[Sequence[int]], outputs: Sequence[Sequence[Tokens]], device: Any = "cpu") -> Rows:
        """Raises UsageError for a prompt without tokens, which foretells nothing, and for records without outputs."""
        if any(not len(prompt) for prompt in prompts):
            raise UsageError("a prompt has no tokens", where="Rows", fix="give a beginning-of-text token at least")
        if not prompts or any(not len(own) for own in outputs):
            raise UsageError("there is a record without outputs", where="Rows")
        begun = np.array([len(prompt) for prompt in prompts])
        most = max(map(len, outputs))
        length = np.array([[*map(len, own), *[0] * (most - len(own))] for own in outputs])
        start = begun[:, None] + np.cumsum(length, axis=1) - length
        size = begun + length.sum(axis=1)
        tokens = np.zeros((len(prompts), int(size.max())), np.int64)
        for row, (prompt, own) in enumerate(zip(prompts, outputs, strict=True)):
            tokens[row, : size[row]] = np.concatenate([prompt, *own])
        part, position = _parts(begun, start, length, tokens.shape[1])
        mask = np.arange(max(1, int(length.max()))) < length[:, :, None]
        own_row, output, place = np.nonzero(mask)
        column = start[own_row, output] + place
        source = np.where(place == 0, begun[own_row] - 1, column - 1) + own_row * tokens.shape[1]
        several = bool(((length > 0).sum(axis=1) > 1).any())
        if not several:  # padding too is numbered on, lest a network takes it for the beginning of another text
            position = np.broadcast_to(np.arange(tokens.shape[1]), tokens.shape).copy()
        seen = torch.from_numpy(_seen(part)).to(device) if several else None
        held = (tokens, position, source, tokens[own_row, column], mask)
        made = [torch.from_numpy(own).to(device) for own in held]
        return cls(made[0], made[1], made[2], made[3], made[4], seen)

    def __len__(self) -> int:
        return len(self.tokens)

    def placed(self, values: Tensor) -> Tensor:
        """Values [n] of tokens of outputs at their places [rows, k, t], 0 elsewhere."""
        return values.new_zeros(self.mask.shape).masked_scatter(self.mask, values)


def _parts(
    begun: NDArray[np.intp], start: NDArray[np.intp], length: NDArray[np.intp], columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each column, which part of its row it is of (0 the prompt, 1 and on outputs, `PAD`), and its position."""
    column: NDArray[np.intp] = np.arange(columns)
    part = np.full((len(begun), columns), PAD)
    part[column < begun[:, None]] = 0
    position = np.where(part == 0, column, 0)
    for output in range(start.shape[1]):
        own = (column >= start[:, output, None]) & (column < (start + length)[:, output, None])
        part[own] = output + 1
        position = np.where(own, begun[:, None] + column - start[:, output, None], position)
    return part, position


def _seen(part: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Each column sees itself, and before it the prompt and its own output."""
    columns = part.shape[1]
    before = np.tri(columns, dtype=bool)
    same = (part[:, :, None] == part[:, None, :]) | (part[:, None, :] == 0)
    return np.asarray((before & same | np.eye(columns, dtype=bool))[:, None])
