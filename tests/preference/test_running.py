"""Inference that holds whatever was asked: exact martingales by enumeration, brute force, simulated stopping."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, log_expit

from heedful.core import UsageError
from heedful.preference.direct import Direct
from heedful.preference.running import RunningLikelihood
from heedful.stats import confidence_sequence

PAIRS = tuple(combinations(range(3), 2))


def asked_of_losers(answers: Any) -> list[tuple[int, int]]:
    """An adaptive rule: the next pair is told by how many answers so far the second won."""
    return [PAIRS[sum(answer < 0 for answer in answers[:step]) % 3] for step in range(len(answers))]


def comparisons(size: int, seed: int, items: int = 4) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    first = rng.integers(items, size=size)
    second = (first + rng.integers(1, items, size=size)) % items
    u = np.linspace(1, -1, items)
    return first, second, np.where(rng.random(size) < expit(u[first] - u[second]), 1, -1)


def test_predictions_of_all_answers_sum_to_one_under_an_adaptive_rule() -> None:
    # So Π prediction / Π P(answer) has expectation 1 under any utilities: summed over all 2^7 answers.
    total = 0.0
    for answers in product([1, -1], repeat=7):
        first, second = np.array(asked_of_losers(answers)).T
        total += np.exp(RunningLikelihood.of(first, second, np.array(answers), 3).predicted)
    assert total == pytest.approx(1.0, rel=1e-12)


def negative(wins: Any) -> Any:
    return lambda u: -float((wins * log_expit(u[:, None] - u)).sum())


def test_interval_is_the_likelihood_maximised_at_each_difference() -> None:
    run = RunningLikelihood.of(*comparisons(80, 0), 4)
    interval = run.difference(0, 2, level=0.9)
    for end in (interval.low, interval.high):
        held: Any = {"type": "eq", "fun": lambda u, end=end: u[0] - u[2] - end}
        found = optimize.minimize(
            negative(run.wins), np.zeros(4), constraints=held, method="SLSQP", options={"ftol": 1e-12}
        )
        assert -found.fun == pytest.approx(run.predicted + np.log(0.1), abs=1e-4)
    mirrored = run.difference(2, 0, level=0.9)
    assert (-mirrored.high, -mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-5)


@pytest.mark.parametrize(("better", "worse"), [(0, 3), (3, 0), (1, 2)])
def test_evidence_is_against_the_best_utilities_that_deny_the_claim(better: int, worse: int) -> None:
    run = RunningLikelihood.of(*comparisons(60, 1), 4)
    denied: Any = {"type": "ineq", "fun": lambda u: u[worse] - u[better]}
    found = optimize.minimize(
        negative(run.wins), np.zeros(4), constraints=denied, method="SLSQP", options={"ftol": 1e-12}
    )
    assert run.log_e(better, worse) == pytest.approx(run.predicted + found.fun, abs=1e-5)


def test_one_sided_answers_bound_one_side() -> None:
    run = RunningLikelihood.of([0] * 12, [1] * 12, [1] * 12, 2)
    interval = run.difference(0, 1)
    assert interval.low > 0
    assert interval.high == np.inf
    assert run.log_e(0, 1) > np.log(20) > run.log_e(1, 0)
    nothing = RunningLikelihood.of([], [], [], 2).difference(0, 1)
    assert (nothing.low, nothing.high) == (-np.inf, np.inf)


def test_ties_are_left_out_and_a_wrong_prior_breaks_nothing() -> None:
    first, second, outcome = comparisons(60, 2)
    tied = np.concatenate([outcome, np.zeros(5, int)])
    again = RunningLikelihood.of(np.append(first, [0] * 5), np.append(second, [1] * 5), tied, 4)
    assert again.predicted == RunningLikelihood.of(first, second, outcome, 4).predicted
    narrow = RunningLikelihood.of(first, second, outcome, 4, prior_sd=0.01)
    assert narrow.predicted == pytest.approx(60 * np.log(0.5), abs=0.5)


def test_both_cover_where_a_wald_interval_watched_all_along_does_not() -> None:
    # Two equal items, watched after every twentieth answer until one looks better.
    rng = np.random.default_rng(4)
    sets, misses = 60, np.zeros(3, int)
    for _ in range(sets):
        outcome = rng.choice([1, -1], size=160)
        wrong = np.zeros(3, bool)
        for n in range(20, 161, 20):
            seen = outcome[:n]
            direct = confidence_sequence((1 + seen) / 2)
            run = RunningLikelihood.of(np.zeros(n, int), np.ones(n, int), seen, 2)
            wrong |= [
                abs(seen.mean()) * np.sqrt(n) > 1.96,
                run.predicted - n * np.log(0.5) >= np.log(20),
                not direct.low <= 0.5 <= direct.high,
            ]
        misses += wrong
    assert misses[0] > 0.1 * sets
    assert all(stats.binomtest(int(miss), sets, 0.05, alternative="greater").pvalue > 1e-4 for miss in misses[1:])


def test_direct_intervals_rest_on_a_pairs_own_answers_in_order() -> None:
    first, second, outcome = np.array([0, 1, 0, 1, 2]), np.array([1, 0, 2, 0, 1]), np.array([1, 1, -1, 0, 1])
    direct = Direct.of(first, second, outcome, 3)
    np.testing.assert_array_equal(direct.values(0, 1), [1.0, 0.0, 0.5])
    np.testing.assert_array_equal(direct.values(1, 0), [0.0, 1.0, 0.5])
    alone, of_all = direct.interval(0, 1, of_all=False), direct.interval(0, 1)
    assert alone == confidence_sequence([1.0, 0.0, 0.5])
    assert of_all.low <= alone.low <= alone.high <= of_all.high
    assert (direct.interval(2, 0).low, direct.interval(2, 0).high) == (0.0, 1.0) != direct.win_rate(2)
    assert direct.evidence(0, 1) >= 1.0


def test_win_rate_is_the_mean_of_its_pairs() -> None:
    direct = Direct.of(*comparisons(900, 5), 4)
    ends = [confidence_sequence(direct.values(1, other), level=1 - 0.05 / 6) for other in (0, 2, 3)]
    found = direct.win_rate(1)
    assert (found.low, found.high) == pytest.approx((np.mean([e.low for e in ends]), np.mean([e.high for e in ends])))
    u = np.linspace(1, -1, 4)
    assert found.low <= expit(u[1] - u[[0, 2, 3]]).mean() <= found.high


@pytest.mark.parametrize("row", [(0, 0, 1), (0, 4, 1), (-1, 2, 1), (0, 1, 2)])
def test_what_is_no_comparison_is_named(row: tuple[int, int, int]) -> None:
    for made in (RunningLikelihood.of, Direct.of):
        with pytest.raises(UsageError, match="row 1"):
            made([0, row[0]], [1, row[1]], [1, row[2]], 4)
        with pytest.raises(UsageError, match="whole numbers"):
            made([0.0], [1], [1], 4)
    run, direct = RunningLikelihood.of([0], [1], [1], 2), Direct.of([0], [1], [1], 2)
    for asked in (run.difference, direct.interval):
        with pytest.raises(UsageError, match=r"0\.95, not 95"):
            asked(0, 1, level=95)
    for asked in (run.difference, run.log_e, direct.interval, direct.evidence):
        for other in (0, 2, -1):
            with pytest.raises(UsageError, match="two of 2 items"):
                asked(0, other)
