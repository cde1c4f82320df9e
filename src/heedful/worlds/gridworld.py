"""A grid to walk on: every policy can be solved exactly, so what a reward learnt from segments is worth is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError
from heedful.models.decisions import DecisionProcess

_MOVES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


@dataclass(frozen=True, eq=False)
class GridWorld:
    """`size` × `size` cells, each of one of `symbols` kinds (0 to symbols − 1), and four moves.

    A move goes astray in a random direction with probability `slip`, and one off the grid stays. The last symbol is the
    goal: `goals` cells have it, and a walk that enters one ends there. The others lie about at random.
    """

    size: int = 6
    symbols: int = 5
    goals: int = 1
    slip: float = 0.0
    discount: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.symbols < 2 or not 1 <= self.goals < self.cells or not 0 <= self.slip <= 1:
            fix = "two symbols or more, a goal and a cell that is none, slip in [0, 1]"
            raise InputError("this grid cannot be made", where="GridWorld", fix=fix)

    @property
    def cells(self) -> int:
        return self.size**2

    @cached_property
    def symbol(self) -> NDArray[np.intp]:
        """The symbol of each cell [s]."""
        rng = np.random.default_rng(self.seed)
        symbol = rng.integers(self.symbols - 1, size=self.cells)
        symbol[rng.permutation(self.cells)[: self.goals]] = self.symbols - 1
        return symbol

    @cached_property
    def flags(self) -> Floats:
        """Which symbol each cell has [s, symbols]: ones and zeros."""
        return np.eye(self.symbols)[self.symbol]

    @cached_property
    def ends(self) -> NDArray[np.bool_]:
        """Where a walk ends [s]."""
        return np.asarray(self.symbol == self.symbols - 1)

    @cached_property
    def transitions(self) -> Floats:
        """Probabilities of the next cell [s, 4, s]."""
        place = np.stack(np.divmod(np.arange(self.cells), self.size), axis=1)
        there = np.clip(place[:, None] + _MOVES, 0, self.size - 1) @ [self.size, 1]
        there[self.ends] = np.flatnonzero(self.ends)[:, None]
        sure = np.eye(self.cells)[there]
        return np.asarray((1 - self.slip) * sure + self.slip * sure.mean(axis=1, keepdims=True))

    def process(self, features: Floats | None = None) -> DecisionProcess:
        """The decision process in which a step gives the expected `features` [s, d] of the cell entered; None: flags.

        In a cell where walks end, steps give nothing.
        """
        given = self.transitions @ (self.flags if features is None else features)
        return DecisionProcess(self.transitions, given * ~self.ends[:, None, None], self.discount)

    def walks(self, count: int, length: int, *, rng: np.random.Generator) -> Floats:
        """Segments of `length` random steps from random cells where no walk ends: visits [count, s, 4]."""
        at = rng.choice(np.flatnonzero(~self.ends), count)
        visits = np.zeros((count, self.cells, len(_MOVES)))
        rows, edges = np.arange(count), np.cumsum(self.transitions, axis=2)
        for _ in range(length):
            move = rng.integers(len(_MOVES), size=count)
            visits[rows, at, move] += 1
            at = np.argmax(edges[at, move] > rng.random(count)[:, None], axis=1)
        return visits

    def paths(
        self, policies: NDArray[np.intp], start: int, length: int, *, rng: np.random.Generator
    ) -> NDArray[np.intp]:
        """A walk of each of the policies [n, s] from one cell: the cells [n, length + 1] that it is in."""
        rows, edges = np.arange(len(policies)), np.cumsum(self.transitions, axis=2)
        cells = [np.full(len(policies), start)]
        for _ in range(length):
            edge = edges[cells[-1], policies[rows, cells[-1]]]
            # Rounding may leave the last edge below one.
            cells.append(np.argmax(edge > rng.random((len(policies), 1)) * edge[:, -1:], axis=1))
        return np.stack(cells, axis=1)

    def gathered(self, paths: NDArray[np.intp]) -> Floats:
        """Discounted counts [n, symbols] of the symbols of cells entered on walks [n, length + 1], up to their end."""
        entered = self.flags[paths[:, 1:]] * ~self.ends[paths[:, :-1], None]
        return np.asarray(np.einsum("t,nts->ns", self.discount ** np.arange(entered.shape[1]), entered))

    def value(self, policy: NDArray[np.intp] | Floats, weights: Floats) -> float:
        """Mean value under the reward flags · weights of a policy, over the cells where no walk ends."""
        return float((self.process().successor_features(policy) @ weights)[~self.ends].mean())

    def normalised_value(self, policy: NDArray[np.intp] | Floats, weights: Floats) -> float:
        """The value as a share of what the best policy gains over random moves: 1 for the best, 0 for random moves."""
        random = self.value(np.full((self.cells, len(_MOVES)), 1 / len(_MOVES)), weights)
        best = self.value(self.process().best(weights), weights)
        return (self.value(policy, weights) - random) / (best - random)
