"""Both families of pair models: published formulas, derivatives by differences, no digits lost in the tails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from heedful.preference.likelihoods import dense_information
from heedful.preference.observations import Comparisons
from heedful.preference.pair_models import CumulativePairModel, PairLink, PairModel
from heedful.preference.pairs import Pairs

ONE = np.ones(1)
LINKS: dict[str, tuple[PairLink, Any]] = {
    "bradley-terry": (PairModel(ONE, False), np.zeros(0)),
    "davidson": (PairModel(ONE, True), np.array([-0.4])),
    "degrees": (PairModel(np.array([1.0, 2.0]), True), np.array([0.3, -0.5])),
    "rao-kupper": (CumulativePairModel("logistic", True), np.array([0.4])),
    "logistic": (CumulativePairModel("logistic", False), np.zeros(0)),
    "glenn-david": (CumulativePairModel("normal", True), np.array([0.3])),
    "thurstone": (CumulativePairModel("normal", False), np.zeros(0)),
}


@pytest.mark.parametrize("name", LINKS)
def test_probabilities_sum_to_one_and_mirror(name: str) -> None:
    link, nuisance = LINKS[name]
    difference = np.array([[-6.0, -0.7], [0.0, 2.5]])
    p = np.exp(link.log_prob(difference, nuisance))
    assert p.shape == (len(link.scores), 2, 2)
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.exp(link.log_prob(-difference, nuisance)), p[::-1], rtol=1e-12)


@pytest.mark.parametrize("name", LINKS)
def test_derivatives_are_those_of_the_value(name: str) -> None:
    link, nuisance = LINKS[name]
    rng = np.random.default_rng(0)
    counts, difference = rng.integers(0, 4, (len(link.scores), 6)).astype(float), 1.5 * rng.normal(size=6)
    found = link.derivatives(counts, difference, nuisance)
    assert found.value == pytest.approx(np.vdot(counts, link.log_prob(difference, nuisance)), rel=1e-12)

    def value(d: Any, c: Any) -> Any:
        return (counts * link.log_prob(d, c)).sum(axis=0)

    def gradient(d: Any, c: Any) -> Any:
        return link.gradient(counts, d, c)

    np.testing.assert_allclose(found.gradient, gradient(difference, nuisance), rtol=1e-12, atol=1e-12)
    steps = [(1e-5, np.zeros(len(nuisance)))] + [(0.0, e) for e in 1e-5 * np.eye(len(nuisance))]
    for row, (d, c) in enumerate(steps):
        up, down = (difference + d, nuisance + c), (difference - d, nuisance - c)
        np.testing.assert_allclose(found.gradient[row], (value(*up) - value(*down)) / 2e-5, atol=1e-7)
        np.testing.assert_allclose(found.information[row], -(gradient(*up) - gradient(*down)) / 2e-5, atol=1e-7)


@pytest.mark.parametrize("name", LINKS)
def test_many_sets_of_parameters_are_as_each_alone(name: str) -> None:
    link, nuisance = LINKS[name]
    rng = np.random.default_rng(1)
    counts, difference = rng.random((len(link.scores), 5, 3)), rng.normal(size=(5, 3))
    many = nuisance[:, None, None] + 0.1 * rng.random((len(nuisance), 1, 3))
    together = link.gradient(counts, difference, many)
    for k in range(3):
        alone = link.gradient(counts[..., k], difference[:, k], many[:, 0, k])
        np.testing.assert_allclose(together[..., k], alone, rtol=1e-12, atol=1e-14)


def test_rao_kupper_and_glenn_david_are_as_published() -> None:
    worth = np.exp(0.8)
    theta = np.exp(0.4)
    second, tie, first = np.exp(LINKS["rao-kupper"][0].log_prob(np.array([0.8]), np.array([0.4])))[:, 0]
    assert first == pytest.approx(worth / (worth + theta))
    assert second == pytest.approx(1 / (1 + theta * worth))
    # Rao and Kupper (1967), equation 3: π_1 π_2 (θ² − 1) / ((π_1 + θ π_2) (θ π_1 + π_2)).
    assert tie == pytest.approx(worth * (theta**2 - 1) / ((worth + theta) * (theta * worth + 1)))
    _, tie, first = np.exp(LINKS["glenn-david"][0].log_prob(np.array([0.8]), np.array([0.3])))[:, 0]
    assert first == pytest.approx(stats.norm.cdf(0.5))
    assert tie == pytest.approx(integrate.quad(lambda x: stats.norm.pdf(x, 0.8), -0.3, 0.3)[0])


@pytest.mark.parametrize("distribution", ["logistic", "normal"])
def test_ties_far_in_the_tail_keep_their_digits(distribution: Any) -> None:
    model, difference = CumulativePairModel(distribution, True), np.array([25.0, -25.0, 8.0])
    log_p = model.log_prob(difference, np.array([0.2]))[1]
    law = stats.logistic if distribution == "logistic" else stats.norm
    for d, found in zip(difference, log_p, strict=True):
        # ∫ f over a narrow interval, relative to f in its middle.
        inside = integrate.quad(lambda x, d=d: np.exp(law.logpdf(x - abs(d)) - law.logpdf(-abs(d))), -0.2, 0.2)[0]
        assert found == pytest.approx(law.logpdf(-abs(d)) + np.log(inside), rel=1e-9)
    assert np.isfinite(model.derivatives(np.ones((3, 3)), difference, np.array([0.2])).information).all()


@pytest.mark.parametrize("name", LINKS)
def test_a_likelihood_of_counts_has_the_derivatives_of_its_value(name: str) -> None:
    link, nuisance = LINKS[name]
    rng = np.random.default_rng(2)
    first, second = np.triu_indices(4, 1)
    pairs = Pairs("comparison", link, first, second, rng.integers(1, 5, (len(link.scores), 6)).astype(float))
    x, n = np.append(rng.normal(size=4), nuisance), 4

    def at(x: Any) -> Any:
        return pairs.terms(x[:n], x[n:])

    def gradient(x: Any) -> Any:
        return np.append(at(x).gradient, at(x).nuisance_gradient)

    terms, steps = at(x), 1e-5 * np.eye(len(x))
    by_value = [(at(x + e).value - at(x - e).value) / 2e-5 for e in steps]
    np.testing.assert_allclose(gradient(x), by_value, atol=1e-6)
    information = np.block([[dense_information(terms), terms.cross], [terms.cross.T, terms.nuisance_information]])
    by_gradient = np.array([(gradient(x + e) - gradient(x - e)) / 2e-5 for e in steps])
    np.testing.assert_allclose(information, -by_gradient, atol=1e-6)
    _, columns, values = pairs.scores(x[:n], x[n:])
    np.testing.assert_allclose(np.bincount(columns, values, len(x)), gradient(x), atol=1e-9)


def test_a_threshold_that_is_not_positive_is_outside() -> None:
    link = LINKS["rao-kupper"][0]
    pairs = Pairs("comparison", link, np.array([0]), np.array([1]), np.ones((3, 1)))
    assert pairs.terms(np.zeros(2), np.array([0.0])).value == -np.inf
    assert pairs.terms(np.zeros(2), pairs.start()).value > -np.inf


@pytest.mark.parametrize("name", LINKS)
def test_every_direction_of_recession_loses_no_likelihood_and_no_other_does(name: str) -> None:
    """Far along a direction an outcome keeps its probability if and only if the direction meets its constraints."""
    link, nuisance = LINKS[name]
    slope, levels = link.recession()
    rng = np.random.default_rng(3)
    for _ in range(60):
        direction, bend = rng.integers(-2, 3), rng.integers(-2, 3, size=len(nuisance)).astype(float)
        if isinstance(link, CumulativePairModel):
            bend = np.abs(bend)  # a threshold stays above zero
        near, far = (link.log_prob(np.array([0.3 + t * direction]), nuisance + t * bend)[:, 0] for t in (30.0, 60.0))
        keeps = np.nan_to_num(far, nan=-1e9, neginf=-1e9) >= near - 1e-6
        meets = (slope * direction + levels @ bend <= 1e-12).all(axis=1)
        np.testing.assert_array_equal(keeps, meets)


def test_restricting_with_votes_or_by_counts_alone_is_the_same() -> None:
    rng = np.random.default_rng(4)
    first = rng.integers(6, size=80)
    second = (first + rng.integers(1, 6, size=80)) % 6
    votes = Comparisons(np.arange(80), first, second, rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0], 80), np.ones(80))
    pairs = Pairs.of("comparison", votes, 6)
    assert pairs is not None
    new = np.array([0, -1, 1, 2, -1, 3])
    inside = (new[first] >= 0) & (new[second] >= 0)
    own = Comparisons(*(getattr(votes, name)[inside] for name in ("row", "first", "second", "outcome", "weight")))
    truth = Pairs.of("comparison", Comparisons(own.row, new[own.first], new[own.second], own.outcome, own.weight), 4)
    alone = Pairs(pairs.kind, pairs.model, pairs.first, pairs.second, pairs.counts).restrict(new)
    found = pairs.restrict(new)
    assert truth is not None
    assert found is not None
    assert alone is not None
    u, c = rng.normal(size=4), rng.normal(size=len(truth.nuisances))
    for other in (found, alone):
        assert other.nuisances == truth.nuisances
        assert other.terms(u, c).value == pytest.approx(truth.terms(u, c).value, rel=1e-12)
    rows, _, _ = found.scores(u, c)
    np.testing.assert_array_equal(np.unique(rows), np.flatnonzero(inside))
