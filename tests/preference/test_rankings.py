"""Rankings of the best few: fits against an independent maximum, predictions against all that could be said."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import minimize

from heedful.feedback import Record, Table
from heedful.preference import fit
from heedful.preference.identification import WINLESS

from .votes import record

NAMES = [f"{item:02d}" for item in range(6)]


def drawn_orders(truth: np.ndarray, votes: int, rng: np.random.Generator, size: int = 4) -> list[tuple[list[int], int]]:
    """Candidates in the order of a Plackett-Luce ranking, and how many of the best are told, 1 to `size` − 1."""
    found = []
    for _ in range(votes):
        shown = rng.permutation(len(truth))[:size]
        found.append((shown[np.argsort(-(truth[shown] + rng.gumbel(size=size)))].tolist(), int(rng.integers(1, size))))
    return found


def best_few(order: list[int], k: int) -> Record:
    """A ranking of which only the best k are told, candidates listed by number."""
    listed = sorted(order)
    ranks = [order.index(item) + 1 if order.index(item) < k else None for item in listed]
    return record("ranking", [NAMES[item] for item in listed], ranks=ranks)


def maximum(loss: object, n: int) -> np.ndarray:
    found = minimize(loss, np.zeros(n), method="BFGS", options={"gtol": 1e-9}).x
    return np.asarray(found - found.mean())


def test_the_fit_of_the_best_few_is_an_independent_maximum() -> None:
    rng = np.random.default_rng(0)
    orders = drawn_orders(np.linspace(-1, 1, 6), 100, rng)

    def loss(u: np.ndarray) -> float:
        return -sum(u[o[j]] - np.log(np.exp(u[o[j:]]).sum()) for o, k in orders for j in range(k))

    fitted = fit(Table.of(best_few(*one) for one in orders))
    np.testing.assert_allclose(fitted.mean, maximum(loss, 6), atol=1e-6)
    assert fitted.model["likelihoods"] == [{"kind": "ranking", "n": 100}]


def test_all_but_the_last_ranked_is_the_whole_ranking() -> None:
    orders = drawn_orders(np.linspace(-1, 1, 6), 100, np.random.default_rng(1))
    whole, cut = (fit(Table.of(best_few(order, k) for order, _ in orders)) for k in (4, 3))
    np.testing.assert_array_equal(whole.mean, cut.mean)


def test_what_is_not_ranked_loses_to_what_is_and_says_nothing_of_the_rest() -> None:
    a, b, c = NAMES[:3]
    beaten = [record("ranking", [a, b, c], ranks=[1, 2, None]), record("ranking", [a, b, c], ranks=[2, 1, None])]
    assert fit(Table.of(beaten)).notes == ("", "", WINLESS)
    # One is picked of two of which nothing more is said, each way: neither of b and c is ever above the other.
    apart = [record("ranking", [a, b, c], ranks=[1, None, None]), record("ranking", [b, a], ranks=[1, None])]
    apart.append(record("ranking", [c, a], ranks=[1, None]))
    fitted = fit(Table.of(apart))
    assert fitted.identified.all()
    assert fitted.mean[1] == pytest.approx(fitted.mean[2], abs=1e-10)


def test_predictions_of_all_best_few_sum_to_one() -> None:
    fitted = fit(Table.of(best_few(*one) for one in drawn_orders(np.linspace(-1, 1, 6), 100, np.random.default_rng(2))))
    every = [best_few([*top, *sorted(set(range(4)) - set(top))], 2) for top in permutations(range(4), 2)]
    assert np.exp(fitted.predict(Table.of(every)).log_prob).sum() == pytest.approx(1.0, abs=1e-12)


def test_intervals_from_the_best_few_hold() -> None:
    truth, rng, hits = np.linspace(-1, 1, 6), np.random.default_rng(3), []
    for _ in range(100):
        fitted = fit(Table.of(best_few(*one) for one in drawn_orders(truth, 80, rng)), draws=2)
        assert fitted.covariance is not None
        hits.append(np.abs(fitted.mean - truth) < 1.96 * np.sqrt(np.diag(fitted.covariance)))
    assert 0.915 < np.mean(hits) < 0.985
