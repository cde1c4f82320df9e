"""Capital of many bettors: expectations by enumeration, closed form of coins, closed testing by all subsets."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest
from scipy import integrate, special
from scipy import stats as scipy_stats

from heedful.core import InputError
from heedful.stats import Capital, closed_rejections, coin_capital, difference_sequence


def told(path: np.ndarray, mean: float = 0.5) -> Capital:
    capital = Capital.start(*path.shape[1:], mean=mean)
    for value in path:
        capital = capital.after(value)
    return capital


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 1), (1, 9), (40, 20), (1100, 900)])
def test_the_capital_of_coins_has_its_closed_form(wins: int, losses: int) -> None:
    """2^(n+1) ∫ θ^w (1 − θ)^l over [1/2, 1], by quadrature; ties change nothing."""
    peak = max(wins / max(wins + losses, 1), 0.5)
    most = special.xlogy(wins, peak) + special.xlogy(losses, 1 - peak)

    def density(theta: float) -> float:
        return float(np.exp(special.xlogy(wins, theta) + special.xlogy(losses, 1 - theta) - most))

    area, _ = integrate.quad(density, 0.5, 1, points=[peak])
    closed = (wins + losses + 1) * np.log(2) + most + np.log(area)
    capital = told(np.r_[np.ones(wins), np.zeros(losses), np.full(5, 0.5)])
    assert coin_capital(wins, losses) == pytest.approx(closed)
    assert capital.log_e == pytest.approx(closed, abs=1e-9 if wins < 50 else 0.03)


def test_values_told_together_are_values_told_one_by_one() -> None:
    path = np.random.default_rng(0).random((30, 2, 3))
    path[4, 1, 2] = np.nan
    begun = told(path[:7], mean=0.3)
    np.testing.assert_allclose(begun.after_all(path[7:]).log, told(path, mean=0.3).log, atol=1e-12)
    np.testing.assert_array_equal(begun.after_all(path[:0]).log, begun.log)
    with pytest.raises(InputError, match="lie in"):
        begun.after_all(path + 1)


def test_coins_against_which_there_is_all_evidence_leave_none() -> None:
    assert coin_capital(0, 5000) == -np.inf
    assert coin_capital(5000, 0) > 1000


@pytest.mark.parametrize("mean", [0.5, 0.2])
def test_the_expected_capital_is_one_by_enumeration(mean: float) -> None:
    total = 0.0
    for path in product([0.0, 1.0], repeat=8):
        probability = mean ** sum(path) * (1 - mean) ** (8 - sum(path))
        total += probability * np.exp(told(np.array(path), mean).log_e)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_streams_are_apart_and_missing_values_change_nothing() -> None:
    paths = np.array([[1.0, 0.0], [np.nan, 1.0], [1.0, np.nan]])
    both = told(paths).log_e
    assert both[0] == pytest.approx(float(told(np.array([1.0, 1.0])).log_e))
    assert both[1] == pytest.approx(float(told(np.array([0.0, 1.0])).log_e))
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        Capital.start(2).after([0.2, 1.2])
    with pytest.raises(InputError, match="under test"):
        Capital.start(mean=1.0)


def test_capital_is_rarely_large_ever_and_grows_when_it_should() -> None:
    rng = np.random.default_rng(0)
    capital, ever, sets = Capital.start(2000), np.zeros(2000, dtype=bool), 2000
    for _ in range(300):
        # Uniform, but each coin's spread depends on what its capital is: the mean is 1/2 whatever came before.
        wide = capital.log_e > 0
        capital = capital.after(np.where(wide, rng.random(sets) < 0.5, 0.25 + 0.5 * rng.random(sets)))
        ever |= capital.log_e >= np.log(20)
    assert scipy_stats.binomtest(int(ever.sum()), sets, 0.05, alternative="greater").pvalue > 1e-4
    assert ever.any()
    assert told(np.random.default_rng(1).random(400) < 0.7).log_e > np.log(1000)


def test_closed_testing_is_that_of_all_subsets() -> None:
    rng = np.random.default_rng(0)
    for k in (1, 2, 4, 5):
        log_e = rng.normal(2.0, 2.0, size=(40, k))
        log_e[:5] = np.round(log_e[:5])  # some are equal
        found = closed_rejections(log_e, 0.1)
        for row, own in zip(log_e, found, strict=True):
            sets = chain.from_iterable(combinations(range(k), size) for size in range(1, k + 1))
            accepted = [some for some in sets if np.exp(row[list(some)]).mean() < 10]
            assert own.tolist() == [all(i not in some for some in accepted) for i in range(k)]
    assert closed_rejections(np.array([1e4, 0.0]), 0.05).tolist() == [True, False]
    with pytest.raises(InputError, match="error rate"):
        closed_rejections(np.zeros(2), 0.0)


def test_differences_are_covered_at_the_worst_time_whatever_the_pairs_share() -> None:
    rng = np.random.default_rng(1)
    misses, sets = 0, 400
    for _ in range(sets):
        hard = rng.random(200)
        first, second = (rng.random((2, 200)) < np.clip([hard + 0.1, hard], 0, 1)).astype(float)
        truth = 0.1 - 0.005  # E min(h + 0.1, 1) − E h
        interval = difference_sequence(first, second)
        misses += not interval.low <= truth <= interval.high
    assert scipy_stats.binomtest(misses, sets, 0.05, alternative="greater").pvalue > 1e-4
    assert difference_sequence([], []).low == -1.0
    with pytest.raises(InputError, match="equal lengths"):
        difference_sequence([0.5], [])
