"""Proper scores of probabilities, one per record, so that they can be averaged, sliced and paired."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError


def checked_forecasts(probability: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    """Probabilities [n] in [0, 1] and outcomes [n] of 0 or 1 as arrays; raises InputError where they are not."""
    probability, outcome = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    if probability.ndim != 1 or probability.shape != outcome.shape:
        raise InputError(f"probabilities and outcomes need one shape [n], not {probability.shape} and {outcome.shape}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("probabilities lie in [0, 1] and are not NaN", where="probability")
    if not np.isin(outcome, (0.0, 1.0)).all():
        raise InputError("outcomes are 0 or 1", where="outcome", fix="leave out ties and undecided records")
    return probability, outcome


def brier(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """(p − y)² per record [n] (Brier 1950, its half for two classes)."""
    p, y = checked_forecasts(probability, outcome)
    return (p - y) ** 2


def log_loss(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """−log of the probability given to what happened, in nats, per record [n]; infinite where that was 0."""
    p, y = checked_forecasts(probability, outcome)
    with np.errstate(divide="ignore"):
        return -np.log(np.where(y == 1, p, 1 - p))


def accuracy(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """Per record [n]: 1 where the likelier outcome happened, 0 where it did not, 0.5 where both were equally likely."""
    p, y = checked_forecasts(probability, outcome)
    return np.where(p == 0.5, 0.5, ((p > 0.5) == (y == 1)).astype(np.float64))
