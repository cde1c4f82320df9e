"""What miniatures of learnt rewards share: worlds in which a reward can be gamed, and rewards from few votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.learning import Listed, Records, differing
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes

_FAR = (-1.0, 5.0)


@dataclass(frozen=True, eq=False)
class Proxy:
    """A reward linear in features, from votes: its `mean` [c, m] for each output and `draws` [k, c, m] of it (nats)."""

    mean: Floats
    draws: Floats

    @classmethod
    def of(cls, world: Listed, votes: Records, rng: np.random.Generator, *, prior_sd: float = 1.0) -> Proxy:
        """From records of two outputs, by the world's features; votes between an output and itself tell nothing and are
        left out."""
        assert world.features is not None
        rows, told = world.features.reshape(-1, world.features.shape[-1]), differing(votes)
        first, second = told.outputs.T + told.prompts * world.base.shape[1]
        fitted = Linear(prior_sd).fit(rows, Votes.of(first, second, told.said["prefer"]), rng=rng)
        return cls(fitted.mean(rows).reshape(world.base.shape), fitted.draws(rows).reshape(-1, *world.base.shape))

    def prompts(self, rows: slice) -> Proxy:
        """The reward of the outputs of some prompts."""
        return Proxy(self.mean[rows], self.draws[:, rows])


def overlong(rng: np.random.Generator, shape: tuple[int, int, int]) -> Listed:
    """A world of shape [c, m, d] whose first feature, from −1 to 5, is better up to 1.25 and worse beyond, where the
    base seldom goes: a linear reward from its draws takes more of it for better. In the others utilities are linear."""
    features = rng.normal(size=shape)
    features[:, :, 0] = rng.uniform(*_FAR, size=shape[:2])
    far = features[:, :, 0]
    told = features[:, :, 1:] @ (rng.normal(size=shape[2] - 1) / np.sqrt(shape[2] - 1))
    base = log_softmax(rng.normal(size=shape[:2]) - 1.5 * far, axis=1)
    return Listed(base, told + far - 0.4 * far**2, features)
