"""Rankings as sequences of choices."""

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
