"""What the rules share: the gains of single questions, and questions as they are handed on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from heedful.core import Floats, Queries, UsageError
from heedful.elicitation.beliefs import Beliefs, Indices
from heedful.elicitation.information import information_gain, one_sided_gain

# Pairs looked at in one go: bounds the memory to about draws · CHUNK numbers.
CHUNK = 2048


def single_gains(beliefs: Beliefs, pairs: Indices | None = None) -> Floats:
    """The gain of each of these pairs on its own, or of all [n]."""
    wanted = np.arange(len(beliefs)) if pairs is None else pairs
    known = np.flatnonzero(beliefs.known()[wanted])
    gains = np.full(len(wanted), one_sided_gain(np.zeros(1, dtype=np.intp))[0])
    for some in chunks(known):
        gains[some] = information_gain(beliefs.outcomes(wanted[some]))
    return gains


def chunks(pairs: Indices, size: int = CHUNK) -> Iterator[Indices]:
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]


def queries(beliefs: Beliefs, chosen: Indices, gains: Floats) -> Queries:
    """The questions chosen with their gains, at a cost of 1 each, for anyone to answer."""
    questions = tuple(beliefs.pairs[pair] for pair in chosen.tolist())
    return Queries(questions, (None,) * len(chosen), gains, np.ones(len(chosen)))


def nothing() -> Queries:
    return Queries((), (), np.zeros(0), np.zeros(0))


def check_batch(batch: int) -> None:
    if batch < 1:
        raise UsageError(f"a batch is of at least 1 question, not {batch}", where="batch")
