"""Where reformulated queries end: by hand, by series and by walks; what is rewritten to what."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import HeedfulError
from heedful.rewriting import Reformulations, Session

HANDMADE = [
    Session(("a", "b"), True),
    Session(("a", "b"), True),
    Session(("a",), False),
    Session(("b", "a"), False),
    Session(("b", "b"), True),
    Session(("a",), False),
    Session(("a", "b"), False),
    Session(("a", "b", "a"), False),
]


def test_ends_by_hand() -> None:
    chain = Reformulations.of([Session(("a", "b"), True), Session(("a",), False), Session(("b", "a"), False)])
    # a: 3 visits, 1 to b, 2 given up; b: 2 visits, 1 won, 1 to a. From a: 1/3 · 1/2 / (1 − 1/3 · 1/2) = 1/5.
    assert chain.ends("a") == pytest.approx([0.0, 0.2])
    assert chain.ends("b") == pytest.approx([0.0, 0.6])
    found = chain.rewrite("a")
    assert found is not None
    assert (found.to, found.kept, found.ended, found.seen) == ("b", 0.0, pytest.approx(0.2), 3)
    assert chain.rewrite("b") is None
    assert list(chain.rewrites()) == ["a"]
    assert chain.rewrites(seen=4) == {}


def test_ends_are_the_sum_over_walks() -> None:
    """B = Σ_k Q^k R, a row at a time."""
    chain = Reformulations.of(HANDMADE)
    q, total, power = chain.moves.toarray(), np.zeros((2, 2)), np.eye(2)
    for _ in range(200):
        total, power = total + power * chain.wins, power @ q
    np.testing.assert_allclose([chain.ends(own) for own in chain.queries], total, atol=1e-12)
    np.testing.assert_array_equal(chain.visits, [8, 6])  # "b" said twice in a row is said once


def test_words_that_are_reached_in_several_steps_are_found() -> None:
    """Nobody goes straight from the far words to those that work."""
    sessions = [Session(("far", "near"), False)] * 5 + [Session(("far", "near", "right"), True)] * 4
    sessions += [Session(("near",), True), Session(("far",), True)]
    found = Reformulations.of(sessions).rewrite("far")
    assert found is not None
    assert found.to == "right"


def test_drawn_sessions_end_where_the_chain_says() -> None:
    rng = np.random.default_rng(0)
    q = np.array([[0.0, 0.5, 0.2], [0.1, 0.0, 0.4], [0.0, 0.3, 0.0]])
    wins = np.array([0.1, 0.3, 0.6])
    sessions = []
    for _ in range(20_000):
        at, said, success = 0, ["0"], False
        while True:
            move = int(np.searchsorted(np.cumsum([*q[at], wins[at]]), rng.random()))
            if move >= 3:
                success = move == 3
                break
            at = move
            said.append(str(at))
        sessions.append(Session(tuple(said), success))
    chain = Reformulations.of(sessions)
    truth = np.linalg.solve(np.eye(3) - q, np.diag(wins))[0]
    found = chain.ends("0")[np.argsort(chain.queries)]
    np.testing.assert_allclose(found, truth, atol=0.012)


def test_what_was_never_said_is_refused() -> None:
    with pytest.raises(HeedfulError, match="nobody said 'c'"):
        Reformulations.of(HANDMADE).ends("c")
    with pytest.raises(HeedfulError, match="no sessions"):
        Reformulations.of([])
    with pytest.raises(HeedfulError, match="has a query"):
        Session((), True)
