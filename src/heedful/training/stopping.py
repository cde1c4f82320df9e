"""Stopping by the loss on examples that are not trained on, at the weights that had the least."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from heedful.core import UsageError
from heedful.training.trainer import Trainer


@dataclass(eq=False)
class Stopping:
    """Losses by `measure` of a trainer's network, before its first step and after each `every`, and its weights where
    they were least. With `patience` k it is over after k measurements without one below the least before.

    The least of several losses is below what those weights have on other examples: claim by others. Of equal losses the
    first counts; what is no number counts as none.
    """

    measure: Callable[[], float]
    every: int
    patience: int | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.every < 1 or (self.patience is not None and self.patience < 1):
            what = f"measured every {self.every} steps, over after {self.patience} without gain"
            raise UsageError(what, where="Stopping", fix="both are 1 or more")

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        """The loss of the step that was taken, as `held_out`, where one is measured; of the last step too."""
        if trainer.done % self.every and trainer.done < trainer.recipe.steps:
            return {}
        loss = self.measure()
        self.losses.append((trainer.done, loss))
        if self.patience is not None and self.least == self.losses[-1]:
            self.best = {name: own.detach().clone() for name, own in trainer.weights.items()}
        return {"held_out": loss}

    @property
    def least(self) -> tuple[int, float]:
        """The step of least loss, and that loss."""
        return min(self.losses, key=lambda own: math.inf if math.isnan(own[1]) else own[1])

    @property
    def over(self) -> bool:
        """Whether the last `patience` measurements brought nothing."""
        if self.patience is None or not self.losses:
            return False
        return len(self.losses) - 1 - self.losses.index(self.least) >= self.patience

    @property
    def rule(self) -> tuple[int, int | None]:
        """What it is known by again."""
        return self.every, self.patience

    def put_back(self, trainer: Trainer) -> None:
        """The best weights, into the network."""
        with torch.no_grad():
            for name, own in self.best.items():
                trainer.weights[name].copy_(own)

    def tensors(self) -> dict[str, Tensor]:
        """What is known, for a checkpoint."""
        measured = torch.tensor(self.losses, dtype=torch.float64).reshape(-1, 2)
        return {"measured": measured, **{f"best.{name}": own for name, own in self.best.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.losses = [(int(step), loss) for step, loss in state["measured"].tolist()]
        self.best = {name.removeprefix("best."): own for name, own in state.items() if name.startswith("best.")}
