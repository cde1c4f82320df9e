"""The width of the prior on weights, chosen on contexts held out.

The evidence takes votes for independent. Where many votes share a context (the same outputs judged again, an output in
several pairs), what they share beyond the features looks like weights, and the evidence finds too wide a prior and
probabilities too sure. Contexts held out do not share it. (Stone 1974, "Cross-validatory choice and assessment of
statistical predictions", section 3.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from heedful.core import Floats
from heedful.preference.inference import Problem, maximise
from heedful.preference.instruments import Indices
from heedful.preference.likelihoods import Likelihood

FOLDS = 3
# Fewer contexts than this are too few to hold some out.
FEWEST_CONTEXTS = 15


def held_out_width(
    likelihoods: tuple[Likelihood, ...],
    design: Floats,
    context: Indices,
    grid: Sequence[float],
    rng: np.random.Generator,
) -> float:
    """The width of `grid` under which fits to the other folds give held-out votes the greatest likelihood.

    `context` [table rows] are codes, those below 0 each a context of their own. The search climbs from the middle of
    the grid, by wide steps and then single ones: the likelihood is taken to fall away from its best on either side.
    """
    codes = np.where(context < 0, context.max(initial=-1) + 1 + np.arange(len(context)), context)
    fold = rng.integers(FOLDS, size=int(codes.max(initial=-1)) + 1)[codes]
    parts = [_parted(likelihoods, fold == number) for number in range(FOLDS)]
    start: dict[int, Floats] = {}

    @cache
    def score(step: int) -> float:
        total = 0.0
        for number, (taught, unseen) in enumerate(parts):
            # An outcome that no vote outside of a fold has would run off without a prior.
            problem = penalised(taught, design, grid[step], nuisance=1e-3)
            x = maximise(problem, start.get(number), tolerance=1e-4).point.x
            start[number] = x
            total += sum(terms.value for terms in Problem(unseen, len(design), design).terms(x))
        return total

    return grid[climb(score, len(grid))]


def penalised(likelihoods: tuple[Likelihood, ...], design: Floats, sd: float, *, nuisance: float = 0.0) -> Problem:
    """The fit of weights under a prior N(0, sd²) on each (none where sd is infinite), with `nuisance` the precision of
    the others."""
    problem = Problem(likelihoods, len(design), design)
    if np.isinf(sd):
        return problem
    d = design.shape[1]
    precision = np.append(np.full(d, sd**-2), np.full(problem.size - d, nuisance))
    return Problem(likelihoods, len(design), design, precision)


def climb(score: Callable[[int], float], size: int) -> int:
    """The best of 0 .. size − 1 as far as steps of 4 and then of 1 from the middle tell."""
    best = size // 2
    for stride in (4, 1):
        while True:
            beside = [step for step in (best - stride, best + stride) if 0 <= step < size]
            better = max([best, *beside], key=score)
            if better == best:
                break
            best = better
    return best


def _parted(
    likelihoods: tuple[Likelihood, ...], held: np.ndarray
) -> tuple[tuple[Likelihood, ...], tuple[Likelihood, ...]]:
    """The votes whose table rows are not held out, and those that are, under the same models."""
    out = [held[likelihood.row] for likelihood in likelihoods]
    pairs = list(zip(likelihoods, out, strict=True))
    return (
        tuple(likelihood.select(np.flatnonzero(~own)) for likelihood, own in pairs),
        tuple(likelihood.select(np.flatnonzero(own)) for likelihood, own in pairs),
    )
