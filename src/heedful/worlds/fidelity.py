"""How much simulated feedback looks like real feedback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from heedful.core import UsageError
from heedful.feedback import Table

# Cohen's "large" difference of two proportions; statistics this far apart have nothing in common here.
LARGE = 0.8
# A statistic of fewer judgements than this is mostly noise, and left out.
ENOUGH = 100

# A share in [0, 1] and the number of judgements it rests on; None where there are none.
Measured = tuple[float, int] | None


@dataclass(frozen=True, slots=True)
class Likeness:
    """One statistic in both tables (None where the simulated one cannot show it), and how alike they are, in [0, 1]."""

    statistic: str
    real: float
    simulated: float | None
    likeness: float


@dataclass(frozen=True, slots=True)
class Fidelity:
    """`score` in [0, 1], the mean likeness over the statistics that the real table shows, and those by name."""

    score: float
    parts: tuple[Likeness, ...]

    def worst(self) -> Likeness:
        """The statistic the simulation gets most wrong."""
        return min(self.parts, key=lambda part: part.likeness)


def fidelity(real: Table, simulated: Table) -> Fidelity:
    """Compare the statistics of `STATISTICS`, all of them shares in [0, 1], between two tables.

    For shares p and q the likeness is 1 − |2 asin √p − 2 asin √q| / 0.8, at least 0: Cohen's effect size h (1988,
    chapter 6), by which a difference counts more near 0 and 1, over his "large" one. What the real table shows by
    fewer than 100 judgements is left out; what it shows and the simulated one does not has likeness 0. Sampling noise
    counts as unlikeness: two samples of n from one world differ in h by about sqrt(2/n), so that 1,000 votes each score
    near 0.95.
    Raises UsageError where the real table shows none of the statistics so.
    """
    parts = tuple(
        _likeness(name, shown[0], measure(simulated))
        for name, measure in STATISTICS.items()
        if (shown := measure(real)) is not None and shown[1] >= ENOUGH
    )
    if not parts:
        raise UsageError(
            f"the real table has fewer than {ENOUGH} judgements for any statistic",
            where="fidelity",
            fix=f"give at least {ENOUGH} comparisons, ratings or labels",
        )
    return Fidelity(float(np.mean([part.likeness for part in parts])), parts)


def _likeness(name: str, real: float, measured: Measured) -> Likeness:
    if measured is None:
        return Likeness(name, real, None, 0.0)
    apart = abs(2 * np.arcsin(np.sqrt(real)) - 2 * np.arcsin(np.sqrt(measured[0])))
    return Likeness(name, real, measured[0], float(max(1 - apart / LARGE, 0.0)))


def tie_rate(table: Table) -> Measured:
    """Share of comparisons that are ties (both-bad ones too)."""
    return _share(_votes(table), pl.col("choice").is_in(["tie", "both_bad"]))


def first_share(table: Table) -> Measured:
    """Share of decided comparisons, order as shown, that the first candidate won."""
    return _share(_decided(table).filter(pl.col("shown")), pl.col("choice") == "first")


def longer_share(table: Table) -> Measured:
    """Share of decided comparisons of texts of unequal length that the longer one won."""
    first, second = (pl.col("outputs").list.get(place).str.len_chars() for place in (0, 1))
    unequal = _decided(table).filter(first != second)
    return _share(unequal, (first > second) == (pl.col("choice") == "first"))


def strong_share(table: Table) -> Measured:
    """Share of decided comparisons with a degree whose degree is above 1."""
    return _share(_decided(table).filter(pl.col("degree").is_not_null()), pl.col("degree") > 1)


def agreement(table: Table) -> Measured:
    """Chance that two raters' votes on the same two candidates in the same context say the same."""
    votes = _votes(table).filter(pl.col("rater").is_not_null()).select("rater", *_question())
    votes = votes.unique(["rater", "context", "low", "high"], keep="first", maintain_order=True)
    counts = votes.group_by("context", "low", "high", "said").len("n")
    alike = counts.select((pl.col("n") * (pl.col("n") - 1)).sum()).item()
    every = counts.group_by("context", "low", "high").agg(pl.col("n").sum())
    pairs = every.select((pl.col("n") * (pl.col("n") - 1)).sum()).item()
    return (alike / pairs, int(every["n"].sum())) if pairs else None


def transitivity(table: Table) -> Measured:
    """Share of triples of systems, each pair compared and not split evenly, whose majorities form no cycle."""
    sides = _sides(table)
    names = sides["system"].unique().sort()
    if len(names) < 3:
        return None
    place = {name: number for number, name in enumerate(names)}
    margin = np.zeros((len(names), len(names)))
    totals = sides.group_by("system", "rival").agg(more=2 * pl.col("won").sum().cast(pl.Int64) - pl.len())
    for system, rival, more in totals.iter_rows():
        margin[place[system], place[rival]] = more
    beats = (margin > 0).astype(np.float64)
    met = beats + beats.T
    triples, cycles = np.trace(met @ met @ met) / 6, np.trace(beats @ beats @ beats) / 3
    return (float(1 - cycles / triples), sides.height // 2) if triples else None


def win_rate_spread(table: Table) -> Measured:
    """Twice the standard deviation, over systems, of the share of decided comparisons each won."""
    sides = _sides(table)
    rates = sides.group_by("system").agg(pl.col("won").mean())["won"].to_numpy()
    return (float(min(2 * np.std(rates), 1.0)), sides.height // 2) if len(rates) > 1 else None


def busier_half(table: Table) -> Measured:
    """Share of records given by the busier half of the raters: 1/2 where all are as busy."""
    raters = table.column("rater").drop_nulls()
    if raters.n_unique() < 2:
        return None
    counts = np.sort(raters.value_counts()["count"].to_numpy())[::-1]
    whole, odd = divmod(len(counts), 2)
    busy = counts[:whole].sum() + odd * counts[whole] / 2
    return float(busy / counts.sum()), int(counts.sum())


def first_is_best(table: Table) -> Measured:
    """Share of best-of-K choices, order as shown, that fell on the first candidate."""
    return _share(_columns(table, "best", "shown").filter(pl.col("best").is_not_null(), "shown"), pl.col("best") == 0)


def label_rate(table: Table) -> Measured:
    """Share of yes among labels."""
    return _share(_columns(table, "label").drop_nulls(), pl.col("label"))


def rating_level(table: Table) -> Measured:
    """Mean rating, as a share of its scale."""
    return _share(_ratings(table), pl.col("rating"))


def rating_spread(table: Table) -> Measured:
    """Twice the standard deviation of ratings, as a share of their scale."""
    ratings = _ratings(table)["rating"].to_numpy()
    return (float(min(2 * np.std(ratings), 1.0)), len(ratings)) if len(ratings) > 1 else None


STATISTICS: dict[str, Callable[[Table], Measured]] = {
    "tie rate": tie_rate,
    "first shown wins": first_share,
    "longer wins": longer_share,
    "degree above 1": strong_share,
    "raters agree": agreement,
    "majorities are transitive": transitivity,
    "spread of win rates": win_rate_spread,
    "votes by the busier half": busier_half,
    "first shown is best": first_is_best,
    "labels that say yes": label_rate,
    "mean rating": rating_level,
    "spread of ratings": rating_spread,
}


def _columns(table: Table, *names: str) -> pl.DataFrame:
    return pl.DataFrame({name: table.column(name) for name in names})


def _share(frame: pl.DataFrame, condition: pl.Expr) -> Measured:
    return (float(frame.select(condition.cast(pl.Float64).mean()).item()), frame.height) if frame.height else None


def _votes(table: Table) -> pl.DataFrame:
    """Comparisons that say something."""
    frame = _columns(table, "kind", "choice", "degree", "shown", "outputs", "systems", "context", "rater")
    return frame.filter(pl.col("kind") == "comparison", pl.col("choice") != "incomparable")


def _decided(table: Table) -> pl.DataFrame:
    return _votes(table).filter(pl.col("choice").is_in(["first", "second"]))


def _question() -> list[pl.Expr]:
    """Context, the two candidates in an order of their own, and what was said: of them in that order, or a tie."""
    a, b = (
        pl.concat_str(
            *(pl.col(part).list.get(place).fill_null("") for part in ("systems", "outputs")), separator="\x1f"
        )
        for place in (0, 1)
    )
    decided = pl.col("choice").is_in(["first", "second"])
    said = pl.when(~decided).then(None).otherwise((pl.col("choice") == "first") == (a < b))
    return [
        pl.col("context").fill_null(""),
        pl.min_horizontal(a, b).alias("low"),
        pl.max_horizontal(a, b).alias("high"),
        said.alias("said"),
    ]


def _sides(table: Table) -> pl.DataFrame:
    """Each decided comparison of two systems twice, once from either side: system, rival, won."""
    votes = (
        _decided(table)
        .select(a=pl.col("systems").list.get(0), b=pl.col("systems").list.get(1), first=pl.col("choice") == "first")
        .drop_nulls()
    )
    own = votes.select(system="a", rival="b", won="first")
    return pl.concat([own, votes.select(system="b", rival="a", won=~pl.col("first"))])


def _ratings(table: Table) -> pl.DataFrame:
    """Ratings as shares of their scales."""
    frame = _columns(table, "rating", "scale_low", "scale_high").drop_nulls()
    width = pl.col("scale_high") - pl.col("scale_low")
    return frame.select(rating=(pl.col("rating") - pl.col("scale_low")) / width)
