"""Ensembles of small networks on features: random priors, bootstrapped votes, and Laplace on each last layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg
from scipy.special import expit

from heedful.core import Floats, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.heads.base import ByGap, Gap, prefixed, under
from heedful.preference.heads.members import tanh
from heedful.preference.heads.rewards import REACH, Kind, Reward
from heedful.preference.heads.training import Schedule, Trained, train
from heedful.preference.heads.votes import Votes, folds

# Precisions of the last layer's prior that its evidence chooses from.
_PRECISIONS = np.logspace(-2, 5, 36)


@dataclass(frozen=True)
class Networks:
    """An ensemble of networks u = w · x + one hidden layer of tanh, trained by Bradley-Terry (Davidson if votes tie).

    Each member has its own start, a fixed random network added to it (`prior` nats; Osband et al. 2018, "Randomized
    prior functions"), exponential weights for each group of votes (the Bayesian bootstrap) and its own fold of groups
    held out to stop its training. Draws are the members, each moved `per_member` ways and back by a Laplace
    approximation of its last layer, so that there are more than members; they are mirrored about the ensemble's mean.
    `kind` says what is put out: "point", "gaussian" (mean and spread), "quantiles" or "bins"; see `Reward`. From
    comparisons alone a spread is known only through how fast votes become sure with distance, which takes many
    votes: it is held near 0.5 nats by a prior. Votes may have margins. The mean of skewed quantiles may favour
    another item than their probability does.

    On sentence embeddings none of the three is shown to beat `Linear` on HH-RLHF (-0.003 nats at best, intervals across
    0), and all lose to `Linear` on words there; see docs/benchmarks.md.
    """

    kind: Kind = "point"
    members: int = 8
    width: int = 32
    prior: float = 0.3
    per_member: int = 4
    folds: int = 8
    schedule: Schedule = field(default_factory=Schedule)
    quantiles: int = 9
    bins: int = 31

    def __post_init__(self) -> None:
        if self.members < 2 or self.folds < 2:
            raise UsageError("an ensemble has at least 2 members and 2 folds", where="Networks")

    @property
    def name(self) -> str:
        return self.reward.name

    @property
    def reward(self) -> Reward:
        return Reward(self.kind, self.bins if self.kind == "bins" else self.quantiles)

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedNetworks:
        """Raises MissingExtraError without torch, InputError with fewer groups than folds or features not finite."""
        votes.check(design)
        reward, d = self.reward, design.shape[1]
        unit = unit_of(design)
        x = design / unit
        fold = folds(votes.groups, self.folds, rng)
        mine = fold == (np.arange(self.members) % self.folds)[:, None]
        weights = np.where(mine, 0.0, bootstrap(votes.groups, self.members, rng))
        start, fixed = self._start(d, reward, rng), self._prior(d, reward, rng)
        trained = train(forward, start, fixed, x, votes, weights, mine.astype(np.float64), reward, self.schedule, rng)
        parameters = {**trained.parameters, **fixed}
        moves = last_layer_noise(parameters, x, votes, reward, self.per_member, rng)
        return FittedNetworks(reward, unit, parameters, moves, _facts(trained, reward, votes))

    def _start(self, d: int, reward: Reward, rng: np.random.Generator) -> Arrays:
        m, w, o = self.members, self.width, reward.size
        return {
            "skip": np.zeros((m, d, o)),
            "hidden": rng.standard_normal((m, d, w)) / math.sqrt(d),
            "bias": 0.1 * rng.standard_normal((m, w)),
            "last": rng.standard_normal((m, w, o)) * (0.1 / math.sqrt(w)),
            "constant": np.tile(reward.start, (m, 1)),
        }

    def _prior(self, d: int, reward: Reward, rng: np.random.Generator) -> Arrays:
        m, w = self.members, self.width
        last = np.zeros((m, w, reward.size))
        last[..., 0] = rng.standard_normal((m, w)) * (self.prior / math.sqrt(w))
        return {"prior.hidden": rng.standard_normal((m, d, w)) / math.sqrt(d), "prior.last": last}


def unit_of(design: Floats) -> float:
    """What features are divided by, so that one has mean square 1 on average."""
    return math.sqrt(float((design**2).mean())) or 1.0


def forward(parameters: Mapping[str, Any], x: Any) -> Any:
    """Outputs [M, n, o] of features [n, d]; arrays of NumPy or torch alike."""
    outputs = x @ parameters["skip"] + activations(parameters, x) @ parameters["last"]
    if "prior.last" in parameters:
        outputs = outputs + tanh(x @ parameters["prior.hidden"]) @ parameters["prior.last"]
    return outputs + parameters["constant"][:, None]


def activations(parameters: Mapping[str, Any], x: Any) -> Any:
    """The last hidden layer [M, n, w]."""
    return tanh(x @ parameters["hidden"] + parameters["bias"][:, None])


def bootstrap(groups: NDArray[np.intp], members: int, rng: np.random.Generator) -> Floats:
    """Weights [M, v] with mean 1: exponential for each group and member (Rubin 1981, "The Bayesian bootstrap")."""
    names, code = np.unique(groups, return_inverse=True)
    return np.asarray(rng.standard_exponential((members, len(names)))[:, code])


def last_layer_noise(
    parameters: Arrays, x: Floats, votes: Votes, reward: Reward, count: int, rng: np.random.Generator
) -> Floats:
    """Deviations [M, count, w] of the weights of the mean's last layer, from a Laplace approximation of each member.

    The votes' information is that of decided comparisons at the fitted differences and, with ratings alone, that of
    Gaussian noise of standard deviation 1/2. The prior's precision has the greatest Laplace evidence at the trained
    weights (Immer et al. 2021, "Scalable marginal likelihood estimation", equation 5, last layer alone).
    """
    outputs, hidden = forward(parameters, x), activations(parameters, x)
    noise = []
    for member, inner in enumerate(hidden):
        utility = reward.mean(outputs[member], np)
        between = inner[votes.first] - inner[votes.second]
        p = expit(utility[votes.first] - utility[votes.second])
        information = between.T @ ((votes.weight * p * (1 - p))[:, None] * between)
        for own in votes.ratings.values():
            information += 4 * inner[own.item].T @ inner[own.item]
        values, vectors = linalg.eigh(information)
        weights = parameters["last"][member, :, 0]
        evidence = [
            len(values) * math.log(precision) - precision * float(weights @ weights) - np.log(values + precision).sum()
            for precision in _PRECISIONS
        ]
        precision = _PRECISIONS[int(np.argmax(evidence))]
        drawn = rng.standard_normal((count, len(values))) / np.sqrt(np.maximum(values, 0) + precision)
        noise.append(drawn @ vectors.T)
    return np.array(noise)


def _facts(trained: Trained, reward: Reward, votes: Votes) -> dict[str, Any]:
    """How training ended and, for bins, how many standardised ratings lie beyond them and count in the outer ones."""
    facts: dict[str, Any] = {"held_out_loss": trained.loss.tolist(), "epochs": trained.epochs}
    if reward.kind == "bins":
        facts["beyond"] = sum(int((np.abs(own.standard) > REACH).sum()) for own in votes.ratings.values())
    return facts


@dataclass(frozen=True, eq=False)
class FittedNetworks(ByGap):
    """Parameters of M networks, and the moves [M, r, w] of their last layers; evaluated without torch."""

    reward: Reward
    unit: float
    parameters: Arrays
    moves: Floats
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return self.reward.name

    def mean(self, features: Floats) -> Floats:
        return np.asarray(self.reward.mean(self._outputs(features), np).mean(axis=0))

    def draws(self, features: Floats) -> Floats:
        """[4 M r, m]: members moved and moved back, and the mirror images of all these about the ensemble's mean."""
        means = self.reward.mean(self._outputs(features), np)
        hidden = activations(self.parameters, features / self.unit)
        moved = self.moves @ hidden.swapaxes(1, 2)
        centre = means.mean(axis=0)
        noise = np.concatenate([(means - centre)[:, None] + moved, (means - centre)[:, None] - moved], axis=1)
        noise = noise.reshape(2 * moved.shape[0] * moved.shape[1], len(features))
        return np.concatenate([centre + noise, centre - noise])

    def aleatoric(self, features: Floats) -> Floats | None:
        spread = self.reward.spread(self._outputs(features))
        return None if spread is None else np.asarray(np.sqrt((spread**2).mean(axis=0)))

    def quantiles(self, features: Floats, levels: ArrayLike) -> Floats:
        """The reward at these levels of people's own spread [l, m], each the mean over the ensemble's members."""
        return np.asarray(self.reward.quantiles(self._outputs(features), levels).mean(axis=1))

    def gap(self, first: Floats, second: Floats) -> Gap:
        """Draws of the difference, each with people's spread around it as the ensemble's members have it."""
        between = self.draws(first) - self.draws(second)
        one, other = self._outputs(first), self._outputs(second)
        around = self.reward.differences(one, other, np)
        around = (around - (self.reward.mean(one, np) - self.reward.mean(other, np))).mean(axis=1)
        return Gap(between[:, None] + around, self.reward.weights)

    def _outputs(self, features: Floats) -> Floats:
        return np.asarray(forward(self.parameters, features / self.unit))

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {"moves": self.moves, **prefixed("parameters.", self.parameters)}
        return arrays, {"head": "networks", "unit": self.unit, "reward": asdict(self.reward), "facts": self.facts}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        parameters = under("parameters.", arrays)
        return cls(Reward(**state["reward"]), state["unit"], parameters, arrays["moves"], dict(state["facts"]))
