"""Concepts: the chain against all sets listed, evidence against its integral, and the head's contract."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import expit, softmax

from heedful.core import UsageError
from heedful.preference.heads import Concepts, Votes
from heedful.preference.heads.concepts import Sets, greedy, walk

from .test_heads import HeadContract, world

EVERY = np.array(list(itertools.product([False, True], repeat=3)))


def leaning(inside: np.ndarray) -> np.ndarray:
    """A proposer with leanings that depend on the set."""
    return np.array([3.0, 1.0, 0.5]) + inside[::-1]


@pytest.mark.parametrize("proposer", [lambda inside: np.ones(3), leaning])
def test_the_chain_visits_sets_by_their_scores_whatever_proposes(proposer) -> None:  # type: ignore[no-untyped-def]
    table = dict(zip((own.tobytes() for own in EVERY), np.random.default_rng(0).normal(size=8), strict=True))
    chain = walk(lambda own: table[own.tobytes()], EVERY[0], 12_000, proposer, np.random.default_rng(1))
    visited = np.array([(chain == own).all(axis=1).mean() for own in EVERY])
    np.testing.assert_allclose(visited, softmax(list(table.values())), atol=0.025)


def test_evidence_of_sets_is_the_integral_over_their_weights() -> None:
    """Laplace's approximation, by quadrature of one weight: right to a few hundredths of a nat; no feature is exact."""
    x, votes, *_ = world(40, 1, size=1.0, seed=1)
    sets = Sets(votes.likelihoods(len(x)), x, 1.0, 0.5)
    between = (x[votes.first] - x[votes.second])[:, 0] * (2 * votes.share - 1)
    weight = np.linspace(-6, 6, 4001)
    prior = np.exp(-(weight**2) / 2) / np.sqrt(2 * np.pi)
    integral = np.trapezoid(expit(between[:, None] * weight).prod(axis=0) * prior, weight)
    assert sets.score(np.array([False])) == pytest.approx(40 * np.log(0.5))
    assert sets.score(np.array([True])) == pytest.approx(np.log(integral), abs=0.05)


def test_inclusion_and_weights_are_those_of_all_sets_listed() -> None:
    x, votes, *_ = world(60, 3, size=0.4, seed=5)
    sets = Sets(votes.likelihoods(len(x)), x, 1.0, 1 / 3)
    share = softmax([sets.score(own) for own in EVERY])
    weights = np.zeros(3)
    for own, mass in zip(EVERY, share, strict=True):
        weights[own] += mass * sets.optimum(own).point.x
    for proposer in (None, leaning):
        head = Concepts(expected=1.0, steps=4000, proposer=proposer)
        fitted = head.fit(x, votes, rng=np.random.default_rng(0))
        np.testing.assert_allclose(fitted.inclusion, share @ EVERY, atol=0.03)
        np.testing.assert_allclose(fitted.weights, weights, atol=0.03)
    assert 0.1 < (share @ EVERY).min() < 0.9, "no feature is in doubt"


def test_greedy_stops_at_a_set_that_no_addition_improves() -> None:
    value = np.array([2.0, -1.0, 1.0, 0.5])
    found = greedy(lambda inside: float(value @ inside) - 0.8 * float(inside.sum()), 4)
    assert found.tolist() == [True, False, True, False]
    x, votes, *_ = world(200, 3, size=1.5, seed=2)
    alone = Concepts(expected=1.0, steps=0).fit(x, votes, rng=np.random.default_rng(0))
    assert set(alone.inclusion.tolist()) <= {0.0, 1.0}
    np.testing.assert_array_equal(alone.weights != 0, alone.inclusion == 1)


def test_where_nothing_is_told_no_concept_is_sure_and_the_mean_is_near_zero() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 3))
    votes = Votes.of(np.arange(30), np.arange(30, 60), rng.integers(2, size=30))
    fitted = Concepts(expected=0.5, steps=2000).fit(x, votes, rng=rng)
    assert fitted.inclusion.max() < 0.6
    assert np.abs(fitted.weights).max() < 0.3


def test_faults_are_refused() -> None:
    x, votes, *_ = world(20, 2)
    with pytest.raises(UsageError, match="3 of 2 features are expected"):
        Concepts().fit(x, votes, rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="positive chance"):
        Concepts(expected=1, proposer=lambda inside: np.zeros(2)).fit(x, votes, rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="no -1 steps"):
        Concepts(steps=-1)


class TestConcepts(HeadContract):
    head = Concepts(expected=1.0, steps=200, pairs=16)
