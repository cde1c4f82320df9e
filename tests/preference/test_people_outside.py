"""Both bad and incomparable: derivatives, the zero point found again, and what it rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from heedful.core import FitError, Floats, InputError, Item
from heedful.core.contracts import PosteriorContract
from heedful.preference import FittedPosterior
from heedful.preference.people import fit_groups
from heedful.preference.people.outside import Absolute, Answers, disagreement, fit_absolute, log_likelihood

from .people_votes import opposed
from .votes import comparisons

NAMES = tuple("abcdef")
TRUTH = np.array([-2.0, -1.0, -0.3, 0.4, 1.0, 2.0])
ITEMS = [Item(system=name) for name in NAMES]


def answers(
    seed: int, votes: int = 1500, *, truth: Floats = TRUTH, tie: float = 0.4, odd: tuple[float, float] | None = None
) -> Answers:
    """Votes by the model; with `odd` (κ0, κ1) some are incomparable, by the spread |i − j| / 3 of pairs."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    first = rng.integers(n, size=votes)
    second = (first + rng.integers(1, n, size=votes)) % n
    one, two = truth[first], truth[second]
    apart = np.abs(first - second) / 3
    incomparable = np.full(votes, -np.inf) if odd is None else odd[0] + odd[1] * apart + (one + two) / 2
    logits = np.stack([one, two, np.log(tie) + (one + two) / 2, np.zeros(votes), incomparable])
    p = special.softmax(logits, axis=0).cumsum(axis=0)
    outcome = (rng.random(votes) > p).sum(axis=0)
    found = Answers.from_arrays(first, second, outcome, NAMES[:n])
    return found if odd is None else replace(found, spread=np.abs(found.first - found.second) / 3)


def absolute() -> Absolute:
    return fit_absolute(answers(0))


class TestAbsolutePosterior(PosteriorContract):
    def make(self) -> FittedPosterior:
        return absolute().posterior

    def items(self) -> list[Item]:
        return ITEMS


@pytest.mark.parametrize("odd", [None, (-1.0, 0.8)])
def test_derivatives_are_those_of_the_value(odd: tuple[float, float] | None) -> None:
    votes, step = answers(1, 80, odd=odd), 1e-5
    x = np.random.default_rng(0).normal(size=len(NAMES) + len(votes.nuisances))
    _, gradient, information = log_likelihood(votes, x)
    around = [[log_likelihood(votes, x + sign * e) for sign in (1, -1)] for e in step * np.eye(len(x))]
    np.testing.assert_allclose(gradient, [(a[0] - b[0]) / (2 * step) for a, b in around], atol=1e-5)
    np.testing.assert_allclose(information, [(b[1] - a[1]) / (2 * step) for a, b in around], atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_zero_point_is_found_again(shift: float) -> None:
    """The same differences, but all items better by `shift`: comparisons cannot tell, these votes do."""
    found = fit_absolute(answers(2, 6000, truth=TRUTH + shift)).posterior
    assert found.covariance is not None
    z = (found.mean - TRUTH - shift) / np.sqrt(np.diag(found.covariance))
    assert np.abs(z).max() < 3.5
    assert found.mean.mean() == pytest.approx(shift + TRUTH.mean(), abs=0.15)


def test_intervals_cover() -> None:
    """100 sets at the 95 % level, one item each."""
    held = 0
    for seed in range(100):
        found = fit_absolute(answers(100 + seed, 400), draws=2).posterior
        assert found.covariance is not None
        item = seed % len(NAMES)
        held += abs(found.mean[item] - TRUTH[item]) < 1.96 * np.sqrt(found.covariance[item, item])
    assert stats.binomtest(int(held), 100, 0.95).pvalue > 1e-3


def test_incomparable_by_how_far_apart_people_are() -> None:
    found = fit_absolute(answers(3, 8000, odd=(-1.5, 1.2)))
    for name, true in (("log incomparable", -1.5), ("incomparable by spread", 1.2), ("log tie", np.log(0.4))):
        value, error = found.nuisance[name]
        assert abs(value - true) < 4 * error
        assert error < 0.2
    np.testing.assert_allclose(found.posterior.mean, TRUTH, atol=0.25)
    assert fit_absolute(answers(3, 500, odd=None)).nuisance.keys() == {"log tie"}


def test_good_enough() -> None:
    sure = absolute().acceptable(ITEMS)
    assert sure[0] < 0.01
    assert sure[-1] > 0.99


def test_disagreement_is_the_spread_of_differences_between_groups() -> None:
    groups = fit_groups(opposed(1)[2], 2)
    items = [Item(system=str(i)) for i in range(8)]
    share = groups.shares[0].value
    gap = [posterior.mean[0] - posterior.mean[1] for posterior in groups.posteriors]
    expected = np.sqrt(share * (1 - share)) * abs(gap[0] - gap[1])
    assert disagreement(groups, items[:1], items[1:2])[0] == pytest.approx(expected)
    votes = Answers.from_arrays(np.array([0, 1]), np.array([1, 0]), np.array([3, 0]), [str(i) for i in range(8)])
    assert votes.with_spread(groups).spread == pytest.approx([expected])


def test_from_a_table() -> None:
    rows = [("a", "b", "both_bad"), ("b", "a", "first"), ("a", "b", "incomparable"), ("a", "c", "tie")]
    read = Answers.of(comparisons(rows))
    assert read.names == ("a", "b", "c")
    np.testing.assert_array_equal(read.counts, [[0, 0], [1, 0], [0, 1], [1, 0], [1, 0]])
    with pytest.raises(InputError):
        Answers.of(comparisons([]))


def test_without_an_absolute_vote_there_is_no_zero() -> None:
    with pytest.raises(FitError):
        fit_absolute(Answers.from_arrays(np.array([0, 1]), np.array([1, 0]), np.array([0, 1]), "ab"))
