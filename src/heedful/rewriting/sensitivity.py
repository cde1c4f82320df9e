"""How much of what a program earns hangs on how its texts are worded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Budget, Estimate, Floats, InputError, UsageError
from heedful.rewriting.judging import Worth
from heedful.rewriting.running import Runner, Task
from heedful.rewriting.splits import Inputs
from heedful.stats import mean_estimate


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivity:
    """Differences of what was earned on each of n examples, in the mean over pairs of runs, each in [0, 1].

    `apart` [n] of runs by two wordings: the instance score of Zhuo et al. 2024 ("ProSA: Assessing and understanding the
    prompt sensitivity of LLMs"), which adds to what wordings do what chance does. `noise` [n] of two runs by one
    wording. `earned` [wordings] is the mean by each.
    """

    apart: Floats
    noise: Floats
    earned: Floats

    @property
    def score(self) -> Estimate:
        """PromptSensiScore, the mean of `apart` over examples, chance and all."""
        return mean_estimate(self.apart)

    @property
    def excess(self) -> Estimate:
        """The mean of apart − noise over examples: in expectation half the energy distance of the laws of two wordings,
        so 0 where all wordings do the same, and above it elsewhere (Székely & Rizzo 2013, "Energy statistics")."""
        return mean_estimate(self.apart - self.noise)


def sensitivity(earned: ArrayLike) -> Sensitivity:
    """Of what each wording earned in each draw on each example [wordings, draws, n]; it speaks of these wordings alone.

    Raises InputError unless there are two wordings and two draws or more, and all numbers are finite.
    """
    given = np.asarray(earned, np.float64)
    if given.ndim != 3 or min(given.shape[:2]) < 2 or not given.shape[2] or not np.isfinite(given).all():
        what = f"finite numbers [wordings, draws, examples] are needed, two or more of the first two, not {given.shape}"
        raise InputError(what, where="earned")
    wordings, draws, _ = given.shape
    differences = np.abs(given[:, None, :, None] - given[None, :, None, :]).sum(axis=(2, 3))  # [v, v, n]
    within = np.einsum("vvn->n", differences)
    apart = (differences.sum(axis=(0, 1)) - within) / (wordings * (wordings - 1) * draws**2)
    return Sensitivity(apart, within / (wordings * draws * (draws - 1)), given.mean(axis=(1, 2)))


def reworded(
    runner: Runner,
    wordings: Sequence[Mapping[str, Any]],
    examples: Sequence[Inputs],
    worth: Worth,
    *,
    draws: int = 2,
    budget: Budget | None = None,
) -> Sensitivity:
    """The sensitivity of a program to `wordings` of its parameters, each by name, which should all mean the same.

    Runs are reserved on the budget as `runs`; one that fails earned 0. Raises UsageError for evidence that only knows
    what is better than at the start: wordings have no start in common.
    """
    if worth.against_start:
        what = "the evidence is a utility without bounds, which is known only against a start"
        raise UsageError(what, where="reworded", fix="give Worth its bounds")
    tasks = [Task(own, values, draw) for values in wordings for draw in range(draws) for own in examples]
    if budget is not None:
        budget.reserve(runs=float(len(tasks)))
    earned = worth.unit(worth.scores(runner(tasks)))
    return sensitivity(earned.reshape(len(wordings), draws, len(examples)))
