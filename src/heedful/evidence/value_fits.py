"""Values of unfinished outputs, fitted to what a base writes, with how well they foretell what becomes of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Floats, Parts, Potential, PrefixPotential, UsageError
from heedful.evidence.linear_values import LinearValue
from heedful.evidence.lookahead import Lookahead, averaged
from heedful.evidence.value_trees import ValueTree
from heedful.models import Encoder, Paths, TokenModel

How = Literal["outcome", "td", "tree", "roll-out"]


@dataclass(frozen=True, slots=True, eq=False)
class Foresight:
    """How well values of prefixes foretell the scores that their outputs come to have, by place.

    `place` [m] is how many tokens or steps are written, `count` [m] of how many outputs. `correlation` [m] is that of
    value and score, NaN where either is constant. `error` [m] is the mean square error of the value over that of one
    number for all, `trivial`: below 1 the value knows something. It cannot fall to 0 before all is decided.

    Soft values are held, as e^{V/β}, against e^{score/β}, of which they are to be the mean.
    """

    place: NDArray[np.intp]
    count: NDArray[np.intp]
    correlation: Floats
    error: Floats
    trivial: float


class FittedValues(NamedTuple):
    value: PrefixPotential
    foresight: Foresight


def fit_values(
    base: Base,
    contexts: Sequence[Parts],
    score: Potential,
    *,
    how: How = "outcome",
    n: int = 16,
    rng: np.random.Generator,
    features: Encoder | None = None,
    beta: float | None = None,
    trace: float = 0.9,
    ridge: float = 1e-3,
    ending: Potential | None = None,
    held_out: Sequence[Parts] | None = None,
    under: str | None = None,
) -> FittedValues:
    """A value of unfinished outputs of `base`, from n outputs of each context and their scores.

    how       "outcome": linear in `features`, least squares on final scores; "td": the same by temporal differences
              with `trace` λ (`LinearValue`); "tree": averages over sampled outputs with equal beginnings, the overall
              one where none has it (`ValueTree`); "roll-out": nothing is learnt, n continuations are written whenever
              a value is asked for (`Lookahead`)
    beta      None for expected scores; a number for soft values β log E[e^{score/β} | prefix]
    ending    what whole outputs score in the first two; None for a least-squares fit of `features` to whole outputs,
              for where scores cannot be had later, as of right answers
    held_out  contexts in which foresight is measured, on a quarter of n outputs of each, at least one; None for fresh
              outputs in the same contexts

    Raises UsageError where a head has no features, or roll-outs no token model.
    """
    if how not in get_args(How):
        raise UsageError(f"no way {how!r} to fit values", where="fit_values", fix=f"one of {', '.join(get_args(How))}")
    value: PrefixPotential
    if how == "roll-out":
        if not isinstance(base, TokenModel):
            raise UsageError("roll-outs are written token by token", where="fit_values", fix="give a token model")
        value = Lookahead(score, base, draws=n, beta=beta, seed=int(rng.integers(2**32)), under=under)
    else:
        paths = Paths.drawn(base, contexts, n, rng=rng)
        scores = score(paths.items).mean
        if how == "tree":
            overall = float(averaged(scores, beta))
            value = ValueTree.of(paths, score, scores=scores, beta=beta, under=under, missing=overall)
        elif features is None:
            raise UsageError("a linear value needs features", where="fit_values", fix="give an encoder: features=...")
        else:
            if ending is None:
                wholes = Paths(paths.items, tuple((item,) for item in paths.items))
                ending = LinearValue.fit(wholes, scores, features, beta=beta, ridge=ridge)
            trace = 1.0 if how == "outcome" else trace
            value = LinearValue.fit(
                paths, scores, features, trace=trace, beta=beta, ridge=ridge, ending=ending, under=under
            )
    fresh = Paths.drawn(base, contexts if held_out is None else held_out, max(1, n // 4), rng=rng)
    return FittedValues(value, foresight(value, fresh, score(fresh.items).mean, beta=beta))


def foresight(value: PrefixPotential, paths: Paths, scores: Floats, *, beta: float | None = None) -> Foresight:
    """Of a value of prefixes, on outputs that it was not fitted to and their scores [n]."""
    top = float(scores.max())
    told = value.prefix([item for begun in paths.begun for item in begun]).mean
    told, came = (own if beta is None else np.exp((own - top) / beta) for own in (told, scores))
    length = np.array([len(begun) for begun in paths.begun])
    place, came = np.concatenate([np.arange(own) for own in length]), np.repeat(came, length)
    trivial = float(came[place == 0].mean())
    rows = [(place == own) for own in range(int(length.max()))]
    return Foresight(
        place=np.arange(len(rows)),
        count=np.array([own.sum() for own in rows]),
        correlation=np.array([_correlation(told[own], came[own]) for own in rows]),
        error=np.array([_share(told[own] - came[own], trivial - came[own]) for own in rows]),
        trivial=trivial,
    )


def _correlation(first: Floats, second: Floats) -> float:
    if not (np.ptp(first) > 0 and np.ptp(second) > 0):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _share(error: Floats, of: Floats) -> float:
    """Ratio of sums of squares; NaN where the second is 0."""
    return float(error @ error / (of @ of)) if of.any() else float("nan")
