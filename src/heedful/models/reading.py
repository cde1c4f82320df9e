"""Rows of tokens that a causal network has read, with the keys and values it keeps of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self


@dataclass(slots=True, eq=False)
class Reading:
    """The cache of a network after `length` [rows] tokens on each row, to be read on from; all are torch's tensors.

    `mask` [rows, columns] is False in the cache's columns that hold none of a row's tokens, None where there are none
    such. Rows never see one another, and padding is seen by none.
    """

    network: Any
    cache: Any
    length: Any
    mask: Any = None

    @classmethod
    def of(cls, network: Any, prompts: Sequence[Sequence[int]]) -> tuple[Self, Any]:
        """What is left of reading one prompt or more, none of them empty, and the logits after each [rows, vocabulary].

        Prompts of different lengths are padded on the left.
        """
        import torch
        from transformers import DynamicCache

        longest = max(map(len, prompts))
        padded = torch.tensor([[0] * (longest - len(own)) + list(own) for own in prompts], device=network.device)
        real = torch.tensor([[False] * (longest - len(own)) + [True] * len(own) for own in prompts])
        start = torch.zeros(len(prompts), dtype=torch.long, device=network.device)
        made = cls(network, DynamicCache(config=network.config), start)
        logits = made.read(padded, None if real.all() else real.to(network.device), logits=1)
        return made, logits[:, -1]

    def read(self, tokens: Any, real: Any = None, *, logits: int = 0) -> Any:
        """Read tokens [rows, b], of which those not `real` are padding, and give logits [rows, b, vocabulary].

        `logits`: of how many last columns, 0 for all. Padding after a row's first token needs a network that
        `looks_back` on all tokens: in another it would take the place of some.
        """
        import torch

        columns = torch.ones_like(tokens, dtype=torch.bool) if real is None else real
        if real is not None or self.mask is not None:
            shape = len(tokens), self.cache.get_seq_length()
            self.mask = torch.cat([columns.new_ones(shape) if self.mask is None else self.mask, columns], dim=1)
        place = (self.length[:, None] + columns.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode(), planless(tokens.device):
            out = self.network(
                input_ids=tokens,
                attention_mask=self.mask,
                position_ids=place,
                cache=self.cache,
                use_cache=True,
                logits_to_keep=logits,
            )
        self.length = place[:, -1] + 1
        return out.logits

    @property
    def looks_back(self) -> bool:
        """Whether each layer attends to all tokens before, rather than to a window or to a state of its own."""
        from transformers.cache_utils import DynamicLayer

        return all(type(layer) is DynamicLayer for layer in self.cache.layers)

    def keep(self, rows: Any) -> Reading:
        """Another reading of these rows, a tensor of numbers; this one stays as it is."""
        cache = copy.copy(self.cache)
        cache.layers = [_twin(layer) for layer in self.cache.layers]
        cache.reorder_cache(rows)
        return Reading(self.network, cache, self.length[rows], None if self.mask is None else self.mask[rows])


@contextmanager
def planless(device: Any) -> Iterator[None]:
    """On a GPU attention without cuDNN, which makes plans for each number of rows and tokens when it first meets it.

    Outputs being written meet a new number at every token; benchmarks/language.py has what a plan costs.
    """
    import torch

    if device.type != "cuda":
        yield
        return
    before: bool = torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    torch.backends.cuda.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def _twin(layer: Any) -> Any:
    """A layer of the cache whose tensors can be replaced without touching the other's."""
    made = copy.copy(layer)
    made.__dict__.update({name: dict(value) for name, value in vars(layer).items() if isinstance(value, dict)})
    return made
