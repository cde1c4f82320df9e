"""Weights of many fine features under a prior that says which coarse symbols explained the same votes.

Fine features (the cells of a map) are many; symbols (what a cell is) are few. First the votes are explained by the
symbols alone, in hindsight; then weights of the fine features are fitted under a Gaussian prior that this makes, a soft
constraint (after Verma and Metcalf 2022, "Symbol guided hindsight priors for reward learning from human preferences",
whose importance comes from a model of the trajectories instead).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from heedful.core import Floats, InputError, UsageError
from heedful.preference.heads.votes import Votes
from heedful.preference.inference import Problem, maximise
from heedful.preference.people import checks
from heedful.preference.widths import penalised

Use = Literal["centre", "scale"]


@dataclass(frozen=True)
class HindsightFit:
    """`weights` [d] of the fine features and `importance` [k], under which symbols alone explain the votes."""

    weights: Floats
    importance: Floats


def fit_with_hindsight(
    design: Floats, votes: Votes, symbols: Floats, *, use: Use = "centre", sd: float = 0.3, symbol_sd: float = 1.0
) -> HindsightFit:
    """Fit weights w [d] of a design [n, d] to votes on its rows, with `symbols` [d, k] of each fine feature.

    importance v: of greatest posterior under N(0, symbol_sd²) with w = symbols @ v. Then w of greatest posterior under
    N(symbols @ v, sd²) ("centre"), or under N(0, sd² + (symbols @ v)²) ("scale"): symbols that mattered let their
    features matter, either way. The votes are used twice, so this is a point estimate without a spread.
    Raises InputError where shapes do not fit and as `Votes.check`, UsageError for a width or use that is none.
    """
    checks.width(sd, "sd")
    checks.width(symbol_sd, "symbol_sd")
    votes.check(design)
    if symbols.ndim != 2 or len(symbols) != design.shape[1] or not np.isfinite(symbols).all():
        raise InputError(f"finite symbols of each of {design.shape[1]} features are needed", where="symbols")
    likelihoods = votes.likelihoods(len(design))
    importance = maximise(penalised(likelihoods, design @ symbols, symbol_sd)).point.x[: symbols.shape[1]]
    explained = symbols @ importance
    if use == "centre":
        mean, precision = explained, np.full(len(explained), sd**-2)
    elif use == "scale":
        mean, precision = np.zeros(len(explained)), 1 / (sd**2 + explained**2)
    else:
        raise UsageError(f"{use!r} is no use of hindsight", where="use", fix="choose 'centre' or 'scale'")
    free = np.zeros(Problem(likelihoods, len(design), design).size - len(mean))
    problem = Problem(likelihoods, len(design), design, np.append(precision, free), np.append(mean, free))
    return HindsightFit(maximise(problem).point.x[: len(mean)], importance)
