"""Do the intervals of a ranking hold what they promise? Coverage over simulated sets of feedback with known truth.

Each cell is a way in which votes come about: comparisons with and without ties, with degrees and shares, rankings, best
of a set, ratings, yes/no labels, marks of steps, weighted signals, and people beside a judge, all on free items,
independent or correlated through prompts (each item does better on some prompts) and raters (each likes some items
more, and rates more or less kindly, on a wider or narrower scale). The truth is what maximum likelihood tends to with
ever more prompts and raters, all of middling kindness: the parameters themselves where votes are as the model has them,
else a fit to a very large sample.

Of every set in which all items are identified, one item, one pair and one rank drawn at random are checked, so that
checks are independent and a binomial test applies: two-sided for the intervals of items that promise `confidence` or
`credible`; against under-coverage for those that promise `at least`, for ranks, and for the differences that they rest
on. The identification rate stands beside. Weights of features, utilities under a prior, and what a judge wants beside
people, are drawn anew for each set.

    python benchmarks/ranking_coverage.py [--quick] [--sets N] [--cells NAME ...] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import stats

from heedful.core import Floats, Item
from heedful.feedback import Table
from heedful.preference import FittedPosterior, fit
from heedful.stats import rank_intervals

LEVEL = 0.95
TRUTH_VOTES = 400_000


@dataclass(frozen=True)
class Cell:
    """One way in which votes come about. `votes`: per pair (comparisons), per item (others), in all (features)."""

    name: str
    kind: Literal[
        "comparison", "degree", "share", "half", "ranking", "best_of", "rating", "label", "steps", "implicit",
        "joint", "judged", "prior", "features",
    ]  # fmt: skip
    items: int  # or features
    votes: int
    tie: float = 0.0  # Davidson's ν, or δ_2 of a ranking
    prompts: int = 0  # 0: every vote is on a prompt of its own
    raters: int = 0
    prompt_sd: float = 0.0  # of what an item gains or loses on a prompt
    rater_sd: float = 0.0
    kindness_sd: float = 0.0  # of what a rater gives to all items alike
    stretch_sd: float = 0.0  # of the log of how far apart a rater's thresholds are
    seen: int = 0  # items that each rater rates, 0: all
    uneven: bool = False  # prompts and raters as frequent as 1, 1/2, 1/3, ...
    spread: float = 0.8  # standard deviation of the utilities

    @property
    def correlated(self) -> bool:
        return self.prompt_sd > 0 or self.rater_sd > 0 or self.kind == "half"

    @property
    def options(self) -> dict[str, Any]:
        """How the votes are fitted."""
        return {"ties": "half"} if self.kind == "half" else {}

    @property
    def in_pairs(self) -> bool:
        return self.kind in ("comparison", "degree", "share", "half")

    def utilities(self) -> Floats:
        """The same truth for every set: normal quantiles, so that items are as spread as drawn ones."""
        return self.spread * stats.norm.ppf((np.arange(self.items) + 0.5) / self.items)


CELLS = (
    Cell("Bradley-Terry, 3 votes a pair", "comparison", 6, 3),
    Cell("Bradley-Terry, 10 votes a pair", "comparison", 6, 10),
    Cell("Davidson, 3 votes a pair", "comparison", 6, 3, tie=0.5),
    Cell("Davidson, 5 votes a pair", "comparison", 10, 5, tie=0.5),
    Cell("Davidson, 10 votes a pair", "comparison", 4, 10, tie=0.5),
    Cell("rankings of 4", "ranking", 8, 20),
    Cell("rankings of 4 with ties", "ranking", 8, 45, tie=0.4),
    Cell("ratings 1 to 5", "rating", 6, 40),
    Cell("yes/no labels", "label", 6, 60),
    Cell("Davidson, 10 prompts", "comparison", 8, 10, tie=0.5, prompts=10, prompt_sd=0.8),
    Cell("Davidson, 40 prompts", "comparison", 8, 5, tie=0.5, prompts=40, prompt_sd=0.8),
    Cell("Bradley-Terry, 8 raters", "comparison", 8, 10, raters=8, rater_sd=0.7),
    Cell("Bradley-Terry, 20 prompts x 15 raters", "comparison", 8, 10, 0.0, 20, 15, 0.7, 0.5),
    Cell("Bradley-Terry, uneven prompts", "comparison", 8, 10, prompts=30, prompt_sd=0.7, uneven=True),
    Cell("Davidson, recurring but independent", "comparison", 8, 5, tie=0.5, prompts=15, raters=15),
    Cell("more items than prompts", "comparison", 20, 4, prompts=12, prompt_sd=0.8),
    Cell("rankings of 4, 15 raters", "ranking", 8, 60, raters=15, rater_sd=0.6),
    Cell("ratings, 12 raters", "rating", 6, 40, raters=12, rater_sd=0.4, kindness_sd=0.8),
    Cell("ratings, 30 prompts x 12 raters", "rating", 6, 60, 0.0, 30, 12, 0.6, 0.3, 0.6),
    Cell("ratings, 40 raters, scales of their own", "rating", 6, 60, raters=40, kindness_sd=0.8, stretch_sd=0.4),
    Cell("ratings, 24 raters of 3 items each", "rating", 6, 60, raters=24, kindness_sd=0.8, stretch_sd=0.4, seen=3),
    Cell("ratings, 12 raters who are alike", "rating", 6, 40, raters=12),
    Cell("labels, 20 raters", "label", 6, 80, raters=20, kindness_sd=0.8),
    Cell("labels, 20 prompts", "label", 6, 80, prompts=20, prompt_sd=0.7),
    Cell("comparisons and sharper ratings", "joint", 6, 10, tie=0.4),
    Cell("three degrees, 5 votes a pair", "degree", 8, 5, tie=0.5),
    Cell("three degrees, 40 prompts", "degree", 8, 8, tie=0.5, prompts=40, prompt_sd=0.7),
    Cell("best of 4", "best_of", 8, 24),
    Cell("best of 4, 40 prompts", "best_of", 8, 60, prompts=40, prompt_sd=0.7),
    Cell("shares of five voters", "share", 6, 10),
    Cell("shares of five voters, 40 prompts", "share", 8, 10, prompts=40, prompt_sd=0.7),
    Cell("ties as half a win", "half", 6, 10, tie=1.0),
    Cell("marks of four steps that go together", "steps", 6, 50),
    Cell("signals by propensity", "implicit", 6, 150),
    Cell("people beside a judge", "judged", 8, 5, tie=0.5),
    Cell("items, prior given", "prior", 20, 3),
    Cell("items, prior by evidence", "prior", 30, 3),
    Cell("features, prior given", "features", 12, 250, spread=0.3),
    Cell("features, prior by evidence", "features", 25, 400, spread=0.3),
)


def simulate(cell: Cell, utilities: Floats, rng: np.random.Generator, votes: int | None = None) -> Table:
    """A table of votes; with `votes` given, that many, each on its own prompt by its own rater."""
    if cell.kind == "joint":
        # Ratings that read 1.8 u, four to each comparison of an item.
        pairs, ratings = replace(cell, kind="comparison"), replace(cell, kind="rating", votes=4 * cell.votes)
        return Table.concat([simulate(pairs, utilities, rng), simulate(ratings, 1.8 * utilities, rng)])
    if cell.kind == "judged":
        return Table.concat([_people(cell, utilities, rng), _judge(cell, utilities, rng)])
    sets = _sets(cell, rng, votes)
    number = len(sets)
    alone = votes is not None
    prompt = _assigned(0 if alone else cell.prompts, number, cell.uneven, rng)
    rater = _assigned(0 if alone else cell.raters, number, cell.uneven, rng)
    if cell.seen and not alone:
        sets = (rater[:, None] + rng.integers(cell.seen, size=(number, 1))) % cell.items
    u = utilities[sets] + _effects(cell.prompt_sd, prompt, sets, rng) + _effects(cell.rater_sd, rater, sets, rng)
    # Told apart by their ids, raters are read as kind as they are; the truth is that of middling ones.
    kindness, stretch = (
        (0.0 if alone else sd) * rng.standard_normal(rater.max() + 1)[rater]
        for sd in (cell.kindness_sd, cell.stretch_sd)
    )
    names = np.array([f"item {i:02d}" for i in range(cell.items)])
    columns: dict[str, Any] = {
        "id": np.arange(number).astype(str),
        "kind": ["comparison" if cell.in_pairs or cell.kind == "prior" else cell.kind] * number,
        "systems": pl.Series(names[sets].tolist(), dtype=pl.List(pl.String)),
        **_ANSWERS[cell.kind](cell, u, kindness, np.exp(stretch), rng),
    }
    if cell.prompts and not alone:
        columns["context"] = [f"prompt {p}" for p in prompt]
    if cell.raters and not alone:
        columns["rater"] = [f"rater {r}" for r in rater]
    frame = pl.DataFrame(columns)
    return Table.shaped(frame.drop_nulls("amount") if cell.kind == "implicit" else frame)


def _sets(cell: Cell, rng: np.random.Generator, votes: int | None) -> Any:
    """The items of each vote [v, k], in random order."""
    n = cell.items
    if cell.in_pairs or cell.kind == "prior":
        pairs = np.stack(np.triu_indices(n, 1), axis=1)
        chosen = np.repeat(pairs, cell.votes, axis=0) if votes is None else pairs[rng.integers(len(pairs), size=votes)]
        return rng.permuted(chosen, axis=1)
    if cell.kind in ("ranking", "best_of"):
        number = cell.votes * n // 4 if votes is None else votes
        return rng.permuted(np.tile(np.arange(n), (number, 1)), axis=1)[:, :4]
    every = np.repeat(np.arange(n), cell.votes) if votes is None else rng.integers(n, size=votes)
    return every[:, None]


def _assigned(groups: int, votes: int, uneven: bool, rng: np.random.Generator) -> Any:
    """A prompt or rater for each vote."""
    if not groups:
        return np.arange(votes)
    weight = 1 / np.arange(1, groups + 1) if uneven else np.ones(groups)
    return rng.choice(groups, size=votes, p=weight / weight.sum())


def _effects(sd: float, group: Any, sets: Any, rng: np.random.Generator) -> Floats | float:
    """What each item of each vote gains by its prompt or rater [v, k]."""
    if not sd:
        return 0.0
    return sd * rng.standard_normal((group.max() + 1, sets.max() + 1))[group[:, None], sets]


def _comparisons(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    half = (u[:, 0] - u[:, 1]) / 2
    weight = np.stack([np.exp(half), np.exp(-half), np.full(len(half), cell.tie)], axis=1)
    return {"choice": np.array(["first", "second", "tie"])[_drawn(weight, rng)]}


def _degrees(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Adjacent categories: −3 to 3 with weights exp(k Δ / 2) and constants that make strong votes rare."""
    scores, constant = np.arange(-3, 4), np.array([-1.6, -0.6, 0.0, np.log(cell.tie), 0.0, -0.6, -1.6])
    outcome = scores[_drawn(np.exp(np.outer(u[:, 0] - u[:, 1], scores / 2) + constant), rng)]
    choice = np.array(["second", "tie", "first"])[np.sign(outcome) + 1]
    return {"choice": choice, "degree": [float(abs(k)) if k else None for k in outcome]}


def _shares(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    share = rng.binomial(5, 1 / (1 + np.exp(u[:, 1] - u[:, 0]))) / 5
    return {"choice": np.where(share > 0.5, "first", "second"), "share": share}


def _best_of(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    return {"best": _drawn(np.exp(u), rng)}


def _steps(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """All four steps of an answer are right, or none is."""
    right = u[:, 0] + rng.logistic(size=len(u)) > 0.3
    return {"steps": pl.Series(np.repeat(right[:, None].astype(float), 4, axis=1).tolist(), dtype=pl.List(pl.Float64))}


def _signals(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Likes, of which dislikes are recorded more often: `label` of those not recorded is null."""
    liked = u[:, 0] + rng.logistic(size=len(u)) > 0.3
    propensity = np.where(liked, 0.4, 0.8)
    recorded = rng.random(len(u)) < propensity
    amount = [float(value) if seen else None for value, seen in zip(liked, recorded, strict=True)]
    return {"signal": ["like"] * len(u), "amount": amount, "propensity": propensity}


def _people(cell: Cell, utilities: Floats, rng: np.random.Generator) -> Table:
    return _told(simulate(replace(cell, kind="comparison"), utilities, rng), "person", rng)


def _judge(cell: Cell, utilities: Floats, rng: np.random.Generator) -> Table:
    """A model that wants something else, of 0.5 nats, with many votes and its own ties."""
    wanted = utilities + 0.5 * rng.standard_normal(len(utilities))
    return _told(simulate(replace(cell, kind="comparison", votes=8 * cell.votes, tie=0.2), wanted, rng), "model", rng)


def _told(table: Table, kind: str, rng: np.random.Generator) -> Table:
    """With raters: as many people as there are votes, or one model."""
    n = len(table)
    rater = [f"person {row}" for row in range(n)] if kind == "person" else ["model"] * n
    frame = table.frame.with_columns(id=pl.lit(f"{kind} ") + table.column("id"), rater=pl.Series(rater))
    return Table.shaped(frame.with_columns(rater_kind=pl.lit(kind)))


def _rankings(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Repeated choice from the items left: one of them, or two tied with weight δ times their geometric mean."""
    votes, size = u.shape
    ranks = np.zeros((votes, size), np.int64)
    one, two = np.triu_indices(size, 1)
    for rank in range(1, size + 1):
        worth = np.where(ranks == 0, np.exp(u), 0.0)
        going = (ranks == 0).any(axis=1)
        weight = np.concatenate([worth, cell.tie * np.sqrt(worth[:, one] * worth[:, two])], axis=1)
        choice = _drawn(np.where(going[:, None], weight, 1.0), rng)
        first = np.concatenate([np.arange(size), one])[choice]
        second = np.concatenate([np.arange(size), two])[choice]
        for member in (first, second):
            ranks[going, member[going]] = rank
    return {"ranks": pl.Series(ranks.tolist(), dtype=pl.List(pl.Int32))}


def _ratings(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    latent = u[:, 0] + kindness + rng.logistic(size=len(u))
    rating = 1.0 + (latent[:, None] > np.array([-2.0, -0.7, 0.6, 1.8]) * stretch[:, None]).sum(axis=1)
    ends = {"scale_low": np.ones(len(u)), "scale_high": np.full(len(u), 5.0), "step": np.ones(len(u))}
    return {"rating": rating, **ends}


def _labels(cell: Cell, u: Floats, kindness: Floats, stretch: Floats, rng: np.random.Generator) -> dict[str, Any]:
    return {"label": u[:, 0] + kindness + rng.logistic(size=len(u)) > 0.3}


def _drawn(weight: Floats, rng: np.random.Generator) -> Any:
    """One column of each row, with probability in proportion to its weight."""
    edges = weight.cumsum(axis=1)
    return (rng.random(len(weight))[:, None] * edges[:, -1:] > edges).sum(axis=1)


_ANSWERS: dict[str, Callable[..., dict[str, Any]]] = {
    "comparison": _comparisons,
    "half": _comparisons,
    "prior": _comparisons,
    "degree": _degrees,
    "share": _shares,
    "best_of": _best_of,
    "steps": _steps,
    "implicit": _signals,
    "ranking": _rankings,
    "rating": _ratings,
    "label": _labels,
}


def population(cell: Cell, rng: np.random.Generator, votes: int) -> Floats:
    """What maximum likelihood tends to [n], centred."""
    utilities = cell.utilities()
    if not cell.correlated:
        return utilities - utilities.mean()
    return fit(simulate(cell, utilities, rng, votes), clusters="none", draws=2, **cell.options).mean


def check(posterior: FittedPosterior, truth: Floats, rng: np.random.Generator) -> dict[str, Any]:
    """Whether a random item's interval, a random pair's and a random rank interval hold the truth."""
    n, covariance = len(truth), posterior.covariance
    assert covariance is not None
    item, other = rng.choice(n, size=2, replace=False)
    quantile = stats.t.ppf((1 + LEVEL) / 2, posterior.df)
    error = posterior.mean - truth
    own = np.sqrt(covariance[item, item])
    gap = np.sqrt(covariance[item, item] + covariance[other, other] - 2 * covariance[item, other])
    low, high = rank_intervals(posterior.mean, covariance, level=LEVEL, df=posterior.df, rng=rng)
    rank = 1 + (truth > truth[item]).sum()
    return {
        "promise": posterior.model["promise"],
        "item": abs(error[item]) <= quantile * own,
        "pair": abs(error[item] - error[other]) <= quantile * gap,
        "rank": low[item] <= rank <= high[item],
        "half_width": quantile * own,
    }


@dataclass(frozen=True)
class Numbers:
    """Outputs that are their features, written as numbers."""

    columns: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"x{column}" for column in range(self.columns))

    def fit(self, items: Sequence[Item]) -> Numbers:
        return self

    def encode(self, items: Sequence[Item]) -> Floats:
        return np.array([[float(x) for x in item.output[0].text.split()] for item in items])

    def describe(self) -> dict[str, Any]:
        return {"encoder": "numbers", "columns": self.columns}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, self.describe()

    @classmethod
    def from_state(cls, arrays: Mapping[str, Any], state: Mapping[str, Any]) -> Numbers:
        return cls(state["columns"])


def check_features(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """Weights drawn from the prior: whether the intervals of a random weight and of a new pair's gap hold them."""
    x = rng.normal(size=(2 * cell.votes, cell.items))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    theta = cell.spread * rng.normal(size=cell.items)
    won = rng.random(cell.votes) < 1 / (1 + np.exp(-(x[::2] - x[1::2]) @ theta))
    texts = [" ".join(map(repr, row.tolist())) for row in x]
    columns = {
        "id": np.arange(cell.votes).astype(str),
        "kind": ["comparison"] * cell.votes,
        "outputs": pl.Series([texts[row : row + 2] for row in range(0, len(texts), 2)], dtype=pl.List(pl.String)),
        "choice": np.where(won, "first", "second"),
    }
    prior_sd = cell.spread if "given" in cell.name else None
    encoder = Numbers(cell.items)
    table = Table.shaped(pl.DataFrame(columns))
    posterior = fit(table, utility="features", features=encoder, prior_sd=prior_sd, draws=2)
    assert posterior.covariance is not None
    gap, which, z = rng.normal(size=cell.items), rng.integers(cell.items), stats.norm.ppf((1 + LEVEL) / 2)
    error, spread = posterior.mean - theta, np.sqrt(np.diag(posterior.covariance))
    own = abs(error[which]) <= z * spread[which]
    return {
        "promise": "credible",
        "item": own,
        "pair": abs(gap @ error) <= z * np.sqrt(gap @ posterior.covariance @ gap),
        "rank": own,
        "half_width": z * spread[which],
    }


def check_prior(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """Utilities drawn from the prior: whether the intervals of a random item, pair and rank hold them."""
    utilities = cell.spread * rng.standard_normal(cell.items)
    prior_sd: Any = cell.spread if "given" in cell.name else "evidence"
    posterior = fit(simulate(cell, utilities, rng), prior_sd=prior_sd, draws=2)
    return check(posterior, utilities, rng)


def run(cell: Cell, sets: int, seed: int, truth_votes: int) -> list[dict[str, Any]]:
    """Coverage in one cell, a row per promise made."""
    rng = np.random.default_rng([seed, *cell.name.encode()])
    began, without = time.perf_counter(), 0
    if cell.kind == "features":
        return _rows(cell, sets, [check_features(cell, rng) for _ in range(sets)], 0, began)
    if cell.kind == "prior":
        return _rows(cell, sets, [check_prior(cell, rng) for _ in range(sets)], 0, began)
    checks = []
    truth = population(cell, rng, truth_votes)
    for _ in range(sets):
        posterior = fit(simulate(cell, cell.utilities(), rng), draws=2, **cell.options)
        if not posterior.identified.all():
            continue
        if posterior.covariance is None or np.isnan(posterior.covariance).any():
            without += 1
            continue
        checks.append(check(posterior, truth, rng))
    return _rows(cell, sets, checks, without, began)


def _rows(cell: Cell, sets: int, checks: list[dict[str, Any]], without: int, began: float) -> list[dict[str, Any]]:
    seconds, identified = time.perf_counter() - began, (len(checks) + without) / sets
    rows = []
    for promise in ("confidence", "at least", "credible"):
        own = [c for c in checks if c["promise"] == promise]
        if own:
            row = {"cell": cell.name, "promise": promise, "sets": sets, "checked": len(own), "identified": identified}
            rows.append(row | _coverage(own, promise) | {"without_interval": without, "seconds": round(seconds, 1)})
    return rows


def _coverage(checks: list[dict[str, Any]], promise: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for what in ("item", "pair", "rank"):
        hits = int(sum(c[what] for c in checks))
        side = "two-sided" if promise != "at least" and what == "item" else "less"
        result[what] = hits / len(checks)
        result[f"{what}_p"] = float(stats.binomtest(hits, len(checks), LEVEL, alternative=side).pvalue)
    return result | {"half_width": float(np.median([c["half_width"] for c in checks]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 sets per cell, and a smaller sample for the truth")
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--cells", nargs="*", default=None, help="parts of cell names")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sets, truth_votes = (8, TRUTH_VOTES // 20) if options.quick else (options.sets, TRUTH_VOTES)
    head = f"{'cell':<40}{'promise':<12}{'sets':>6}{'ident.':>8}"
    print(head + "".join(f"{name:>8}{'p':>9}" for name in ("item", "pair", "rank")) + f"{'±':>7}")
    rows = []
    for cell in CELLS:
        if options.cells and not any(part in cell.name for part in options.cells):
            continue
        for row in run(cell, sets, options.seed, truth_votes):
            rows.append(row)
            shown = "".join(f"{row[name]:8.4f}{row[f'{name}_p']:9.1e}" for name in ("item", "pair", "rank"))
            start = f"{row['cell']:<40}{row['promise']:<12}{row['checked']:>6}{row['identified']:8.3f}"
            print(start + shown + f"{row['half_width']:7.3f}", flush=True)
    if options.out:
        options.out.write_text(json.dumps({"level": LEVEL, "seed": options.seed, "rows": rows}, indent=1))
    failed = [row for row in rows if min(row["item_p"], row["pair_p"], row["rank_p"]) < 1e-4]
    if failed:
        raise SystemExit(f"{len(failed)} rows break their promise")


if __name__ == "__main__":
    main()
