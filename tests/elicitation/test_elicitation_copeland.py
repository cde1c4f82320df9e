"""Copeland winners: the right ones, with few duels, and decisions that are seldom ever wrong."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from posteriors_by_hand import ByHand
from scipy import stats as scipy_stats

from heedful.core import InputError, Item, UsageError
from heedful.core.contracts import AcquisitionRuleContract
from heedful.elicitation import Copeland, CopelandRace, Duels
from heedful.stats import coin_capital

ITEMS = tuple(Item(system=name) for name in "abcdef")


def antisymmetric(n: int, rng: np.random.Generator) -> np.ndarray:
    """A relation at random: cycles and all."""
    upper = np.triu(rng.integers(-1, 2, size=(n, n)), 1)
    return upper - upper.T


def found(relation: np.ndarray, rng: np.random.Generator, noise: float = 0.0, **how: Any) -> CopelandRace:
    """The search in a world with this relation; a duel ends otherwise with probability `noise`, in two parts alike."""
    n = len(relation)
    search = CopelandRace(Duels.none(ITEMS[:n]), **how)
    names = {1: "first", 0: "tie", -1: "second"}
    while (pair := search.ask()) is not None:
        usual = int(relation[ITEMS.index(pair[0]), ITEMS.index(pair[1])])
        said = usual if rng.random() >= noise else rng.choice([o for o in (-1, 0, 1) if o != usual])
        search = search.tell(*pair, names[int(said)])
    return search


class TestCopeland(AcquisitionRuleContract):
    def make(self) -> Any:
        return Copeland(batch=4)

    def posterior(self) -> Any:
        return Duels.none(ITEMS[:4]).tell(ITEMS[0], ITEMS[1], "tie")

    def pool(self) -> Sequence[tuple[Item, ...]]:
        return list(itertools.combinations(ITEMS[:4], 2))


def test_winners_are_those_of_the_whole_relation() -> None:
    """Without noise, on 12 relations at random: the score of the winner named is the greatest of all."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        relation = antisymmetric(5, rng)
        search, scores = found(relation, rng), (relation + 1).sum(axis=1) / 2 - 0.5
        assert search.winners
        for item in search.winners:
            assert scores[ITEMS.index(item)] == scores.max()
        known = ~np.isnan(search.relation)
        np.testing.assert_array_equal(search.relation[known], relation[known])
        least, most = search.scores
        assert (least <= scores).all()
        assert (scores <= most).all()


def test_winners_are_right_in_noise() -> None:
    rng, wrong, runs = np.random.default_rng(1), 0, 30
    for _ in range(runs):
        relation = antisymmetric(4, rng)
        scores = (relation + 1).sum(axis=1)
        wrong += any(scores[ITEMS.index(item)] < scores.max() for item in found(relation, rng, 0.3).winners)
    assert scipy_stats.binomtest(wrong, runs, 0.05, alternative="greater").pvalue > 1e-2


def test_a_relation_is_seldom_ever_decided_wrongly() -> None:
    """Wins and losses equally likely, ties less: only a tie would be wrong. Or a tie likelier by little: wins too.

    As `relation` decides, by counts: one pair among two items, watched for 400 duels; the bar is log(2 / α).
    """
    rng, runs = np.random.default_rng(2), 2000
    for p, wrong in (((0.35, 0.35, 0.3), (2,)), ((0.33, 0.33, 0.34), (0, 1))):
        outcome = np.cumsum(rng.multinomial(1, p, size=(400, runs)), axis=0)  # [duels, runs, (win, loss, tie)]
        ever = np.zeros(runs, dtype=bool)
        for own in wrong:
            evidence = [coin_capital(outcome[..., own], outcome[..., other]) for other in range(3) if other != own]
            ever |= (np.min(evidence, axis=0) >= np.log(2 / 0.05)).any(axis=0)
        assert scipy_stats.binomtest(int(ever.sum()), runs, 0.05, alternative="greater").pvalue > 1e-3


def test_the_potential_winner_stays_until_it_cannot_win() -> None:
    search = CopelandRace(Duels.none(ITEMS[:4]))
    assert search.ask() == (ITEMS[0], ITEMS[1])
    for _ in range(20):
        search = search.tell(ITEMS[0], ITEMS[1], "second")
    assert search.relation[1, 0] == 1
    assert search.ask() == (ITEMS[1], ITEMS[2])
    np.testing.assert_array_equal(search.scores[1], [2.0, 3.0, 3.0, 3.0])
    for other in (2, 3):
        for _ in range(20):
            search = search.tell(ITEMS[1], ITEMS[other], "first")
    assert search.winners == (ITEMS[1],)
    assert search.ask() is None
    assert (
        Copeland()(search.duels, list(itertools.combinations(ITEMS[:4], 2)), rng=np.random.default_rng(0)).items == ()
    )


def test_what_follows_is_not_asked() -> None:
    """a beats b, b is as good as c, c beats d: a beats c and d, b beats d."""
    told = Duels.none(ITEMS[:5])
    for _ in range(30):
        told = told.tell(ITEMS[0], ITEMS[1], "first").tell(ITEMS[2], ITEMS[1], "tie").tell(ITEMS[3], ITEMS[2], "second")
    plain, closed = (CopelandRace(told, transitive=transitive).relation for transitive in (False, True))
    assert np.isnan(plain[0, 2])
    expected = np.array([[0, 1, 1, 1], [-1, 0, 0, 1], [-1, 0, 0, 1], [-1, -1, -1, 0]], dtype=float)
    np.testing.assert_array_equal(closed[:4, :4], expected)
    assert np.isnan(closed[4, :4]).all()


def test_contradictions_are_left_alone() -> None:
    told = Duels.none(ITEMS[:4])
    for first, second in ((0, 1), (1, 2), (2, 0), (2, 3)):
        for _ in range(30):
            told = told.tell(ITEMS[first], ITEMS[second], "first")
    relation = CopelandRace(told, transitive=True).relation
    assert [relation[0, 1], relation[1, 2], relation[2, 0]] == [1, 1, 1]
    assert relation[0, 3] == 1


def test_transitive_searches_ask_less() -> None:
    order = np.sign(np.subtract.outer(np.arange(6), np.arange(6)) * -1.0)
    order[1, 2] = order[2, 1] = order[4, 5] = order[5, 4] = 0
    order = order[np.ix_([3, 5, 0, 2, 4, 1], [3, 5, 0, 2, 4, 1])]
    counts = [found(order, np.random.default_rng(0), transitive=how).duels.asked.sum() for how in (False, True)]
    assert counts[1] < counts[0]


def test_false_uses_are_refused() -> None:
    with pytest.raises(InputError, match="error rate"):
        CopelandRace(Duels.none(ITEMS), alpha=0.0)
    posterior = ByHand(("a", "b"), np.zeros((2, 2)))
    with pytest.raises(UsageError, match="counts of duels"):
        Copeland()(posterior, [posterior.items], rng=np.random.default_rng(0))
