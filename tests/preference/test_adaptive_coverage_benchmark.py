"""The rules that benchmarks/adaptive_coverage.py measures, many sets at once, are those of the package."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import Item, Scores
from heedful.elicitation import DoubleThompson, ExpectedInformationGain, Mixed, Uncertainty
from heedful.preference import count, under_prior

ROOT = Path(__file__).parents[2]
NAMES = tuple(f"s{number}" for number in range(6))
PAIRS = [(Item(system=NAMES[a]), Item(system=NAMES[b])) for a, b in zip(*np.triu_indices(6, 1), strict=True)]


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return runpy.run_path(str(ROOT / "benchmarks" / "adaptive_coverage.py"))
    finally:
        sys.path.pop(0)


class Normal:
    """A posterior of six systems by draws that have exactly this mean and covariance."""

    def __init__(self, mean: np.ndarray, covariance: np.ndarray, draws: int, rng: np.random.Generator) -> None:
        z = rng.standard_normal((draws, 6))
        z -= z.mean(axis=0)
        z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T, bias=True))).T
        self.draws = mean + z @ np.linalg.cholesky(covariance).T

    def __call__(self, items: Any) -> Scores:
        own = self.draws[:, [NAMES.index(item.system) for item in items]]
        return Scores(own.mean(axis=0), own)


def wins(seed: int, n: int = 60) -> np.ndarray:
    """Of the row's item over the column's [6, 6] in n comparisons of random pairs."""
    rng, found = np.random.default_rng(seed), np.zeros((6, 6))
    u = rng.normal(size=6)
    for _ in range(n):
        a, b = rng.choice(6, 2, replace=False)
        found[(a, b) if rng.random() < expit(u[a] - u[b]) else (b, a)] += 1
    return found


def believed(benchmark: dict[str, Any], seed: int) -> Any:
    """What the benchmark makes of these wins, its Newton steps repeated until they end."""
    found, mean = wins(seed)[None], np.zeros((1, 6))
    for _ in range(10):
        beliefs = benchmark["posterior"](found, mean)
        mean = beliefs.mean
    return beliefs


def number(question: tuple[Item, ...]) -> int:
    return next(place for place, pair in enumerate(PAIRS) if set(pair) == set(question))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_believed_is_the_posterior_under_the_prior(benchmark: dict[str, Any], seed: int) -> None:
    beliefs, (won, lost) = believed(benchmark, seed), np.nonzero(wins(seed))
    times = wins(seed)[won, lost].astype(int)
    first, second = np.repeat(won, times), np.repeat(lost, times)
    found = under_prior(count(first, second, np.ones(len(first), int), 6), 1.0)
    np.testing.assert_allclose(beliefs.mean[0], found.mean, atol=1e-6)
    np.testing.assert_allclose(beliefs.covariance[0], found.covariance, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "rule"), [("information", ExpectedInformationGain), ("uncertainty", Uncertainty)])
def test_what_is_asked_is_what_the_rule_asks(benchmark: dict[str, Any], name: str, rule: Any, seed: int) -> None:
    """Of many draws; where two pairs are all but equally good, either."""
    beliefs, rng = believed(benchmark, seed), np.random.default_rng(seed)
    posterior = Normal(beliefs.mean[0], beliefs.covariance[0], 20_000, rng)
    every = rule(batch=len(PAIRS), **({"diversity": False} if rule is ExpectedInformationGain else {}))
    asked = [number(question) for question in every(posterior, PAIRS, rng=rng).items]
    assert int(benchmark[name](beliefs, rng)[0]) in asked[:2]


def test_thompson_asks_each_pair_as_often_as_the_rule(benchmark: dict[str, Any]) -> None:
    beliefs, rng, sets = believed(benchmark, 3), np.random.default_rng(0), 3000
    many = benchmark["Beliefs"](np.tile(beliefs.mean, (sets, 1)), np.tile(beliefs.covariance, (sets, 1, 1)))
    theirs = np.bincount(benchmark["thompson"](many, rng), minlength=len(PAIRS)) / sets
    drawn = (Normal(beliefs.mean[0], beliefs.covariance[0], benchmark["DRAWS"], rng) for _ in range(1000))
    own = [number(DoubleThompson(batch=1)(posterior, PAIRS, rng=rng).items[0]) for posterior in drawn]
    ours = np.bincount(own, minlength=len(PAIRS)) / 1000
    assert np.abs(ours - theirs).max() < 0.05


def test_a_mixed_rule_logs_the_propensity_that_mixed_logs(benchmark: dict[str, Any]) -> None:
    beliefs, rng = believed(benchmark, 1), np.random.default_rng(1)
    [rule] = [one for one in benchmark["RULES"] if one.name == "mixed information"]
    [top] = benchmark["information"](beliefs, rng)
    posterior = Normal(beliefs.mean[0], beliefs.covariance[0], 5000, rng)
    [best] = ExpectedInformationGain(batch=1)(posterior, PAIRS, rng=rng).items
    theirs, ours = {}, {}
    for _ in range(200):
        pair, chance = rule(beliefs, rng)
        theirs[int(pair[0]) == top] = float(chance[0])
        asked = Mixed(ExpectedInformationGain(batch=1), rule.explore)(posterior, PAIRS, rng=rng)
        ours[number(asked.items[0]) == number(best)] = float(asked.propensity[0])  # type: ignore[index]
    assert ours == pytest.approx(theirs)
    assert set(ours) == {True, False}
