"""An epistemic network: one network with an index as input, whose spread over indices is what is not known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from heedful.core import Floats
from heedful.models.encoders import Arrays
from heedful.preference.heads.members import FittedMembers, epinet_forward
from heedful.preference.heads.networks import unit_of
from heedful.preference.heads.rewards import Reward
from heedful.preference.heads.training import Schedule, train
from heedful.preference.heads.votes import Votes, folds


@dataclass(frozen=True)
class Epinet:
    """u(x, z) = μ(x) + zᵀ (η(x, z) + η⁰(x, z)): a base network and an epinet η with a fixed random one η⁰ beside it.

    Osband et al. 2023, "Epistemic neural networks", section 4, on frozen features. `indices` z of `dimensions` standard
    normal numbers are drawn once; each sees every group of votes twice or not at all, by the sign of a random
    projection of z ("double or nothing"). One fold of groups in `folds` stops the training.

    Loses: on sentence embeddings of HH-RLHF no better than `Linear`, on PandaLM the least of the networks; see
    docs/benchmarks.md.
    """

    indices: int = 32
    dimensions: int = 8
    width: int = 32
    prior: float = 0.3
    folds: int = 8
    schedule: Schedule = field(default_factory=Schedule)
    name: str = "epinet"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedMembers:
        """Raises MissingExtraError without torch, InputError with fewer groups than folds or features not finite."""
        votes.check(design)
        unit = unit_of(design)
        index = rng.standard_normal((self.indices, self.dimensions))
        held = folds(votes.groups, self.folds, rng) == 0
        _, code = np.unique(votes.groups, return_inverse=True)
        direction = rng.standard_normal((code.max() + 1, self.dimensions))
        weights = np.where(held, 0.0, 2.0 * (index @ direction.T > 0)[:, code])
        start, fixed = self._start(design.shape[1], rng)
        fixed["index"] = index
        stopping = np.tile(held.astype(np.float64), (self.indices, 1))
        trained = train(
            epinet_forward, start, fixed, design / unit, votes, weights, stopping, Reward(), self.schedule, rng
        )
        facts = {"held_out_loss": float(trained.loss.mean()), "epochs": trained.epochs}
        return FittedMembers("epinet", unit, {**trained.parameters, **fixed}, facts)

    def _start(self, d: int, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        w, k = self.width, self.dimensions

        def layers(name: str, size: float) -> Arrays:
            return {
                f"{name}.hidden": rng.standard_normal((1, d, w)) / math.sqrt(d),
                f"{name}.index": rng.standard_normal((1, k, w)) / math.sqrt(k),
                f"{name}.last": rng.standard_normal((1, w, k)) * (size / math.sqrt(w * k)),
            }

        base = {
            "skip": np.zeros((1, d, 1)),
            "hidden": rng.standard_normal((1, d, w)) / math.sqrt(d),
            "bias": 0.1 * rng.standard_normal((1, w)),
            "last": rng.standard_normal((1, w, 1)) * (0.1 / math.sqrt(w)),
        }
        return {**base, **layers("epi", 0.1)}, layers("prior", self.prior)
