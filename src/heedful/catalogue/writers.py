"""What miniatures of reasoning share: small policies that write strings token by token, and how they learn."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import log_expit, log_softmax

from heedful.catalogue.learning import Indices, Loss, Records, lost
from heedful.core import Floats

Seen = Callable[[Indices, Indices], Indices]
"""(prompts [n, ...], what is written of each [n, t]) -> the rows of weights [n, f] that bear on the next token."""

Tilt = Callable[[Indices, Indices], Floats]
"""(prompts [n, ...], what is written of each [n, t]) -> what logits of the next token are raised by [n, vocabulary]."""

Beside = Callable[[Any, Any], Any]
"""(log-probabilities [n, vocabulary] of next tokens, the tokens that came [n]) -> a log-probability of each [n]."""


@dataclass(frozen=True, eq=False)
class Writer:
    """Policies over strings of `length` tokens of a vocabulary: log-linear in what is `seen` before each token.

    A policy is weights [rows · vocabulary]; logits of the next token are the sum of the rows that are seen. Prompts are
    numbers [r], or whatever else `seen` knows how to read [r, ...].
    """

    vocabulary: int
    length: int
    rows: int
    seen: Seen

    @property
    def start(self) -> Floats:
        """The weights of the policy that writes anything alike."""
        return np.zeros(self.rows * self.vocabulary)

    def write(
        self,
        weights: Floats,
        prompts: Indices,
        k: int,
        rng: np.random.Generator,
        *,
        temperature: float = 1.0,
        begun: Indices | None = None,
        tilt: Tilt | None = None,
    ) -> Indices:
        """k outputs [r, k, length] of each prompt [r]; at temperature 0 the likeliest tokens.

        begun  what stands already [r, t], to be gone on with
        tilt   what else bears on the next token; None for nothing
        """
        asked, table = np.repeat(prompts, k, axis=0), weights.reshape(self.rows, -1)
        written = np.zeros((len(asked), 0), np.intp) if begun is None else np.repeat(begun, k, axis=0)
        while written.shape[1] < self.length:
            logits = table[self.seen(asked, written)].sum(1)
            logits = logits if tilt is None else logits + tilt(asked, written)
            noise = -np.log(rng.exponential(size=logits.shape))
            written = np.column_stack([written, (logits + temperature * noise).argmax(1)])
        return written.reshape(len(prompts), k, self.length)

    def approved(self, weights: Floats, prompts: Indices, outputs: Indices) -> Floats:
        """log σ of the logit that these weights of a classifier give each token [r, k, length] of outputs."""
        logits = self.design(prompts, outputs) @ weights.reshape(self.rows, -1)
        return np.asarray(log_expit(logits[np.arange(len(logits)), outputs.ravel()]).reshape(outputs.shape))

    def approval(self, weights: Floats, strength: float) -> Tilt:
        """strength · log σ of a classifier's logits of the next token: with it `write` draws as DIRECTOR does."""
        table = weights.reshape(self.rows, -1)
        return lambda asked, written: np.asarray(strength * log_expit(table[self.seen(asked, written)].sum(1)))

    def log_prob(self, weights: Floats, prompts: Indices, outputs: Indices) -> Floats:
        """Log-probability of each token [r, k, length] of outputs [r, k, length]."""
        law = log_softmax(self.design(prompts, outputs) @ weights.reshape(self.rows, -1), axis=1)
        return np.asarray(law[np.arange(len(law)), outputs.ravel()].reshape(outputs.shape))

    def design(self, prompts: Indices, outputs: Indices) -> csr_array:
        """How often each row of weights is seen before each token [r · k · length, rows]."""
        asked, flat = np.repeat(prompts, outputs.shape[1], axis=0), outputs.reshape(-1, self.length)
        seen = np.stack([self.seen(asked, flat[:, :t]) for t in range(self.length)], axis=1)
        ends = np.arange(0, seen.size + 1, seen.shape[2])
        return csr_array((np.ones(seen.size), seen.ravel(), ends), shape=(flat.size, self.rows))

    def valued(self, prompts: Indices, outputs: Indices, returns: Floats, ridge: float = 1.0) -> Floats:
        """A worth of each row of weights [rows], which add up to what is expected of an output before each token:
        least squares on what outputs [r, k, length] came to [r, k], and ridge · their squares. `design` @ them are the
        values."""
        design = self.design(prompts, outputs)
        gram = (design.T @ design).toarray() + ridge * np.eye(self.rows)
        return np.asarray(np.linalg.solve(gram, design.T @ np.repeat(returns.ravel(), self.length)))

    @property
    def strings(self) -> Indices:
        """Every string [vocabulary ** length, length]."""
        return np.array(list(itertools.product(range(self.vocabulary), repeat=self.length)), dtype=np.intp)

    def law(self, weights: Floats, prompts: Indices) -> Floats:
        """Log-probability of every string [r, strings], where they are few."""
        strings = np.broadcast_to(self.strings, (len(prompts), *self.strings.shape))
        return np.asarray(self.log_prob(weights, prompts, strings).sum(2))

    def loss(
        self,
        objective: Any,
        records: Records,
        reference: Floats | None = None,
        chosen: NDArray[np.bool_] | None = None,
        beside: Beside | None = None,
    ) -> Loss:
        """Weights -> an objective's loss on records of outputs [r, k, length], and its gradient.

        Weights twice as many are those of a policy and of a classifier, whose logits the objective takes in the
        reference's place.

        reference  weights of the reference; the objective raises UsageError where it needs one and there is none
        chosen     [r, k] which of the outputs there are; all by default
        beside     what an objective takes in the reference's place, such as rivals of tokens
        """
        import torch

        prompts, outputs = records.prompts, records.outputs
        there = np.ones(outputs.shape[:2], dtype=bool) if chosen is None else chosen
        design = self.design(prompts[np.nonzero(there)[0]], outputs[there][:, None])
        mask = torch.from_numpy(there)[:, :, None].expand(outputs.shape)
        before = None if reference is None else torch.from_numpy(self.log_prob(reference, prompts, outputs))
        tokens = torch.from_numpy(outputs[there].reshape(-1, 1))

        def found(weights: Floats) -> tuple[float, Floats]:
            tables = weights.reshape(-1, self.rows, self.vocabulary)
            logits = torch.from_numpy(np.stack([design @ table for table in tables])).requires_grad_()
            law = logits[0].log_softmax(1)
            own, other = torch.zeros(outputs.shape, dtype=torch.float64), before
            own[mask] = law.gather(1, tokens)[:, 0]
            if beside is not None or len(tables) == 2:
                other = torch.zeros(outputs.shape, dtype=torch.float64)
                other[mask] = logits[1].gather(1, tokens)[:, 0] if beside is None else beside(law, tokens[:, 0])
            value = lost(objective, own, other, mask, records.said)
            (slope,) = torch.autograd.grad(value, logits)
            return float(value.detach()), np.concatenate([(design.T @ each).ravel() for each in slope.numpy()])

        return found


class Learner:
    """Weights that take steps of Adam, one after the other."""

    def __init__(self, weights: Floats, rate: float) -> None:
        import torch

        self._held = torch.from_numpy(weights.copy()).requires_grad_()
        self._steps = torch.optim.Adam([self._held], lr=rate)

    @property
    def weights(self) -> Floats:
        """As they are now; a copy."""
        return np.array(self._held.detach().numpy())

    def step(self, loss: Loss, times: int = 1) -> None:
        """Down the gradient of a loss, so many times."""
        import torch

        for _ in range(times):
            self._held.grad = torch.from_numpy(loss(self.weights)[1])
            self._steps.step()
