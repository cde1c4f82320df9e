"""An encoder that is fitted once and remembers what it has encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item
from heedful.models.encoders import Arrays, Encoder, blocks_of, load_encoder


class Remembered:
    """`encoder`, fitted on the first items given to `fit` and kept as it is by later calls; each item is encoded once.

    Fits of growing parts of one table then share their features, which cost most of the time. What an encoder learns
    (means, frequent n-grams) involves no judgement; as long as the first items are training items, nothing leaks.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._fitted = False
        self._rows: dict[Item, Floats] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return self._encoder.names

    @property
    def blocks(self) -> tuple[int, ...]:
        return blocks_of(self._encoder)

    def fit(self, items: Sequence[Item]) -> Remembered:
        if not self._fitted:
            self._encoder, self._fitted = self._encoder.fit(items), True
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        if not items:
            return self._encoder.encode(items)
        # One look at each where all are known: hashing an item costs more than a row.
        rows = [self._rows.get(item) for item in items]
        new = list(dict.fromkeys(item for item, row in zip(items, rows, strict=True) if row is None))
        if new:
            self._rows.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._rows[item] if row is None else row for item, row in zip(items, rows, strict=True)])

    def describe(self) -> dict[str, Any]:
        return self._encoder.describe()

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """That of the encoder itself: what is saved has no memory."""
        return self._encoder.state()

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(load_encoder(arrays, state))
