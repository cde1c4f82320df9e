"""What all objectives share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from heedful.core import UsageError
from heedful.training.batches import Batch

Outputs = Literal["one", "two", "some"]
"""How many outputs a record of an objective holds."""

Claim = Literal["target", "likelihood", "policy gradient", "surrogate"]
"""What the minimum is worth: it is the target base · exp(strength · potential); it is the likeliest model of data; its
gradient is that of the expected score; or neither, and then tests hold its first-order condition alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """A loss per record [r], to be summed and divided by the sum of `units` [r] over the whole step, however it is
    split into parts; with diagnostics by name, each [r]."""

    per_record: Tensor
    units: Tensor
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def mean(cls, per_record: Tensor, **diagnostics: Tensor) -> Losses:
        """Of records that count 1 each."""
        told = {name: value.detach() for name, value in diagnostics.items()}
        return cls(per_record, torch.ones_like(per_record), told)

    def total(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The weighted sum of losses, and that of units."""
        return (batch.weight * self.per_record).sum(), (batch.weight * self.units).sum()


@runtime_checkable
class TokenObjective(Protocol):
    """A pure loss of log-probabilities of tokens [r, k, t] (nats) and feedback.

    Where a record's loss depends on others it is `entangled`: `statistics` then gives sums over the records of a part,
    without gradient, which `Batch.totals` is to hold for the whole step. Where only the first outputs of a record have
    a gradient, `trained` says how many; None for all.
    """

    @property
    def outputs(self) -> Outputs: ...
    @property
    def claim(self) -> Claim: ...
    @property
    def needs_reference(self) -> bool: ...
    @property
    def entangled(self) -> bool: ...
    @property
    def trained(self) -> int | None: ...
    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]: ...
    def __call__(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Losses: ...


class Whole:
    """An objective with a gradient for each output."""

    __slots__ = ()

    @property
    def trained(self) -> int | None:
        return None


class Splits(Whole):
    """An objective whose records do not depend on one another."""

    __slots__ = ()

    @property
    def entangled(self) -> bool:
        return False

    def statistics(self, policy: Tensor, reference: Tensor | None, batch: Batch) -> Mapping[str, Tensor]:
        return {}


def refuse_not_positive(value: float, where: str) -> None:
    """Raises UsageError where a number is not above 0, or not finite."""
    if not 0 < value < math.inf:
        raise UsageError(f"a number above 0 is needed, not {value}", where=where)


def refuse_other(value: object, known: Iterable[object], where: str) -> None:
    """Raises UsageError where a setting is none of those there are."""
    if value not in (among := tuple(known)):
        raise UsageError(f"no {value!r} here", where=where, fix=f"one of {', '.join(map(repr, among))}")


def refuse_no_share(value: float, where: str, most: float = 1.0) -> None:
    """Raises UsageError where a number is not in [0, most)."""
    if not 0 <= value < most:
        raise UsageError(f"a number from 0 to less than {most:g} is needed, not {value}", where=where)
