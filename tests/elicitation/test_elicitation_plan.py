"""Plans against simulations that collect what was planned and look at the width."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from posteriors_by_hand import laplace
from scipy.special import expit, ndtri
from scipy.stats import norm

from heedful.core import Estimate, UsageError
from heedful.elicitation import design_effect, labels_needed, plan_difference, plan_rate, wilson_half_width
from heedful.feedback import Table
from heedful.stats import proportion, wilson


def half_width(estimate: Estimate) -> float:
    assert estimate.interval is not None
    return (estimate.interval.high - estimate.interval.low) / 2


def test_width_is_that_of_wilsons_interval() -> None:
    for successes, n in ((3, 10), (0, 7), (250, 1000)):
        interval = wilson(successes, n)
        assert wilson_half_width(successes / n, n) == pytest.approx((interval.high - interval.low) / 2, rel=1e-12)


@pytest.mark.parametrize(("width", "rate"), [(0.03, 0.5), (0.03, 0.9), (0.2, 0.5), (0.004, 0.02), (0.4, 0.0)])
def test_planned_number_is_the_first_that_is_enough(width: float, rate: float) -> None:
    plan = plan_rate(width, expected=rate)
    assert wilson_half_width(rate, plan.labels) <= width
    assert plan.labels == 1 or wilson_half_width(rate, plan.labels - 1) > width


def test_textbook_number() -> None:
    # A poll known to +-3 points: 1,067.1 (z/2w)², less Wilson's z² = 3.84.
    assert plan_rate(0.03).labels == int(np.ceil((ndtri(0.975) / 0.06) ** 2 - ndtri(0.975) ** 2))


def clustered_votes(prompts: int, each: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Votes won with a rate that differs from prompt to prompt, `each` on every prompt, with the prompts' codes."""
    rate = expit(0.6 + rng.normal(size=prompts))
    return (rng.random((prompts, each)) < rate[:, None]).astype(float).ravel(), np.repeat(np.arange(prompts), each)


@pytest.mark.parametrize("each", [1, 8])
def test_simulated_votes_as_planned_give_the_width_planned(each: int) -> None:
    rng, wanted, got, effects = np.random.default_rng(each), 0.03, [], []
    for _ in range(60):
        pilot, prompt = clustered_votes(800 // each, each, rng)
        plan = plan_rate(wanted, estimate=proportion(pilot, clusters=[prompt]))
        effects.append(plan.design_effect)
        votes, prompt = clustered_votes(round(plan.labels / each), each, rng)
        got.append(half_width(proportion(votes, clusters=[prompt])))
    assert np.mean(got) == pytest.approx(wanted, rel=0.10)
    if each > 1:
        # Truth: 1 + (m − 1)·ρ, ρ = Var(rate)/(p(1 − p)), by integration over the prompts' effects.
        x, w = np.polynomial.hermite_e.hermegauss(60)
        rate, w = expit(0.6 + x), w / w.sum()
        p = w @ rate
        truth = 1 + (each - 1) * (w @ (rate - p) ** 2) / (p * (1 - p))
        assert np.mean(effects) == pytest.approx(truth, rel=0.10)
        assert truth > 1.5


def test_ignoring_clusters_falls_short() -> None:
    rng, got = np.random.default_rng(0), []
    for _ in range(40):
        votes, prompt = clustered_votes(plan_rate(0.03, expected=0.62).labels // 8, 8, rng)
        got.append(half_width(proportion(votes, clusters=[prompt])))
    assert np.mean(got) > 1.2 * 0.03


@pytest.mark.parametrize("seed", [0, 1])
def test_simulated_comparisons_as_planned_give_the_width_planned(seed: int) -> None:
    rng, truth, n, wanted, got = np.random.default_rng(seed), np.array([0.8, 0.0, -0.4, -0.4]), 4, 0.5, []
    contrast = np.array([1.0, -1.0, 0.0, 0.0])
    for _ in range(30):
        first, gap = rng.integers(n, size=120), rng.integers(1, n, size=120)
        second = (first + gap) % n
        won = (rng.random(120) < expit(truth[first] - truth[second])).astype(float)
        mean, covariance = laplace(first, second, won, n, sd=100.0)
        plan = plan_difference(
            wanted, variance=contrast @ covariance @ contrast, probability=float(expit(contrast @ mean)), present=120
        )
        more = (rng.random(plan.more) < expit(contrast @ truth)).astype(float)
        zeros = np.zeros(plan.more, dtype=int)
        all_first, all_second = np.concatenate([first, zeros]), np.concatenate([second, zeros + 1])
        _, covariance = laplace(all_first, all_second, np.concatenate([won, more]), n, sd=100.0)
        got.append(norm.ppf(0.975) * np.sqrt(contrast @ covariance @ contrast))
    assert np.mean(got) == pytest.approx(wanted, rel=0.10)


def test_a_wide_enough_interval_needs_nothing_more() -> None:
    plan = plan_difference(1.0, variance=0.01, present=400)
    assert (plan.more, plan.labels) == (0, 400)
    assert plan_difference(0.5, variance=None).labels == int(np.ceil(4 * (ndtri(0.975) / 0.5) ** 2))


def test_design_effect_of_what_shows_no_spread_is_one() -> None:
    assert design_effect(Estimate(1.0, 50, 0.0)) == 1.0
    assert design_effect(Estimate(0.5, 100, 0.01)) == pytest.approx(4.0)


def votes_on_systems(prompts: int, each: int, seed: int = 0) -> Table:
    won, prompt = clustered_votes(prompts, each, np.random.default_rng(seed))
    frame = pl.DataFrame(
        {
            "id": [f"v{number}" for number in range(len(won))],
            "kind": "comparison",
            "context": [f"prompt {number}" for number in prompt],
            "systems": [["ours", "theirs"]] * len(won),
            "choice": np.where(won > 0, "first", "second"),
        }
    )
    return Table.shaped(frame)


def test_labels_needed_learns_rate_and_design_effect_from_votes() -> None:
    needed = labels_needed(0.03, votes_on_systems(150, 8))
    assert [rate["item"] for rate in needed["rates"]] == ["ours", "theirs"]
    assert needed["rates"][0]["win_rate"] == pytest.approx(1 - needed["rates"][1]["win_rate"])
    assert 1.7 < needed["design_effect"] < 2.9
    assert needed["labels"] > 1.5 * labels_needed(0.03)["labels"]
    assert needed["more"] == sum(rate["labels"] - 1200 for rate in needed["rates"])
    assert "correlated" in needed["explanation"]


def test_labels_needed_without_systems_plans_for_the_widest_case() -> None:
    anonymous = votes_on_systems(50, 2).frame.with_columns(
        outputs=pl.lit(["x", "y"], pl.List(pl.String)), systems=pl.lit([None, None], pl.List(pl.String))
    )
    for table in (None, Table.shaped(anonymous)):
        needed = labels_needed(0.05, table)
        assert needed["labels"] == plan_rate(0.05).labels
        assert needed["rates"] == []


def test_false_plans_are_refused() -> None:
    for bad in (0.0, -0.1, np.nan, np.inf):
        with pytest.raises(UsageError):
            plan_rate(bad)
    with pytest.raises(UsageError, match="between 0 and 1"):
        plan_rate(0.1, expected=1.2)
    with pytest.raises(UsageError, match="level"):
        plan_rate(0.1, level=95)
    with pytest.raises(UsageError, match="rate"):
        design_effect(Estimate(3.2, 10, 0.1))
    with pytest.raises(UsageError, match="strictly"):
        plan_difference(0.1, variance=1.0, probability=1.0)
    with pytest.raises(UsageError, match="above 0"):
        plan_difference(0.1, variance=0.0)
