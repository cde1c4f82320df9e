"""A posterior on disk, for commands that take evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import StyleFeatures
from heedful.preference import fit


def shorter_is_better(texts: Sequence[str], folder: Path) -> Path:
    """Fitted to comparisons of every two texts, of rising length, in which one of nine votes is for the longer."""
    pairs = [(a, b) for a in range(len(texts)) for b in range(len(texts)) if a != b] * 4
    votes = [
        Record(
            kind="comparison",
            context=f"q{row}",
            candidates=[Candidate(output=texts[a]), Candidate(output=texts[b])],
            value=Value(choice="first" if (a < b) != (row % 9 == 0) else "second"),
        )
        for row, (a, b) in enumerate(pairs)
    ]
    fit(Table.of(votes), utility="features", features=StyleFeatures()).save(folder)
    return folder
