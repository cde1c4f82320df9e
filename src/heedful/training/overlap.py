"""Which examples to train on hold what is to be evaluated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from heedful.core import InputError

Words = Sequence[Hashable]


def overlapping(trained: Sequence[Words], held_out: Sequence[Words], *, n: int = 8, share: float = 0.5
                ) -> NDArray[np.bool_]:  # fmt: skip
    """Which of the texts to train on [r], as tokens or words, cover more than `share` of some text held out by runs of
    `n` that stand in both (Lambert et al. 2024, "Tülu 3", section 3.2: 8 words, a half).

    Texts held out that are shorter than n are covered where they stand whole in the other. Raises InputError for n
    below 1, a share outside [0, 1), or an empty text held out, which everything covers.
    """
    if n < 1 or not 0 <= share < 1:
        raise InputError(f"runs of {n}, a share of {share}", where="overlapping", fix="n from 1, a share in [0, 1)")
    if any(not len(text) for text in held_out):
        raise InputError("a text held out is empty", where="overlapping", fix="leave it out")
    places: defaultdict[Words, list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(held_out):
        size = min(n, len(text))
        for start in range(len(text) - size + 1):
            places[tuple(text[start : start + size])].append((number, start))
    sizes = sorted({len(run) for run in places})
    return np.array([_covers(text, places, sizes, held_out, share) for text in trained], dtype=bool)


def _covers(
    text: Words,
    places: defaultdict[Words, list[tuple[int, int]]],
    sizes: Sequence[int],
    held_out: Sequence[Words],
    share: float,
) -> bool:
    """Whether one text covers more than a share of some text held out."""
    covered: defaultdict[int, set[int]] = defaultdict(set)
    for size in sizes:
        for run in {tuple(text[start : start + size]) for start in range(len(text) - size + 1)}:
            for number, start in places.get(run, ()):
                covered[number].update(range(start, start + size))
    return any(len(own) > share * len(held_out[number]) for number, own in covered.items())
