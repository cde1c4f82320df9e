"""What miniatures of training share: policies over listed outputs, trained by the objectives that train networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from heedful.core import Floats

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Listed:
    """c prompts with m outputs each, of one token: `base` [c, m] their log-probabilities, `utility` [c, m] their worth.

    A policy is base · exp(features · θ), normalised; `features` [c, m, d], None for a free number each.
    """

    base: Floats
    utility: Floats
    features: Floats | None = None

    @property
    def start(self) -> Floats:
        """θ of the base."""
        return np.zeros(self.base.size if self.features is None else self.features.shape[-1])

    def policy(self, theta: Floats) -> Floats:
        """Log-probabilities [c, m]."""
        tilt = theta.reshape(self.base.shape) if self.features is None else self.features @ theta
        return np.asarray(log_softmax(self.base + tilt, axis=1))

    def target(self, strength: float) -> Floats:
        """log of base · exp(strength · utility) [c, m], normalised."""
        return np.asarray(log_softmax(self.base + strength * self.utility, axis=1))

    def earned(self, policy: Floats) -> float:
        """Mean worth of an output of a policy [c, m], over prompts."""
        return float((np.exp(policy) * self.utility).sum(1).mean())

    def divergence(self, policy: Floats) -> float:
        """KL(policy ‖ base) in nats, mean over prompts."""
        return apart(policy, self.base)

    def value(self, policy: Floats, strength: float) -> float:
        """Worth less KL / strength, which the target makes greatest; 0 at the greatest there is, below it elsewhere."""
        greatest = float((logsumexp(self.base + strength * self.utility, axis=1) / strength).mean())
        return self.earned(policy) - self.divergence(policy) / strength - greatest

    def draw(self, policy: Floats, k: int, rng: np.random.Generator, prompts: Indices | None = None) -> Indices:
        """k outputs [r, k] of each of the prompts [r], all by default."""
        rows = policy if prompts is None else policy[prompts]
        below = np.cumsum(np.exp(rows), axis=1)
        sought = rng.random((len(rows), k)) * below[:, -1:]
        return np.asarray(np.minimum((sought[:, :, None] > below[:, None, :]).sum(2), rows.shape[1] - 1))


@dataclass(frozen=True, eq=False)
class Records:
    """Outputs [r, k] of prompts [r], and what was said of them: fields of `heedful.training.Batch`."""

    prompts: Indices
    outputs: Indices
    said: Mapping[str, Any]


def apart(law: Floats, other: Floats) -> float:
    """KL(law ‖ other) in nats, of log-probabilities [..., m], mean over all but the last axis."""
    return float((np.exp(law) * (law - other)).sum(-1).mean())


def exploitability(wins: Floats, policy: Floats) -> float:
    """max P(y preferred to the policy) − ½ of log-probabilities [m], by the probabilities [m, m] that the row wins."""
    return float((wins @ np.exp(policy)).max() - 0.5)


Loss = Callable[[Floats], tuple[float, Floats]]


def loss_of(world: Listed, objective: Any, records: Records, reference: Floats | None = None) -> Loss:
    """θ -> the objective's loss on records and its gradient; the reference is the base unless another is given."""
    import torch

    prompts, outputs = torch.from_numpy(records.prompts), torch.from_numpy(records.outputs)
    base = torch.from_numpy(world.base)
    features = None if world.features is None else torch.from_numpy(world.features)
    before = base.log_softmax(1) if reference is None else torch.from_numpy(reference)
    mask = torch.ones(*outputs.shape, 1, dtype=torch.bool)

    def found(theta: Floats) -> tuple[float, Floats]:
        free = torch.from_numpy(theta.copy()).requires_grad_()
        tilt = free.reshape(base.shape) if features is None else features @ free
        chosen = (base + tilt).log_softmax(1)[prompts[:, None], outputs][:, :, None]
        value = lost(objective, chosen, before[prompts[:, None], outputs][:, :, None], mask, records.said)
        (slope,) = torch.autograd.grad(value, free)
        return float(value.detach()), slope.numpy()

    return found


def lost(objective: Any, policy: Any, reference: Any, mask: Any, said: Mapping[str, Any]) -> Any:
    """An objective's loss of log-probabilities [r, k, t], as a tensor: its total over its units."""
    import torch

    from heedful.training import Batch

    batch = Batch.of(mask, **{name: torch.as_tensor(np.asarray(value, np.float64)) for name, value in said.items()})
    total, units = objective(policy, reference, batch).total(batch)
    return total / units.clamp(min=1e-300)


def minimised(loss: Loss, start: Floats, *, ridge: float = 0.0) -> Floats:
    """θ of least loss + ridge · |θ − start|² / 2, by L-BFGS."""
    from scipy.optimize import minimize

    def held(theta: Floats) -> tuple[float, Floats]:
        value, slope = loss(theta)
        return value + 0.5 * ridge * float(((theta - start) ** 2).sum()), slope + ridge * (theta - start)

    return np.asarray(
        minimize(held, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}).x
    )


def stepped(loss: Loss, theta: Floats, rate: float, times: int = 1) -> Floats:
    """θ after so many steps down the gradient."""
    for _ in range(times):
        theta = theta - rate * loss(theta)[1]
    return theta
