"""Rankings of the best few, and the best with the worst: fits against an independent maximum, predictions against all
that could be said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

from heedful.feedback import Record, Table
from heedful.preference import fit
from heedful.preference.identification import UNDEFEATED, WINLESS

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


def maximum(loss: Callable[[np.ndarray], float], n: int) -> np.ndarray:
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


# The best and the worst


def picked(members: list[int], best: int, worst: int | None) -> Record:
    """`best` and `worst` are items among the members."""
    place = None if worst is None else members.index(worst)
    return record("best_of", [NAMES[item] for item in members], best=members.index(best), worst=place)


def drawn_picks(truth: np.ndarray, votes: int, rng: np.random.Generator, size: int = 4) -> list[tuple]:
    """Members, best and worst: by Gumbel noise on u, and then afresh on −u among the rest."""
    found = []
    for _ in range(votes):
        shown = rng.permutation(len(truth))[:size]
        best = shown[np.argmax(truth[shown] + rng.gumbel(size=size))]
        rest = shown[shown != best]
        found.append((shown.tolist(), int(best), int(rest[np.argmax(rng.gumbel(size=size - 1) - truth[rest])])))
    return found


def test_the_fit_of_best_and_worst_is_an_independent_maximum() -> None:
    """A third of the votes name no worst."""
    picks = drawn_picks(np.linspace(-1, 1, 6), 150, np.random.default_rng(4))
    picks = [(members, best, worst if vote % 3 else None) for vote, (members, best, worst) in enumerate(picks)]

    def loss(u: np.ndarray) -> float:
        total = 0.0
        for members, best, worst in picks:
            total -= u[best] - np.log(np.exp(u[members]).sum())
            if worst is not None:
                total -= -u[worst] - np.log(np.exp(-u[[item for item in members if item != best]]).sum())
        return total

    fitted = fit(Table.of(picked(*one) for one in picks))
    np.testing.assert_allclose(fitted.mean, maximum(loss, 6), atol=1e-6)
    assert fitted.model["likelihoods"] == [{"kind": "best of", "n": 150}]
    assert fitted.counts.sum() == 600


@pytest.mark.parametrize("size", [2, 3])
def test_best_and_worst_of_two_are_a_choice_and_of_three_a_ranking(size: int) -> None:
    picks = drawn_picks(np.linspace(-1, 1, 6), 150, np.random.default_rng(5), size)
    ranked = [
        record("ranking", [NAMES[i] for i in members], ranks=[1 if i == b else size if i == w else 2 for i in members])
        for members, b, w in picks
    ]
    one, other = fit(Table.of(picked(*pick) for pick in picks)), fit(Table.of(ranked))
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-9)
    np.testing.assert_allclose(one.covariance, other.covariance, atol=1e-9)


def test_the_worst_loses_to_every_item_left() -> None:
    first, *between, last = fit(Table.of([picked([0, 1, 2, 3], 0, 3)])).notes
    assert (first, last) == (UNDEFEATED, WINLESS)
    assert not {"", UNDEFEATED, WINLESS} & set(between)  # they are known to stand above the last
    # Item 3 is always the worst: it is left out, and the others, who beat each other in a circle, are as without it.
    circle = [([0, 1, 2], 0, 2), ([1, 2, 0], 1, 0), ([2, 0, 1], 2, 1), ([0, 1, 2], 0, 1)]
    wide = fit(Table.of([picked([*members, 3], best, 3) for members, best, _ in circle]))
    assert wide.notes == ("", "", "", WINLESS)
    only_best = fit(Table.of([picked(members, best, None) for members, best, _ in circle]))
    np.testing.assert_allclose(wide.mean[:3], only_best.mean, atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_best_and_worst_identify_all_exactly_where_a_maximum_exists(seed: int) -> None:
    """By definition: a direction loses no likelihood where no best falls behind its set, no worst gets ahead of it."""
    rng = np.random.default_rng(seed)
    picks = drawn_picks(np.zeros(5), int(rng.integers(2, 7)), rng, size=3)
    behind = [(left, best) for members, best, _ in picks for left in members]
    behind += [(worst, left) for members, best, worst in picks for left in members if left != best]
    rows = np.array([np.eye(5)[low] - np.eye(5)[high] for low, high in behind])
    gauge = np.ones((1, 5))
    free = (linprog(goal, rows, np.zeros(len(rows)), gauge, [0.0], bounds=(-1, 1)).fun for goal in np.eye(5))
    exists = max(-value for value in free) < 1e-7
    fitted = fit(Table.of(picked(*one) for one in picks), draws=2)
    assert (len(fitted.names) == 5 and fitted.identified.all()) == exists


def test_predictions_of_all_best_and_worst_sum_to_one() -> None:
    fitted = fit(Table.of(picked(*one) for one in drawn_picks(np.linspace(-1, 1, 6), 100, np.random.default_rng(6))))
    pairs = list(permutations(range(4), 2))
    both = fitted.predict(Table.of(picked([0, 1, 2, 3], *pair) for pair in pairs))
    p = np.exp(both.log_prob)
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    # What is said of the best alone is the sum over what may be said of the worst.
    alone = fitted.predict(Table.of(picked([0, 1, 2, 3], best, None) for best in range(4)))
    by_best = np.bincount([best for best, _ in pairs], p)
    np.testing.assert_allclose(np.exp(alone.log_prob), by_best, atol=1e-12)


def test_intervals_from_best_and_worst_hold_and_are_narrower_than_from_the_best() -> None:
    truth, rng, hits, widths = np.linspace(-1, 1, 6), np.random.default_rng(7), [], []
    for _ in range(100):
        picks = drawn_picks(truth, 80, rng)
        fits = [
            fit(Table.of(picked(m, b, w if said else None) for m, b, w in picks), draws=2) for said in (True, False)
        ]
        sd = [np.sqrt(np.diag(fitted.covariance)) for fitted in fits if fitted.covariance is not None]
        hits.append(np.abs(fits[0].mean - truth) < 1.96 * sd[0])
        widths.append(sd[0].mean() / sd[1].mean())
    assert 0.915 < np.mean(hits) < 0.985
    assert np.mean(widths) < 0.85
