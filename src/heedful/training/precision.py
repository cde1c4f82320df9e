"""The numbers that a network computes with in training; its weights, and what is summed, are in single precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from heedful.training.heads import Reader
from heedful.training.rows import Rows

Precision = Literal["float32", "bfloat16"]


def precision_of(network: Any, asked: Precision | None) -> Precision:
    """What is asked for, or where nothing is: bfloat16 on a GPU that has it, else the network's own numbers."""
    if asked is not None:
        return asked
    return "bfloat16" if network.device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """A reader whose products of matrices are made in bfloat16, and what it gives in single precision."""

    read: Reader
    device: str

    def __call__(self, rows: Rows) -> Tensor:
        with torch.autocast(self.device, torch.bfloat16):
            found = self.read(rows)
        return found.float()


def in_precision(read: Reader, network: Any, asked: Precision | None) -> Reader | Mixed:
    """A reader that computes as is asked for."""
    return Mixed(read, network.device.type) if precision_of(network, asked) == "bfloat16" else read
