"""Ratings with covariates against independent truths: a root of row-wise scores, scikit-learn, ratings by counts."""

from __future__ import annotations

import importlib.util
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import optimize, special, stats
from sklearn.linear_model import LogisticRegression

from heedful.core import FitError, UsageError
from heedful.preference.covariate_rows import Rows, ScannedRows
from heedful.preference.covariates import CovariateRatings, rate_rows, rate_with_covariates
from heedful.preference.ratings import rate

MODELS = ("bradley_terry", "davidson", "rao_kupper", "thurstone")


def probabilities(model: str, d: Any, tie: Any) -> Any:
    """P(tie, first, second) [3, ...] as the papers write them; of complex numbers too."""
    a, b = np.exp(d / 2), np.exp(-d / 2)
    if model == "davidson":
        nu = np.exp(tie)
        return np.stack([nu * np.ones_like(d), a, b]) / (a + b + nu)
    if model == "rao_kupper":
        theta = np.exp(tie)
        first, second = a / (a + theta * b), b / (b + theta * a)
    else:
        first, second = (special.erfc((tie - s * d) / np.sqrt(2)) / 2 for s in (1, -1))
    return np.stack([1 - first - second, first, second])


def log_likelihood(model: str, x: Any, n: int, rows: Any) -> Any:
    """Of each row; x is utilities, coefficients, tie term."""
    first, second, outcome, covariates = rows
    d = x[first] - x[second] + covariates @ x[n : n + covariates.shape[1]]
    if model == "bradley_terry":
        score = np.array([0.5, 1.0, 0.0])[outcome]
        return -score * np.log(1 + np.exp(-d)) - (1 - score) * np.log(1 + np.exp(d))
    return np.log(probabilities(model, d, x[-1])[outcome, np.arange(len(d))])


def scores(model: str, x: Any, n: int, rows: Any) -> Any:
    """The score of each row [v, P], by steps into the imaginary direction: exact to rounding."""
    return np.array([log_likelihood(model, x + 1e-30j * e, n, rows).imag / 1e-30 for e in np.eye(len(x))]).T


def information(model: str, x: Any, n: int, rows: Any) -> Any:
    """Of each row [v, P, P], by differences of scores."""
    step = 1e-5 * np.eye(len(x))
    parts = [(scores(model, x - e, n, rows) - scores(model, x + e, n, rows)) / 2e-5 for e in step]
    each = np.moveaxis(np.array(parts), 0, 1)
    return (each + each.transpose(0, 2, 1)) / 2


def comparisons(n: int, v: int, seed: int, d: int = 2, model: str = "davidson", tie: float = -0.5) -> Any:
    rng = np.random.default_rng(seed)
    u, beta = 0.7 * rng.normal(size=n), np.linspace(0.6, -0.4, d)
    first = rng.integers(n, size=v)
    second = (first + rng.integers(1, n, size=v)) % n
    covariates = rng.normal(size=(v, d))
    edges = probabilities(model, u[first] - u[second] + covariates @ beta, tie).cumsum(axis=0)
    return first, second, np.array([0, 1, -1])[(rng.random(v) > edges).sum(axis=0).clip(max=2)], covariates


def parameters(ratings: CovariateRatings) -> Any:
    return np.concatenate([ratings.strengths, ratings.coefficients, list(ratings.nuisance.values())])


@pytest.mark.parametrize("model", MODELS)
def test_the_fit_is_where_row_wise_scores_vanish(model: Any) -> None:
    n, rows = 5, comparisons(5, 400, seed=1)
    ratings = rate_with_covariates(*rows, model=model)

    def equations(x: Any) -> Any:
        gradient = scores(model, x, n, rows).sum(axis=0)
        gradient[0] = x[:n].sum()  # one of the equations of utilities follows from the others
        return gradient

    start = np.concatenate([np.zeros(n + 2), [] if model == "bradley_terry" else [0.3]])
    truth = optimize.root(equations, start, tol=1e-14).x
    np.testing.assert_allclose(parameters(ratings), truth, atol=1e-8)
    assert np.abs(scores(model, parameters(ratings), n, rows).sum(axis=0)).max() < 1e-8 * len(rows[0])
    assert ratings.log_likelihood == pytest.approx(log_likelihood(model, truth, n, rows).sum(), rel=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_the_sandwich_is_the_row_wise_one(model: Any) -> None:
    n, rows = 5, comparisons(5, 300, seed=2)
    ratings = rate_with_covariates(*rows, model=model)
    x = parameters(ratings)
    each, score = information(model, x, n, rows), scores(model, x, n, rows)
    inverse = np.linalg.pinv(each.sum(axis=0), rcond=1e-9)
    # Each score divided by one less its own leverage (HC3).
    unbent = np.array([np.linalg.solve(np.eye(len(x)) - own @ inverse, s) for own, s in zip(each, score, strict=True)])
    sandwich = inverse @ unbent.T @ unbent @ inverse
    assert ratings.covariance is not None
    np.testing.assert_allclose(ratings.covariance, sandwich[: n + 2, : n + 2], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(list(ratings.nuisance_sd.values()), np.sqrt(np.diag(sandwich))[n + 2 :], rtol=1e-4)
    np.testing.assert_allclose(ratings.standard_error, np.sqrt(np.diag(sandwich))[:n], rtol=1e-5)
    np.testing.assert_allclose(ratings.coefficient_error, np.sqrt(np.diag(sandwich))[n : n + 2], rtol=1e-5)
    by_model = rate_with_covariates(*rows, model=model, interval="model")
    np.testing.assert_allclose(by_model.covariance, inverse[: n + 2, : n + 2], rtol=1e-4, atol=1e-8)
    assert rate_with_covariates(*rows, model=model, interval=None).covariance is None


@pytest.mark.parametrize("model", MODELS)
def test_the_clustered_sandwich_is_that_of_summed_scores(model: Any) -> None:
    n, rows = 5, comparisons(5, 400, seed=3)
    cluster = np.random.default_rng(0).integers(50, size=400)
    ratings = rate_with_covariates(*rows, model=model, cluster=cluster)
    x = parameters(ratings)
    inverse = np.linalg.pinv(information(model, x, n, rows).sum(axis=0), rcond=1e-9)
    sums = np.array([scores(model, x, n, rows)[cluster == g].sum(axis=0) for g in range(50)])
    plain = np.diag(inverse @ sums.T @ sums @ inverse * 50 / 49)
    # Beside it ours makes up for leverage, which is 2 % on average.
    np.testing.assert_allclose(ratings.standard_error, np.sqrt(plain[:n]), rtol=0.05)
    np.testing.assert_allclose(ratings.coefficient_error, np.sqrt(plain[n : n + 2]), rtol=0.05)
    assert (ratings.standard_error > np.sqrt(plain[:n])).all()
    alone = rate_with_covariates(*rows, model=model, cluster=np.arange(400))
    independent = rate_with_covariates(*rows, model=model)
    np.testing.assert_allclose(alone.standard_error, independent.standard_error * np.sqrt(400 / 399), rtol=1e-9)


def test_without_ties_it_is_logistic_regression() -> None:
    first, second, outcome, covariates = comparisons(8, 2000, seed=4, d=3)
    decided = outcome != 0
    first, second, outcome, covariates = first[decided], second[decided], outcome[decided], covariates[decided]
    ratings = rate_with_covariates(first, second, outcome, covariates)
    design = np.hstack([(np.eye(8)[first] - np.eye(8)[second])[:, 1:], covariates])
    peer = LogisticRegression(C=np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-12, max_iter=200)
    found = peer.fit(design, outcome == 1).coef_[0]
    np.testing.assert_allclose(ratings.strengths[1:] - ratings.strengths[0], found[:7], atol=1e-8)
    np.testing.assert_allclose(ratings.coefficients, found[7:], atol=1e-8)


@pytest.mark.parametrize("model", MODELS)
def test_without_covariates_it_is_the_rating_by_counts(model: Any) -> None:
    *rows, _ = comparisons(6, 500, seed=5)
    counted, ratings = rate(*rows, model=model), rate_with_covariates(*rows, np.zeros((500, 0)), model=model)
    np.testing.assert_allclose(ratings.strengths, counted.strengths, atol=1e-9)
    assert ratings.nuisance == pytest.approx(counted.nuisance, abs=1e-9)
    assert ratings.log_likelihood == pytest.approx(counted.log_likelihood, rel=1e-12)
    # By counts, comparisons of a pair share the leverage of their mean; here the outcome of each counts.
    rtol = 1e-6 if model in ("bradley_terry", "davidson") else 2e-3
    np.testing.assert_allclose(ratings.standard_error, counted.standard_error, rtol=rtol)
    assert ratings.coefficients.shape == (0,)


@pytest.mark.parametrize("model", MODELS)
def test_swapping_the_items_of_a_comparison_changes_nothing(model: Any) -> None:
    first, second, outcome, covariates = comparisons(5, 400, seed=6)
    swap = np.random.default_rng(0).random(400) < 0.5
    other = np.where(swap, second, first), np.where(swap, first, second), np.where(swap, -outcome, outcome)
    ratings = rate_with_covariates(first, second, outcome, covariates, model=model)
    swapped = rate_with_covariates(*other, np.where(swap[:, None], -covariates, covariates), model=model)
    np.testing.assert_allclose(parameters(swapped), parameters(ratings), atol=1e-10)
    np.testing.assert_allclose(swapped.covariance, ratings.covariance, rtol=1e-9, atol=1e-12)


class Chunks:
    """Rows read anew each time, as from a file."""

    def __init__(self, rows: Any, size: int) -> None:
        self.rows, self.size = rows, size

    def __iter__(self) -> Iterator[Rows]:
        for begin in range(0, len(self.rows[0]), self.size):
            yield Rows(*(array[begin : begin + self.size] for array in self.rows))


@pytest.mark.parametrize("model", MODELS)
def test_chunks_files_and_other_ways_to_sum_give_the_same(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, outcome, covariates = rows = comparisons(6, 3000, seed=7)
    weight, cluster = np.random.default_rng(0).choice([0.0, 0.5, 2.0], 3000), np.arange(3000) % 70
    whole = rate_with_covariates(*rows, weight=weight, cluster=cluster, model=model)
    names = {"a": first, "b": second, "y": outcome, "x": covariates[:, 0], "z": covariates[:, 1]}
    pl.DataFrame(names | {"w": weight, "g": cluster}).write_parquet(tmp_path / "rows.parquet")
    scanned = ScannedRows(tmp_path / "rows.parquet", "a", "b", "y", ["x", "z"], "w", "g", chunk=700)

    def same(rows: Any) -> None:
        found = rate_rows(rows, 6, covariate_names=["x", "z"], model=model)
        np.testing.assert_allclose(parameters(found), parameters(whole), atol=1e-10)
        np.testing.assert_allclose(found.covariance, whole.covariance, rtol=1e-5, atol=1e-8)

    same(Chunks((*rows, weight, cluster), 999))
    same(scanned)
    monkeypatch.setattr("heedful.preference.covariate_sums._FEW", 0)
    monkeypatch.setattr("heedful.preference.covariate_fit._SAMPLE", 300)
    same(Chunks((*rows, weight, cluster), 999))


def test_weights_act_as_repeated_rows() -> None:
    rows = comparisons(5, 300, seed=8)
    times = np.random.default_rng(0).integers(0, 4, size=300)
    repeated = rate_with_covariates(*(np.repeat(array, times, axis=0) for array in rows), 5, model="davidson")
    weighted = rate_with_covariates(*rows, 5, weight=times, model="davidson")
    np.testing.assert_allclose(parameters(weighted), parameters(repeated), atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, bool])
def test_covariates_are_of_any_numeric_type_and_of_any_scale(dtype: Any) -> None:
    first, second, outcome, covariates = comparisons(5, 600, seed=9)
    typed = (np.abs(covariates) > 1 if dtype is bool else 10 * covariates).astype(dtype)
    ratings = rate_with_covariates(first, second, outcome, typed)
    for scale in (1e-9, 1.0, 1e9):
        scaled = rate_with_covariates(first, second, outcome, typed.astype(float) * scale)
        np.testing.assert_allclose(scaled.coefficients * scale, ratings.coefficients, rtol=1e-8)
        np.testing.assert_allclose(scaled.coefficient_error * scale, ratings.coefficient_error, rtol=1e-8)
        np.testing.assert_allclose(scaled.strengths, ratings.strengths, atol=1e-9)


def test_comparisons_of_items_that_cannot_be_placed_are_left_out() -> None:
    first, second, outcome, covariates = comparisons(5, 400, seed=10)
    more = np.full(20, 5), np.tile([0, 1], 10), np.ones(20, int), np.random.default_rng(0).normal(size=(20, 2))
    joined = [np.concatenate(pair) for pair in zip((first, second, outcome, covariates), more, strict=True)]
    ratings = rate_with_covariates(*joined, list("abcdef"))
    alone = rate_with_covariates(first, second, outcome, covariates)
    assert "undefeated" in ratings.notes[5]
    assert np.isnan([ratings.strengths[5], ratings.standard_error[5], ratings.interval().low[5]]).all()
    np.testing.assert_allclose(ratings.strengths[:5], alone.strengths, atol=1e-9)
    np.testing.assert_allclose(ratings.coefficients, alone.coefficients, atol=1e-9)
    assert ratings.covariance is not None
    assert alone.covariance is not None
    kept = [0, 1, 2, 3, 4, 6, 7]
    np.testing.assert_allclose(ratings.covariance[np.ix_(kept, kept)], alone.covariance, rtol=1e-6, atol=1e-12)


def test_memory_is_bounded_by_the_chunk() -> None:
    class Drawn:
        def __iter__(self) -> Iterator[Rows]:
            for seed in range(40):
                yield Rows(*comparisons(6, 20_000, seed, d=3))

    tracemalloc.start()
    ratings = rate_rows(Drawn(), 6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ratings.counts.rows == 800_000
    assert peak < 20e6  # the covariates alone are 19 MB, and 46 with all columns


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_covariate_that_follows_from_items_or_others_is_refused_by_name(dtype: Any) -> None:
    first, second, outcome, covariates = comparisons(5, 400, seed=11)
    of_items = np.array([3.0, 1.0, 4.0, 1.0, 5.1], dtype)
    both = np.column_stack([covariates, of_items[first] - of_items[second]]).astype(dtype)
    with pytest.raises(FitError, match="nothing tells the effect of length:"):
        rate_with_covariates(first, second, outcome, both, covariate_names=["x", "y", "length"])
    twice = np.column_stack([covariates, 3 * covariates[:, 0] - covariates[:, 1]]).astype(dtype)
    with pytest.raises(FitError, match="the effect of covariate 0, covariate 1, covariate 2:"):
        rate_with_covariates(first, second, outcome, twice)
    with pytest.raises(FitError, match="the effect of covariate 1:"):
        rate_with_covariates(first, second, outcome, covariates * [1, 0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("where", ["everywhere", "in a few rows", "beside noise"])
def test_a_covariate_that_tells_who_is_preferred_has_no_number(model: Any, where: str) -> None:
    first, second, outcome, covariates = comparisons(5, 400, seed=12)
    if where == "everywhere":  # ties too: a tie where it is zero
        covariates[:, 1] = np.array([0.0, 1.0, -1.0])[outcome] * np.random.default_rng(0).uniform(1, 2, 400)
    else:
        few = np.arange(400) < 12
        covariates[:, 1] = np.where(few, np.array([0.0, 1.0, -1.0])[outcome], 0.0)
        if where == "in a few rows":
            covariates[:, 0] = 0.01 * np.random.default_rng(0).integers(-3, 4, 400)
    with pytest.raises(FitError, match=r"told\b.*: with items they tell who is preferred without fail"):
        rate_with_covariates(first, second, outcome, covariates, covariate_names=["x", "told"], model=model)


def test_rows_that_are_wrong_are_named() -> None:
    first, second, outcome, covariates = comparisons(5, 100, seed=13)
    for bad in (np.nan, np.inf, -np.inf, 1e150):
        spoilt = covariates.copy()
        spoilt[70, 1] = bad
        chunks = Chunks((first, second, outcome, spoilt), 60)
        with pytest.raises(UsageError, match=r"row 70: covariate 'z' is"):
            rate_rows(chunks, 5, covariate_names=["x", "z"])
    with pytest.raises(UsageError, match="row 3: there is no item 9"):
        rate_with_covariates(np.where(np.arange(100) == 3, 9, first), second, outcome, covariates, 5)


def test_arguments_that_do_not_go_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = comparisons(5, 100, seed=14)

    def refused(error: type[Exception], match: str, *arrays: Any, **options: Any) -> None:
        with pytest.raises(error, match=match):
            rate_with_covariates(*arrays, **options)

    refused(UsageError, "covariates must be numbers", *rows[:3], rows[3][:50])
    refused(UsageError, "covariates must be numbers", *rows[:3], rows[3][:, 0])
    refused(UsageError, "covariates must be numbers", *rows[:3], rows[3].astype(str))
    refused(UsageError, "2 covariates where 1", *rows, covariate_names=["x"])
    refused(UsageError, "no model", *rows, model="elo")
    refused(UsageError, "no interval", *rows, interval="wald")
    refused(UsageError, "names cannot name|there is no item", *rows, list("abcd"))
    refused(UsageError, "whole numbers from 0", *rows, cluster=np.full(100, -1))
    refused(UsageError, "whole numbers from 0", *rows, cluster=np.zeros(100))
    refused(UsageError, "as independent", *rows, cluster=np.zeros(100, int), interval="model")
    refused(UsageError, "clusters and 5 items", *rows, cluster=np.full(100, 1 << 27))
    refused(FitError, "place no items", rows[0], rows[1], np.zeros(100, int), rows[3])
    with pytest.raises(UsageError, match="come once only"):
        rate_rows(iter([Rows(*rows)]), 5)
    with pytest.raises(UsageError, match="some rows have clusters"):
        rate_rows([Rows(*rows), Rows(*rows, cluster=np.zeros(100, int))], 5)
    monkeypatch.setattr("heedful.preference.covariates.DENSE_LIMIT", 4)
    refused(FitError, "5 items are placed", *rows)


def test_nothing_to_rate_by_is_said() -> None:
    none = np.zeros(0, int)
    with pytest.raises(FitError, match="no comparisons"):
        rate_with_covariates(none, none, none, np.zeros((0, 2)))


def test_few_clusters_give_wider_intervals_and_very_few_give_none() -> None:
    rows = comparisons(5, 2000, seed=15)
    share = [rate_with_covariates(*rows, cluster=np.arange(2000) % g) for g in (4, 10, 400)]
    widths = [(found.interval().high - found.strengths) / found.standard_error for found in share]
    assert np.isnan(widths[0]).all()
    assert np.isnan(share[0].coefficient_interval().low).all()
    assert (widths[1] > stats.t.ppf(0.975, 9.01)).all()
    np.testing.assert_allclose(widths[2], stats.norm.ppf(0.975), rtol=0.01)
    assert [found.promise for found in share] == ["at least", "at least", "confidence"]


@pytest.fixture(scope="module")
def benchmark() -> Any:
    place = Path(__file__).parents[2] / "benchmarks" / "covariates.py"
    spec = importlib.util.spec_from_file_location("benchmark_covariates", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "cell",
    [
        ("bradley_terry", "davidson", 200, -20.0, "heavy"),
        ("bradley_terry", "davidson", 600, -0.7, "normal", 2.0),
        ("davidson", "rao_kupper", 400, 0.8),
        ("bradley_terry", "davidson", 600, -20.0, "normal", 0.0, "sandwich", 20),
    ],
)
def test_intervals_of_strengths_and_coefficients_cover_the_truth(benchmark: Any, cell: Any) -> None:
    """Heavy tails, an effect left out whose spread follows a covariate, the wrong model, prompts that differ."""
    tally = benchmark.simulate(benchmark.Cell(*cell), 200, np.random.default_rng(0))
    for what in ("strength", "coefficient"):
        hits, checked = np.sum([found for (of, _), found in tally.items() if of == what], axis=0)
        assert checked > 190
        assert stats.binomtest(int(hits), int(checked), 0.95, alternative="less").pvalue > 0.01


def test_intervals_that_take_clusters_as_independent_do_not_cover(benchmark: Any) -> None:
    """The test above can fail: without the clusters, far fewer intervals hold the truth."""
    cell, rng = benchmark.Cell("bradley_terry", "davidson", 1200, -20.0, clusters=20), np.random.default_rng(0)
    held = []
    for _ in range(60):
        *rows, _, p = benchmark.drawn(cell, 1200, rng)
        found = rate_with_covariates(rows[0], rows[1], benchmark.outcomes(p, rng), rows[2])
        held.append(np.abs(found.strengths) < 1.96 * found.standard_error)
    assert np.mean(held) < 0.85


def test_what_the_benchmark_compares_with_is_the_maximum(benchmark: Any, tmp_path: Path) -> None:
    path = benchmark.generate(tmp_path / "rows.npz", 20, 3000)
    benchmark.reference(path)
    assert benchmark.one("heedful: strengths + sandwich", path)["error"] < 1e-9
    assert benchmark.one("heedful: from Parquet + sandwich", path)["error"] < 1e-9
    assert benchmark.one("sparse design, L-BFGS", path)["error"] < 1e-3
