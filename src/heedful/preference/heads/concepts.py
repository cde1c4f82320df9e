"""Which of many named features enter a linear reward: a spike and a slab, sampled over sets of features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import FitError, Floats, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.heads.checks import check_positive
from heedful.preference.heads.linear import FittedLinear
from heedful.preference.heads.votes import Votes
from heedful.preference.inference import Optimum, log_evidence, maximise
from heedful.preference.likelihoods import Likelihood
from heedful.preference.noise import mirrored
from heedful.preference.sandwich import penalised_covariance
from heedful.preference.widths import penalised

Inside = NDArray[np.bool_]
# Newton's last step is taken from so near (nats a unit of a feature): evidence is then right to the square of it.
_TOLERANCE = 1e-3
# What proposes features: from those inside a set [d], how likely each feature [d] is to be proposed. Above 0 for all.
Proposer = Callable[[Inside], Floats]


@dataclass(frozen=True)
class Concepts:
    """u = Σ_{j in S} θ_j x_j, θ_j ~ N(0, `prior_sd`²), each feature in S with chance `expected` / d beforehand.

    Sets are sampled by Metropolis and Hastings' rule on their Laplace evidence: a feature is proposed to enter or
    leave, or one inside is exchanged for a proposed one. After Feng et al. 2024, "Bayesian concept bottleneck models
    with LLM priors", where a language model proposes; here `proposer` does, whatever its leanings: it decides how soon
    the sets of most evidence are found, not which they are. The chain starts at the set that greedy additions reach
    and drops its first quarter; with no `steps`, the greedy set is all.
    """

    prior_sd: float = 1.0
    expected: float = 3.0
    steps: int = 2000
    pairs: int = 128
    proposer: Proposer | None = None
    name: str = "concepts"

    def __post_init__(self) -> None:
        check_positive(self.prior_sd, "prior_sd")
        check_positive(self.expected, "expected")
        if self.steps < 0:
            raise UsageError(f"there are no {self.steps} steps", where="Concepts.steps")

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedConcepts:
        """Raises FitError where no vote says anything, InputError where votes have margins or features are not finite.

        Raises UsageError where as many concepts as features are expected, or a proposer gives no chances.
        """
        votes.check(design)
        d, likelihoods = design.shape[1], votes.likelihoods(len(design))
        if not likelihoods:
            raise FitError("all judgements say the same, so no utility can be fitted", fix="collect others")
        if self.expected >= d:
            fix = "expect fewer: a set of all features is Linear"
            raise UsageError(f"{self.expected:g} of {d} features are expected", where="Concepts.expected", fix=fix)
        sets = Sets(likelihoods, design, self.prior_sd, self.expected / d)
        chain = walk(sets.score, greedy(sets.score, d), self.steps, self.proposer or _evenly, rng)
        visits = Counter(own.tobytes() for own in chain[len(chain) // 4 :])
        share = np.array(list(visits.values())) / visits.total()
        inside = np.array([np.frombuffer(key, bool) for key in visits])
        places, noise = np.zeros((len(visits), d)), []
        for number, count in enumerate(rng.multinomial(self.pairs, share)):
            optimum, own = sets.optimum(inside[number]), inside[number]
            places[number, own] = optimum.point.x[: own.sum()]
            drawn = np.zeros((count, d))
            if own.any():
                drawn[:, own] = penalised_covariance(optimum, votes.clusters).noise.sample(count, rng)[:, : own.sum()]
            noise.append(drawn + places[number])
        mean = share @ places
        return FittedConcepts(mean, mirrored(mean, np.concatenate(noise) - mean), self.name, inclusion=share @ inside)


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedConcepts(FittedLinear):
    """A linear head that also says how probable it is that each feature is in: `inclusion` [d]."""

    inclusion: Floats

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, state = super().state()
        return {**arrays, "inclusion": self.inclusion}, {**state, "head": "concepts"}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        own = arrays["weights"], arrays["drawn"], state["name"], dict(state["facts"])
        return cls(*own, inclusion=arrays["inclusion"])


class Sets:
    """Log posterior and fit of every set of features asked for, remembered."""

    def __init__(self, likelihoods: tuple[Likelihood, ...], design: Floats, prior_sd: float, chance: float) -> None:
        self.likelihoods, self.design, self.prior_sd = likelihoods, design, prior_sd
        self.odds = np.log(chance) - np.log1p(-chance)
        self._known: dict[bytes, tuple[float, Optimum]] = {}
        # Each fit begins where those before it ended.
        self._weights, self._others = np.zeros(design.shape[1]), np.zeros(0)

    def score(self, inside: Inside) -> float:
        """The log posterior of the set [d], up to a constant."""
        return self._at(inside)[0]

    def optimum(self, inside: Inside) -> Optimum:
        """The fit of the weights of the set's features."""
        return self._at(inside)[1]

    def _at(self, inside: Inside) -> tuple[float, Optimum]:
        key = inside.tobytes()
        if key not in self._known:
            optimum = self._fitted(inside)
            self._known[key] = log_evidence(optimum) + self.odds * inside.sum(), optimum
        return self._known[key]

    def _fitted(self, inside: Inside) -> Optimum:
        if not inside.any():
            # In place of no features, one of zeros: its weight keeps its prior and adds nothing to the evidence.
            return maximise(penalised(self.likelihoods, np.zeros((len(self.design), 1)), self.prior_sd))
        problem = penalised(self.likelihoods, self.design[:, inside], self.prior_sd)
        start = np.append(self._weights[inside], self._others) if self._weights.any() else None
        optimum = maximise(problem, start, tolerance=_TOLERANCE)
        self._weights[inside], self._others = np.split(optimum.point.x, [inside.sum()])
        return optimum


def greedy(score: Callable[[Inside], float], d: int) -> Inside:
    """The set reached from none by adding, each time, the feature that raises the score most, until none does."""
    inside = np.zeros(d, bool)
    while not inside.all():
        tried = [inside | (np.arange(d) == feature) for feature in np.flatnonzero(~inside)]
        best = max(tried, key=score)
        if score(best) <= score(inside):
            break
        inside = best
    return inside


def walk(
    score: Callable[[Inside], float], start: Inside, steps: int, propose: Proposer, rng: np.random.Generator
) -> Inside:
    """Sets [1 + steps, d] visited by a chain whose law is proportional to exp(score), beginning at `start` [d].

    Half of the steps propose one feature to enter or leave, the others to exchange one inside for one outside; each is
    accepted with min(1, exp(score' − score) · back / forth), `back` and `forth` the chances of proposing either way.
    Where there is nothing to exchange the chain stays, as else it would leave such sets too often.
    Raises UsageError where a proposer gives anything but a positive number for each feature.
    """
    visited = [start]
    for _ in range(steps):
        now = visited[-1]
        exchange = bool(rng.random() < 0.5)
        if exchange and (now.all() or not now.any()):
            visited.append(now)
            continue
        forth = _chances(propose, now, outside=exchange)
        feature = int(rng.choice(len(now), p=forth))
        changed = now.copy()
        changed[feature] = not now[feature]
        left = feature
        if exchange:
            left = int(rng.choice(np.flatnonzero(now)))
            changed[left] = False
        back = _chances(propose, changed, outside=exchange)
        ratio = score(changed) - score(now) + np.log(back[left]) - np.log(forth[feature])
        visited.append(changed if np.log(rng.random()) < ratio else now)
    return np.array(visited)


def _chances(propose: Proposer, inside: Inside, *, outside: bool) -> Floats:
    """The chances [d] of each feature to be proposed; with `outside`, among those that are not inside."""
    given = np.asarray(propose(inside), np.float64)
    if given.shape != inside.shape or not ((given > 0) & np.isfinite(given)).all():
        fix = "give an array of positive chances, one for each feature"
        raise UsageError("a proposer gives every feature a positive chance", where="proposer", fix=fix)
    kept = np.where(inside, 0.0, given) if outside else given
    return np.asarray(kept / kept.sum())


def _evenly(inside: Inside) -> Floats:
    return np.ones(len(inside))
