"""Chooses the weights of `elicitation.Perturbed`: losses of a grid of weights in worlds from easy to hopeless.

    python benchmarks/robust_duels.py            # prints the table and the weights; a minute
    python benchmarks/robust_duels.py --quick    # a smoke test

Eight items, 24 duels, a Bradley-Terry posterior under N(0, 1) whatever the world. Loss: the utility that the item of
the greatest mean lacks at the end, as a share of what an item at random lacks.
"""

from __future__ import annotations

import sys
from itertools import product

import numpy as np
from scipy.special import expit

from heedful.catalogue.entries.robust import DUELS, ITEMS, WORLDS
from heedful.catalogue.games import laplace
from heedful.core import Floats
from heedful.elicitation.perturbed import ROBUST, minimax_regret, perturbed_pair

GAMES = 400
GRID = tuple(product((0.0, 0.3, 1.0, 2.0), (0.0, 0.5, 1.0, 2.0, 4.0)))


def lost(truth: Floats, noise: float, bonus: float, rng: np.random.Generator) -> float:
    """The mean loss of one game with each of these utilities [g, m]."""
    games = np.arange(len(truth))
    wins, left = np.zeros((len(truth), ITEMS, ITEMS)), np.tile(~np.eye(ITEMS, dtype=bool), (len(truth), 1, 1))
    mean, covariance = laplace(wins, np.zeros(truth.shape))
    for _ in range(DUELS):
        a, b = perturbed_pair(mean, covariance, rng.gumbel(size=truth.shape), left, noise, bonus)
        first = rng.random(len(truth)) < expit(truth[games, a] - truth[games, b])
        wins[games, np.where(first, a, b), np.where(first, b, a)] += 1
        mean, covariance = laplace(wins, mean)
    lacking = truth.max(axis=1) - truth[games, mean.argmax(axis=1)]
    return float((lacking / (truth.max(axis=1) - truth.mean(axis=1))).mean())


def main() -> None:
    games = 4 if "--quick" in sys.argv else GAMES
    truths = [
        np.stack([world(rng) for _ in range(games)])
        for rng, world in ((np.random.default_rng([1, c]), world) for c, world in enumerate(WORLDS.values()))
    ]
    losses = np.array([[lost(truth, *weights, np.random.default_rng(2)) for truth in truths] for weights in GRID])
    best, regret = minimax_regret(losses)
    print(f"{'noise':>6}{'bonus':>6}" + "".join(f"{name:>18}" for name in WORLDS))
    for weights, own, more in zip(GRID, losses, regret, strict=True):
        cells = "".join(f"{loss:>9.3f} (+{extra:.3f})" for loss, extra in zip(own, more, strict=True))
        print(f"{weights[0]:>6}{weights[1]:>6}{cells}")
    print(f"least regret in the worst world: noise, bonus = {GRID[best]}; committed: {ROBUST}")


if __name__ == "__main__":
    main()
