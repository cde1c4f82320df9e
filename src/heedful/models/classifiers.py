"""Sequence classifiers and reward models in local folders, as encoders of items. Needs the extra `lm`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, UsageError
from heedful.models.chat import Template, is_chat, refuse_other_than_text, rendered
from heedful.models.encoders import Arrays
from heedful.models.folders import placed, pretrained, read_config
from heedful.models.sentence_folder import digest
from heedful.models.texts import joined

_WHAT = "sequence classifier"


@dataclass(frozen=True, eq=False)
class SequenceClassifier:
    """The logits of the classifier in `path`, one column a label: of a reward model, its reward.

    Context and output are read as turns in the tokenizer's chat template where it has one, else as a pair of texts, as
    the tokenizer joins them. `template` "plain" asks for the pair. Nothing is learnt, so `fit` returns the same
    encoder. Only weights as safetensors are read, and nothing is downloaded.
    """

    path: str
    template: Template | None = None
    batch_size: int = 32
    device: str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise UsageError(f"batch_size must be 1 or more, not {self.batch_size}", where="SequenceClassifier")
        read_config(Path(self.path), _WHAT)

    @property
    def names(self) -> tuple[str, ...]:
        labels = self._loaded[1].config.id2label
        return tuple(str(labels[column]) for column in range(len(labels)))

    def fit(self, items: Sequence[Item]) -> SequenceClassifier:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        """Logits [n, labels]. Raises InputError for items that are no text, or longer than the network reads."""
        rows = [self._tokens(item) for item in items]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row]["input_ids"]))
        # A network that knows no padding finds the end of a text only where the text is alone.
        size = 1 if self._loaded[1].config.pad_token_id is None else self.batch_size
        found = np.zeros((len(items), len(self.names)))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            found[batch] = self._logits([rows[row] for row in batch])
        return found

    def describe(self) -> dict[str, Any]:
        return {"encoder": "classifier", "folder": Path(self.path).name, "labels": list(self.names)}

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """No arrays: the folder stays where it is, known by its digest."""
        settings = {"path": self.path, "template": self.template, "batch_size": self.batch_size, "device": self.device}
        return {}, {"encoder": "classifier", **settings, "digest": digest(Path(self.path))}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        """Raises InputError where the folder is gone or holds other files than when the state was taken."""
        made = cls(**{name: value for name, value in state.items() if name not in ("encoder", "digest")})
        if digest(Path(made.path)) != state["digest"]:
            what = "the classifier in this folder is not the one the posterior was fitted with"
            raise InputError(what, where=made.path, fix="put the original files back, or fit again")
        return made

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Tokenizer and network."""
        tokenizer, network = pretrained("AutoModelForSequenceClassification", Path(self.path), _WHAT, extra="lm")
        return tokenizer, placed(network, self.device, self.path)

    def _tokens(self, item: Item) -> dict[str, list[int]]:
        tokenizer, network = self._loaded
        made = read_as_classified(tokenizer, item, self.template)
        own = getattr(network.config.get_text_config(), "max_position_embeddings", None)
        most = min(tokenizer.model_max_length, own or tokenizer.model_max_length)
        if len(made["input_ids"]) > most:
            what = f"{len(made['input_ids'])} tokens, and the classifier reads at most {most}"
            raise InputError(what, where=f"item {item.key}", fix="shorten the context or the output")
        return made

    def _logits(self, rows: list[dict[str, list[int]]]) -> Floats:
        import torch

        network = self._loaded[1]
        longest = max(len(own["input_ids"]) for own in rows)
        padding = {"input_ids": network.config.pad_token_id or 0}
        batch = {
            name: torch.tensor([own[name] + [padding.get(name, 0)] * (longest - len(own[name])) for own in rows])
            for name in rows[0]
        }
        with torch.inference_mode():
            logits = network(**{name: value.to(network.device) for name, value in batch.items()}).logits
        return np.asarray(logits.cpu().numpy(), dtype=np.float64)


def read_as_classified(tokenizer: Any, item: Item, template: Template | None) -> dict[str, list[int]]:
    """What a classifier reads of an item: turns where there is a chat template, else a pair of texts. Raises InputError
    for items that are no text."""
    where = f"item {item.key}"
    refuse_other_than_text((*item.context, *item.output), where)
    if is_chat(tokenizer, template):
        text = rendered(tokenizer, (*item.context, *item.output), where, answered=True)
        return dict(tokenizer(text, add_special_tokens=False))
    return dict(tokenizer(joined(item.context), joined(item.output)))
