"""Small tables of votes for the tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from heedful.feedback import Candidate, Rater, Record, Table, Value


def comparisons(votes: Iterable[tuple[str, str, str]], **columns: Sequence[Any]) -> Table:
    """Votes (first, second, choice) on systems; extra columns by name."""
    votes = list(votes)
    frame = pl.DataFrame(
        {
            "id": [str(row) for row in range(len(votes))],
            "kind": ["comparison"] * len(votes),
            "systems": pl.Series([[a, b] for a, b, _ in votes], dtype=pl.List(pl.String)),
            "choice": [choice for *_, choice in votes],
            **columns,
        }
    )
    return Table.shaped(frame)


def record(
    kind: str, systems: Sequence[str], rater: str | None = None, context: str | None = None, **value: Any
) -> Record:
    """One judgement of some systems."""
    return Record(
        kind=kind,  # type: ignore[arg-type]
        context=context,
        candidates=[Candidate(system=system) for system in systems],
        value=Value(**value),
        rater=Rater(id=rater) if rater else None,
    )


def drawn_comparisons(
    utilities: np.ndarray, votes: int, rng: np.random.Generator, *, log_tie: float = -np.inf
) -> list[tuple[str, str, str]]:
    """Votes from the Bradley-Terry or Davidson model, on pairs drawn uniformly; item i is named "i"."""
    n = len(utilities)
    first = rng.integers(n, size=votes)
    second = (first + rng.integers(1, n, size=votes)) % n
    half = (utilities[first] - utilities[second]) / 2
    weights = np.stack([np.exp(half), np.exp(-half), np.full(votes, np.exp(log_tie))], axis=1)
    edges = weights.cumsum(axis=1)
    outcome = (rng.random(votes)[:, None] * edges[:, -1:] > edges).sum(axis=1)
    choices = np.array(["first", "second", "tie"])[outcome]
    return [(f"{a:02d}", f"{b:02d}", str(c)) for a, b, c in zip(first, second, choices, strict=True)]
