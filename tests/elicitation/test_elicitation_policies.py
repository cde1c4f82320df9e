"""Pairs from policies: laws by enumeration, gradients of the comparison loss and of the objective by formula."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp
from test_elicitation_rules import a_posterior, all_pairs

from heedful.core import InputError, Item, Scores, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import Margin, interpolate, optimistic, pilaf_pairs, policy_pairs
from heedful.models import TableModel

BETA = 0.5
CONTEXT = Item.of("q").context


def table(logits: np.ndarray) -> TableModel:
    items = tuple(Item.of("q", str(place)) for place in range(len(logits)))
    return TableModel({CONTEXT: (items, log_softmax(logits))})


def law(model: TableModel) -> np.ndarray:
    return np.exp(model.rows[CONTEXT][1])


class TestMargin(AcquisitionRuleContract):
    def make(self) -> Any:
        return Margin(4)

    def posterior(self) -> Any:
        return a_posterior()

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return all_pairs(a_posterior())


def test_margins_rank_pairs_by_their_mean_difference() -> None:
    posterior = ByHand(("a", "b", "c"), np.array([[0.0, 1.0, 3.0], [0.0, 2.0, 3.0]]))
    pool, rng = all_pairs(posterior), np.random.default_rng(0)
    small = Margin(3)(posterior, pool, rng=rng)
    assert ["".join(item.system for item in pair if item.system) for pair in small.items] == ["ab", "bc", "ac"]
    assert Margin(3, largest=True)(posterior, pool, rng=rng).items[0] == pool[1]


def test_interpolation_is_the_policy_tilted_by_the_reward_it_implies() -> None:
    rng = np.random.default_rng(0)
    policy, reference = table(rng.normal(size=5)), table(rng.normal(size=5))
    reward = BETA * (np.log(law(policy)) - np.log(law(reference)))
    for sign in (1, -1):
        tilted = law(policy) * np.exp(sign * reward)
        np.testing.assert_allclose(
            law(interpolate(policy, reference, [CONTEXT], sign * BETA)), tilted / tilted.sum(), atol=1e-12
        )


def counted(pairs: Sequence[tuple[Item, Item]], s: int) -> np.ndarray:
    counts = Counter((int(a.output[0].text), int(b.output[0].text)) for a, b in pairs)
    return np.array([[counts[a, b] for b in range(s)] for a in range(s)]) / len(pairs)


def test_exact_pairs_have_probability_in_proportion_to_one_over_the_slope() -> None:
    rng = np.random.default_rng(1)
    policy, reference = table(rng.normal(size=4) * 1.5), table(rng.normal(size=4))
    reward = BETA * (np.log(law(policy)) - np.log(law(reference)))
    gap = reward[:, None] - reward
    n = 20_000
    pairs = pilaf_pairs(policy, reference, [CONTEXT] * n, beta=BETA, rng=rng, mixture="exact")
    # Each component is drawn again where its two outputs are equal.
    own = np.outer(law(policy), law(policy))
    plus, minus = (law(interpolate(policy, reference, [CONTEXT], sign * BETA)) for sign in (1, -1))
    across = (np.outer(plus, minus) + np.outer(minus, plus)) / 2
    z = np.exp(logsumexp(np.log(law(policy)) + reward) + logsumexp(np.log(law(policy)) - reward))
    np.testing.assert_allclose((own + z * across) / (1 + z), own / expit(gap) / expit(-gap) / (2 + 2 * z), atol=1e-12)
    for part in (own, across):
        np.fill_diagonal(part, 0.0)
    expected = own / own.sum() / (1 + z) + across / across.sum() * z / (1 + z)
    assert np.abs(counted(pairs, 4) - expected).max() < 5 * np.sqrt(0.25 / n)


def test_the_loss_of_pilaf_pairs_has_the_gradient_of_the_objective_to_first_order() -> None:
    """Tabular, by logits: E μ (p* − p)(e_a − e_b) against E_π (r* − r)(e − π)."""
    rng = np.random.default_rng(2)
    policy, reference = table(rng.normal(size=6) * 1.5), table(rng.normal(size=6))
    pi = law(policy)
    reward = BETA * (np.log(pi) - np.log(law(reference)))
    gap = reward[:, None] - reward
    laws = {"own": np.outer(pi, pi), "pilaf": np.outer(pi, pi) * (2 + np.exp(gap) + np.exp(-gap))}
    direction, cosines = rng.normal(size=6), {}
    for size in (1.0, 0.01):
        true = reward + size * direction
        objective = pi * (true - reward - pi @ (true - reward))
        for name, mu in laws.items():
            pull = mu * (expit(true[:, None] - true) - expit(gap))
            loss = pull.sum(axis=1) - pull.sum(axis=0)
            cosines[name, size] = loss @ objective / np.linalg.norm(loss) / np.linalg.norm(objective)
    assert cosines["pilaf", 0.01] > cosines["pilaf", 1.0] > cosines["own", 1.0]
    assert 1 - cosines["pilaf", 0.01] < (1 - cosines["own", 0.01]) / 50


def test_half_of_the_pairs_are_on_policy() -> None:
    rng = np.random.default_rng(3)
    policy, reference = table(np.array([2.0, 0.0, -1.0])), table(np.zeros(3))
    n = 8000
    pairs = counted(pilaf_pairs(policy, reference, [CONTEXT] * n, beta=BETA, rng=rng), 3)
    own = np.outer(law(policy), law(policy))
    plus, minus = (law(interpolate(policy, reference, [CONTEXT], sign * BETA)) for sign in (1, -1))
    across = (np.outer(plus, minus) + np.outer(minus, plus)) / 2
    for part in (own, across):
        np.fill_diagonal(part, 0.0)
    assert np.abs(pairs - (own / own.sum() + across / across.sum()) / 2).max() < 5 * np.sqrt(0.25 / n)


def test_pairs_of_two_policies_are_drawn_given_that_they_differ() -> None:
    rng = np.random.default_rng(5)
    one, two = table(np.array([60.0, 1.0, 0.0])), table(np.array([50.0, 0.0, 2.0]))
    mu = np.exp(one.rows[CONTEXT][1][:, None] + two.rows[CONTEXT][1])
    np.fill_diagonal(mu, 0.0)
    pairs = policy_pairs(one, two, [CONTEXT] * 8000, rng=rng)
    assert np.abs(counted(pairs, 3) - mu / mu.sum()).max() < 5 * np.sqrt(0.25 / 8000)


class Gaussian:
    """A posterior over outputs whose draws have exactly this mean and covariance."""

    def __init__(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        root = np.linalg.cholesky(covariance) * np.sqrt(len(mean))
        self.mean, self.draws = mean, mean + np.concatenate([root.T, -root.T])

    def __call__(self, items: Sequence[Item]) -> Scores:
        places = [int(item.output[0].text) for item in items]
        return Scores(self.mean[places], self.draws[:, places])


def test_optimism_is_the_first_step_to_the_bilevel_maximum() -> None:
    rng = np.random.default_rng(4)
    root, mean, base = rng.normal(size=(5, 5)) * 0.4, rng.normal(size=5), table(rng.normal(size=5))
    covariance, strength, alpha = root @ root.T + 0.05 * np.eye(5), 2.0, 1e-3
    precision = np.linalg.inv(covariance)

    def value(r: np.ndarray) -> float:
        """−(log-posterior + α (max over π of E_π r − KL/strength, less E_base r))."""
        inner = logsumexp(np.log(law(base)) + strength * r) / strength - law(base) @ r
        return float((r - mean) @ precision @ (r - mean) / 2 - alpha * inner)

    best = minimize(value, mean, tol=1e-14).x
    found = optimistic(base, Gaussian(mean, covariance), [CONTEXT], strength=strength, optimism=alpha)
    expected = log_softmax(np.log(law(base)) + strength * best)
    plain = log_softmax(np.log(law(base)) + strength * mean)
    np.testing.assert_allclose(np.log(law(found)) - plain, expected - plain, atol=2e-5)
    assert np.abs(expected - plain).max() > 2e-4
    none = optimistic(base, Gaussian(mean, covariance), [CONTEXT], strength=strength, optimism=0.0)
    np.testing.assert_allclose(np.log(law(none)), plain, atol=1e-12)


def test_false_uses_are_refused() -> None:
    rng = np.random.default_rng(0)
    certain = TableModel({CONTEXT: ((Item.of("q", "0"),), np.zeros(1))})
    with pytest.raises(InputError, match="one and the same"):
        policy_pairs(certain, certain, [CONTEXT], rng=rng)
    with pytest.raises(InputError, match="never does"):
        interpolate(table(np.zeros(2)), certain, [CONTEXT], 0.1)
    with pytest.raises(UsageError, match="draws"):
        optimistic(certain, lambda items: Scores(np.zeros(len(items))), [CONTEXT], strength=1.0, optimism=1.0)
