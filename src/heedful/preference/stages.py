"""Rankings, and the best with the worst, as sequences of choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heedful.preference.instruments import Indices, Selections

ABSENT = np.iinfo(np.int64).max
"""The rank of no candidate."""
UNRANKED = ABSENT - 1
"""The rank of candidates below all that have one, in no order among themselves."""


def ranking_stages(row: Indices, members: Indices, ranks: NDArray[np.int64]) -> Selections:
    """Rankings as repeated choice: the best (tied) from all, the next from the rest, ... while a choice remains.

    `members` and `ranks` [r, k]. Candidates that are `UNRANKED` stay in every set and are never chosen, so a ranking of
    the best few ends with the last of these. Its probability is that of all full rankings that begin so (Plackett 1975,
    "The analysis of permutations").
    """
    rows, sets, chosen = [row[:0]], [members[:0]], [members[:0] >= 0]
    while True:
        going = ((ranks < ABSENT).sum(axis=1) > 1) & (ranks.min(axis=1, initial=ABSENT) < UNRANKED)
        if not going.any():
            return Selections(np.concatenate(rows), np.concatenate(sets), np.concatenate(chosen))
        row, members, ranks = row[going], members[going], ranks[going]
        best = ranks == ranks.min(axis=1, keepdims=True)
        rows.append(row)
        sets.append(np.where(ranks < ABSENT, members, -1))
        chosen.append(best)
        ranks = np.where(best, ABSENT, ranks)


def pick_stages(row: Indices, members: Indices, best: Indices, worst: Indices) -> Selections:
    """The best from all and, where it is told, the worst from the rest, by negative utilities.

    `members` [r, k]; `best` and `worst` [r] are columns, −1 where no worst is told. This is best, then worst, of Marley
    and Louviere (2005, "Some probabilistic models of best, worst, and best-worst choices"). Unlike their max-diff
    model, P(b, w) ∝ exp(u_b − u_w), it reads a best alone as ever, two candidates as a comparison and three as a
    ranking, all in one unit.
    """
    column = np.arange(members.shape[1])
    is_best, is_worst = column == best[:, None], column == worst[:, None]
    left = np.where(is_best, -1, members)
    told = is_worst.any(axis=1) & ((left >= 0).sum(axis=1) > 1)
    return Selections(
        np.concatenate([row, row[told]]),
        np.concatenate([members, left[told]]),
        np.concatenate([is_best, is_worst[told]]),
        np.repeat([1.0, -1.0], [len(row), told.sum()]),
    )
