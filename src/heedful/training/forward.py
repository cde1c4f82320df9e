"""Log-probabilities of the tokens of outputs under a network, with their gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from heedful.training.inputs import inputs
from heedful.training.rows import Rows

_MOST_LOGITS = 1 << 26
"""How many logits are held for the backward pass: 256 MiB in single precision. Beyond, they are made a second time."""


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Scores outputs by a causal network; projects onto the vocabulary where an output has tokens alone.

    `project` turns hidden states into logits. Where a network does more there than its output embedding tells, use
    `scorer`, which finds it out.
    """

    network: Any
    project: Callable[[Tensor], Tensor] | None

    def __call__(self, rows: Rows) -> Tensor:
        """Log-probability [rows, k, t] (nats) of each token, in single precision or better, 0 where there is none."""
        read = inputs(self.network, rows)
        if self.project is None:
            logits = self.network(**read).logits.flatten(0, 1)[rows.source]
            return rows.placed(-_nll(logits, rows.target))
        hidden = self.network.base_model(**read).last_hidden_state.flatten(0, 1)[rows.source]
        return rows.placed(-self._projected(hidden, rows.target))

    def _projected(self, hidden: Tensor, target: Tensor) -> Tensor:
        assert self.project is not None
        width = self.network.get_output_embeddings().weight.shape[0]
        most = max(1, _MOST_LOGITS // width)
        if len(hidden) <= most:
            return _nll(self.project(hidden), target)
        pieces = [slice(start, start + most) for start in range(0, len(hidden), most)]
        return torch.cat([checkpoint(self._piece, hidden[own], target[own], use_reentrant=False) for own in pieces])

    def _piece(self, hidden: Tensor, target: Tensor) -> Tensor:
        assert self.project is not None
        return _nll(self.project(hidden), target)


def scorer(network: Any) -> Scorer:
    """A scorer of this network: by its output embedding where that gives its logits, else by all its logits."""
    head = network.get_output_embeddings()
    probe = torch.arange(1, 5, device=network.device)[None]
    with torch.inference_mode():
        hidden = network.base_model(input_ids=probe, use_cache=False).last_hidden_state
        exact = torch.equal(head(hidden), network(input_ids=probe, use_cache=False).logits)
    return Scorer(network, head if exact else None)


def _nll(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(
        logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits, target, reduction="none"
    )
