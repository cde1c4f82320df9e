"""How many labels of people it saves to fit judges and ratings jointly with people's comparisons.

    python benchmarks/joint.py [--quick] [--out FILE]

From few labels of people on, two fits predict comparisons by other people: one to the comparisons alone, one jointly to
them and to what is cheap. `ratio` is the number of labels with which the fit to comparisons alone predicts as well,
over the number that the joint fit had; above 1 the joint fit pays. Both fits have one free utility per item under a
Gaussian prior whose width the evidence chooses. Intervals are t intervals of the log ratio over seeds; on real data,
over splits and samples of the one data set.

llmfao: comparisons by people, with two model judges; people are split into those learned from and those predicted.
population: simulated people with comparisons and, cheap, two judges that deviate (0.5 nats) and a rating an item.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

import heedful
from heedful.core import FitError
from heedful.feedback import Table
from heedful.preference import fit

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HEEDFUL_DATA", ROOT.parent / "shared" / "data"))
SIZES = (50, 100, 200, 400, 800, 1600, 3200)
QUICK_SIZES = (50, 200)
JUDGES = {"gpt-3": "gpt3-crowd-comparisons.csv", "gpt-4": "gpt4-crowd-comparisons.csv"}

Draw = Callable[[int], tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]
Floats = NDArray[np.float64]


def llmfao() -> Draw:
    """For a seed: votes of half of the people, those of the other half, and all votes of both judges."""
    people = heedful.read(DATA / "llmfao" / "crowd-comparisons.csv").table.frame
    judges = pl.concat(
        [
            heedful.read(DATA / "llmfao" / name).table.frame.with_columns(
                rater=pl.lit(judge), rater_kind=pl.lit("model").cast(people.schema["rater_kind"])
            )
            for judge, name in JUDGES.items()
        ],
        how="diagonal",
    )
    raters = people["rater"].unique().sort()

    def draw(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        chosen = pl.col("rater").is_in(raters.sample(fraction=0.5, seed=seed).implode())
        return people.filter(chosen), people.filter(~chosen), judges

    return draw


def population(items: int = 40) -> Draw:
    """Simulated people who want u + own taste; judges who want u + deviation; ratings by people of every item."""

    def draw(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        rng = np.random.default_rng([8, seed])
        utility = rng.normal(size=items)
        learned, held = (_votes(rng, utility, 4000, 80, "person", 0.3, f"{part} ") for part in "ab")
        judges = [
            _votes(rng, utility + 0.5 * rng.normal(size=items), 1500, 1, "model", 0.0, f"judge {j}") for j in (1, 2)
        ]
        rated = pl.concat([*judges, _ratings(rng, utility)], how="diagonal")
        return learned, held, rated

    return draw


def _votes(
    rng: np.random.Generator, utility: Floats, votes: int, raters: int, kind: str, taste: float, name: str
) -> pl.DataFrame:
    n = len(utility)
    rater = rng.integers(raters, size=votes)
    tastes = utility + taste * rng.normal(size=(raters, n))
    first = rng.integers(n, size=votes)
    second = (first + rng.integers(1, n, size=votes)) % n
    half = (tastes[rater, first] - tastes[rater, second]) / 2
    weights = np.cumsum([np.exp(half), np.exp(-half), np.full(votes, 0.6)], axis=0)
    outcome = (rng.random(votes) * weights[-1] > weights).sum(axis=0)
    return _table(
        kind="comparison",
        systems=[[f"{a:03d}", f"{b:03d}"] for a, b in zip(first, second, strict=True)],
        choice=np.array(["first", "second", "tie"])[outcome],
        rater=[name + str(r) for r in rater],
        rater_kind=kind,
    )


def _ratings(rng: np.random.Generator, utility: Floats) -> pl.DataFrame:
    latent = utility + rng.logistic(size=len(utility))
    rating = 1.0 + (latent[:, None] > np.array([-2.0, -0.7, 0.7, 2.0])).sum(axis=1)
    return _table(
        kind="rating",
        systems=[[f"{i:03d}"] for i in range(len(utility))],
        rating=rating,
        scale_low=1.0,
        scale_high=5.0,
        rater=[f"rated {i}" for i in range(len(utility))],
        rater_kind="person",
    )


def _table(**columns: Any) -> pl.DataFrame:
    n = len(columns["systems"])
    lists = {name: [value] * n if isinstance(value, str | float) else value for name, value in columns.items()}
    ids = [f"{columns['kind']} {lists['rater'][row]} {row}" for row in range(n)]
    return Table.shaped(pl.DataFrame({"id": ids, **lists}, strict=False)).frame


def losses(draw: Draw, sizes: tuple[int, ...], seed: int) -> dict[str, list[float]]:
    """Held-out log loss (nats a vote) by the number of labels of people, for each of the fits."""
    learned, held, cheap = draw(seed)
    shuffled = learned.sample(fraction=1.0, shuffle=True, seed=seed)
    found: dict[str, list[float]] = {"alone": [], "joint": [], "pooled": []}
    for size in sizes:
        few = shuffled.head(size)
        both = Table.shaped(pl.concat([few, cheap], how="diagonal"))
        found["alone"].append(loss(Table.shaped(few), held, "apart"))
        found["joint"].append(loss(both, held, "apart"))
        found["pooled"].append(loss(both, held, "pooled"))
    return found


def loss(table: Table, held: pl.DataFrame, judges: Any) -> float:
    """Mean log loss of votes held out; an item not seen has the utility of the average item."""
    try:
        fitted = fit(table, prior_sd="evidence", judges=judges, clusters="none", draws=64)
    except FitError:
        return float(np.log(3))
    # Votes on an item that no vote learned from is about are predicted as votes of two equal items, with the ties seen.
    log_prob = fitted.predict(Table.shaped(held)).log_prob
    unseen = np.isnan(log_prob)
    if unseen.any():
        share = held["choice"].cast(pl.String).to_numpy()[unseen] == "tie"
        ties = float((table.column("choice").drop_nulls().cast(pl.String) == "tie").mean() or 0.0)
        ties = min(max(ties, 0.01), 0.98)
        log_prob[unseen] = np.where(share, np.log(ties), np.log((1 - ties) / 2))
    return float(-log_prob.mean())


def labels_saved(sizes: tuple[int, ...], alone: list[float], joint: list[float], at: int) -> float:
    """log of the labels with which `alone` predicts as well as `joint` does with sizes[at], over sizes[at].

    Interpolated linearly in the logarithm of the number; where even the largest number is not enough, that number, and
    where the smallest is too many, the smallest.
    """
    falling = np.minimum.accumulate(alone)
    numbers = np.log(sizes)
    if joint[at] <= falling[-1]:
        return float(numbers[-1] - numbers[at])
    return float(np.interp(-joint[at], -falling, numbers) - numbers[at])


def measure(name: str, draw: Draw, sizes: tuple[int, ...], seeds: int) -> dict[str, Any]:
    """Mean losses by size, and the ratio of labels with its interval at each size but the largest."""
    start = time.perf_counter()
    runs = [losses(draw, sizes, seed) for seed in range(seeds)]
    rows = []
    for at, size in enumerate(sizes):
        row: dict[str, Any] = {"labels": size}
        row |= {kind: round(float(np.mean([run[kind][at] for run in runs])), 4) for kind in runs[0]}
        if at < len(sizes) - 1:
            logs = np.array([labels_saved(sizes, run["alone"], run["joint"], at) for run in runs])
            beyond = sum(run["joint"][at] <= min(run["alone"]) for run in runs)
            below = sum(run["joint"][at] >= run["alone"][0] for run in runs) if at else 0
            row |= {"ratio": ratio(logs), "beyond": beyond, "below": below}
        rows.append(row)
    return {"name": name, "seeds": seeds, "seconds": round(time.perf_counter() - start, 1), "rows": rows}


def ratio(logs: Floats) -> list[float]:
    """The geometric mean of the ratio and its 95 % t interval."""
    n, mean = len(logs), float(logs.mean())
    half = float(stdtrit(n - 1, 0.975)) * float(logs.std(ddof=1)) / n**0.5
    return [round(float(np.exp(value)), 2) for value in (mean, mean - half, mean + half)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds and two sizes")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sizes, seeds = (QUICK_SIZES, 2) if options.quick else (SIZES, options.seeds)
    studies: dict[str, Draw] = {"population": population()}
    if (DATA / "llmfao" / "crowd-comparisons.csv").exists():
        studies["llmfao"] = llmfao()
    else:
        print("llmfao is skipped: set HEEDFUL_DATA to the folder that holds it")
    results = []
    for name, draw in studies.items():
        results.append(measure(name, draw, sizes, seeds))
        print(f"\n{name} ({seeds} seeds)")
        print("| labels | alone | joint | pooled | ratio | beyond the largest, below the smallest |")
        print("|---|---|---|---|---|---|")
        for row in results[-1]["rows"]:
            held = "{} ({} to {})".format(*row["ratio"]) if "ratio" in row else ""
            told = [row[key] for key in ("labels", "alone", "joint", "pooled")]
            ends = f"{row['beyond']}, {row['below']} of {seeds}" if "ratio" in row else ""
            print("|", " | ".join(map(str, [*told, held, ends])), "|")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
