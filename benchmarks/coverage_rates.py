"""Coverage of the intervals of accuracy, win rate, calibration error and agreement over simulated sets of votes.

    python benchmarks/coverage_rates.py [--quick] [--sets 2000] [--seed 0] [--out coverage_rates.json]

Each set is a table of comparisons of two systems, made so that the true rate is known exactly: a vote goes to the first
where a normal number, partly shared by the votes of one prompt and of one rater, lies below the normal quantile of that
rate. Each set draws its own rate within 0.02 of the case's, because the coverage of any interval from whole counts
jumps with the rate, by 0.02 at 200 votes. The interval is then asked of the package as a user would get it.

The calibration error is of votes, or shares of several voters, that fall as their probabilities say, correlated in the
same way; its null band covers where the error does not lie above it, which it may do in a share (1 - level)/2 of sets.
Agreement is Krippendorff's alpha of raters who copy a question's answer with a probability of the prompt's own, else
take one of four at random: alpha is the mean square of that probability.

For each case and promise this prints how many intervals covered the truth; `confidence` must be consistent with the
level (two-sided binomial test, p > 1e-4), `at least` must not be below it (one-sided), and so must the band. `none`
counts the sets for which no interval was given. The exit code is 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import special, stats

from heedful.evaluation import Dependence, accuracy_estimate, win_rates
from heedful.feedback import Table
from heedful.stats import expected_calibration_error, krippendorff_alpha
from heedful.stats.krippendorff import Metric

LEVEL = 0.95
WORST_P_VALUE = 1e-4
RATE_SPREAD = 0.02


@dataclass(frozen=True)
class Case:
    """One way that votes come about. `correlation` is that of two votes of one prompt, and of one rater, each."""

    name: str
    votes: int
    rate: float
    prompts: int = 0
    raters: int = 0
    correlation: float = 0.0
    uneven: bool = False


@dataclass(frozen=True)
class Forecasts(Case):
    """Votes for calibration: their probabilities have mean `rate`, are `alike` within a prompt or not.

    With several `voters` to a vote, outcomes are shares.
    """

    alike: bool = False
    voters: int = 1


CASES = (
    Case("independent", 300, 0.7),
    Case("independent, rare losses", 200, 0.95),
    Case("60 raters", 400, 0.65, raters=60, correlation=0.2),
    Case("60 raters who do not differ", 400, 0.65, raters=60),
    Case("150 prompts, uneven", 600, 0.8, prompts=150, correlation=0.3, uneven=True),
    Case("40 prompts, rare losses", 400, 0.9, prompts=40, correlation=0.2),
    Case("40 prompts, rarer losses", 1000, 0.95, prompts=40, correlation=0.4),
    Case("100 prompts, rarer losses", 400, 0.95, prompts=100, correlation=0.4),
    Case("100 prompts x 60 raters", 800, 0.6, prompts=100, raters=60, correlation=0.2),
    Case("100 prompts x 60 raters, uneven", 800, 0.75, prompts=100, raters=60, correlation=0.15, uneven=True),
)

FORECASTS = (
    Forecasts("votes, independent", 600, 0.5),
    Forecasts("votes, rare losses", 600, 0.97, prompts=200, correlation=0.4),
    Forecasts("votes, 60 prompts that do not matter", 600, 0.5, prompts=60),
    Forecasts("votes, 60 prompts", 600, 0.5, prompts=60, correlation=0.4),
    Forecasts("votes, 30 prompts", 600, 0.5, prompts=30, correlation=0.4),
    Forecasts("2,000 votes, 60 prompts", 2000, 0.5, prompts=60, correlation=0.4),
    Forecasts("votes, 60 prompts, uneven", 600, 0.5, prompts=60, correlation=0.4, uneven=True),
    Forecasts("votes, 60 prompts, alike", 600, 0.5, prompts=60, correlation=0.4, alike=True),
    Forecasts("votes, 100 prompts x 60 raters", 800, 0.5, prompts=100, raters=60, correlation=0.3),
    Forecasts("shares, independent", 600, 0.6, voters=5),
    Forecasts("100 shares", 100, 0.6, voters=5),
    Forecasts("shares, 60 prompts", 600, 0.6, prompts=60, correlation=0.4, voters=5),
)


@dataclass(frozen=True)
class Ratings:
    """Questions on prompts, each answered by some raters; the chance to copy is Beta distributed over prompts."""

    name: str
    prompts: int
    questions: int
    raters: int
    copy: tuple[float, float]
    metric: Metric


RATINGS = (
    Ratings("13 prompts", 13, 20, 3, (4, 2), "nominal"),
    Ratings("30 prompts x 10, nominal", 30, 10, 3, (4, 2), "nominal"),
    Ratings("30 prompts x 10, ordinal", 30, 10, 3, (4, 2), "ordinal"),
    Ratings("30 prompts x 10, interval", 30, 10, 3, (4, 2), "interval"),
    Ratings("60 prompts x 5, they agree", 60, 5, 2, (18, 2), "ordinal"),
    Ratings("60 prompts x 5, they hardly agree", 60, 5, 2, (2, 4), "nominal"),
    Ratings("60 questions", 60, 1, 3, (4, 2), "nominal"),
    Ratings("300 questions, they agree", 300, 1, 2, (18, 2), "interval"),
)


@dataclass(frozen=True)
class Predicted:
    """The prediction that the first always wins, so that its accuracy is the rate at which it does."""

    log_prob: np.ndarray
    probability: np.ndarray
    outcome: np.ndarray


@dataclass(frozen=True)
class Row:
    """Coverage of one measure in one case under one promise."""

    case: str
    measure: str
    promise: str
    sets: int
    covered: int
    coverage: float
    p_value: float
    kept: bool


def shared_effects(case: Case, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Standard normal numbers [n], correlated within prompts and raters, and the codes [n] of these."""
    n, codes = case.votes, {}
    shared = np.zeros(n)
    for column, count in (("context", case.prompts), ("rater", case.raters)):
        if count:
            weight = rng.exponential(1, count) if case.uneven else np.ones(count)
            codes[column] = rng.choice(count, n, p=weight / weight.sum())
            shared += np.sqrt(case.correlation) * rng.normal(size=count)[codes[column]]
    return shared + np.sqrt(1 - case.correlation * len(codes)) * rng.normal(size=n), codes


def simulate(case: Case, rate: float, rng: np.random.Generator) -> tuple[Table, np.ndarray]:
    """A table of comparisons of "a" and "b", in which a wins at this rate, and whether it won each [n]."""
    n = case.votes
    latent, codes = shared_effects(case, rng)
    won = latent < stats.norm.ppf(rate)
    frame = pl.DataFrame(
        {
            "id": np.arange(n).astype(str),
            "kind": np.full(n, "comparison"),
            "choice": np.where(won, "first", "second"),
            **{column: np.char.add(column, code.astype(str)) for column, code in codes.items()},
        }
    )
    return Table.shaped(frame.with_columns(systems=pl.concat_list(pl.lit("a"), pl.lit("b")))), won


def calibrated(case: Forecasts, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Probabilities [n] of mean `rate`, outcomes or shares [n] that they are right about, and clusterings."""
    latent, codes = shared_effects(case, rng)
    beta = 4 * case.rate, 4 * (1 - case.rate)
    p = rng.beta(*beta, case.votes)
    if case.alike:
        p = 0.8 * rng.beta(*beta, case.prompts)[codes["context"]] + 0.2 * p
    level = special.ndtr(latent)
    if case.voters == 1:
        return p, (level < p).astype(np.float64), list(codes.values())
    # The chance that one of a vote's voters is for the first: of mean p, and a uniform number's beta quantile.
    chance = special.betaincinv(3 * p, 3 * (1 - p), level)
    return p, rng.binomial(case.voters, chance) / case.voters, list(codes.values())


def intervals(table: Table, won: np.ndarray) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Each measure and its interval, as the package gives them."""
    n = len(won)
    prediction = Predicted(np.zeros(n), np.full(n, 0.9), won.astype(np.float64))
    found = accuracy_estimate(prediction, np.arange(n), Dependence.of(table), level=LEVEL).interval
    yield "accuracy", None if found is None else asdict(found)
    listed = {row["item"]: row["interval"] for row in win_rates(table, level=LEVEL)}
    yield "win rate", listed["a"]


def measure(case: Case, sets: int, rng: np.random.Generator) -> list[Row]:
    """Coverage of each measure under each promise made, over so many sets."""
    seen: Counter[tuple[str, str]] = Counter()
    covered: Counter[tuple[str, str]] = Counter()
    for _ in range(sets):
        rate = case.rate + rng.uniform(-RATE_SPREAD, RATE_SPREAD)
        for name, interval in intervals(*simulate(case, rate, rng)):
            key = name, "none" if interval is None else interval["promise"]
            seen[key] += 1
            covered[key] += interval is not None and interval["low"] <= rate <= interval["high"]
    return [judge(case, name, promise, seen[name, promise], covered[name, promise]) for name, promise in sorted(seen)]


def measure_band(case: Forecasts, sets: int, rng: np.random.Generator) -> list[Row]:
    """How often the calibration error of right probabilities does not lie above its null band."""
    given = covered = 0
    for _ in range(sets):
        p, outcome, clusters = calibrated(case, rng)
        found = expected_calibration_error(p, outcome, clusters=clusters, rng=rng, level=LEVEL)
        if found["null_high"] is not None:
            given += 1
            covered += found["plain"] <= found["null_high"]
    rows = [(given, "at least"), (sets - given, "none")]
    return [judge(case, "band", promise, count, covered, (1 + LEVEL) / 2) for count, promise in rows if count]


def rated(case: Ratings, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The question, the prompt and the value of each rating [n]."""
    prompt = np.repeat(np.arange(case.prompts), case.questions)
    shape = len(prompt), case.raters
    copies = rng.random(shape) < rng.beta(*case.copy, case.prompts)[prompt][:, None]
    likely = rng.dirichlet(np.ones(4), case.prompts).cumsum(axis=1)[prompt, :3]
    answer = (rng.random((len(prompt), 1)) > likely).sum(axis=1)
    values = np.where(copies, answer[:, None], rng.integers(0, 4, shape))
    question = np.repeat(np.arange(len(prompt)), case.raters)
    return question, np.repeat(prompt, case.raters), values.ravel()


def measure_alpha(case: Ratings, sets: int, rng: np.random.Generator) -> list[Row]:
    """Coverage of the interval of alpha under each promise made."""
    a, b = case.copy
    truth = a * (a + 1) / ((a + b) * (a + b + 1))
    seen: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for _ in range(sets):
        question, prompt, values = rated(case, rng)
        clusters = [prompt] if case.questions > 1 else []
        found = krippendorff_alpha(question, values, metric=case.metric, clusters=clusters, level=LEVEL).interval
        promise = "none" if found is None else found.promise
        seen[promise] += 1
        covered[promise] += found is not None and found.low <= truth <= found.high
    return [judge(case, "alpha", promise, seen[promise], covered[promise]) for promise in sorted(seen)]


def judge(case: Case | Ratings, name: str, promise: str, sets: int, covered: int, level: float = LEVEL) -> Row:
    """Whether a promise was kept, by the binomial test it is held to."""
    if promise == "none":
        return Row(case.name, name, promise, sets, 0, float("nan"), 1.0, True)
    side = "two-sided" if promise == "confidence" else "less"
    p_value = float(stats.binomtest(covered, sets, level, alternative=side).pvalue)
    return Row(case.name, name, promise, sets, covered, covered / sets, p_value, p_value > WORST_P_VALUE)


def show(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'case':37} {'measure':9} {'promise':11} {'sets':>6} {'coverage':>9} {'p-value':>9}  kept")
    for row in rows:
        coverage = "-" if row.promise == "none" else f"{row.coverage:.4f}"
        print(
            f"{row.case:37} {row.measure:9} {row.promise:11} {row.sets:6} {coverage:>9} {row.p_value:9.2g}"
            f"  {'yes' if row.kept else 'NO'}"
        )


def main() -> int:
    """Run the benchmark; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Coverage of intervals.")
    parser.add_argument("--quick", action="store_true", help="50 sets per case")
    parser.add_argument("--sets", type=int, default=2000, help="simulated sets per case (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the table as JSON to this file")
    options = parser.parse_args()
    sets = 50 if options.quick else options.sets
    parts = ((measure, CASES), (measure_band, FORECASTS), (measure_alpha, RATINGS))
    work = [(measured, case) for measured, cases in parts for case in cases]
    streams = np.random.default_rng(options.seed).spawn(len(work))
    rows = [row for (measured, case), rng in zip(work, streams, strict=True) for row in measured(case, sets, rng)]
    show(rows)
    if options.out:
        found = {
            "level": LEVEL,
            "sets": sets,
            "seed": options.seed,
            "cases": [asdict(case) for case in (*CASES, *FORECASTS)],
        }
        found["rows"] = [{**asdict(row), "coverage": None if row.promise == "none" else row.coverage} for row in rows]
        options.out.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
