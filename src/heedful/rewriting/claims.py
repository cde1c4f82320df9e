"""What a run of rewriting may say in the end: the gain on examples held out, and whether training promised more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.core import Estimate, Finding, Interval
from heedful.rewriting.scores import Score, differences
from heedful.stats import bounded_interval, paired_difference, permutation_test


@dataclass(frozen=True, slots=True)
class Claim(Estimate):
    """The gain measured once on the held-out split, and the two-sided p-value of no gain."""

    p: float = float("nan")


def claim(before: Score, after: Score, *, level: float = 0.95) -> Claim:
    """What is earned `after` beyond `before`, on the same examples of the held-out split.

    The interval is a paired t-interval (`confidence`) where 30 examples or more were seen and the differences show how
    they vary; else that of bets, which covers for any differences in [−1, 1] at any n (`at least`). The p-value is
    below 1 − level exactly where the interval excludes 0. Raises InputError where the scores are not both held out, by
    one judge and of equal length.
    """
    difference = differences(before, after, "held out")
    found, p = paired_difference(after.values, before.values, level=level)
    interval, note = found.interval, found.note
    if interval is None:
        half, p = bounded_interval((1 + difference) / 2, level=level)
        interval = Interval(2 * half.low - 1, 2 * half.high - 1, half.promise, level)
        note = "few examples, or few that differ: an interval that holds for any differences"
    n, variance = len(difference), None
    if n > 1:
        variance = float(difference.var(ddof=1) / n)
    return Claim(found.value, n, variance, interval, note=note, split="held out", judge=after.judge, p=p)


def overfitted(
    training: tuple[Score, Score],
    held_out: tuple[Score, Score],
    *,
    alpha: float = 0.05,
    rng: np.random.Generator,
) -> Finding | None:
    """A finding where the gain on training examples is greater than that on held-out ones by more than chance.

    `training` and `held_out` are scores before and after. Where the gains of both are alike, as if drawn from one
    population, it rings with probability at most alpha (`stats.permutation_test`). Raises InputError for scores of
    other splits or unequal lengths.
    """
    told, kept = differences(*training, "train"), differences(*held_out, "held out")
    p = permutation_test(told, kept, rng=rng)
    if p > alpha:
        return None
    shown = f"{told.mean():+.3f} on {len(told)} training and {kept.mean():+.3f} on {len(kept)} held-out examples"
    fix = "use more training examples, larger batches or shorter texts; believe the held-out gain"
    return Finding("rewriting.overfitted", "warning", f"the gain is {shown} (p = {p:.2g})", fix)
