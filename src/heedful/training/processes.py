"""Several processes that train one network, by torch.distributed, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class Processes:
    """Those of torchrun, where torch.distributed was begun; each takes its share of a step, and sums are of all."""

    def __init__(self) -> None:
        begun = torch.distributed.is_available() and torch.distributed.is_initialized()
        self.number = torch.distributed.get_world_size() if begun else 1
        self.own = torch.distributed.get_rank() if begun else 0

    @property
    def alone(self) -> bool:
        return self.number == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.own == 0

    def share(self, places: Sequence[int]) -> tuple[int, ...]:
        """This process's part of a step."""
        return tuple(places[self.own :: self.number])

    def summed(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Sums of numbers over all processes; names are the same in each."""
        found = {name: torch.as_tensor(values[name]).clone() for name in sorted(values)}
        self.sum_in_place(list(found.values()))
        return found

    def sum_in_place(self, tensors: Sequence[Any]) -> None:
        if not self.alone:
            for own in tensors:
                torch.distributed.all_reduce(own)

    def agreed(self, value: float) -> float:
        """The first process's number, where each has measured it and is to decide alike."""
        return float(self.summed({"value": torch.tensor(value if self.first else 0.0, dtype=torch.float64)})["value"])


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, of which this is one, as long as this context; or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or torch.distributed.is_initialized():
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes()
    finally:
        torch.distributed.destroy_process_group()
