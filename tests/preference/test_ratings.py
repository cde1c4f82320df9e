"""Ratings against independent truths: general optimisers, row-wise sandwiches, refits, simulation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import optimize, stats
from scipy.special import expit

from heedful.core import FitError, UsageError
from heedful.preference.counting import count, count_chunks, scan
from heedful.preference.pair_bootstrap import resampled
from heedful.preference.pair_fit import PairFit
from heedful.preference.ratings import Ratings, rate, rate_counts

MODELS = ("bradley_terry", "davidson", "rao_kupper", "thurstone")
OUTCOMES = np.array([0, 1, -1])  # in the order of `probabilities`, which an outcome therefore indexes


def probabilities(model: str, difference: Any, tie: float) -> Any:
    """P(tie, first, second) [3, ...] as the papers write them, of worths π = e^u."""
    d = np.asarray(difference, float)
    a, b = np.exp(d / 2), np.exp(-d / 2)
    if model == "davidson":  # P(first) = π_1 / (π_1 + π_2 + ν √(π_1 π_2))
        nu = np.exp(tie)
        return np.stack([nu * np.ones_like(d), a, b]) / (a + b + nu)
    if model == "rao_kupper":  # P(first) = π_1 / (π_1 + θ π_2)
        theta = np.exp(tie)
        first, second = a / (a + theta * b), b / (b + theta * a)
    else:
        first, second = stats.norm.cdf(d - tie), stats.norm.cdf(-d - tie)
    return np.stack([1 - first - second, first, second])


def comparisons(n: int, rows: int, seed: int, model: str = "davidson", tie: float = -0.5, sd: float = 0.7) -> Any:
    rng = np.random.default_rng(seed)
    u = sd * rng.normal(size=n)
    first = rng.integers(n, size=rows)
    second = (first + rng.integers(1, n, size=rows)) % n
    edges = probabilities(model, u[first] - u[second], tie).cumsum(axis=0)
    outcome = OUTCOMES[(rng.random(rows) > edges).sum(axis=0).clip(max=2)]
    return u - u.mean(), first, second, outcome


def log_likelihood(model: str, x: Any, n: int, first: Any, second: Any, outcome: Any) -> Any:
    """Of each row."""
    d = x[first] - x[second]
    if model == "bradley_terry":
        score = np.array([0.5, 1.0, 0.0])[outcome]
        return score * np.log(expit(d)) + (1 - score) * np.log(expit(-d))
    return np.log(probabilities(model, d, x[n])[outcome, np.arange(len(d))])


def by_optimiser(model: str, n: int, *rows: Any) -> Any:
    start = np.append(np.zeros(n), [] if model == "bradley_terry" else [0.4])

    def loss(x: Any) -> float:
        with np.errstate(all="ignore"):
            value = float(-log_likelihood(model, x, n, *rows).sum() + x[:n].sum() ** 2)
        return value if np.isfinite(value) else 1e6

    found = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
    return found.x - np.append(np.full(n, found.x[:n].mean()), np.zeros(len(found.x) - n))


def parameters(ratings: Ratings) -> Any:
    return np.append(ratings.strengths, list(ratings.nuisance.values()))


@pytest.mark.parametrize("model", MODELS)
def test_strengths_are_the_maximum_that_a_general_optimiser_finds(model: Any) -> None:
    _, *rows = comparisons(6, 400, seed=1)
    ratings = rate(*rows, model=model)
    truth = by_optimiser(model, 6, *rows)
    np.testing.assert_allclose(parameters(ratings), truth, atol=1e-5)  # what differences of the loss can tell
    assert ratings.converged
    assert ratings.log_likelihood == pytest.approx(log_likelihood(model, truth, 6, *rows).sum(), abs=1e-6)
    assert gradient_by_rows(model, parameters(ratings), 6, *rows).sum(axis=0) == pytest.approx(0, abs=1e-5)


def gradient_by_rows(model: str, x: Any, n: int, *rows: Any) -> Any:
    """The score of each row [v, P], by differences."""
    step = 1e-6 * np.eye(len(x))
    parts = [(log_likelihood(model, x + e, n, *rows) - log_likelihood(model, x - e, n, *rows)) / 2e-6 for e in step]
    return np.array(parts).T


def hessian(model: str, x: Any, n: int, first: Any, second: Any, outcome: Any) -> Any:
    step = 1e-4 * np.eye(len(x))

    def gradient(x: Any) -> Any:
        return gradient_by_rows(model, x, n, first, second, outcome).sum(axis=0)

    return np.array([(gradient(x + e) - gradient(x - e)) / 2e-4 for e in step])


@pytest.mark.parametrize("model", MODELS)
def test_the_sandwich_from_counts_is_the_row_wise_one(model: Any) -> None:
    n = 5
    _, *rows = comparisons(n, 300, seed=2)
    ratings = rate(*rows, model=model)
    x = parameters(ratings)
    scores, h = gradient_by_rows(model, x, n, *rows), -hessian(model, x, n, *rows)
    inverse = np.linalg.pinv((h + h.T) / 2, rcond=1e-6)
    # HC3, row by row: the score of a row divided by one less its leverage, in its pair's own directions.
    unbent, pair = np.empty_like(scores), np.minimum(rows[0], rows[1]) * n + np.maximum(rows[0], rows[1])
    for which in (pair == met for met in np.unique(pair)):
        own = -hessian(model, x, n, *(r[which] for r in rows)) / which.sum()
        unbent[which] = np.linalg.solve(np.eye(len(x)) - own @ inverse, scores[which].T).T
    sandwich = inverse @ (unbent.T @ unbent) @ inverse
    np.testing.assert_allclose(ratings.covariance, sandwich[:n, :n], rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(list(ratings.nuisance_sd.values()), np.sqrt(np.diag(sandwich))[n:], rtol=2e-3)
    by_model = rate(*rows, model=model, interval="model")
    np.testing.assert_allclose(by_model.covariance, inverse[:n, :n], rtol=2e-3, atol=1e-6)


def test_weights_act_as_on_rows() -> None:
    n, weight = 5, np.random.default_rng(3).choice([0.5, 2.0, 1.0], 400)
    _, *rows = comparisons(n, 400, seed=3)
    ratings = rate(*rows, n, weight=weight)
    x, score = ratings.strengths, np.array([0.5, 1.0, 0.0])[rows[2]]
    p = expit(x[rows[0]] - x[rows[1]])
    design = np.eye(n)[rows[0]] - np.eye(n)[rows[1]]
    assert (weight * (score - p)) @ design == pytest.approx(0, abs=1e-7)
    inverse = np.linalg.pinv(design.T @ (design * (weight * p * (1 - p))[:, None]))
    scores = design * (weight * (score - p))[:, None]
    plain = inverse @ (scores.T @ scores) @ inverse
    assert ratings.covariance is not None
    np.testing.assert_allclose(np.diag(ratings.covariance), np.diag(plain), rtol=0.05)  # HC0 beside HC3
    doubled = rate(*(np.tile(r, 2) for r in rows), n)
    np.testing.assert_allclose(rate(*rows, n, weight=np.full(400, 2.0)).strengths, doubled.strengths, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n", [8, 700])
def test_streaming_ends_where_all_at_once_does(model: Any, n: int) -> None:
    size = 150 * n
    _, *rows = comparisons(n, size, seed=4)
    ratings = rate(*(r[: size // 2] for r in rows), n, model=model)
    steps = []
    for begin in range(size // 2, size, size // 8):
        ratings = ratings.update(*(r[begin : begin + size // 8] for r in rows))
        steps.append(ratings.fit.iterations if ratings.fit else 0)
    whole = rate(*rows, n, model=model)
    np.testing.assert_allclose(parameters(ratings), parameters(whole), rtol=0, atol=1e-10)
    np.testing.assert_allclose(ratings.standard_error, whole.standard_error, rtol=1e-9)
    assert max(steps) <= 4
    assert ratings.counts.rows == size


def test_items_that_cannot_be_placed_get_no_number() -> None:
    # 0, 1, 2 beat each other; 3 only wins; 4 and 5 never met the others.
    first, second = np.array([0, 1, 2, 3, 4, 5, 0]), np.array([1, 2, 0, 0, 5, 4, 2])
    ratings = rate(first, second, np.array([1, 1, 1, 1, 1, 1, 1]), list("abcdef"))
    assert ratings.identified.tolist() == [True, True, True, False, False, False]
    assert np.isnan(ratings.strengths[3:]).all()
    assert np.isnan(ratings.variance[3:]).all()
    assert ratings.strengths[:3].sum() == pytest.approx(0, abs=1e-12)
    assert "undefeated" in ratings.notes[3]
    assert "island" in ratings.notes[4]
    assert ratings.names == tuple("abcdef")


@pytest.mark.parametrize("model", MODELS)
def test_who_is_preferred_is_as_the_papers_write_it(model: Any) -> None:
    _, *rows = comparisons(5, 300, seed=4)
    ratings = rate(*rows, 6, model=model)
    d = ratings.strengths[[0, 1]] - ratings.strengths[[2, 3]]
    _, first, second = probabilities(model, d, next(iter(ratings.nuisance.values()), -np.inf))
    if model == "bradley_terry":
        first, second = expit(d), expit(-d)
    np.testing.assert_allclose(ratings.prefer([0, 1], [2, 3]), first / (first + second), rtol=1e-12)
    assert np.isnan(ratings.prefer([0], [5])).all()
    assert np.isnan(rate([0], [1], [1], model=model).prefer([0], [1])).all()


@pytest.mark.parametrize("model", MODELS)
def test_nothing_but_ties_or_one_sided_wins_places_nobody(model: Any) -> None:
    ratings = rate(np.array([0]), np.array([1]), np.array([1]), model=model)
    assert not ratings.identified.any()
    assert np.isnan(ratings.strengths).all()
    ties = rate(np.array([0, 1]), np.array([1, 2]), np.array([0, 0]), model=model)
    # With a tie term nothing says how often they would not tie; half a win each has an error that nothing tells.
    assert not ties.identified.any()
    assert np.isnan(ties.interval().low).all()
    assert ties.promise == "at least"
    assert ("ties alone" in ties.notes[0]) == (model == "bradley_terry")


def test_items_that_ties_alone_join_are_placed_only_where_a_model_of_ties_tells_their_error() -> None:
    triangle = np.array([[0, 1, 1], [0, 1, -1], [0, 2, 1], [0, 2, -1], [1, 2, 1], [1, 2, -1]])
    rows = np.repeat(np.concatenate([triangle, triangle + np.array([3, 3, 0])]), 25, axis=0)
    joined = np.concatenate([rows, [[0, 3, 0]]]).T
    halves = rate(*joined)
    assert halves.identified.sum() == 3
    assert np.isfinite(halves.standard_error[halves.identified]).all()
    assert "ties alone" in halves.notes[5 if halves.identified[0] else 0]
    for model in MODELS[1:]:
        # One comparison tells of two groups about as much as the model says one can.
        ratings = rate(*joined, model=model)  # type: ignore[arg-type]
        by_model = rate(*joined, model=model, interval="model")  # type: ignore[arg-type]
        assert ratings.identified.all()
        assert ratings.promise == "at least"
        np.testing.assert_allclose(ratings.standard_error, by_model.standard_error, rtol=0.1)


def test_a_comparison_that_alone_holds_an_item_leaves_no_interval() -> None:
    first, second, outcome = np.tile([0, 1, 2], 20), np.tile([1, 2, 0], 20), np.repeat([1, -1], 30)
    outcome[0], weight = 0, np.where(np.arange(60) == 0, 1e12, 1.0)
    ratings = rate(first, second, outcome, weight=weight, model="davidson")
    assert ratings.identified.all()
    assert np.isnan(ratings.interval().low).all()
    assert ratings.promise == "at least"


@pytest.mark.parametrize("model", ["rao_kupper", "thurstone"])
def test_a_tie_threshold_without_a_maximum_is_not_made_up(model: Any) -> None:
    # 0 beat 1, 1 beat 2, and a tie of 1 with itself is all that bounds the threshold: it may grow with the differences.
    ratings = rate(np.array([0, 0, 1, 3]), np.array([1, 1, 2, 1]), np.array([1, 1, 1, 0]), model=model)
    assert not ratings.identified.any()
    # Once a win goes both ways the threshold is bounded, and the tie places item 3.
    more = ratings.update(np.array([1, 2]), np.array([0, 1]), np.array([1, 1]))
    assert more.identified.all()
    assert more.converged


@pytest.mark.parametrize("model", MODELS)
def test_without_ties_there_is_no_tie_term(model: Any) -> None:
    _, first, second, outcome = comparisons(5, 300, seed=5)
    decided = outcome != 0
    ratings = rate(first[decided], second[decided], outcome[decided], model=model)
    assert ratings.nuisance == {}
    if model in ("davidson", "rao_kupper"):
        plain = rate(first[decided], second[decided], outcome[decided])
        np.testing.assert_allclose(ratings.strengths, plain.strengths, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_the_bootstrap_is_that_of_rows(model: Any) -> None:
    _, *rows = comparisons(6, 600, seed=6)
    ratings = rate(*rows, model=model)
    drawn = ratings.bootstrap(400, 0)
    assert drawn.unplaced == 0
    np.testing.assert_allclose(drawn.standard_error, ratings.standard_error, rtol=0.15)
    rng = np.random.default_rng(1)
    by_rows = []
    for _ in range(200):
        chosen = rng.integers(600, size=600)
        by_rows.append(rate(*(r[chosen] for r in rows), 6, model=model, interval=None).strengths)
    np.testing.assert_allclose(drawn.standard_error, np.std(by_rows, axis=0), rtol=0.2)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rows", [80, 5000])
def test_each_refit_of_the_bootstrap_is_a_maximum(model: Any, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import heedful.preference.pair_bootstrap as module

    kept: list[Any] = []

    def remembered(*arguments: Any) -> Any:
        kept.append(resampled(*arguments))
        return kept[-1]

    monkeypatch.setattr(module, "resampled", remembered)
    _, *arrays = comparisons(5, rows, seed=7)
    ratings = rate(*arrays, model=model)
    drawn = ratings.bootstrap(30, 0)
    sets = np.concatenate(kept, axis=1).reshape(*ratings.counts.counts.shape, -1)
    for number in range(30):
        counts = type(ratings.counts)(5, ratings.counts.first, ratings.counts.second, sets[..., number], None, rows)
        alone = rate_counts(counts, model=model, interval=None)
        if alone.identified.all() and len(alone.nuisance) == len(ratings.nuisance):
            np.testing.assert_allclose(drawn.strengths[number], alone.strengths, atol=1e-6)
        else:
            assert np.isnan(drawn.strengths[number]).all()
    assert drawn.unplaced == np.isnan(drawn.strengths[:, 0]).sum()


def test_resampled_counts_are_multinomial() -> None:
    counts = np.array([0.0, 1.0, 7.0, 40.0, 300.0])
    drawn = resampled(counts, 40_000, np.random.default_rng(0))
    assert (drawn.sum(axis=0) == 348).all()
    assert (drawn[0] == 0).all()
    p = counts / 348
    se = np.sqrt(348 * p * (1 - p) / 40_000)
    assert (np.abs(drawn.mean(axis=1) - counts)[1:] < 4 * se[1:]).all()
    covariance = 348 * (np.diag(p) - np.outer(p, p))
    np.testing.assert_allclose(np.cov(drawn)[1:, 1:], covariance[1:, 1:], rtol=0.05, atol=0.05)
    # The whole distribution of one cell, not only its moments.
    seen = np.bincount(drawn[2].astype(int), minlength=30)[:20]
    expected = stats.binom.pmf(np.arange(20), 348, p[2]) * 40_000
    large = expected > 20
    assert stats.chisquare(seen[large], expected[large] * seen[large].sum() / expected[large].sum()).pvalue > 1e-3


@pytest.fixture
def sparsely(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def switch() -> None:
        monkeypatch.setattr("heedful.preference.pair_fit.DENSE_LIMIT", 20)
        monkeypatch.setattr("heedful.preference.ratings.DENSE_LIMIT", 20)

    return switch


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("basis", ["sandwich", "model"])
def test_many_items_are_rated_as_few_are(model: Any, basis: Any, sparsely: Callable[[], None]) -> None:
    n = 300
    _, *rows = comparisons(n, 30_000, seed=8)
    dense = rate(*rows, n, model=model, interval=basis)
    variance = dense.variance
    sparsely()
    sparse = rate(*rows, n, model=model, interval=basis)
    np.testing.assert_allclose(parameters(sparse), parameters(dense), atol=1e-8)
    assert sparse.covariance is None
    np.testing.assert_allclose(np.sqrt(sparse.variance), np.sqrt(variance), rtol=0.03)
    assert abs(np.log(sparse.variance / variance).mean()) < 0.005


def test_items_whose_variance_random_signs_cannot_tell_are_solved_for(sparsely: Callable[[], None]) -> None:
    # A long chain: every item leans on all others, so random signs leave much error.
    n = 150
    rng = np.random.default_rng(9)
    first = np.repeat(np.arange(n - 1), 30)
    rows = first, first + 1, rng.choice([1, -1], len(first))
    dense = rate(*rows, n).variance
    sparsely()
    sparse = rate(*rows, n).variance
    given = ~np.isnan(sparse)
    assert 64 <= given.sum() < n
    np.testing.assert_allclose(np.sqrt(sparse[given]), np.sqrt(dense[given]), rtol=0.06)


def test_arguments_that_say_nothing_are_refused() -> None:
    arrays = np.array([0, 1]), np.array([1, 0]), np.array([1, 1])
    with pytest.raises(UsageError, match="no model"):
        rate(*arrays, model="elo")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no interval"):
        rate(*arrays, interval="wald")  # type: ignore[arg-type]
    with pytest.raises(FitError, match="no comparisons"):
        rate(*(a[:0] for a in arrays), 3)
    with pytest.raises(UsageError, match="weights"):
        rate(*arrays, weight=np.ones(2)).bootstrap(2, 0)
    with pytest.raises(UsageError, match="items"):
        rate_counts(count(*arrays), names=["a"])
    with pytest.raises(UsageError, match="two items are named 'a'"):
        rate([0, 1], [1, 2], [1, 1], ["a", "b", "a"])
    with pytest.raises(FitError, match="no comparisons"):
        rate([], [], [])
    with pytest.raises(UsageError, match=r"0\.95, not 95"):
        rate(*arrays).interval(95)
    with pytest.raises(UsageError, match="1 sets"):
        rate(*arrays).bootstrap(1, 0)
    with pytest.raises(UsageError, match="item 2 is new"):
        rate(*arrays).update([0], [2], [1])
    with pytest.raises(UsageError, match="weight 1e\\+200"):
        rate(*arrays, weight=[1e200, 1])


def test_the_model_alone_gives_no_interval_of_weighted_comparisons() -> None:
    """H⁻¹ would take a weight of 10 for 10 comparisons."""
    _, *rows = comparisons(4, 300, seed=11)
    with pytest.raises(UsageError, match="sandwich"):
        rate(*rows, weight=np.full(300, 10.0), interval="model")
    weighted = rate(*rows, weight=np.full(300, 10.0))
    np.testing.assert_allclose(weighted.standard_error, rate(*rows).standard_error, rtol=1e-9)
    assert rate(*rows, weight=np.ones(300), interval="model").covariance is not None


def test_the_number_of_items_may_be_any_integer() -> None:
    arrays = np.array([0, 1]), np.array([1, 0]), np.array([1, 1])
    assert rate(*arrays, np.int64(3)).counts.items == 3  # type: ignore[arg-type]
    assert rate(*arrays, arrays[0].max() + 1).names is None


def test_a_fit_keeps_no_vote() -> None:
    _, *rows = comparisons(4, 500, seed=10)
    ratings = rate(*rows)
    assert isinstance(ratings.fit, PairFit)
    assert ratings.fit.pairs.votes is None
    assert ratings.fit.pairs.counts.size <= 12


def test_the_promise_depends_on_the_design_alone() -> None:
    _, first, second, outcome = comparisons(4, 200, seed=11)
    assert rate(first, second, outcome).promise == "confidence"
    few = [a[:40] for a in (first, second, outcome)]
    assert rate(*few).promise == "at least"
    # Weights that rest on a few comparisons tell no more than those.
    weight = np.where(np.arange(200) < 40, 1.0, 1e-3)
    assert rate(first, second, outcome, weight=weight).promise == "at least"
    # Ties say little of half wins: what counts is how many were decided.
    tied = np.where(np.arange(200) % 5 > 0, 0, outcome)
    assert rate(first, second, tied).promise == "at least"
    # Nor do many comparisons within two groups tell how far apart the groups are.
    within = np.repeat([[0, 1, 1], [1, 0, 1], [2, 3, 1], [3, 2, 1]], 30, axis=0)
    for number, promise in ((3, "at least"), (20, "confidence")):
        between = np.repeat([[1, 2, 1], [2, 1, 1]], number, axis=0)
        assert rate(*np.concatenate([within, between]).T).promise == promise
    # Half a win varies less than a win or a loss, so the model's covariance is too wide where there are ties.
    assert rate(first, second, outcome, interval="model").promise == "at least"
    decided = outcome != 0
    plain = rate(first[decided], second[decided], outcome[decided], interval="model")
    assert plain.promise == "confidence"
    assert plain.interval(0.9).level == 0.9


@pytest.mark.parametrize(("fitted", "votes"), [("bradley_terry", "davidson"), ("davidson", "rao_kupper")])
def test_intervals_cover_the_truth_that_a_fit_tends_to(fitted: Any, votes: str) -> None:
    """Davidson's model under votes by Rao and Kupper's is wrong; the sandwich holds all the same."""
    n, sets, rng = 5, 300, np.random.default_rng(12)
    u = np.linspace(-1, 1, n)
    low, high = np.triu_indices(n, 1)
    p = probabilities(votes, u[low] - u[high], 0.6)
    every = np.tile(low, 3), np.tile(high, 3), np.repeat(OUTCOMES, len(low))
    truth = rate(*every, n, weight=p.ravel(), model=fitted, interval=None).strengths
    pairs, hits = np.repeat(np.arange(len(low)), 30), 0
    for number in range(sets):
        outcome = OUTCOMES[(rng.random(len(pairs)) > p.cumsum(axis=0)[:, pairs]).sum(axis=0).clip(max=2)]
        interval = rate(low[pairs], high[pairs], outcome, n, model=fitted).interval()
        assert interval.promise == "confidence"
        item = number % n
        hits += int(interval.low[item] <= truth[item] <= interval.high[item])
    assert stats.binomtest(hits, sets, 0.95).pvalue > 1e-3


def test_ratings_come_from_a_scan_as_from_arrays(tmp_path: Path) -> None:
    _, *rows = comparisons(9, 4000, seed=13)
    pl.DataFrame(dict(zip(("a", "b", "y"), rows, strict=True))).write_parquet(tmp_path / "votes.parquet")
    counts = count_chunks(scan(tmp_path / "votes.parquet", ("a", "b", "y"), chunk=700), 9)
    np.testing.assert_allclose(rate_counts(counts).strengths, rate(*rows).strengths, rtol=0, atol=1e-12)
