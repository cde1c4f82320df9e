"""Which of the outputs drawn to a prompt are trained on: masks [r, n] of n outputs to each of r prompts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.core import InputError

Chosen = NDArray[np.bool_]


def capped(right: ArrayLike, most: int, rng: np.random.Generator) -> Chosen:
    """At most so many of those [r, n] that are right, any of them, so that easy prompts do not crowd out hard ones
    (Singh et al. 2024, "Beyond human data")."""
    passed = np.asarray(right, dtype=bool)
    if most < 1:
        raise InputError(f"{most} outputs at most teach nothing", where="capped(most=...)", fix="1 or more")
    place = _places(np.where(passed, rng.random(passed.shape), -1.0))
    return np.asarray(passed & (place < most))


def ends(
    score: ArrayLike, *, best: int = 1, worst: int = 0, others: int = 0, rng: np.random.Generator | None = None
) -> Chosen:
    """So many of the greatest scores [r, n], of the least, and of any between: where a reward model is least to be
    trusted in the middle, the best with the worst or with any other (Shen and Zhang 2024, "Policy filtration in RLHF to
    fine-tune LLM for code generation"). Equal scores are taken in their order.

    Raises InputError where more are wanted than there are, or others without `rng`.
    """
    given = np.asarray(score, dtype=np.float64)
    n = given.shape[1]
    if min(best, worst, others) < 0 or not 1 <= best + worst + others <= n:
        what = f"{best} best, {worst} worst and {others} others of {n} outputs"
        raise InputError(what, where="ends", fix="ask for 1 or more and no more than there are")
    if others and rng is None:
        raise InputError("others are drawn, and nothing draws them", where="ends", fix="give rng")
    place = _places(given)
    taken = (place < best) | (place >= n - worst)
    if others and rng is not None:
        taken |= _places(np.where(taken, -1.0, rng.random(given.shape))) < others
    return np.asarray(taken)


def consistent(right: ArrayLike, process: ArrayLike, keep: int) -> Chosen:
    """Of n outputs to each prompt those `keep` whose steps agree with their outcome: right ones whose steps were scored
    highest, wrong ones whose steps were scored lowest, both as often as they were drawn, to rounding, and where
    there are both at least one of each (Ye et al. 2025, "Beyond correctness": PROF). Scores of steps choose and
    are not rewards, so that nothing is gained by pleasing what gave them.

    right    [r, n]  whether the outcome is right
    process  [r, n]  mean score of an output's steps
    """
    ended, score = np.asarray(right, dtype=bool), np.asarray(process, dtype=np.float64)
    n = ended.shape[1]
    if score.shape != ended.shape or not 2 <= keep <= n:
        what = f"{keep} of outputs {ended.shape} by scores {score.shape}"
        raise InputError(what, where="consistent", fix="a score of each, and 2 to n of them kept")
    number = ended.sum(axis=1, keepdims=True)
    share = np.rint(keep * number / n).astype(int)
    share = np.where((number > 0) & (number < n), np.clip(share, 1, keep - 1), share)
    of_right = _places(np.where(ended, score, -np.inf))
    of_wrong = _places(np.where(ended, -np.inf, -score))
    return np.asarray(np.where(ended, of_right < share, of_wrong < keep - share))


def determination(score: ArrayLike, worth: ArrayLike, chosen: ArrayLike) -> float:
    """R² between scores and what the outputs chosen [r, n] are worth, by which a filter is chosen (Shen and Zhang
    2024): the square of their correlation, 0 where either does not vary."""
    taken = np.asarray(chosen, dtype=bool)
    first, second = (np.asarray(own, dtype=np.float64)[taken] for own in (score, worth))
    first, second = first - first.mean(), second - second.mean()
    spread = float((first @ first) * (second @ second))
    return float(first @ second) ** 2 / spread if spread > 0 else 0.0


def _places(score: NDArray[np.float64]) -> NDArray[np.intp]:
    """The place of each in its row, the greatest first, equal ones in their order."""
    return np.argsort(np.argsort(-score, axis=1, kind="stable"), axis=1)
