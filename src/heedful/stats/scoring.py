"""Proper scores of probabilities, one per record, so that they can be averaged, sliced and paired.

What happened may be one vote, 0 or 1, or the share of several voters, in [0, 1]. The score of a share is the mean score
of its voters, that is, the expected score against one of them drawn at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from heedful.core import Floats, InputError


def checked_forecasts(probability: ArrayLike, outcome: ArrayLike, *, shares: bool = False) -> tuple[Floats, Floats]:
    """Probabilities [n] in [0, 1] and outcomes [n] as arrays: of 0 or 1, with `shares` in [0, 1].

    Raises InputError where they are not.
    """
    probability, outcome = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    if probability.ndim != 1 or probability.shape != outcome.shape:
        raise InputError(f"probabilities and outcomes need one shape [n], not {probability.shape} and {outcome.shape}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("probabilities lie in [0, 1] and are not NaN", where="probability")
    if shares and not ((outcome >= 0) & (outcome <= 1)).all():
        raise InputError("outcomes are 0, 1 or shares between", where="outcome", fix="leave out undecided records")
    if not shares and not np.isin(outcome, (0.0, 1.0)).all():
        raise InputError("outcomes are 0 or 1", where="outcome", fix="leave out ties and undecided records")
    return probability, outcome


def brier(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """s(1 − p)² + (1 − s)p² per record [n], s in [0, 1] the outcome or share: of one vote (p − s)².

    Brier 1950, its half for two classes. For a share this is (p − s)² + s(1 − s), least in expectation at p = E s.
    """
    p, s = checked_forecasts(probability, outcome, shares=True)
    return s * (1 - p) ** 2 + (1 - s) * p**2


def log_loss(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """−s log p − (1 − s) log(1 − p), in nats, per record [n], s in [0, 1] the outcome or share.

    Of one vote it is −log of the probability given to what happened; infinite where that was 0.
    """
    p, s = checked_forecasts(probability, outcome, shares=True)
    return np.asarray(-special.xlogy(s, p) - special.xlog1py(1 - s, -p))


def accuracy(probability: ArrayLike, outcome: ArrayLike) -> Floats:
    """Per record [n]: 1 where the likelier outcome happened, 0 where it did not, 0.5 where both were equally likely.

    Outcomes are 0 or 1: of a share, who won.
    """
    p, y = checked_forecasts(probability, outcome)
    return np.where(p == 0.5, 0.5, ((p > 0.5) == (y == 1)).astype(np.float64))


def overlap(first: ArrayLike, second: ArrayLike) -> float:
    """2 Σ p q / Σ (p + q) of two sets given by membership p, q [n] in [0, 1] (Dice 1945); 1 where both are empty.

    Where one is a set of units found and the other the true one, it is the F1 score; where one is of probabilities, its
    counterpart with expected counts.
    """
    p, q = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if p.ndim != 1 or p.shape != q.shape or not all(((own >= 0) & (own <= 1)).all() for own in (p, q)):
        raise InputError(f"memberships [n] in [0, 1] are needed, not of {p.shape} and {q.shape}", where="overlap")
    total = float((p + q).sum())
    return 2 * float(p @ q) / total if total else 1.0
