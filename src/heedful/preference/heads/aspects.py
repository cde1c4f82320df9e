"""Several linear aspects, weighed by a gate that depends on the features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from heedful.core import Floats, UsageError
from heedful.preference.heads.members import FittedMembers, aspects_forward
from heedful.preference.heads.networks import bootstrap, unit_of
from heedful.preference.heads.rewards import Reward
from heedful.preference.heads.training import Schedule, train
from heedful.preference.heads.votes import Votes, folds


@dataclass(frozen=True)
class Aspects:
    """u(x) = Σ_a g_a(x) θ_a · x with g a softmax of linear scores: a dense mixture of linear experts.

    The inner layer of Quan 2024, "DMoERM: recipes of mixture-of-experts for effective reward modeling", with linear
    aspects on given features in place of adapted language models. Members differ by their starts, the Bayesian
    bootstrap of groups and the fold of groups that stops each; they are the draws. On sentence embeddings of HH-RLHF
    and PandaLM not shown to beat one linear head with a width to suit; see docs/benchmarks.md.
    """

    aspects: int = 4
    members: int = 8
    folds: int = 8
    schedule: Schedule = field(default_factory=Schedule)
    name: str = "aspects"

    def __post_init__(self) -> None:
        if self.aspects < 2 or self.members < 2:
            raise UsageError("there are at least 2 aspects and 2 members", where="Aspects")

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedMembers:
        """Raises MissingExtraError without torch, InputError with fewer groups than folds or features not finite."""
        votes.check(design)
        unit, d, m = unit_of(design), design.shape[1], self.members
        mine = folds(votes.groups, self.folds, rng) == (np.arange(m) % self.folds)[:, None]
        weights = np.where(mine, 0.0, bootstrap(votes.groups, m, rng))
        start = {
            "aspects": 0.01 * rng.standard_normal((m, d, self.aspects)) / math.sqrt(d),
            "gate": rng.standard_normal((m, d, self.aspects)) / math.sqrt(d),
            "constant": np.zeros((m, self.aspects)),
        }
        trained = train(
            aspects_forward,
            start,
            {},
            design / unit,
            votes,
            weights,
            mine.astype(np.float64),
            Reward(),
            self.schedule,
            rng,
        )
        facts = {"held_out_loss": trained.loss.tolist(), "epochs": trained.epochs}
        return FittedMembers("aspects", unit, trained.parameters, facts)
