"""What a utility is a function of: each item freely, or features of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models import Encoder
from heedful.preference.observations import Identity, Indices


class Utility(Protocol):
    """How items turn into utilities: u = design · θ."""

    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> Identity: ...
    def evaluate(self, items: Sequence[Item], theta: Floats) -> Floats:
        """Utilities [..., n] of items at parameters θ [..., d]. Raises InputError for an item it knows nothing of."""
        ...


@dataclass(frozen=True)
class FreeItems:
    """One free utility per item: θ_i is the utility of `names[i]`."""

    names: tuple[str, ...]
    name: str = "items"
    identity: Identity = "system"

    @cached_property
    def index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def locate(self, names: Sequence[str]) -> Indices:
        """Where each name stands among the items fitted, -1 where it does not."""
        return np.array([self.index.get(name, -1) for name in names], dtype=np.intp)

    def evaluate(self, items: Sequence[Item], theta: Floats) -> Floats:
        keys = [item_name(item) for item in _items(items)]
        where = self.locate(keys)
        if (where < 0).any():
            unknown = sorted({key for key, i in zip(keys, where, strict=True) if i < 0})
            known = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
            raise InputError(
                f"no judgement is about {', '.join(map(repr, unknown[:5]))}, so they have no utility",
                fix=f"use items among the {len(self.names)} fitted ({known}), or fit with utility='features'",
            )
        return theta[..., where]


@dataclass(frozen=True)
class Linear:
    """u = θ · features of the item, by an encoder fitted on the training items."""

    encoder: Encoder
    name: str = "features"
    identity: Identity = "content"

    def evaluate(self, items: Sequence[Item], theta: Floats) -> Floats:
        if not items:
            return np.zeros((*theta.shape[:-1], 0))
        # A product per row, so that an item's utility does not depend on which others it is scored with.
        return np.asarray(np.einsum("nd,...d->...n", self.encoder.encode(_items(items)), theta))


def _items(items: Sequence[Item]) -> Sequence[Item]:
    """The items, none of which is a name or a text. Raises UsageError."""
    other = next((item for item in items if not isinstance(item, Item)), None)
    if other is not None:
        fix = "give Item.of(context, output, system=name)"
        raise UsageError(f"{other!r} is no item", where="items", fix=fix)
    return items


def item_name(item: Item) -> str:
    """The key of a free item: its system where given, else that of its content."""
    return item.system if item.system is not None else item.key
