"""Bets for a number of values known beforehand: by enumeration of coins, and intervals by exact coverage."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from heedful.core import InputError
from heedful.stats import Bets, bounded_interval, permutation_test


@pytest.mark.parametrize("mean", [0.5, 0.2])
def test_evidence_has_expectation_one_and_rarely_reaches_its_bar(mean: float) -> None:
    bets, expected, reached = Bets.within(11, 0.2, mean), 0.0, 0.0
    for path in product([0.0, 1.0], repeat=11):
        chance = mean ** sum(path) * (1 - mean) ** (11 - sum(path))
        log_e = bets.log_e(bets.growth(path).cumsum(axis=1))
        expected += chance * np.exp(log_e[-1])
        reached += chance * (log_e.max() >= -np.log(0.2))
    assert expected == pytest.approx(1.0, abs=1e-12)
    assert 0.05 < reached <= 0.2


def test_bets_are_spread_evenly_in_their_logarithm() -> None:
    """∫ of (1 + λ x)^w (1 − λ x)^l over log λ, by the trapezoid of many points."""
    bets = Bets.within(300, 0.01, 0.5)
    stakes = np.exp(np.linspace(0.5 * np.log(2 * np.log(100) / 300), 0, 20_001))
    capital = (1 + stakes) ** 40 * (1 - stakes) ** 20
    exact = np.trapezoid(capital, np.linspace(0, 1, 20_001))
    growth = bets.growth(np.r_[np.ones(40), np.zeros(20), np.full(9, 0.5)]).sum(axis=1)
    assert bets.log_e(growth) == pytest.approx(np.log(exact), abs=0.02)
    assert bets.weight.sum() == pytest.approx(1)


@pytest.mark.parametrize("n", [5, 20, 60])
def test_intervals_cover_any_coin_by_exact_sums(n: int) -> None:
    found = [bounded_interval(np.r_[np.ones(won), np.zeros(n - won)])[0] for won in range(n + 1)]
    for truth in np.linspace(0.002, 0.998, 167):
        inside = [own.low <= truth <= own.high for own in found]
        assert stats.binom.pmf(np.arange(n + 1), n, truth) @ inside >= 0.95
    exact = 1 - 0.025 ** (1 / n)  # the end of Clopper and Pearson's
    assert exact <= found[0].high <= 2 * exact
    assert found[0].low == 0


def test_the_p_value_and_the_interval_agree() -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(60):
        values = rng.beta(2, rng.choice([1.0, 1.5, 2.0]), 40)
        interval, p = bounded_interval(values, level=0.9)
        excluded = not interval.low <= 0.5 <= interval.high
        assert excluded == (p < 0.1)
        seen.add(excluded)
    assert seen == {True, False}


def test_what_cannot_be_bet_on_is_refused() -> None:
    with pytest.raises(InputError, match="no bets suit"):
        Bets.within(0, 0.05, 0.5)
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        Bets.within(5, 0.05, 0.5).growth([1.5])
    with pytest.raises(InputError, match="needs values"):
        bounded_interval([])


def test_permutations_agree_with_all_ways_of_dealing() -> None:
    first, second = np.array([1.0, 1, 0, 1]), np.array([0.0, -1, 1, 0, 0])
    values = np.r_[first, second]
    sums = [values[list(own)].sum() for own in combinations(range(9), 4)]
    p = permutation_test(first, second, draws=20_000, rng=np.random.default_rng(1))
    assert p == pytest.approx(np.mean(np.array(sums) >= first.sum()), abs=0.015)
    assert permutation_test(np.zeros(5), np.zeros(4), draws=100, rng=np.random.default_rng(1)) == 1.0
    with pytest.raises(InputError, match="two groups"):
        permutation_test([], second, rng=np.random.default_rng(0))
