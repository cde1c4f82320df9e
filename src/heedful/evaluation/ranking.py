"""The ranking of items, with what is known about each place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from heedful.core import Finding, Floats, Interval, Promise
from heedful.evaluation.rows import as_json, report
from heedful.stats import rank_intervals

MAX_RANKED = 1000  # rank intervals compare each item with every other: 4 s at 1,000 items, growing as the square


class Ranked(Protocol):
    """What a ranking needs of a fitted posterior (see `heedful.preference.FittedPosterior`)."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def mean(self) -> Floats: ...
    @property
    def covariance(self) -> Floats | None: ...
    @property
    def counts(self) -> Floats: ...
    @property
    def identified(self) -> NDArray[np.bool_]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def df(self) -> float: ...
    @property
    def model(self) -> dict[str, Any]: ...


def ranking(
    posterior: Ranked,
    *,
    level: float = 0.95,
    rng: np.random.Generator,
    findings: list[Finding] | None = None,
) -> list[dict[str, Any]]:
    """The summary's "ranking", best first: each {"item", "score", "interval", "rank", "rank_interval", "n", ...}.

    Scores are utilities in nats, centred on the mean of the identified items; the interval is from the covariance so
    centred, with t quantiles where df is finite. What it promises is what the fit says of its covariance; where that
    is None there is neither interval nor rank interval.
    `rank` counts from 1, equal scores sharing the best; `rank_interval` covers the true rank at the level or more.
    Items that are not identified come last, without score, interval or rank, with a note.
    """
    placed = np.flatnonzero(posterior.identified)
    score, spread = _centred(posterior, placed)
    default: Promise = "credible" if has_prior(posterior) else "confidence"
    promise: Promise | None = posterior.model.get("promise", default)
    bounds = None if promise is None else _rank_intervals(posterior, placed, level, rng, findings)
    quantile = (
        float(special.stdtrit(posterior.df, (1 + level) / 2))
        if np.isfinite(posterior.df)
        else float(special.ndtri((1 + level) / 2))
    )
    listed = []
    for place in np.argsort(-score, kind="stable"):
        item, value, half = int(placed[place]), float(score[place]), float(quantile * spread[place])
        interval = None if promise is None or np.isnan(half) else Interval(value - half, value + half, promise, level)
        ranks = None if bounds is None else [int(bounds[0][place]), int(bounds[1][place])]
        row = _row(posterior, item, value, as_json(interval), int(1 + (score > score[place]).sum()), ranks)
        listed.append(row)
    return listed + [_row(posterior, int(item), None, None, None, None) for item in _unplaced(posterior)]


def has_prior(posterior: Ranked) -> bool:
    """Whether the utilities were fitted with a prior, as `model["prior"]` says."""
    return posterior.model.get("prior") is not None


def _centred(posterior: Ranked, placed: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Scores [m] and standard deviations [m] of the identified items about their mean.

    An item whose variance is not known has NaN, and is left out of the mean that the others' deviations are about.
    """
    score = posterior.mean[placed] - (posterior.mean[placed].mean() if len(placed) else 0.0)
    spread = np.full(len(placed), np.nan)
    if posterior.covariance is None:
        return score, spread
    known = np.flatnonzero(~np.isnan(np.diag(posterior.covariance)[placed]))
    if len(known):
        inner = posterior.covariance[np.ix_(placed[known], placed[known])]
        across = inner.mean(axis=0)
        spread[known] = np.sqrt(np.maximum(np.diag(inner) - 2 * across + across.mean(), 0.0))
    return score, spread


def _rank_intervals(
    posterior: Ranked,
    placed: NDArray[np.intp],
    level: float,
    rng: np.random.Generator,
    findings: list[Finding] | None,
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Lowest and highest rank of each placed item; one whose variance is not known may hold any, above or below."""
    if posterior.covariance is None or len(placed) > MAX_RANKED:
        message = f"{len(placed):,} items are too many for rank intervals; scores and ranks are given without."
        report(findings, Finding("ranking.no_rank_intervals", "note", message, count=len(placed)))
        return None
    known = ~np.isnan(np.diag(posterior.covariance)[placed])
    low, high = np.ones(len(placed), np.intp), np.full(len(placed), len(placed), np.intp)
    if known.any():
        rows = placed[known]
        inner = posterior.covariance[np.ix_(rows, rows)]
        low[known], high[known] = rank_intervals(posterior.mean[rows], inner, level=level, df=posterior.df, rng=rng)
        high[known] += int((~known).sum())
    return low, high


def _unplaced(posterior: Ranked) -> NDArray[np.intp]:
    """Items that are not identified, those with the most votes first."""
    out = np.flatnonzero(~np.asarray(posterior.identified))
    return out[np.argsort(-posterior.counts[out], kind="stable")]


def _row(
    posterior: Ranked, item: int, score: float | None, interval: Any, rank: int | None, ranks: list[int] | None
) -> dict[str, Any]:
    return {
        "item": posterior.names[item],
        "score": score,
        "interval": interval,
        "rank": rank,
        "rank_interval": ranks,
        "n": round(float(posterior.counts[item])),
        "identified": bool(posterior.identified[item]),
        "note": posterior.notes[item] if len(posterior.notes) else "",
    }
