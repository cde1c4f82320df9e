"""What miniatures of training share: policies over listed outputs, trained by the objectives that train networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, log_softmax, logsumexp

from heedful.core import Floats, UsageError

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Listed:
    """c prompts with m outputs each, of one token: `base` [c, m] their log-probabilities, `utility` [c, m] their worth.

    A policy is base · exp(features · θ), normalised; `features` [c, m, d], None for a free number each.
    """

    base: Floats
    utility: Floats
    features: Floats | None = None

    @classmethod
    def described(cls, rng: np.random.Generator, shape: tuple[int, int, int], *, hidden: float = 0.0) -> Listed:
        """A random world of shape [c, m, d]: normal bases and features, utilities of standard deviation about 1.5 that
        are linear in the features, but for a normal part of deviation `hidden` that no feature tells."""
        features = rng.normal(size=shape)
        base, unseen = rng.normal(size=(2, *shape[:2]))
        told = features @ (1.5 * rng.normal(size=shape[2]) / np.sqrt(shape[2]))
        return cls(log_softmax(base, axis=1), told + hidden * unseen, features)

    def prompts(self, rows: slice) -> Listed:
        """The world of some prompts, under the same θ where there are features."""
        return Listed(self.base[rows], self.utility[rows], None if self.features is None else self.features[rows])

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


def scored(
    world: Listed,
    policy: Floats,
    k: int,
    rng: np.random.Generator,
    *,
    prompts: Indices | None = None,
    reward: Floats | None = None,
) -> Records:
    """k outputs of a policy for each of the prompts [r], all by default: their log-probabilities as `behaviour`, and as
    `score` what they earn by a reward [c, m], by default their worth."""
    rows = np.arange(len(policy)) if prompts is None else prompts
    outputs = world.draw(policy, k, rng, rows)
    earned = world.utility if reward is None else reward
    at = rows[:, None], outputs
    return Records(rows, outputs, {"score": earned[at], "behaviour": policy[at][:, :, None]})


def voted(records: Records, rng: np.random.Generator) -> Records:
    """Records of two scored outputs, with a vote of Bradley and Terry for one of them."""
    score = records.said["score"]
    first = rng.random(len(score)) < expit(score[:, 0] - score[:, 1])
    return Records(records.prompts, records.outputs, {**records.said, "prefer": first.astype(np.float64)})


def joined(*parts: Records) -> Records:
    """Records one after another, with what was said in all of them."""
    said = set.intersection(*(set(part.said) for part in parts))
    return Records(
        np.concatenate([part.prompts for part in parts]),
        np.concatenate([part.outputs for part in parts]),
        {name: np.concatenate([part.said[name] for part in parts]) for name in sorted(said)},
    )


def two_of(records: Records, first: Indices, second: Indices) -> Records:
    """The outputs at places first and second [r, p] of each record, two by two, with their scores and behaviour."""
    places = np.stack([first, second], axis=-1).reshape(len(records.prompts), -1)

    def taken(values: Any) -> Any:
        kept = np.take_along_axis(values, places.reshape(places.shape + (1,) * (values.ndim - 2)), axis=1)
        return kept.reshape(-1, 2, *values.shape[2:])

    said = {name: taken(value) for name, value in records.said.items() if np.ndim(value) > 1}
    return Records(np.repeat(records.prompts, first.shape[1]), taken(records.outputs), said)


def differing(records: Records) -> Records:
    """Those of two outputs that are not the same."""
    told = records.outputs[:, 0] != records.outputs[:, 1]
    said = {name: value[told] for name, value in records.said.items()}
    return Records(records.prompts[told], records.outputs[told], said)


def every_two(records: Records) -> Records:
    """Every two of the outputs of each record."""
    n, k = records.outputs.shape
    first, second = np.triu_indices(k, 1)
    return two_of(records, np.tile(first, (n, 1)), np.tile(second, (n, 1)))


def ordered(records: Records) -> Records:
    """Records of two outputs of which the one with the greater score is preferred."""
    score = records.said["score"]
    prefer = 0.5 + 0.5 * np.sign(score[:, 0] - score[:, 1])
    return Records(records.prompts, records.outputs, {**records.said, "prefer": prefer})


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

    def held(theta: Floats) -> tuple[float, Floats]:
        value, slope = loss(theta)
        return value + 0.5 * ridge * float(((theta - start) ** 2).sum()), slope + ridge * (theta - start)

    return np.asarray(
        minimize(held, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}).x
    )


def mixed(*parts: tuple[float, Loss]) -> Loss:
    """Σ weight · loss."""

    def found(theta: Floats) -> tuple[float, Floats]:
        each = [(weight, loss(theta)) for weight, loss in parts]
        total = np.sum([weight * slope for weight, (_, slope) in each], axis=0)
        return sum(weight * value for weight, (value, _) in each), total

    return found


def at_divergence(world: Listed, theta: Floats, nats: float) -> Floats:
    """θ times the number at which KL(policy ‖ base) is so much, so that ways to train can be compared at equal
    divergence. Raises UsageError where none up to 10⁶ goes so far."""

    def excess(log_times: float) -> float:
        return world.divergence(world.policy(np.exp(log_times) * theta)) - nats

    low, high = -20.0, float(np.log(1e6))
    if not excess(high) > 0:
        raise UsageError(f"no multiple of θ is {nats:g} nats away from the base", where="at_divergence")
    return np.asarray(np.exp(brentq(excess, low, high, xtol=1e-6)) * theta)


def stepped(loss: Loss, theta: Floats, rate: float, times: int = 1) -> Floats:
    """θ after so many steps down the gradient."""
    for _ in range(times):
        theta = theta - rate * loss(theta)[1]
    return theta
