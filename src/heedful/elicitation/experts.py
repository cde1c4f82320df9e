"""Experts ranked by their scores on many tasks, where of any two one is at least as good on every task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from scipy.special import logsumexp

from heedful.core import Floats, InputError
from heedful.elicitation.beliefs import Indices
from heedful.stats import Capital

Gaps = Callable[[Indices], Floats]
"""Tasks [m] -> the score of the one expert less that of the other, each evaluated anew [m]."""

Way = Literal["halving", "passes", "each task"]


@dataclass(frozen=True)
class ExpertRanking:
    """`order` of the experts, the best first, or None where the evaluations did not suffice; how many there were."""

    order: tuple[int, ...] | None
    evaluations: int


def rank_experts(
    score: Callable[[int, Indices], Floats],
    experts: int,
    tasks: int,
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
    most: int = 1_000_000,
    way: Way = "halving",
) -> ExpertRanking:
    """The experts in order, wrong with probability at most `alpha` if one of each two is at least as good on all tasks.

    Saad et al. 2023, "Active ranking of experts based on their performances in many tasks". Each expert is inserted
    among those before by binary search, and each comparison goes on until a test tells. Under the assumption any task
    will do, so that tasks may be chosen by what was seen, and the evidence is a capital (`stats.Capital`) that bets on
    differences of scores; it must reach the number of comparisons over `alpha`. The order of experts who are as good as
    each other on all tasks is never wrong, and seldom found.

    score(expert, tasks [m]) -> scores in [0, 1] [m], a new evaluation each, independent given expert and task
    most   evaluations after which it is given up; looked at between batches, so that one batch may go beyond
    way    how tasks are chosen. "halving": some at random, of which the half with the wider differences is kept until
           one is left, on which the test is made; for all numbers of tasks, with a budget that doubles (the schedule is
           ours). "passes": all in turn, in one test. "each task": all in turn, with a test of each (their mean).

    Where the assumption fails, "passes" goes by the mean over tasks, the others by whichever task they meet. Raises
    InputError for fewer than two experts or one task, and for scores that are not such.
    """
    if experts < 2 or tasks < 1 or not 0 < alpha < 1:
        what = f"two experts, one task and an error in (0, 1) are needed, not {experts}, {tasks} and {alpha}"
        raise InputError(what, where="rank_experts")
    bar = np.log(sum(int(known).bit_length() for known in range(1, experts)) / alpha)
    order, spent = [0], 0
    for new in range(1, experts):
        low, high = 0, len(order)
        while low < high:
            middle = (low + high) // 2
            better, used = _better(_gaps(score, new, order[middle]), tasks, way, bar, most - spent, rng)
            spent += used
            if better is None:
                return ExpertRanking(None, spent)
            low, high = (low, middle) if better else (middle + 1, high)
        order.insert(low, new)
    return ExpertRanking(tuple(order), spent)


def _gaps(score: Callable[[int, Indices], Floats], first: int, second: int) -> Gaps:
    def gaps(rows: Indices) -> Floats:
        scores = np.array([score(first, rows), score(second, rows)], dtype=np.float64)
        if scores.shape != (2, len(rows)) or not ((scores >= 0) & (scores <= 1)).all():
            what = f"{len(rows)} tasks need as many scores in [0, 1]"
            raise InputError(what, where="rank_experts", fix="rescale them by known bounds")
        return np.asarray(scores[0] - scores[1])

    return gaps


def _better(
    gaps: Gaps, tasks: int, way: Way, bar: float, most: int, rng: np.random.Generator
) -> tuple[bool | None, int]:
    """Whether the first is better, None where `most` evaluations do not tell; and how many there were."""
    spent = 0

    def counted(rows: Indices) -> Floats:
        nonlocal spent
        spent += 2 * len(rows)
        return gaps(rows)

    for log_e in _WAYS[way](counted, tasks, rng):
        if log_e.max() >= bar:
            return bool(log_e.argmax() == 0), spent
        if spent >= most:
            break
    return None, spent


def _values(gaps: Floats) -> Floats:
    """What is bet on, in [0, 1]: that the first is better, and that the second is [..., 2]."""
    return (1 + np.stack([gaps, -gaps], axis=-1)) / 2


# Each way yields, after every batch, the log of the evidence that the first is better, and that the second is [2].
# Where the first is nowhere better, the former exceeds log(1 / error) ever with no more than that error.


def _halving(gaps: Gaps, tasks: int, rng: np.random.Generator) -> Iterator[Floats]:
    trial = 0
    for size in count(3):
        for halvings in range(tasks.bit_length()):
            if halvings << halvings > 1 << size:
                break
            kept = rng.choice(tasks, 1 << halvings, replace=False)
            for _ in range(halvings):
                each = (1 << size) // (halvings * len(kept))
                means = np.abs(gaps(np.repeat(kept, each)).reshape(len(kept), each).mean(axis=1))
                kept = kept[np.argsort(-means, kind="stable")[: len(kept) // 2]]
            trial += 1
            told = Capital.start(2).after_all(_values(gaps(np.repeat(kept, 1 << size)))).log_e
            # Trials share the capital: the shares 1 / (j (j + 1)) add up to one.
            yield told - np.log(trial * (trial + 1))


def _passes(gaps: Gaps, tasks: int, rng: np.random.Generator) -> Iterator[Floats]:
    capital = Capital.start(2)
    while True:
        capital = capital.after_all(_values(gaps(rng.permutation(tasks))))
        yield capital.log_e


def _each_task(gaps: Gaps, tasks: int, rng: np.random.Generator) -> Iterator[Floats]:
    capital = Capital.start(tasks, 2)
    while True:
        capital = capital.after(_values(gaps(np.arange(tasks))))
        yield np.asarray(logsumexp(capital.log_e, axis=0) - np.log(tasks))


_WAYS: Mapping[Way, Callable[[Gaps, int, np.random.Generator], Iterator[Floats]]] = {
    "halving": _halving,
    "passes": _passes,
    "each task": _each_task,
}
