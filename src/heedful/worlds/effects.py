"""Random effects that need no memory: a standard normal for every cell of a table, from the cell's number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from heedful.core import Floats

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))
_LAST = np.uint64(31)


def normal_effect(seed: int, *codes: ArrayLike) -> Floats:
    """The standard normal effect of each cell; `codes` are whole numbers that broadcast, the same cell the same effect.

    A hash of seed and codes (the finaliser of SplitMix64: Steele, Lea and Flood 2014) through the normal quantile
    function, so that a table of a million prompts by a thousand items costs only the cells that are looked at.
    """
    state = _mix(np.asarray([seed], dtype=np.int64).astype(np.uint64))
    for code in codes:
        state = _mix(state ^ _mix(np.asarray(code, dtype=np.int64).astype(np.uint64)))
    uniform = ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(ndtri(uniform))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = state + _STEP
        for shift, factor in _MIX:
            state = (state ^ (state >> shift)) * factor
    return state ^ (state >> _LAST)
