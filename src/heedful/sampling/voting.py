"""Votes of a judge that is asked several times: scores of the same candidates, summed over what was sampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError


def voted(scores: ArrayLike, quality: ArrayLike | None = None, *, keep: int | None = None) -> Floats:
    """The mean score [..., n] of n candidates over k samples of a judge; its order is that of summed votes.

    scores: [..., k, n], what each sample gives each candidate, all on one scale. quality: [..., k], at least 0, how far
    each sample is to be trusted, as a meta reward model predicts it; without `keep`, samples are weighted by it. keep:
    how many of the samples of greatest quality vote, each alike; of equals the earlier (Liu et al. 2025,
    "Inference-time scaling for generalist reward modeling": voting guided by a meta reward model).
    Raises InputError where shapes do not fit, numbers are not finite, or no weight is above 0.
    """
    given = np.asarray(scores, np.float64)
    if given.ndim < 2 or not given.shape[-2] or not np.isfinite(given).all():
        raise InputError(f"finite scores [..., samples, candidates] are needed, not {given.shape}", where="scores")
    if quality is None:
        if keep is not None:
            raise InputError(f"which {keep} samples to keep is said by their quality", where="keep", fix="give it")
        return np.asarray(given.mean(axis=-2))
    weight = np.asarray(quality, np.float64)
    if weight.shape != given.shape[:-1] or not (np.isfinite(weight) & (weight >= 0)).all():
        raise InputError(f"a quality of 0 or more is needed for each sample {given.shape[:-1]}", where="quality")
    if keep is not None:
        if not 1 <= keep <= given.shape[-2]:
            raise InputError(f"1 to {given.shape[-2]} samples can be kept, not {keep}", where="keep")
        place = np.argsort(np.argsort(-weight, axis=-1, kind="stable"), axis=-1)
        weight = (place < keep).astype(np.float64)
    total = weight.sum(axis=-1, keepdims=True)
    if not (total > 0).all():
        raise InputError("all samples have quality 0, so none votes", where="quality", fix="leave out the quality")
    return np.asarray(np.einsum("...k,...kn->...n", weight / total, given))
