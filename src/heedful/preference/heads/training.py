"""Training of many small networks at once by votes, in PyTorch, with early stopping on votes held out by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import Floats, MissingExtraError
from heedful.models.encoders import Arrays
from heedful.preference.heads.rewards import LOG_SD_WIDTH, START_SD, Reward
from heedful.preference.heads.votes import Votes

# What the forward pass of members M is: (parameters, features [n, d]) -> outputs [M, n, o].
Forward = Callable[[Mapping[str, Any], Any], Any]
# A tie term that stands for "no ties".
_NEVER = -30.0


@dataclass(frozen=True)
class Schedule:
    """How to train: AdamW at `rate` with decoupled `decay`, `batch` votes a step, at most `epochs`, until no member's
    held-out loss has fallen for `patience` epochs."""

    rate: float = 1e-3
    decay: float = 0.1
    batch: int = 256
    epochs: int = 200
    patience: int = 6


@dataclass(frozen=True)
class Trained:
    """The parameters of each member at its least held-out loss, that loss (nats a vote) [M], and epochs run."""

    parameters: Arrays
    loss: Floats
    epochs: int


def torch_module() -> Any:
    """PyTorch, imported when first used. Raises MissingExtraError without it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "heads") from error
    return torch


def train(
    forward: Forward,
    start: Arrays,
    fixed: Arrays,
    design: Floats,
    votes: Votes,
    weights: Floats,
    held: Floats,
    reward: Reward,
    schedule: Schedule,
    rng: np.random.Generator,
) -> Trained:
    """Train members from parameters `start` (first axis M), with `fixed` ones beside them.

    `weights` and `held` [M, len(votes)] multiply each vote in training and in the loss that stops it; a vote trains a
    member where its weight is above 0. The loss is the mean negative log-likelihood: Davidson's model of comparisons
    with a tie term of each member's own; of standardised ratings the Gaussian or pinball loss, or the cross-entropy of
    bins.
    """
    torch = torch_module()
    loss = _Loss(torch, votes, reward, start)
    x = torch.as_tensor(design, dtype=torch.float32)
    free = {
        name: torch.tensor(value, dtype=torch.float32, requires_grad=True)
        for name, value in {**start, **loss.start(len(weights))}.items()
    }
    constant = {name: torch.as_tensor(value, dtype=torch.float32) for name, value in fixed.items()}
    weighing, stopping = (torch.as_tensor(value, dtype=torch.float32) for value in (weights, held))
    decayed = [value for name, value in free.items() if value.ndim == 3]
    others = [value for value in free.values() if value.ndim != 3]
    groups = [{"params": decayed, "weight_decay": schedule.decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=schedule.rate)
    best = np.full(len(weights), np.inf)
    own_all = all(len(value) == len(weights) for value in free.values())
    kept = {name: value.detach().clone() for name, value in free.items()}
    everything, since, epoch = torch.arange(len(votes)), 0, 0
    while epoch < schedule.epochs and since < schedule.patience:
        epoch += 1
        for rows in torch.as_tensor(rng.permutation(len(votes))).split(schedule.batch):
            optimiser.zero_grad()
            own = weighing[:, rows]
            # Scaled by the whole, so that a step is as long whatever weights its batch happens to hold.
            scale = len(rows) * weighing.mean(dim=1)
            total = loss(forward, {**free, **constant}, x, rows, own) / scale
            (total.sum() + loss.prior(forward, {**free, **constant}, x, rows) / len(votes)).backward()
            optimiser.step()
        with torch.no_grad():
            now = loss(forward, {**free, **constant}, x, everything, stopping) / stopping.sum(dim=1)
        found = now.numpy().astype(np.float64)
        better = found < best if own_all else np.full(len(found), found.mean() < best.mean())
        since = 0 if better.any() else since + 1
        best = np.where(better, found, best)
        _keep(kept, free, torch.as_tensor(better))
    parameters = {name: value.numpy().astype(np.float64) for name, value in kept.items()}
    return Trained(parameters, best, epoch)


def _keep(kept: dict[str, Any], free: Mapping[str, Any], better: Any) -> None:
    """Copy the parameters of the members that got better. Members that share parameters get better all at once."""
    for name, value in free.items():
        if len(value) == len(better):
            kept[name][better] = value.detach()[better]
        elif better.all():
            kept[name].copy_(value.detach())


class _Loss:
    """The summed negative log-likelihood of some votes for each member [M]."""

    def __init__(self, torch: Any, votes: Votes, reward: Reward, start: Arrays) -> None:
        self.torch, self.reward = torch, reward
        self.comparisons = len(votes.first)
        self.ties = bool(votes.tied.any())
        self.first, self.second, self.tied = (
            torch.as_tensor(column) for column in (votes.first, votes.second, votes.tied)
        )
        self.share, self.margin, self.weight = (
            torch.as_tensor(column, dtype=torch.float32) for column in (votes.share, votes.margin, votes.weight)
        )
        self.scales = len(votes.ratings)
        item, value, scale = [np.zeros(0, np.intp)], [np.zeros(0)], [np.zeros(0, np.intp)]
        for number, own in enumerate(votes.ratings.values()):
            item.append(own.item)
            value.append(own.standard)
            scale.append(np.full(len(own.item), number))
        self.item, self.scale = torch.as_tensor(np.concatenate(item)), torch.as_tensor(np.concatenate(scale))
        self.value = torch.as_tensor(np.concatenate(value), dtype=torch.float32)
        self.log_weights = torch.as_tensor(np.log(reward.weights), dtype=torch.float32)[:, None, None]
        self.levels = torch.as_tensor(reward.levels, dtype=torch.float32)[:, None, None]

    def start(self, members: int) -> Arrays:
        """The likelihoods' own parameters: a tie term, and where, how steep and how noisy each scale is."""
        made: Arrays = {"tie": np.full((members, 1), -1.0 if self.ties else _NEVER)}
        if self.scales:
            made |= {name: np.zeros((members, self.scales)) for name in ("offset", "log_slope", "log_noise")}
        return made

    def __call__(self, forward: Forward, parameters: Mapping[str, Any], x: Any, rows: Any, weight: Any) -> Any:
        total = self.torch.zeros(len(weight))
        pairs = rows < self.comparisons
        if bool(pairs.any()):
            own = rows[pairs]
            found = self._comparisons(forward, parameters, x, own)
            total = total - (weight[:, pairs] * self.weight[own] * found).sum(1)
        if bool((~pairs).any()):
            own = rows[~pairs] - self.comparisons
            total = total + (weight[:, ~pairs] * self._ratings(forward, parameters, x, own)).sum(1)
        return total

    def _comparisons(self, forward: Forward, parameters: Mapping[str, Any], x: Any, rows: Any) -> Any:
        """Log-likelihood [M, v]: for a share s, s log P(first) + (1 − s) log P(second), each at its margin."""
        xp = self.torch
        outputs = forward(parameters, x[xp.cat([self.first[rows], self.second[rows]])])
        gaps = self.reward.differences(outputs[:, : len(rows)], outputs[:, len(rows) :], xp)
        tie = parameters["tie"] if self.ties else xp.full_like(parameters["tie"], _NEVER)
        share, margin, tied = self.share[rows], self.margin[rows], self.tied[rows]
        won = self._first(gaps - margin, tie)
        lost = self._first(-gaps - margin, tie)
        decided = share * won + (1 - share) * lost
        if not self.ties:
            return decided
        return xp.where(tied, self._mixed(tie - self._whole(gaps, tie)), decided)

    def _first(self, gaps: Any, tie: Any) -> Any:
        return self._mixed(gaps / 2 - self._whole(gaps, tie))

    def _whole(self, gaps: Any, tie: Any) -> Any:
        decided = self.torch.logaddexp(gaps / 2, -gaps / 2)
        return self.torch.logaddexp(decided, tie + 0 * gaps) if self.ties else decided

    def _mixed(self, log_prob: Any) -> Any:
        return self.torch.logsumexp(log_prob + self.log_weights, dim=0)

    def _ratings(self, forward: Forward, parameters: Mapping[str, Any], x: Any, rows: Any) -> Any:
        """The loss [M, r] of ratings, each scale a line in the reward: value = offset + slope · reward (+ noise)."""
        xp, outputs, scale = self.torch, forward(parameters, x[self.item[rows]]), self.scale[rows]
        # Without comparisons the first scale is the unit of the reward.
        unit = 0.0 if self.comparisons else 1.0
        fixed = (self.scale[rows] > 0).float() if unit else xp.ones(len(rows))
        slope = xp.exp(parameters["log_slope"][:, scale] * fixed)
        centre = parameters["offset"][:, scale] * fixed
        if self.reward.kind == "bins":
            target = self.reward.smeared((self.value[rows] - centre) / slope, xp)
            return xp.log(slope) - (target * self.reward.logits(outputs, xp).log_softmax(-1)).sum(-1)
        miss = self.value[rows] - centre - slope * self.reward.values(outputs, xp)
        if self.reward.kind == "quantiles":
            return xp.maximum(self.levels * miss, (self.levels - 1) * miss).mean(0) * 2
        log_noise = parameters["log_noise"][:, scale]
        if self.reward.kind == "gaussian":
            log_noise = outputs[..., 1] + xp.log(slope)
        return (miss[0] * xp.exp(-log_noise)) ** 2 / 2 + log_noise

    def prior(self, forward: Forward, parameters: Mapping[str, Any], x: Any, rows: Any) -> Any:
        """A pull of log standard deviations to where they start, where comparisons alone would hardly tell them."""
        if self.reward.kind != "gaussian" or not self.comparisons:
            return self.torch.zeros(())
        own = rows[rows < self.comparisons]
        outputs = forward(parameters, x[self.first[own]])
        off = (outputs[..., 1] - float(np.log(START_SD))) / LOG_SD_WIDTH
        return (off**2).sum() / 2 * self.comparisons / max(len(own), 1)
