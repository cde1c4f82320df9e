"""Tables and predictions with known answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from heedful.feedback import Table


@dataclass
class Prediction:
    log_prob: np.ndarray
    probability: np.ndarray
    outcome: np.ndarray


def comparisons(
    n: int = 0,
    *,
    first: Any = "a",
    second: Any = "b",
    choice: Any = "first",
    outputs: list[list[str | None]] | None = None,
    **columns: Any,
) -> Table:
    """A table of n comparisons; every argument is one value or n values."""

    def spread(value: Any) -> list[Any]:
        return list(value) if isinstance(value, list | tuple | np.ndarray) else [value] * n

    frame = {
        "id": spread(columns.pop("id", [f"id-{row}" for row in range(n)])),
        "kind": ["comparison"] * n,
        "systems": [list(pair) for pair in zip(spread(first), spread(second), strict=True)],
        "choice": [str(value) if value is not None else None for value in spread(choice)],
        **{name: spread(value) for name, value in columns.items()},
    }
    if outputs is not None:
        frame["outputs"] = outputs
    return Table.shaped(pl.DataFrame(frame, strict=False))


def decided_by(p: np.ndarray, outcome: np.ndarray) -> Prediction:
    """The prediction of decided comparisons with these probabilities."""
    p, outcome = np.asarray(p, float), np.asarray(outcome, float)
    with np.errstate(divide="ignore"):
        return Prediction(np.log(np.where(outcome == 1, p, 1 - p)), p, outcome)


def choices(outcome: np.ndarray) -> list[str]:
    return ["first" if value else "second" for value in outcome]
