"""Heads beside the one that writes: scores of what was read, and values of what is to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from heedful.core import InputError
from heedful.models.folders import placed, pretrained, read_config
from heedful.training.forward import Scorer, scorer
from heedful.training.inputs import inputs
from heedful.training.rows import Rows

_WHAT = "causal network with a head of scores"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreReader:
    """What a head of m scores says after each token of outputs [rows, k, t, m], in single precision or better.

    Of a whole output it is what stands at its last token, which is what such a network says of a text.
    """

    network: Any

    def __call__(self, rows: Rows) -> Tensor:
        hidden = self.network.base_model(**inputs(self.network, rows)).last_hidden_state.flatten(0, 1)
        return _placed(rows, self.network.score(hidden[columns(rows)]))


@dataclass(frozen=True, slots=True, eq=False)
class ValueReader:
    """Log-probability of each token of outputs, and beside it what the head `value_head` expects before that token
    [rows, k, t, 2], by one reading."""

    network: Any
    scorer: Scorer

    def __call__(self, rows: Rows) -> Tensor:
        seen: list[Any] = []
        hook = self.network.base_model.register_forward_hook(lambda module, given, told: seen.append(told))
        try:
            written = self.scorer(rows)
        finally:
            hook.remove()
        hidden = seen[0].last_hidden_state.flatten(0, 1)[rows.source]
        return torch.cat([written[..., None], _placed(rows, self.network.value_head(hidden))], -1)


Reader = Scorer | ScoreReader | ValueReader


def reader(network: Any) -> Reader:
    """What reads outputs by a network: its scores where it has a head of them, values too where it has one, or
    log-probabilities alone. Raises InputError for a head that does more than to look at the last token."""
    if hasattr(network, "value_head"):
        return ValueReader(network, scorer(network))
    if not hasattr(network, "score"):
        return scorer(network)
    read = [own for own in range(6) if own != network.config.pad_token_id]
    probe = torch.tensor([read], device=network.device)
    with torch.inference_mode():
        hidden = network.base_model(input_ids=probe, use_cache=False).last_hidden_state
        exact = torch.equal(network.score(hidden)[:, -1], network(input_ids=probe, use_cache=False).logits)
    if not exact:
        what = "its scores are not those that its head gives at the last token"
        raise InputError(what, where=type(network).__name__, fix=f"train a {_WHAT}")
    return ScoreReader(network)


@dataclass(frozen=True, eq=False)
class LoadedHead:
    """A network with a head of scores, its tokenizer, and how many tokens it was made for at most."""

    network: Any
    tokenizer: Any
    window: int | None


def load_head(folder: Path, device: str | None, names: Sequence[str] = ("reward",)) -> LoadedHead:
    """The network in a folder with a head of a score for each name: that of a classifier of as many labels, or, where
    the folder holds a causal language model, a new one that says 0 of all. Raises InputError for other networks."""
    config = read_config(folder, _WHAT)
    begun = not any(str(own).endswith("ForSequenceClassification") for own in config.get("architectures") or ())
    with torch.random.fork_rng():  # what is drawn for the head is not kept
        tokenizer, network = pretrained(
            "AutoModelForSequenceClassification", folder, _WHAT, extra="lm", unused="score" if begun else None
        )
    if not isinstance(getattr(network, "score", None), torch.nn.Linear):
        raise InputError(f"this is no {_WHAT}", where=str(folder), fix="give the folder of a causal language model")
    if begun:
        new_head(network, names)
    elif len(names) != network.config.num_labels:
        what = f"its head has {network.config.num_labels} scores, and {len(names)} are asked for"
        raise InputError(what, where=str(folder))
    window = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    return LoadedHead(placed(network, device, folder), tokenizer, window)


def new_head(network: Any, names: Sequence[str]) -> None:
    """A head of scores of 0, by name, in the place of the one that a network has."""
    network.score = _zeros(network.score.in_features, len(names), network)
    network.config.id2label = dict(enumerate(names))
    network.config.label2id = {name: place for place, name in enumerate(names)}
    network.num_labels = len(names)


def with_values(network: Any) -> Any:
    """The network itself, with a head that expects 0 before each token, to be trained with it. It is no part of what
    the network writes: delete `value_head` to be rid of it."""
    network.value_head = _zeros(network.get_output_embeddings().weight.shape[1], 1, network)
    return network


def columns(rows: Rows) -> Tensor:
    """The column, over all rows, in which each token of an output stands [n].

    They stand in their order, one after the other from where the prompt ends.
    """
    row = rows.mask.nonzero()[:, 0]
    first = torch.searchsorted(row, row)
    return rows.source[first] + 1 + torch.arange(len(row), device=row.device) - first


def _placed(rows: Rows, values: Tensor) -> Tensor:
    """Values [n, m] of tokens of outputs at their places [rows, k, t, m], 0 elsewhere."""
    made = values.new_zeros((*rows.mask.shape, values.shape[1]), dtype=torch.promote_types(values.dtype, torch.float32))
    made[rows.mask] = values.to(made.dtype)
    return made


def _zeros(size: int, columns: int, network: Any) -> Any:
    made = torch.nn.Linear(size, columns, bias=False, device="meta", dtype=network.dtype)  # which draws nothing
    made = made.to_empty(device=network.device)
    torch.nn.init.zeros_(made.weight)
    return made
