"""What miniatures on grids share: walks compared by what they gather, and where moves lead as the walks tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heedful.catalogue.settings import Whole
from heedful.core import Floats
from heedful.models import DecisionProcess
from heedful.worlds import GridWorld

SYMBOLS, START, STEPS = 5, 0, 60


def slippery(seed: int) -> GridWorld:
    """A grid of 4 × 4 with five symbols on which one slips, whose first cell is no goal."""
    worlds = (GridWorld(4, SYMBOLS, slip=0.2, discount=0.9, seed=1000 * seed + own) for own in range(1000))
    return next(world for world in worlds if not world.ends[START])


def expected(process: DecisionProcess, policies: Whole) -> Floats:
    """The features [p, d] of policies [p, s] from the first cell."""
    return np.array([process.successor_features(policy)[START] for policy in policies])


@dataclass(eq=False)
class Walked:
    """A grid, of which is known which cells are next to each other; walks `told` say the rest.

    Where a move leads is Dirichlet: one for each cell next to this and for this, and one for each time that it led
    there.
    """

    world: GridWorld

    @cached_property
    def seen(self) -> Floats:
        """Counts [s, a, s]."""
        near = (self.world.transitions > 0).any(axis=1, keepdims=True)
        return near * np.ones(self.world.transitions.shape)

    def walk(self, policies: Whole, rng: np.random.Generator) -> Floats:
        """What walks of these policies [n, s] gather [n, symbols]; where they went is told."""
        paths = self.world.paths(policies, START, STEPS, rng=rng)
        moves = np.take_along_axis(policies, paths[:, :-1], axis=1)
        np.add.at(self.seen, (paths[:, :-1], moves, paths[:, 1:]), 1.0)
        return self.world.gathered(paths)

    def drawn(self, rng: np.random.Generator) -> DecisionProcess:
        """A draw of the process as it may be."""
        weight = rng.gamma(self.seen)
        there = weight / weight.sum(axis=2, keepdims=True)
        given = there @ self.world.flags * ~self.world.ends[:, None, None]
        return DecisionProcess(there, given, self.world.discount)
