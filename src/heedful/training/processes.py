"""Several processes that train one network, by torch.distributed, or this one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
