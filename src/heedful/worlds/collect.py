"""Feedback from a world: questions, shown to simulated raters, become a table of records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import polars as pl

from heedful.core import Floats, InputError, Item
from heedful.feedback import Table
from heedful.worlds.raters import Shown, SimulatedRaters, Whole

Judged = Literal["comparison", "ranking", "best_of", "best_worst", "rating", "label", "steps"]
_FIRST_DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_CHOICES = ("first", "second", "tie")


@dataclass(frozen=True)
class Questions:
    """n questions of k candidates: what raters see, and what a record says of it.

    `context` [n], and one series [n] for each of the k candidates in `outputs` and `systems`; each may be None. Where
    steps are marked there is one candidate, and `shown` holds its k steps.
    """

    shown: Shown
    context: pl.Series | None
    outputs: tuple[pl.Series, ...] | None
    systems: tuple[pl.Series, ...] | None

    def __len__(self) -> int:
        return len(self.shown.prompt)

    def repeat(self, times: int) -> Questions:
        """Each question `times` times in a row."""
        if times == 1:
            return self
        rows = np.repeat(np.arange(len(self)), times)
        several = (None if s is None else tuple(column[rows] for column in s) for s in (self.outputs, self.systems))
        return Questions(self.shown.take(rows), None if self.context is None else self.context[rows], *several)


class World(Protocol):
    """A place where the truth is known."""

    def draw(self, n: int, size: int, *, rng: np.random.Generator) -> Questions:
        """n random questions about `size` different candidates each, in random order."""
        ...

    def show(self, questions: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Questions:
        """These questions, candidates in the order given; `rng` fills in what the items leave open."""
        ...


def collect(
    world: World,
    n: int,
    *,
    raters: SimulatedRaters,
    rng: np.random.Generator,
    kind: Judged = "comparison",
    size: int | None = None,
    votes: int = 1,
    name: str = "vote",
) -> Table:
    """n records of `kind` on random questions, each question judged by `votes` different raters.

    "best_worst" gives records of kind best_of that name the worst, too.
    `size` is the number of candidates: 2 for comparisons, 1 for ratings and labels, 4 unless said otherwise for
    rankings and best-of. Ids are `name`-0, `name`-1, ... Raises InputError where the numbers do not fit.
    """
    fixed = {"comparison": 2, "rating": 1, "label": 1}.get(kind)
    size = size or fixed or 4
    misfit = kind == "steps" or (fixed and size != fixed) or size < (fixed or 2)
    if misfit or not 1 <= votes <= raters.count or n % votes:
        raise InputError(
            f"{n} records of kind {kind} with {size} candidates and {votes} votes each from {raters.count} raters",
            where="collect",
            fix="n must be a multiple of votes, votes at most the number of raters, and size fit the kind; steps of "
            "given solutions are marked with judge",
        )
    questions = world.draw(n // votes, size, rng=rng).repeat(votes)
    return judge(
        questions, raters=raters, rng=rng, kind=kind, rater=_assign(n // votes, votes, raters.count, rng), name=name
    )


def answer(
    world: World,
    questions: Sequence[tuple[Item, ...]],
    *,
    raters: SimulatedRaters,
    rng: np.random.Generator,
    kind: Judged = "comparison",
    time: float | None = None,
    name: str = "answer",
) -> Table:
    """One record for each of these questions, by random raters, candidates shown in random order.

    `time` in [0, 1] is when, for raters that drift; None spreads the answers over the whole of it.
    """
    if not questions:
        return Table.of(())
    mixed = [tuple(question[place] for place in rng.permutation(len(question))) for question in questions]
    rater = rng.integers(raters.count, size=len(mixed))
    shown = world.show(mixed, rng=rng)
    return judge(shown, raters=raters, rng=rng, kind=kind, rater=rater, time=time, name=name)


def judge(
    questions: Questions,
    *,
    raters: SimulatedRaters,
    rng: np.random.Generator,
    kind: Judged,
    rater: Whole,
    time: float | None = None,
    name: str = "vote",
) -> Table:
    """The records that rater [n] gives on questions [n]: `shown` holds, and `time` runs evenly over 2026."""
    n = len(questions)
    if kind not in get_args(Judged):
        raise InputError(f"simulated raters give {', '.join(get_args(Judged))}, not {kind!r}", where="judge")
    moment = np.linspace(0, 1, n) if time is None else np.full(n, time)
    columns = {
        "id": pl.select(pl.format(f"{name}-{{}}", pl.int_range(n))).to_series(),
        "kind": pl.repeat(kind, n, eager=True),
        **_judged(questions),
        **_VALUES[kind](questions.shown, raters, rater, moment, rng),
        "rater": pl.Series(raters.ids)[rater],
        "rater_kind": pl.repeat("simulated", n, eager=True),
        "time": pl.Series(_FIRST_DAY.timestamp() * 1e6 + moment * 365 * 86400e6)
        .cast(pl.Int64)
        .cast(pl.Datetime("us", "UTC")),
    }
    return Table.shaped(pl.DataFrame({key: column for key, column in columns.items() if column is not None}))


def _judged(questions: Questions) -> dict[str, Any]:
    found: dict[str, Any] = {"context": questions.context}
    for key, series in (("outputs", questions.outputs), ("systems", questions.systems)):
        if series is not None:
            named = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(series)])
            found[key] = named.select(pl.concat_list([pl.col(str(place)) for place in range(len(series))])).to_series()
    if len(questions) and questions.shown.utility.shape[1]:
        found["shown"] = pl.repeat(True, len(questions), eager=True)
    return found


def _assign(questions: int, votes: int, count: int, rng: np.random.Generator) -> Whole:
    """A random rater for each vote [questions · votes], different ones for one question."""
    if votes == 1:
        return rng.integers(count, size=questions)
    return np.argsort(rng.random((questions, count)), axis=1)[:, :votes].ravel()


def _comparison(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    outcome, degree = raters.compare(shown, *context)
    choice = pl.Series(_CHOICES)[outcome]
    if degree is None:
        return {"choice": choice}
    graded = pl.Series(degree.astype(np.float64))
    return {"choice": choice, "degree": graded.set(graded == 0, None)}


def _ranking(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    ranks = raters.rank(shown, *context).astype(np.int32)
    return {"ranks": pl.Series(ranks, dtype=pl.Array(pl.Int32, ranks.shape[1])).cast(pl.List(pl.Int32))}


def _best_of(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    return {"best": pl.Series(raters.best_of(shown, *context).astype(np.int32))}


def _best_worst(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    best, worst = (pl.Series(place.astype(np.int32)) for place in raters.best_worst(shown, *context))
    return {"kind": pl.repeat("best_of", len(best), eager=True), "best": best, "worst": worst}


def _rating(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    rating = pl.Series(raters.rate(shown, *context).astype(np.float64))
    constant = {"scale_low": 1.0, "scale_high": float(len(raters.rating_cuts) + 1), "step": 1.0}
    return {"rating": rating, **{key: pl.repeat(value, len(rating), eager=True) for key, value in constant.items()}}


def _label(shown: Shown, raters: SimulatedRaters, *context: Any) -> dict[str, Any]:
    return {"label": pl.Series(raters.label(shown, *context))}


def _steps(
    shown: Shown, raters: SimulatedRaters, rater: Whole, time: Floats, rng: np.random.Generator
) -> dict[str, Any]:
    """Each step labelled by itself, all steps of a solution by one rater."""
    n, k = shown.utility.shape
    marks = raters.label(shown.apart(), np.repeat(rater, k), np.repeat(time, k), rng).reshape(n, k)
    return {"steps": pl.Series(marks.astype(np.float64), dtype=pl.Array(pl.Float64, k)).cast(pl.List(pl.Float64))}


_VALUES: dict[str, Callable[..., dict[str, Any]]] = {
    "comparison": _comparison,
    "ranking": _ranking,
    "best_of": _best_of,
    "best_worst": _best_worst,
    "rating": _rating,
    "label": _label,
    "steps": _steps,
}
