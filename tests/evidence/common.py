"""Potentials with known scores and draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from heedful.core import Floats, Item, Scale, Scores
from heedful.core.algebra import Expressible

ITEMS = tuple(Item.of("q", output) for output in ("a", "b", "c", "d"))


@dataclass(eq=False)
class Known(Expressible):
    """Looks an output's mean and draws up by its text; counts how often it is called."""

    mean: Mapping[str, float]
    draws: Mapping[str, Sequence[float]] | None = None
    scale: Scale = "utility"
    under: str | None = None
    aleatoric: Mapping[str, float] | None = None
    calls: int = field(default=0)

    def __call__(self, items: Sequence[Item]) -> Scores:
        self.calls += 1
        names = [item.output[0].text for item in items]

        def column(values: Mapping[str, float]) -> Floats:
            return np.array([values[name] for name in names], dtype=np.float64)

        drawn = None
        if self.draws is not None:
            k = len(next(iter(self.draws.values())))
            drawn = np.array([self.draws[name] for name in names], dtype=np.float64).reshape(len(names), k).T
        return Scores(column(self.mean), drawn, None if self.aleatoric is None else column(self.aleatoric))


class Bare:
    """A potential that inherits nothing."""

    scale: Scale = "utility"
    under: str | None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([float(ord(item.output[0].text)) for item in items]))


def known(seed: int, k: int | None = 40, scale: Scale = "utility", names: str = "abcd") -> Known:
    """Random means and draws about them; on the log_prob scale below 0."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=len(names))
    draws = mean + rng.normal(size=(k or 1, len(names)))
    if scale == "log_prob":
        mean, draws = -np.abs(mean) - 0.01, -np.abs(draws) - 0.01
    drawn = None if k is None else {name: draws[:, column].tolist() for column, name in enumerate(names)}
    return Known(dict(zip(names, mean.tolist(), strict=True)), drawn, scale)
