"""Outputs as a causal language model sees them: its last hidden states as features. Needs the extra `lm`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models.encoders import Arrays
from heedful.models.local import LocalModel
from heedful.models.sentence_folder import digest
from heedful.models.token_models import begun_tokens

_SETTINGS = ("path", "max_tokens", "template", "adapter", "batch_size", "device", "dtype")


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """The network's last hidden states over an output in its context.

    `pooling` "last" takes the state at the output's last token, its end included, which has seen everything, as reward
    heads do; "mean" the average over the output's tokens. Nothing is learnt, so `fit` returns the same encoder.
    `end` False leaves the end out, for outputs that may go on; one without any tokens is then its context's last.
    """

    model: LocalModel
    pooling: Literal["last", "mean"] = "last"
    end: bool = True

    def __post_init__(self) -> None:
        if self.pooling not in ("last", "mean"):
            raise UsageError(f"no pooling {self.pooling!r}", where="HiddenStates", fix="'last' or 'mean'")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"dimension_{column}" for column in range(self._dimensions))

    @property
    def blocks(self) -> tuple[int, ...]:
        return (self._dimensions,)

    def fit(self, items: Sequence[Item]) -> HiddenStates:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        """Features [n, d]. Raises InputError for outputs that the model cannot read whole."""
        prompts = [numbers for _, numbers in self.model.prompts(items)]
        encoded = self.model.encode(items)
        outputs = encoded if self.end else [begun_tokens(own, self.model.end) for own in encoded]
        order = sorted(range(len(items)), key=lambda row: len(prompts[row]) + len(outputs[row]))
        found = np.zeros((len(items), self._dimensions))
        for start in range(0, len(items), self.model.batch_size):
            rows = order[start : start + self.model.batch_size]
            found[rows] = self._pooled([prompts[row] for row in rows], [outputs[row].tolist() for row in rows])
        return found

    def describe(self) -> dict[str, Any]:
        shown = {
            "folder": Path(self.model.path).name,
            "dimensions": self._dimensions,
            "pooling": self.pooling,
            "end": self.end,
        }
        return {"encoder": "hidden_states", **shown}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """No arrays: the folder stays where it is, known by its digest."""
        settings = {name: getattr(self.model, name) for name in _SETTINGS}
        own = {"pooling": self.pooling, "end": self.end, "model": settings, "digest": self._digest}
        return {}, {"encoder": "hidden_states", **own}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        """Raises InputError where the folder is gone or holds other files than when the state was taken."""
        made = cls(LocalModel(**state["model"]), state["pooling"], state.get("end", True))
        if made._digest != state["digest"]:
            what = "the language model in this folder is not the one the posterior was fitted with"
            raise InputError(what, where=made.model.path, fix="put the original files back, or fit again")
        return made

    @cached_property
    def _digest(self) -> list[str]:
        return [digest(Path(folder)) for folder in (self.model.path, self.model.adapter) if folder is not None]

    @property
    def _dimensions(self) -> int:
        return int(self.model.loaded.network.config.get_text_config(decoder=True).hidden_size)

    def _pooled(self, prompts: Sequence[tuple[int, ...]], outputs: Sequence[list[int]]) -> Floats:
        import torch

        whole = [[*prompt, *output] for prompt, output in zip(prompts, outputs, strict=True)]
        longest = max(map(len, whole))
        # What stands to the right of a row is hidden from it by causality.
        tokens = torch.tensor([own + [0] * (longest - len(own)) for own in whole], device=self.model.loaded.device)
        place = torch.arange(longest, device=tokens.device)
        last = torch.tensor([len(own) for own in whole], device=tokens.device)[:, None]
        first = last - (1 if self.pooling == "last" else torch.tensor([[max(len(own), 1)] for own in outputs]).to(last))
        held = ((place >= first) & (place < last)).to(torch.float64)
        with torch.inference_mode():
            hidden = self.model.loaded.network.base_model(input_ids=tokens, attention_mask=None, use_cache=False)[0]
            pooled = torch.einsum("rl,rld->rd", held / held.sum(1, keepdim=True), hidden.double())
        return np.asarray(pooled.cpu().numpy())
