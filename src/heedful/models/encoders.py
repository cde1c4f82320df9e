"""What turns items into rows of numbers, and how such encoders are joined, put on one scale, saved and loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, UsageError

Arrays = dict[str, NDArray[Any]]

# A block of many columns (n-grams, embeddings) gets at most this much variance in total, so that under one prior it
# weighs about as much as the thirty style covariates, however many columns it has. On held-out folds of preference
# data one common prior width then suits all blocks.
_BLOCK_VARIANCE = 30.0

# Where each kind of encoder that `state` can name lives; imported when one is loaded.
_KINDS = {
    "style": "heedful.models.style:StyleFeatures",
    "ngrams": "heedful.models.ngrams:NgramFeatures",
    "sentences": "heedful.models.sentences:SentenceEncoder",
    "hidden_states": "heedful.models.hidden_states:HiddenStates",
    "classifier": "heedful.models.classifiers:SequenceClassifier",
    "stacked": "heedful.models.encoders:Stacked",
    "standardised": "heedful.models.encoders:Standardised",
}


@runtime_checkable
class Encoder(Protocol):
    """Items as rows of features.

    A feature of the context alone is pointless here: utilities are compared within a context, and it cancels in every
    difference. Only features of the output, and of the output crossed with its context, can matter.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """One name per column [d]."""
        ...

    def fit(self, items: Sequence[Item]) -> Encoder:
        """This encoder with all it learns taken from `items`, which must be training items only."""
        ...

    def encode(self, items: Sequence[Item]) -> Floats:
        """Features [n, d], float64, finite; each row depends on its own item alone. UsageError before `fit`."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the encoder is, for a report: JSON values."""
        ...

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays (for safetensors) and JSON values from which `load_encoder` makes an encoder that encodes alike."""
        ...

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        ...


@runtime_checkable
class Blocked(Protocol):
    """An encoder some of whose columns only mean something together, such as the directions of an embedding."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """Widths of the runs of columns that share one scale; they add up to d. A run of 1 has its own scale."""
        ...


def blocks_of(encoder: Encoder) -> tuple[int, ...]:
    """The blocks of an encoder: each column by itself where it does not say."""
    return encoder.blocks if isinstance(encoder, Blocked) else (1,) * len(encoder.names)


def load_encoder(arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Encoder:
    """The encoder whose `state()` gave these arrays and values. Raises InputError where they are of no known kind."""
    kind = state.get("encoder")
    if kind not in _KINDS:
        raise InputError(f"unknown kind of encoder {kind!r}", fix=f"known kinds: {', '.join(_KINDS)}")
    module, name = _KINDS[kind].split(":")
    made: Encoder = getattr(importlib.import_module(module), name).from_state(arrays, state)
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """An encoder with each column's training mean taken off, on the scale of its training standard deviation.

    A column by itself is divided by its standard deviation. The columns of a block (see `Blocked`) are divided by one
    number, such that their variances add up to their count or 30, whichever is less; dividing each by its own would
    blow the least of them up to the size of the greatest. A column that is constant over the training items is only
    centred, so it is 0 there; `describe` counts such columns.
    """

    encoder: Encoder
    mean: Floats | None = None
    spread: Floats | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return self.encoder.names

    @property
    def blocks(self) -> tuple[int, ...]:
        return blocks_of(self.encoder)

    def fit(self, items: Sequence[Item]) -> Standardised:
        if not items:
            raise UsageError("an encoder cannot be fitted on no items")
        encoder = self.encoder.fit(items)
        features = encoder.encode(items)
        mean, spread = features.mean(axis=0), features.std(axis=0)
        # Rounding leaves a tiny spread in a column of one value; dividing by it would blow noise up to a feature.
        spread[spread <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 0.0
        return Standardised(encoder, mean, _shared(spread, blocks_of(encoder)))

    def encode(self, items: Sequence[Item]) -> Floats:
        if self.mean is None or self.spread is None:
            raise not_fitted(self)
        centred: Floats = self.encoder.encode(items) - self.mean
        return centred / np.where(self.spread > 0, self.spread, 1.0)

    def describe(self) -> dict[str, Any]:
        constant = None if self.spread is None else int((self.spread == 0).sum())
        return {"encoder": "standardised", "constant_columns": constant, "of": self.encoder.describe()}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, state = self.encoder.state()
        arrays = {f"of.{name}": array for name, array in arrays.items()}
        if self.mean is not None and self.spread is not None:
            arrays |= {"mean": self.mean, "spread": self.spread}
        return arrays, {"encoder": "standardised", "of": state}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        inner = load_encoder(_under("of.", arrays), state["of"])
        return cls(inner, arrays.get("mean"), arrays.get("spread"))


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """The columns of several encoders side by side, named `<label>.<column>`."""

    encoders: tuple[Encoder, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        distinct = len(set(self.labels)) == len(self.labels) == len(self.encoders) > 0
        if not distinct or any("." in label for label in self.labels):
            raise UsageError(
                f"{len(self.encoders)} encoders with the labels {list(self.labels)}",
                where="Stacked",
                fix="give at least one encoder, and each its own label, without dots",
            )

    @classmethod
    def of(cls, **encoders: Encoder) -> Self:
        """`Stacked.of(style=StyleFeatures(), words=NgramFeatures())`."""
        return cls(tuple(encoders.values()), tuple(encoders))

    @property
    def names(self) -> tuple[str, ...]:
        pairs = zip(self.labels, self.encoders, strict=True)
        return tuple(f"{label}.{name}" for label, encoder in pairs for name in encoder.names)

    @property
    def blocks(self) -> tuple[int, ...]:
        return tuple(width for encoder in self.encoders for width in blocks_of(encoder))

    def fit(self, items: Sequence[Item]) -> Stacked:
        return Stacked(tuple(encoder.fit(items) for encoder in self.encoders), self.labels)

    def encode(self, items: Sequence[Item]) -> Floats:
        return np.hstack([encoder.encode(items) for encoder in self.encoders])

    def describe(self) -> dict[str, Any]:
        pairs = zip(self.labels, self.encoders, strict=True)
        return {"encoder": "stacked", "of": {label: encoder.describe() for label, encoder in pairs}}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays: Arrays = {}
        states = []
        for label, encoder in zip(self.labels, self.encoders, strict=True):
            own, state = encoder.state()
            arrays |= {f"{label}.{name}": array for name, array in own.items()}
            states.append(state)
        return arrays, {"encoder": "stacked", "labels": list(self.labels), "of": states}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        labels = tuple(state["labels"])
        pairs = zip(labels, state["of"], strict=True)
        return cls(tuple(load_encoder(_under(f"{label}.", arrays), own) for label, own in pairs), labels)


def not_fitted(encoder: Any) -> UsageError:
    """The error of an encoder used before it learnt anything."""
    return UsageError(f"{type(encoder).__name__} is not fitted", fix="call .fit(training_items), use what it returns")


def standardised(encoder: Encoder) -> Standardised:
    """The encoder with its columns on one scale; one that has it already as it is."""
    return encoder if isinstance(encoder, Standardised) else Standardised(encoder)


def _shared(spread: Floats, blocks: Sequence[int]) -> Floats:
    """What to divide each column by, given the standard deviation of each [d]."""
    if not blocks:
        return spread
    shared = [
        np.full(len(own), np.sqrt((own**2).sum() / min(len(own), _BLOCK_VARIANCE)))
        for own in np.split(spread, np.cumsum(blocks)[:-1])
    ]
    return np.concatenate(shared)


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The arrays whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
