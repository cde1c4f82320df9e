"""Embeddings of outputs by a sentence encoder in a local folder. Needs the extra `encoder` (torch, transformers)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models.encoders import Arrays
from heedful.models.folders import placed, pretrained
from heedful.models.sentence_folder import WHAT, Layout, digest, read_layout
from heedful.models.texts import output_texts

Vector = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """Outputs embedded by the sentence encoder in `path`, a folder in the layout of sentence-transformers.

    Pooling, greatest length and normalisation are those the folder names. A text longer than that length is read in
    windows, whose pooled vectors are averaged with their numbers of tokens as weights (of maxima, the maximum is
    taken), so that nothing is cut off. Nothing is downloaded, and only weights in the safetensors format are read.

    Embeddings are remembered by text, up to `remember` of them, in this object. What one text gets depends on the
    texts beside it only through single-precision rounding, about 1e-7. Nothing is learnt, so `fit` returns the same
    encoder. `device` is torch's; by default a GPU where there is one.
    """

    path: str
    batch_size: int = 32
    device: str | None = None
    remember: int = 200_000
    layout: Layout = field(init=False)
    _known: dict[bytes, Vector] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {self.batch_size}", where="SentenceEncoder")
        object.__setattr__(self, "layout", read_layout(Path(self.path)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"dimension_{column}" for column in range(self.layout.dimensions))

    @property
    def blocks(self) -> tuple[int, ...]:
        return (self.layout.dimensions,)

    def fit(self, items: Sequence[Item]) -> SentenceEncoder:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        """Embeddings [n, d]. Raises MissingExtraError without torch or transformers."""
        texts = output_texts(items)
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        made = dict(zip(new, self._model.embed(list(new.values())), strict=True)) if new else {}
        rows = [self._known.get(key, made.get(key)) for key in keys]
        self._known.update(list(made.items())[: max(0, self.remember - len(self._known))])
        return np.array(rows, dtype=np.float64).reshape(len(items), self.layout.dimensions)

    def describe(self) -> dict[str, Any]:
        shown = {"folder": Path(self.path).name, "dimensions": self.layout.dimensions, "pooling": self.layout.pooling}
        return {"encoder": "sentences", **shown, "max_tokens": self.layout.max_tokens, "note": self.layout.note}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """No arrays: the folder stays where it is, known by its digest."""
        settings = {"path": self.path, "batch_size": self.batch_size, "device": self.device, "remember": self.remember}
        return {}, {"encoder": "sentences", **settings, "digest": self._digest}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        """Raises InputError where the folder is gone or holds other files than when the state was taken."""
        made = cls(**{name: value for name, value in state.items() if name not in ("encoder", "digest")})
        if made._digest != state["digest"]:
            raise InputError(
                "the sentence encoder in this folder is not the one the model was fitted with",
                where=made.path,
                fix="put the original files back, or fit again",
            )
        return made

    @cached_property
    def _digest(self) -> str:
        return digest(Path(self.path))

    @cached_property
    def _model(self) -> _Model:
        return _Model(self.path, self.layout, self.batch_size, self.device)


class _Model:
    """A loaded tokenizer and network."""

    def __init__(self, path: str, layout: Layout, batch_size: int, device: str | None) -> None:
        folder = Path(path)
        # The vectors are pooled here, and not by the network's own layer, which many folders lack.
        self.tokenizer, network = pretrained("AutoModel", folder, WHAT, extra="encoder", unused="pooler.")
        import torch

        self.torch, self.layout, self.batch_size = torch, layout, batch_size
        self.network = placed(network, device, folder)
        self.device = self.network.device

    def embed(self, texts: Sequence[str]) -> Vector:
        """Vectors [n, d] of n > 0 texts."""
        windows, owner = self._windows(texts)
        pooled, weight = np.zeros((len(windows), self.layout.dimensions)), np.zeros(len(windows))
        for rows in self._batches(windows):
            pooled[rows] = self._pool([windows[row] for row in rows])
            weight[rows] = [len(windows[row]) for row in rows]
        joined = self._join(pooled, weight, owner, len(texts))
        if self.layout.normalise:
            joined /= np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)
        return joined.astype(np.float32)

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[int]], NDArray[np.intp]]:
        """Token ids of each window, none longer than the network reads, and the text each belongs to."""
        written = [text.lower() for text in texts] if self.layout.lower_case else list(texts)
        limits = {"truncation": True, "max_length": self.layout.max_tokens, "return_overflowing_tokens": True}
        tokens = self.tokenizer(written, return_attention_mask=False, return_token_type_ids=False, **limits)
        return tokens["input_ids"], np.array(tokens["overflow_to_sample_mapping"], dtype=np.intp)

    def _batches(self, windows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Rows of windows of similar length, so that little is padding."""
        order = sorted(range(len(windows)), key=lambda row: len(windows[row]))
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]

    def _pool(self, windows: Sequence[Sequence[int]]) -> Floats:
        torch = self.torch
        padded = self.tokenizer.pad({"input_ids": list(windows)}, padding=True, return_tensors="pt").to(self.device)
        mask = padded["attention_mask"][:, :, None]
        with torch.inference_mode():
            hidden = self.network(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"])[0]
            if self.layout.pooling == "cls":
                pooled = hidden[:, 0]
            elif self.layout.pooling == "max":
                pooled = hidden.masked_fill(mask == 0, -torch.inf).max(dim=1).values
            else:
                pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return np.asarray(pooled.cpu().numpy(), dtype=np.float64)

    def _join(self, pooled: Floats, weight: Floats, owner: NDArray[np.intp], n: int) -> Floats:
        """One vector per text from those of its windows."""
        if self.layout.pooling == "max":
            joined = np.full((n, pooled.shape[1]), -np.inf)
            np.maximum.at(joined, owner, pooled)
            return joined
        joined = np.zeros((n, pooled.shape[1]))
        np.add.at(joined, owner, pooled * weight[:, None])
        return np.asarray(joined / np.bincount(owner, weight, n)[:, None])
