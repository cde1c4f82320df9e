"""Simulated raters against closed forms, and their faults recovered from what they say."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chisquare, kstest, spearmanr

from heedful.core import InputError
from heedful.worlds import Shown, SimulatedRaters, normal_effect, tie_probabilities

N = 200_000


def shown(utility: np.ndarray, **given: Any) -> Shown:
    n, k = utility.shape
    traits = given.get("traits", np.broadcast_to(np.arange(k), (n, k)))[:, :, None]
    length = given.get("length", np.zeros((n, k)))
    return Shown(utility, traits, np.ones((n, k, 1)), length, given.get("prompt", np.zeros(n, dtype=int)))


def judged(raters: SimulatedRaters, what: Shown, kind: str = "compare", seed: int = 0, time: Any = 0.5) -> Any:
    rng = np.random.default_rng(seed)
    n = len(what.prompt)
    rater = rng.integers(raters.count, size=n)
    return getattr(raters, kind)(what, rater, np.broadcast_to(np.asarray(time, dtype=float), (n,)), rng), rater


def within_noise(found: float, expected: float, n: int = N) -> bool:
    return abs(found - expected) < 5 * np.sqrt(expected * (1 - expected) / n) + 1e-12


def test_effects_are_standard_normal_independent_and_repeatable() -> None:
    rows, columns = np.arange(400)[:, None], np.arange(500)
    cells = normal_effect(7, rows, columns)
    assert kstest(cells.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(cells[:-1].ravel(), cells[1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(cells[:, :-1].ravel(), cells[:, 1:].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(cells.ravel(), normal_effect(8, rows, columns).ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(cells[:, :400].ravel(), cells[:, :400].T.ravel())[0, 1]) < 0.02
    np.testing.assert_array_equal(cells[3:9], normal_effect(7, rows[3:9], columns))


@pytest.mark.parametrize("difference", [-3.0, 0.0, 0.4, 50.0, -900.0])
@pytest.mark.parametrize("tie", [0.0, 0.7])
def test_tie_laws_are_those_of_the_papers(difference: float, tie: float) -> None:
    # Davidson (1970): weights e^{d/2}, e^{-d/2}, tie. Rao and Kupper (1967), θ = e^tie: e^d/(e^d + θ), 1/(1 + θe^d).
    d = np.longdouble(difference)
    weights = np.array([np.exp(d / 2), np.exp(-d / 2), tie])
    np.testing.assert_allclose(
        np.concatenate(tie_probabilities(np.array([difference]), tie, "davidson")),
        (weights / weights.sum()).astype(float),
        atol=1e-12,
    )
    first, second = np.exp(d) / (np.exp(d) + np.exp(tie)), 1 / (1 + np.exp(tie) * np.exp(d))
    np.testing.assert_allclose(
        np.concatenate(tie_probabilities(np.array([difference]), tie, "threshold")),
        np.array([first, second, 1 - first - second], dtype=float),
        atol=1e-12,
    )


@pytest.mark.parametrize("law", ["davidson", "threshold"])
def test_comparisons_have_the_frequencies_of_the_law(law: Any) -> None:
    # Δ = 1 + bias 0.5 at temperature 2, tie 0.6, one answer in ten at random.
    raters = SimulatedRaters(3, temperature=2.0, position_bias=0.5, carelessness=0.1, tie=0.6, tie_law=law)
    (outcome, degree), rater = judged(raters, shown(np.tile([1.0, 0.0], (N, 1))))
    p1, p2, p0 = (float(p[0]) for p in tie_probabilities(np.array([0.75]), 0.6, law))
    expected = [0.9 * p1 + 0.05, 0.9 * p2 + 0.05, 0.9 * p0]
    assert degree is None
    for value, p in enumerate(expected):
        assert within_noise(np.mean(outcome == value), p)
    np.testing.assert_allclose(raters.outcome_probabilities(np.array([1.5]), rater[:1])[:, 0], expected)


def test_degrees_are_how_far_the_noisy_difference_lies_beyond_a_tie() -> None:
    raters = SimulatedRaters(1, temperature=0.5, tie=0.4, tie_law="threshold", degree_step=0.6, degrees=3)
    (outcome, degree), _ = judged(raters, shown(np.tile([0.3, 0.0], (N, 1))))
    # Latent 0.3 + 0.5·logistic; a tie within ±0.2 (0.4 units of noise), then a degree per 0.6 nats, the last unbounded.
    for value in (1, 2, 3):
        low = 0.2 + 0.6 * (value - 1)
        up = expit((0.3 - low) / 0.5) - (expit((0.3 - low - 0.6) / 0.5) if value < 3 else 0.0)
        down = expit((-0.3 - low) / 0.5) - (expit((-0.3 - low - 0.6) / 0.5) if value < 3 else 0.0)
        assert within_noise(np.mean((outcome == 0) & (degree == value)), up)
        assert within_noise(np.mean((outcome == 1) & (degree == value)), down)
    assert (degree[outcome == 2] == 0).all()


def test_rankings_and_choices_are_plackett_luce() -> None:
    utility = np.array([1.0, 0.0, -0.5])
    raters = SimulatedRaters(1, temperature=1.5)
    weights = np.exp(utility / 1.5)
    best, _ = judged(raters, shown(np.tile(utility, (N, 1))), "best_of")
    ranks, _ = judged(raters, shown(np.tile(utility, (N, 1))), "rank", seed=1)
    for item in range(3):
        assert within_noise(np.mean(best == item), weights[item] / weights.sum())
    assert sorted(np.unique(ranks)) == [1, 2, 3]
    p = weights[2] / weights.sum() * weights[0] / weights[:2].sum()
    assert within_noise(np.mean((ranks == [2, 3, 1]).all(axis=1)), p)


def test_the_best_and_the_worst_are_chosen_one_after_the_other() -> None:
    utility = np.array([1.0, 0.0, -0.5, 0.3])
    weights = np.exp(utility / 1.5)
    raters = SimulatedRaters(1, temperature=1.5, carelessness=0.2)
    (best, worst), _ = judged(raters, shown(np.tile(utility, (N, 1))), "best_worst")
    for b, w in permutations(range(4), 2):
        rest = 1 / np.delete(weights, b)
        attentive = weights[b] / weights.sum() * (1 / weights[w]) / rest.sum()
        assert within_noise(np.mean((best == b) & (worst == w)), 0.8 * attentive + 0.2 / 12)


def test_a_ranking_of_two_is_a_comparison() -> None:
    raters = SimulatedRaters(1, temperature=2.0, tie=0.6, tie_law="threshold")
    ranks, _ = judged(raters, shown(np.tile([1.0, 0.0], (N, 1))), "rank")
    first, second, tie = (float(p[0]) for p in tie_probabilities(np.array([0.5]), 0.6, "threshold"))
    for pattern, p in (([1, 2], first), ([2, 1], second), ([1, 1], tie)):
        assert within_noise(np.mean((ranks == pattern).all(axis=1)), p)


def test_rankings_tie_under_the_threshold_law_only() -> None:
    what = shown(np.zeros((2000, 4)))
    for law, ties in (("threshold", True), ("davidson", False)):
        ranks, _ = judged(SimulatedRaters(1, tie=0.5, tie_law=law), what, "rank")  # type: ignore[arg-type]
        assert (ranks.min(axis=1) == 1).all()
        assert bool((ranks.max(axis=1) < 4).any()) is ties
        top = ranks.max(axis=1)
        assert all(set(row) == set(range(1, best + 1)) for row, best in zip(ranks, top, strict=True))


def test_ratings_are_proportional_odds_and_labels_logistic() -> None:
    raters = SimulatedRaters(1, leniency=0.3, carelessness=0.2, rating_cuts=(-1.0, 0.5))
    what = shown(np.full((N, 1), 0.4))
    rating, _ = judged(raters, what, "rate")
    label, _ = judged(raters, what, "label")
    below = [expit(-1.0 - 0.7), expit(0.5 - 0.7)]
    for value, p in ((1, below[0]), (2, below[1] - below[0]), (3, 1 - below[1])):
        assert within_noise(np.mean(rating == value), 0.8 * p + 0.2 / 3)
    assert within_noise(label.mean(), 0.8 * expit(0.7) + 0.1)


def test_each_raters_biases_are_recoverable_from_what_they_say() -> None:
    rng = np.random.default_rng(5)
    truth = {"position_bias": rng.normal(0, 0.8, 12), "length_bias": rng.normal(0, 0.8, 12)}
    raters = SimulatedRaters(12, **truth)
    n = 60_000
    utility, length = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    (outcome, _), rater = judged(raters, shown(utility, length=length))
    for person in range(12):
        own = rater == person
        design = np.column_stack([np.ones(own.sum()), np.diff(length[own], axis=1)[:, 0] * -1])
        offset, won = -np.diff(utility[own], axis=1)[:, 0], outcome[own] == 0
        weights = np.zeros(2)
        for _ in range(20):  # logistic regression with the true difference as offset
            p = expit(offset + design @ weights)
            information = design.T * (p * (1 - p)) @ design
            weights = weights + np.linalg.solve(information, design.T @ (won - p))
        error = (weights - [truth["position_bias"][person], truth["length_bias"][person]]) / np.sqrt(
            np.diag(np.linalg.inv(information))
        )
        assert np.abs(error).max() < 4


def agreement_of_two(raters: SimulatedRaters, prompts: int = 4000) -> float:
    """Share of prompts on which two different raters say the same of the same two equal candidates."""
    rng = np.random.default_rng(0)
    what = shown(np.zeros((prompts, 2)), prompt=np.arange(prompts))
    time = np.full(prompts, 0.5)
    said = [raters.compare(what, np.full(prompts, person), time, rng)[0] for person in (0, 1)]
    return float(np.mean(said[0] == said[1]))


def test_shared_errors_correlate_votes_and_disagreement_divides_people() -> None:
    quiet = {"temperature": 0.2}
    assert abs(agreement_of_two(SimulatedRaters(2, **quiet)) - 0.5) < 0.04  # type: ignore[arg-type]
    assert agreement_of_two(SimulatedRaters(2, shared_error=2.0, **quiet)) > 0.85  # type: ignore[arg-type]
    raters = SimulatedRaters(40, disagreement=2.0, temperature=0.1, seed=1)
    (outcome, _), rater = judged(raters, shown(np.zeros((40_000, 2))))
    rates = np.array([np.mean(outcome[rater == person] == 0) for person in range(40)])
    assert np.mean((rates < 0.2) | (rates > 0.8)) > 0.7, "each person has a mind of their own"
    assert abs(rates.mean() - 0.5) < 0.25


def test_drift_moves_the_shared_taste_about_the_truth() -> None:
    raters = SimulatedRaters(5, drift=2.0, temperature=0.3, seed=3)
    what, rater = shown(np.zeros((10, 6))), np.arange(10) % 5
    early, middle, late = (raters.perceived(what, rater, np.full(10, t)) for t in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(middle, 0.0)
    np.testing.assert_allclose(early, -late)
    assert np.std(late[0]) > 0.3
    assert np.ptp(late[:, 0]) == pytest.approx(0, abs=1e-15)
    best = [judged(raters, shown(np.zeros((4000, 6))), "best_of", time=t)[0] for t in (0.0, 1.0)]
    popularity = [np.bincount(each, minlength=6) for each in best]
    assert spearmanr(*popularity).statistic < -0.5


def test_uniform_noise_where_careless() -> None:
    best, _ = judged(SimulatedRaters(1, carelessness=1.0), shown(np.tile([9.0, 0.0, 0.0], (6000, 1))), "best_of")
    assert chisquare(np.bincount(best)).pvalue > 1e-4


def test_false_raters_are_refused() -> None:
    for wrong in (
        {"temperature": 0.0},
        {"carelessness": 1.2},
        {"position_bias": [1.0, 2.0]},
        {"disagreement": -1.0},
        {"rating_cuts": (1.0, 0.0)},
        {"degree_step": 0.0},
        {"count": 0},
    ):
        with pytest.raises(InputError):
            SimulatedRaters(**{"count": 3, **wrong})  # type: ignore[arg-type]
