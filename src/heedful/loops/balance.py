"""Whether a setting of self-training both explores and exploits: many different right outputs, little else kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError


def balance(chosen: ArrayLike, right: ArrayLike, outputs: ArrayLike, wanted: float) -> Floats:
    """min(d / wanted, 1) · d / s of each prompt [c], where s outputs were chosen to be trained on and d different ones
    of these are right; 0 where none was chosen (Zeng et al. 2025, "B-STaR").

    chosen, right  [c, n]  of n outputs to each prompt
    outputs        [c, n]  numbers, equal where outputs are
    wanted                 how many different right outputs are enough

    Temperatures and thresholds under which the mean over prompts is greatest are those to train with in a round: the
    first factor falls where too little is explored, the second where too much that is wrong, or the same, is let in.
    """
    taken, good, names = np.asarray(chosen, dtype=bool), np.asarray(right, dtype=bool), np.asarray(outputs)
    if not taken.shape == good.shape == names.shape or taken.ndim != 2:
        shapes = f"{taken.shape}, {good.shape} and {names.shape}"
        raise InputError(f"three arrays [c, n] are needed, not {shapes}", where="balance")
    if not wanted > 0:
        raise InputError(f"{wanted} outputs are always enough", where="balance(wanted=...)", fix="more than 0")
    different = np.array([len(np.unique(row[own])) for row, own in zip(names, taken & good, strict=True)], np.float64)
    return np.asarray(np.minimum(different / wanted, 1.0) * different / np.maximum(taken.sum(axis=1), 1))
