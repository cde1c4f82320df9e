"""Rating items by comparisons with covariates (style control): time, memory and error beside other programs, coverage.

    python benchmarks/covariates.py [--quick] [--part times|coverage] [--rounds N] [--only PART ...] [--sets N]
        [--out FILE]

Each run is a process of its own, as in benchmarks/ranking.py: medians of calls and of alternating rounds, each program
in the virtual environment .peers/NAME. `error` is the largest difference of centred log-strengths and coefficients from
a maximum likelihood fit of the same objective, computed here by other code.

Data: log-strengths N(0, 1), pairs uniform at random, Davidson ties (ν = 0.5), covariates N(0, 1) in 32 bits with
coefficients between −0.5 and 0.5. Then, by simulation, whether intervals of strengths and coefficients hold what they
promise, also where the model is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from ranking import alternate, clocked

# As exact as was asked of us.
CORRECT = 1e-6
COVARIATES = 5
SIZES = {"100 x 20k": (100, 20_000), "100 x 5M": (100, 5_000_000), "1,000 x 1M": (1000, 1_000_000)}
SCORES = np.array([0.5, 1.0, 0.0])


def generate(path: Path, items: int, rows: int) -> Path:
    rng = np.random.default_rng(0)
    strength, coefficients = rng.normal(size=items), np.linspace(-0.5, 0.5, COVARIATES)
    first = rng.integers(0, items, rows, dtype=np.int32)
    second = ((first + rng.integers(1, items, rows, dtype=np.int32)) % items).astype(np.int32)
    covariates = rng.normal(size=(rows, COVARIATES)).astype(np.float32)
    half = (strength[first] - strength[second] + covariates @ coefficients) / 2
    win, loss = np.exp(half), np.exp(-half)
    point = rng.random(rows) * (win + loss + 0.5)
    outcome = np.where(point < win, 1, np.where(point < win + loss, -1, 0)).astype(np.int8)
    np.savez(path, first=first, second=second, outcome=outcome, covariates=covariates, items=items)
    return path


# Methods: from the arrays, what to do before the clock starts, returning (prepare, fit). `fit` takes what `prepare`
# returned and gives log-strengths and then coefficients, or None where there is nothing to compare with the reference.


def heedful(**options: Any) -> Callable[..., Any]:
    def method(first: Any, second: Any, outcome: Any, covariates: Any, items: int, data: Path) -> Any:
        from heedful.preference.covariates import rate_with_covariates

        few = slice(0, 1000)
        arrays = first[few] % 5, first[few] % 5 + 1, outcome[few], covariates[few]
        rate_with_covariates(*arrays).interval()  # imports what is imported when first used

        def fit(_: Any) -> Any:
            ratings = rate_with_covariates(first, second, outcome, covariates, items, **options)
            if options.get("interval", "sandwich"):
                assert not np.isnan(ratings.interval().low).any()
            return found_by(ratings)

        return lambda: None, fit

    return method


def found_by(ratings: Any) -> Any:
    return np.append(ratings.strengths, ratings.coefficients) if ratings.model == "bradley_terry" else None


def heedful_parquet(first: Any, second: Any, outcome: Any, covariates: Any, items: int, data: Path) -> Any:
    """The same from a Parquet file, of which a million rows are held at once."""
    import polars as pl

    from heedful.preference.covariate_rows import ScannedRows
    from heedful.preference.covariates import rate_rows

    names = [f"x{k}" for k in range(COVARIATES)]
    path = data.with_suffix(".parquet")
    columns = {"first": first, "second": second, "outcome": outcome}
    frame = pl.DataFrame(columns | {name: covariates[:, k] for k, name in enumerate(names)})
    frame.write_parquet(path)

    def fit(_: Any) -> Any:
        ratings = rate_rows(ScannedRows(path, "first", "second", "outcome", names), items)
        assert not np.isnan(ratings.interval().low).any()
        return found_by(ratings)

    return lambda: None, fit


def heedful_clustered(first: Any, second: Any, outcome: Any, covariates: Any, items: int, data: Path) -> Any:
    cluster = np.random.default_rng(1).integers(0, 50_000, len(first), dtype=np.int32)
    return heedful(cluster=cluster)(first, second, outcome, covariates, items, data)


def arena_rank(intervals: bool) -> Callable[..., Any]:
    def method(first: Any, second: Any, outcome: Any, covariates: Any, items: int, data: Path) -> Any:
        import jax
        import pandas as pd
        from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry
        from arena_rank.utils.data_utils import ContextualPairDataset

        names = [f"x{k}" for k in range(COVARIATES)]
        winner = np.array(["tie", "model_a", "model_b"], dtype=object)[outcome]
        frame = pd.DataFrame({"model_a": first, "model_b": second, "winner": winner})
        frame[names] = covariates

        def prepare() -> Any:
            return ContextualPairDataset.from_pandas(frame, names, reweighted=False, normalize_features=False)

        def fit(rows: Any) -> Any:
            model = ContextualBradleyTerry(n_competitors=items, n_features=COVARIATES, reg=0.0)
            if intervals:
                jax.block_until_ready(model.compute_ratings_and_cis(rows, ci_method="sandwich")["rating_lower"])
            else:
                model.fit(rows)
            found = jax.block_until_ready(model.params)
            return np.append(np.asarray(found["ratings"]), np.asarray(found["coeffs"]))

        return prepare, fit

    return method


def design_of(first: Any, second: Any, covariates: Any, items: int) -> Any:
    """Rows e_first − e_second, then covariates, sparse."""
    from scipy.sparse import csr_array

    rows, d = covariates.shape
    columns = np.empty((rows, 2 + d), np.int32)
    columns[:, 0], columns[:, 1], columns[:, 2:] = first, second, items + np.arange(d)
    values = np.empty((rows, 2 + d))
    values[:, 0], values[:, 1], values[:, 2:] = 1.0, -1.0, covariates
    pointers = np.arange(0, columns.size + 1, 2 + d)
    return csr_array((values.ravel(), columns.ravel(), pointers), shape=(rows, items + d))


def sparse_logistic(first: Any, second: Any, outcome: Any, covariates: Any, items: int, data: Path) -> Any:
    """In the manner of FastChat, written here: a sparse design, then L-BFGS to the default tolerances of SciPy, a
    thousand times tightened."""
    from scipy.optimize import minimize

    won = SCORES[outcome]

    def fit(design: Any) -> Any:
        across = design.T.tocsr()

        def loss(x: Any) -> Any:
            d = design @ x
            residual = 1 / (1 + np.exp(-d)) - won
            return float((np.logaddexp(0, d) - won * d).mean()), across @ residual / len(d)

        options = {"maxiter": 10_000, "gtol": 1e-8, "ftol": 2e-12}
        return minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options=options).x

    return lambda: design_of(first, second, covariates, items), fit


BIG = ("100 x 20k", "100 x 5M")
METHODS: dict[str, tuple[str, Callable[..., Any], tuple[str, ...], bool]] = {  # environment, method, sizes, slow
    "heedful: strengths": ("", heedful(interval=None), tuple(SIZES), False),
    "heedful: strengths + sandwich": ("", heedful(), tuple(SIZES), False),
    "heedful: Davidson + sandwich": ("", heedful(model="davidson"), BIG, False),
    "heedful: Rao-Kupper + sandwich": ("", heedful(model="rao_kupper"), BIG, False),
    "heedful: Thurstone + sandwich": ("", heedful(model="thurstone"), BIG, False),
    "heedful: 50,000 clusters": ("", heedful_clustered, BIG, False),
    "heedful: from Parquet + sandwich": ("", heedful_parquet, BIG, False),
    "arena-rank": ("arena-rank", arena_rank(False), BIG, True),
    "arena-rank + sandwich": ("arena-rank", arena_rank(True), BIG, True),
    "sparse design, L-BFGS": ("", sparse_logistic, BIG, True),
}


def one(name: str, data: Path) -> dict[str, Any]:
    """Run a method in this process."""
    with np.load(data) as file:
        arrays = [file[key] for key in ("first", "second", "outcome", "covariates")]
        items = int(file["items"])
    result, _, found = clocked(*METHODS[name][1](*arrays, items, data))
    if found is not None:
        centred = np.append(found[:items] - found[:items].mean(), found[items:])
        result["error"] = float(np.abs(centred - np.load(data.with_suffix(".reference.npy"))).max())
    return result


def reference(path: Path) -> None:
    """Bradley and Terry's maximum likelihood, ties half a win each, by Newton's method on a sparse design."""
    with np.load(path) as file:
        items = int(file["items"])
        first, second, outcome, covariates = (file[key] for key in ("first", "second", "outcome", "covariates"))
    parts = [slice(begin, begin + 500_000) for begin in range(0, len(first), 500_000)]
    x = np.zeros(items + COVARIATES)
    for _ in range(30):
        gradient, information = np.zeros(len(x)), np.zeros((len(x), len(x)))
        for part in parts:
            design = design_of(first[part], second[part], covariates[part], items)
            p = 1 / (1 + np.exp(-(design @ x)))
            gradient += design.T @ (SCORES[outcome[part]] - p)
            weighted = design.copy()
            weighted.data *= np.repeat(p * (1 - p), 2 + COVARIATES)
            information += (design.T @ weighted).toarray()
        information[:items, :items] += information.diagonal()[:items].mean() / items  # holds the sum of strengths
        step = np.linalg.solve(information, gradient)
        x += step
        if np.abs(step).max() < 1e-11:
            break
    np.save(path.with_suffix(".reference.npy"), np.append(x[:items] - x[:items].mean(), x[items:]))


def run(rounds: int, sizes: list[str], only: list[str] | None) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for size in sizes:
            paths[size] = generate(Path(folder) / f"{size.replace(' ', '')}.npz", *SIZES[size])
            reference(paths[size])
        return alternate(__file__, METHODS, paths, rounds, only)


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """By how much each program takes longer than ours with a sandwich, and holds more."""
    found = {}
    for size in sorted({row["data"] for row in rows}):
        own = {row["method"]: row for row in rows if row["data"] == size}
        base = own.get("heedful: strengths + sandwich")
        for name, row in own.items():
            if base and not name.startswith("heedful"):
                wall = (row["prepare"] + row["fit"]) / (base["prepare"] + base["fit"])
                found[f"{name}, {size}: wall"] = wall
                found[f"{name}, {size}: processor"] = row["processor"] / base["processor"]
                found[f"{name}, {size}: memory"] = row["megabytes"] / max(base["megabytes"], 1.0)
    return found


@dataclass(frozen=True)
class Cell:
    """`rows` comparisons of 6 items, fitted by one model, voted by another, with two covariates: position (±1) and one
    that is normal ("normal") or heavy-tailed ("heavy").

    `omitted`: an effect left out of the model, normal with standard deviation `omitted` × |the second covariate|.
    `clusters`: how many prompts comparisons share, on each of which items have deviations of 0.7 nats and the
    covariate's coefficient one of 0.5; `uneven` prompts have 1, 2, 3, ... parts of the comparisons.
    """

    fitted: str
    votes: str
    rows: int
    tie: float = -0.7
    covariate: str = "normal"
    omitted: float = 0.0
    basis: str = "sandwich"
    clusters: int = 0
    uneven: bool = False


COVERAGE = (
    Cell("bradley_terry", "davidson", 150, -20.0),
    Cell("bradley_terry", "davidson", 500, -20.0),
    Cell("bradley_terry", "davidson", 500),
    Cell("bradley_terry", "davidson", 500, -20.0, "heavy"),
    Cell("bradley_terry", "davidson", 150, -20.0, "heavy"),
    Cell("bradley_terry", "davidson", 500, -20.0, omitted=2.0),
    Cell("bradley_terry", "davidson", 500, -20.0, basis="model"),
    Cell("davidson", "davidson", 150),
    Cell("davidson", "davidson", 500),
    Cell("davidson", "davidson", 500, omitted=2.0),
    Cell("davidson", "rao_kupper", 500, 0.8),
    Cell("rao_kupper", "rao_kupper", 500, 0.4),
    Cell("thurstone", "thurstone", 500, 0.25),
    Cell("thurstone", "thurstone", 500, 0.25, omitted=1.0),
    Cell("bradley_terry", "davidson", 2500),
    Cell("bradley_terry", "davidson", 2500, -20.0, omitted=2.0),
    Cell("davidson", "davidson", 2500, omitted=2.0),
    Cell("bradley_terry", "davidson", 1200, -20.0, clusters=8),
    Cell("bradley_terry", "davidson", 1200, -20.0, clusters=20),
    Cell("bradley_terry", "davidson", 1200, -20.0, clusters=20, uneven=True),
    Cell("bradley_terry", "davidson", 2400, -20.0, clusters=60),
    Cell("bradley_terry", "davidson", 2400, -20.0, clusters=120, uneven=True),
    Cell("davidson", "davidson", 2400, clusters=60),
)
ITEMS = 6
SLOPES = np.array([0.3, 0.5])


def drawn(cell: Cell, rows: int, rng: np.random.Generator) -> tuple[Any, ...]:
    """Comparisons of a cell: items, covariates, clusters, and P(tie, first, second) [3, rows]."""
    from scipy.stats import norm

    from heedful.preference.pair_models import CumulativePairModel, PairLink, PairModel

    links: dict[str, PairLink] = {
        "davidson": PairModel(np.ones(1), True),
        "rao_kupper": CumulativePairModel("logistic", True),
        "thurstone": CumulativePairModel("normal", True),
    }
    first = rng.integers(ITEMS, size=rows)
    second = (first + rng.integers(1, ITEMS, size=rows)) % ITEMS
    style = rng.normal(size=rows) if cell.covariate == "normal" else np.sinh(1.2 * rng.normal(size=rows)) / 2
    covariates = np.column_stack([rng.choice([-1.0, 1.0], rows), style])
    # With clusters the truth is symmetric, so that it is zero whatever they do.
    strength = (0.0 if cell.clusters else 0.8) * norm.ppf((np.arange(ITEMS) + 0.5) / ITEMS)
    slopes = SLOPES * (not cell.clusters)
    scale = 0.5 if cell.votes == "thurstone" else 1.0
    margin = strength[first] - strength[second] + covariates @ slopes
    margin += cell.omitted * np.abs(style) * rng.normal(size=rows)
    cluster = None
    if cell.clusters:
        share = np.arange(1.0, cell.clusters + 1) if cell.uneven else np.ones(cell.clusters)
        cluster = rng.choice(cell.clusters, size=rows, p=share / share.sum())
        liked, slope = 0.7 * rng.normal(size=(cell.clusters, ITEMS)), 0.5 * rng.normal(size=cell.clusters)
        margin += liked[cluster, first] - liked[cluster, second] + slope[cluster] * style
    p = np.exp(links[cell.votes].log_prob(scale * margin, np.array([cell.tie])))[[1, 2, 0]]
    return first, second, covariates, cluster, p


def truth_of(cell: Cell, rows: int, rng: np.random.Generator) -> Any:
    """What the fitted model tends to, strengths and then coefficients: the fit to expected votes on very many rows."""
    from heedful.preference.covariates import rate_with_covariates

    if cell.clusters:
        return np.zeros(ITEMS + 2)
    first, second, covariates, _, p = drawn(cell, rows, rng)
    every = np.tile(first, 3), np.tile(second, 3), np.repeat([0, 1, -1], len(first)), np.tile(covariates, (3, 1))
    fitted: Any = cell.fitted
    ratings = rate_with_covariates(*every, ITEMS, weight=p.ravel(), model=fitted, interval=None)
    return np.append(ratings.strengths, ratings.coefficients)


def outcomes(p: Any, rng: np.random.Generator) -> Any:
    """One of 0, 1 and −1 for each row, by the probabilities [3, m] of a tie, the first and the second."""
    return np.array([0, 1, -1])[(rng.random(p.shape[1]) > p.cumsum(axis=0)).sum(axis=0).clip(max=2)]


def simulate(cell: Cell, sets: int, rng: np.random.Generator) -> dict[tuple[str, str], tuple[int, int]]:
    """By promise, for a strength and a coefficient drawn at random: how many intervals held the truth, of how many."""
    from heedful.preference.covariates import rate_with_covariates

    # The more sets, the more exact the truth must be.
    rows = min(20_000 + 150 * sets, 300_000)
    truth, tally = truth_of(cell, rows, rng), dict[tuple[str, str], tuple[int, int]]()
    for _ in range(sets):
        first, second, covariates, cluster, p = drawn(cell, cell.rows, rng)
        outcome = outcomes(p, rng)
        options: Any = {"cluster": cluster, "model": cell.fitted, "interval": cell.basis}
        ratings = rate_with_covariates(first, second, outcome, covariates, ITEMS, **options)
        if not ratings.identified.all():
            continue
        item, k = rng.integers(ITEMS), rng.integers(2)
        for what, found, at, true in (
            ("strength", ratings.interval(), item, truth[item]),
            ("coefficient", ratings.coefficient_interval(), k, truth[ITEMS + k]),
        ):
            hits, checked = tally.get((what, found.promise), (0, 0))
            held = found.low[at] <= true <= found.high[at]
            tally[what, found.promise] = hits + int(held), checked + 1
    return tally


def coverage(sets: int) -> list[dict[str, Any]]:
    """A row for each cell, parameter and promise; each cell has its own seed, its number."""
    from scipy.stats import binomtest

    rows = []
    for seed, cell in enumerate(COVERAGE):
        for (what, promise), (hits, checked) in sorted(simulate(cell, sets, np.random.default_rng(seed)).items()):
            side = "two-sided" if promise == "confidence" else "less"
            p = float(binomtest(hits, checked, 0.95, alternative=side).pvalue)
            own = {"of": what, "promise": promise, "checked": checked, "coverage": hits / checked, "p": p}
            rows.append(asdict(cell) | {"sets": sets} | own)
            name = f"{cell.fitted:14}{cell.votes:11}{cell.rows:5} {cell.covariate:7}{cell.omitted:4}{cell.clusters:5}"
            print(f"{name} {cell.basis:9}{what:12}{promise:11}{checked:6}{hits / checked:8.4f}{p:9.1e}", flush=True)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'method':<36}{'data':<12}{'prepare':>9}{'fit':>9}{'CPU':>9}{'MB':>7}{'error':>10}")
    for row in rows:
        line = "".join(f"{row[key]:9.4f}" for key in ("prepare", "fit", "processor")) + f"{row['megabytes']:7.0f}"
        print(f"{row['method']:<36}{row['data']:<12}{line}" + (f"{row['error']:10.1e}" if "error" in row else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 items and 20,000 comparisons, one round, 20 sets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--part", choices=("times", "coverage"), help="one part; --out keeps what it has of the other")
    parser.add_argument("--only", nargs="*", help="parts of the names of methods; --out keeps the rows of the others")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.data)))
        return
    done: dict[str, Any] = {"rows": [], "coverage": []}
    if options.out and options.out.exists():
        done |= json.loads(options.out.read_text())
    done |= {"python": platform.python_version(), "numpy": np.__version__, "processors": os.cpu_count()}
    if options.part != "coverage":
        found = run(*((1, list(SIZES)[:1]) if options.quick else (options.rounds, list(SIZES)[1:])), options.only)
        again = {(row["method"], row["data"]) for row in found}
        kept = [row for row in done["rows"] if options.only and (row["method"], row["data"]) not in again]
        done["rows"] = kept + found
        done |= {"date": str(date.today()), "load": os.getloadavg()[1], "ratios": ratios(done["rows"])}
        show(done["rows"])
        print(json.dumps(done["ratios"], indent=1))
    if options.part != "times":
        done["coverage"] = coverage(20 if options.quick else options.sets)
    if options.out:
        options.out.write_text(json.dumps(done, indent=1) + "\n")
    own = [row for row in done["rows"] if row["method"].startswith("heedful")]
    wrong = [row["method"] for row in own if row.get("error", 0.0) > CORRECT]
    broken = [row for row in done["coverage"] if row["p"] < 1e-4]
    if wrong or broken:
        raise SystemExit(f"not the maximum: {wrong}; promises broken: {broken}")


if __name__ == "__main__":
    main()
