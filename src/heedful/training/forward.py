"""Log-probabilities of the tokens of outputs under a network, with their gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from heedful.training.inputs import inputs
from heedful.training.rows import Rows

_MOST_LOGITS = 1 << 26
"""How many logits are held for the backward pass: 256 MiB in single precision. Beyond, they are made a second time."""
_AT_ONCE = 1 << 22
"""How many are made at once where there is no backward pass."""
_NEAR = 1 << 18
"""How many a processor's cache holds, to be gone over several times."""


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
            return rows.placed(logprobs(logits, rows.target))
        hidden = self.network.base_model(**read).last_hidden_state.flatten(0, 1)[rows.source]
        return rows.placed(self._projected(hidden, rows.target))

    def _projected(self, hidden: Tensor, target: Tensor) -> Tensor:
        width = self.network.get_output_embeddings().weight.shape[0]
        most = max(1, (_MOST_LOGITS if torch.is_grad_enabled() else _AT_ONCE) // width)
        if len(hidden) <= most:
            return self._piece(hidden, target)
        pieces = [(hidden[at : at + most], target[at : at + most]) for at in range(0, len(hidden), most)]
        if not torch.is_grad_enabled():
            return torch.cat([self._piece(*own) for own in pieces])
        return torch.cat([checkpoint(self._piece, *own, use_reentrant=False) for own in pieces])

    def _piece(self, hidden: Tensor, target: Tensor) -> Tensor:
        assert self.project is not None
        return logprobs(self.project(hidden), target)


def scorer(network: Any) -> Scorer:
    """A scorer of this network: by its output embedding where that gives its logits, else by all its logits."""
    head = network.get_output_embeddings()
    probe = torch.arange(1, 5, device=network.device)[None]
    with torch.inference_mode():
        hidden = network.base_model(input_ids=probe, use_cache=False).last_hidden_state
        exact = torch.equal(head(hidden), network(input_ids=probe, use_cache=False).logits)
    return Scorer(network, head if exact else None)


def logprobs(logits: Tensor, target: Tensor) -> Tensor:
    """Log-probability [n] (nats) of tokens under logits [n, vocabulary], in single precision or better.

    The logits are used up: probabilities take their place, and in the backward pass the gradient takes that of these.
    """
    half = logits.dtype in (torch.bfloat16, torch.float16)
    found: Tensor = _LogProbs.apply(logits.float() if half else logits, target)[1]  # type: ignore[no-untyped-call]
    return found


class _LogProbs(torch.autograd.Function):
    """log softmax(logits)[target], whose gradient by logits is (1 at target − probability) · the gradient by it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        found = logits.new_empty(len(logits))
        for own in _near(logits):
            piece = logits[own]
            chosen = piece.gather(1, target[own, None])
            greatest = piece.amax(1, keepdim=True)
            total = piece.sub_(greatest).exp_().sum(1, keepdim=True)
            piece.div_(total)
            found[own] = (chosen - greatest - total.log())[:, 0]
        ctx.mark_dirty(logits)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(logits, target)
        return logits, found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: None, by: Tensor) -> tuple[Tensor, None]:
        probability, target = ctx.saved_tensors
        for own in _near(probability):
            probability[own].mul_(-by[own, None]).scatter_add_(1, target[own, None], by[own, None])
        return probability, None


def _near(values: Tensor) -> list[slice]:
    """Rows that a processor's cache holds together; on other devices all of them."""
    n, width = values.shape
    step = max(1, _NEAR // width) if values.device.type == "cpu" else max(1, n)
    return [slice(start, start + step) for start in range(0, n, step)]
