"""Logs of what was shown where, and what was clicked: the better outputs tend to stand first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from heedful.core import Floats
from heedful.feedback import Table


@dataclass(frozen=True, eq=False)
class Clicks:
    """One row per output shown: which `item` [n], at which `position` [n] (0 the first), and whether it was clicked."""

    item: NDArray[np.intp]
    position: NDArray[np.intp]
    click: NDArray[np.bool_]

    def table(self, *, positions: bool = True) -> Table:
        """Implicit signals of systems named 00, 01, ...; with `positions` or without."""
        n = len(self.item)
        columns = {
            "id": pl.int_range(n, eager=True).cast(pl.String),
            "kind": ["implicit"] * n,
            "signal": ["click"] * n,
            "systems": pl.Series([[f"{item:02d}"] for item in self.item], dtype=pl.List(pl.String)),
            "amount": self.click.astype(np.float64),
        }
        return Table.shaped(pl.DataFrame({**columns, "position": self.position} if positions else columns))


def logged(
    utilities: Floats,
    pages: int,
    *,
    rng: np.random.Generator,
    slots: int = 6,
    examined: bool = False,
    level: float = -1.0,
) -> Clicks:
    """`pages` of `slots` outputs each, ordered by their utilities [n] plus standard normal noise.

    A click has odds e^(u + level − position / 2) or, with `examined`, a position is looked at with probability
    1 / (1 + position) first, and P(click) = P(looked at) σ(u + level).
    """
    item = np.argsort(-(utilities + rng.normal(size=(pages, len(utilities)))), axis=1)[:, :slots]
    position = np.broadcast_to(np.arange(slots), item.shape)
    appeal = utilities[item] + level
    p = expit(appeal) / (1 + position) if examined else expit(appeal - position / 2)
    return Clicks(item.ravel(), position.ravel(), (rng.random(p.shape) < p).ravel())
