"""Decision processes small enough to solve: what each policy is worth, and which is the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError

Policy = NDArray[np.intp]
# An action must be better by more than this much of the value's size to replace the policy's own.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class DecisionProcess:
    """S states with A actions each: `transitions` [s, a, s] are probabilities of the next state, `features` [s, a, d]
    what a step gives, of which a reward is a weighting, and a later step counts `discount` times as much.

    A state that ends an episode leads to itself with features 0. Policies are an action for each state [s], or
    probabilities of actions [s, a]. Raises InputError where shapes or numbers are not these.
    """

    transitions: Floats
    features: Floats
    discount: float

    def __post_init__(self) -> None:
        steps = self.transitions.shape[:2]
        if self.transitions.ndim != 3 or self.transitions.shape[2] != steps[0] or self.features.shape[:-1] != steps:
            what = f"transitions [s, a, s] and features [s, a, d], not {self.transitions.shape}, {self.features.shape}"
            raise InputError(what, where="DecisionProcess")
        if (self.transitions < 0).any() or not np.allclose(self.transitions.sum(axis=2), 1):
            raise InputError("the next state's probabilities sum to 1", where="DecisionProcess.transitions")
        if not 0 <= self.discount < 1 or not np.isfinite(self.features).all():
            raise InputError("the discount lies in [0, 1) and features are finite", where="DecisionProcess")

    def successor_features(self, policy: Policy | Floats) -> Floats:
        """ψ [s, d], the discounted sum of features to come under a policy: ψ = φ_π + γ P_π ψ, solved exactly.

        ψ @ w is the value of the policy under the reward φ · w (Barreto et al. 2017, "Successor features for transfer
        in reinforcement learning").
        """
        if policy.ndim == 1:
            rows = np.arange(len(policy))
            move, given = self.transitions[rows, policy], self.features[rows, policy]
        else:
            move = np.einsum("sa,sat->st", policy, self.transitions)
            given = np.einsum("sa,sad->sd", policy, self.features)
        return np.asarray(np.linalg.solve(np.eye(len(move)) - self.discount * move, given))

    def advantages(self, policy: Policy | Floats) -> Floats:
        """Features [s, a, d] of what a step gains over the policy: φ + γ E ψ(next) − ψ, whose weighting is A_π."""
        successor = self.successor_features(policy)
        return np.asarray(self.features + self.discount * (self.transitions @ successor) - successor[:, None])

    def best(self, weights: Floats, start: Policy | None = None) -> Policy:
        """A policy [s] of greatest value in every state under the reward φ · w, by policy iteration (Howard 1960).

        Of equal actions, that of `start` is kept; without one, it begins greedy for the next step.
        """
        reward = self.features @ weights
        policy = np.argmax(reward, axis=1) if start is None else start
        rows = np.arange(len(policy))
        while True:
            value = self.successor_features(policy) @ weights
            worth = reward + self.discount * (self.transitions @ value)
            better = worth.max(axis=1) > worth[rows, policy] + _ROUNDING * (1 + np.abs(value).max())
            if not better.any():
                return policy
            policy = np.where(better, worth.argmax(axis=1), policy)
