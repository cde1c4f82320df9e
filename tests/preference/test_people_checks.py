"""Votes and arguments that do not fit are refused, and votes of new people are read as those fitted were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heedful.core import HeedfulError, InputError, UsageError
from heedful.feedback import Candidate, Rater, Record, Table, Value
from heedful.models import StyleFeatures
from heedful.preference.cycles import strongest_cycles
from heedful.preference.general import fit_general
from heedful.preference.people import (
    Answers,
    PairVotes,
    choose_groups,
    fit_absolute,
    fit_groups,
    fit_people,
    people_differ,
)
from heedful.preference.scalar_test import scalar_is_enough

from .people_votes import answers, opposed, questions
from .votes import comparisons

ITEMS = 200


def _codes() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    rater, first, second = questions(20, 20, ITEMS, rng)
    return rater, first, second, answers(np.zeros(len(rater)), 0.5, rng)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.uint64, np.float64])
def test_narrow_types_of_ids_give_the_same_votes(kind: Any) -> None:
    rater, first, second, outcome = _codes()
    wide = PairVotes.from_arrays(rater, first, second, outcome, items=ITEMS)
    narrow = PairVotes.from_arrays(
        rater.astype(kind), first.astype(kind), second.astype(kind), outcome.astype(np.int8), items=ITEMS
    )
    np.testing.assert_array_equal(narrow.first, wide.first)
    np.testing.assert_array_equal(narrow.counts.toarray(), wide.counts.toarray())
    names, choice = [str(i) for i in range(ITEMS)], (outcome + 1).astype(int)
    one = Answers.from_arrays(first, second, choice, names)
    other = Answers.from_arrays(first.astype(kind), second.astype(kind), choice.astype(np.uint8), names)
    np.testing.assert_array_equal(other.first, one.first)
    np.testing.assert_array_equal(other.counts, one.counts)


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ([0], [3], [0]),
        ([-1], [1], [0]),
        ([1], [1], [0]),
        ([0], [1], [-2]),
        ([0], [1], [5]),
        ([0.5], [1.9], [0]),
        ([np.nan], [1], [0]),
        ([0, 1], [1], [0]),
        ([0], [1], [0, 1]),
        ([], [], []),
    ],
)
def test_votes_that_do_not_fit_are_refused(first: list[Any], second: list[Any], outcome: list[Any]) -> None:
    one, two, said = (np.array(part) for part in (first, second, outcome))
    with pytest.raises(InputError):
        Answers.from_arrays(one, two, said, "abc")
    with pytest.raises(InputError):
        PairVotes.from_arrays(np.zeros(len(one), int), one, two, said, items=3)


def test_other_refusals_of_codes() -> None:
    one, two = np.array([0]), np.array([1])
    with pytest.raises(InputError):
        Answers.from_arrays(one, two, np.array([-1]), "abc")
    with pytest.raises(InputError):
        PairVotes.from_arrays(np.array([2]), one, two, np.ones(1), items=2, raters=["x"])
    with pytest.raises(InputError, match="features"):
        PairVotes.from_arrays(one, one, two, np.ones(1), items=2, design=np.array([[0.0], [np.nan]]))
    with pytest.raises(InputError, match="features"):
        PairVotes.from_arrays(one, one, two, np.ones(1), items=2, design=np.ones((3, 1)))


def _table(systems: str, rater: list[str], seed: int = 0, tie: float = 0.5) -> Table:
    rng = np.random.default_rng(seed)
    _, first, second = questions(1, len(rater), len(systems), rng)
    said = answers((second - first) / 1.0, tie, rng)
    choice = {1.0: "first", 0.0: "tie", -1.0: "second"}
    rows = zip(first, second, said, strict=True)
    return comparisons([(systems[i], systems[j], choice[float(o)]) for i, j, o in rows], rater=rater)


def test_votes_on_other_items_are_refused() -> None:
    raters = [f"r{i % 10}" for i in range(200)]
    fitted, others = PairVotes.of(_table("abcd", raters)), PairVotes.of(_table("wxyz", raters))
    groups, people = fit_groups(fitted, 1, draws=2), fit_people(fitted, rank=1, draws=4)
    for use in (groups.assign, groups.log_evidence_of, people.log_evidence_of):
        use(fitted)
        with pytest.raises(InputError, match="like="):
            use(others)


def test_a_new_persons_table_is_read_as_the_votes_fitted() -> None:
    fitted = PairVotes.of(_table("abcd", [f"r{i % 10}" for i in range(200)]))
    people, groups = fit_people(fitted, rank=1, draws=10), fit_groups(fitted, 2, starts=2, draws=2)
    new = comparisons([("b", "d", "first"), ("d", "a", "second")], rater=["new", "new"])  # no tie, and no c
    with pytest.raises(InputError, match="like="):
        people.person(PairVotes.of(new))
    votes = PairVotes.of(new, like=people.votes)
    assert votes.utility == fitted.utility
    assert votes.votes == 2
    codes = np.array([1, 3]), np.array([3, 0]), np.array([1.0, -1.0])
    same = PairVotes.from_arrays(np.zeros(2, int), *codes, items=4, ties=True)
    np.testing.assert_array_equal(votes.counts.toarray(), same.counts.toarray())
    np.testing.assert_array_equal(votes.first, same.first)
    assert people.person(votes).posterior.mean.shape == (4,)
    np.testing.assert_array_equal(people.person(new).posterior.draws, people.person(votes).posterior.draws)
    np.testing.assert_array_equal(groups.assign(new), groups.assign(votes))
    with pytest.raises(InputError, match="'e'"):
        PairVotes.of(comparisons([("a", "e", "first")], rater=["new"]), like=fitted)
    with pytest.raises(UsageError):
        PairVotes.of(new, like=fitted, features=StyleFeatures())


def test_a_table_is_read_where_votes_are_fitted() -> None:
    table = _table("abcd", [f"r{i % 10}" for i in range(200)])
    votes = PairVotes.of(table)
    for fitted in (
        lambda own: fit_groups(own, 2, prior_sd=1.0, starts=2, draws=4).share_draws,
        lambda own: fit_people(own, rank=1, prior_sd=1.0, draws=4).weight_draws,
        lambda own: fit_general(own, skew_sd=0.5, starts=1, draws=4).weight_draws,
        lambda own: people_differ(own, replicates=9).p_value,
        lambda own: scalar_is_enough(own, replicates=9).p_value,
        lambda own: strongest_cycles(own, replicates=9).triangles,
        lambda own: choose_groups(own, most=1, prior_sd=1.0).log_prob,
    ):
        np.testing.assert_array_equal(fitted(table), fitted(votes))


def _texts(texts: list[str], rater: str, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    pairs = [rng.choice(len(texts), 2, replace=False) for _ in range(20)]
    records = [
        Record(
            kind="comparison",
            context="q",
            candidates=[Candidate(output=texts[i]), Candidate(output=texts[j])],
            value=Value(choice="tie" if rng.random() < 0.2 else "first"),
            rater=Rater(id=rater),
        )
        for i, j in pairs
    ]
    return Table.of(records)


def test_a_new_persons_texts_are_encoded_as_those_fitted() -> None:
    texts = ["short", "a longer answer, with a comma", "- a\n- list\n- of items", "What? A question!"]
    fitted = PairVotes.of(_texts(texts, "r", 0), features=StyleFeatures())
    new = PairVotes.of(_texts(["quite another text", "and one more, longer than it: see?"], "n", 1), like=fitted)
    assert new.utility is fitted.utility
    assert new.design is not None
    assert new.parameters == fitted.parameters
    people = fit_people(fitted, rank=0, draws=4)
    assert np.isfinite(people.log_evidence_of(new)).all()
    anew = PairVotes.of(_texts(["quite another", "and one more"], "n", 1), features=StyleFeatures())
    with pytest.raises(InputError, match="like="):
        people.log_evidence_of(anew)


VOTES = opposed(0, raters=20, each=10)[2]
ABSOLUTE = Answers.from_arrays(np.array([0, 0]), np.array([1, 1]), np.array([0, 3]), "ab")
REFUSED: list[Callable[[], Any]] = [
    *(lambda sd=sd: fit_people(VOTES, prior_sd=sd) for sd in (0.0, -1.0, np.inf, np.nan)),  # type: ignore[misc]
    *(lambda sd=sd: fit_groups(VOTES, 2, prior_sd=sd) for sd in (0.0, -1.0, np.inf, np.nan)),  # type: ignore[misc]
    *(lambda sd=sd: fit_absolute(ABSOLUTE, prior_sd=sd) for sd in (0.0, np.inf)),  # type: ignore[misc]
    lambda: fit_groups(VOTES, 2, starts=0),
    lambda: fit_groups(VOTES, 2, draws=0),
    lambda: fit_people(VOTES, draws=0),
    lambda: fit_absolute(ABSOLUTE, draws=0),
    lambda: fit_general(VOTES, skew_sd=np.inf),
    lambda: fit_general(VOTES, skew_sd=1.0, starts=0),
    lambda: fit_general(VOTES, skew_sd=1.0, draws=0),
    lambda: choose_groups(VOTES, most=0),
    lambda: people_differ(VOTES, replicates=0),
    lambda: scalar_is_enough(VOTES, replicates=0),
    lambda: strongest_cycles(VOTES, replicates=0),
    lambda: strongest_cycles(VOTES, level=95),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_arguments_that_do_not_fit_are_refused(number: int) -> None:
    with pytest.raises(UsageError) as caught:
        REFUSED[number]()
    assert isinstance(caught.value, HeedfulError)
    assert caught.value.where


def test_one_vote_a_rater_says_nothing_of_differences() -> None:
    with pytest.raises(UsageError, match="more than one vote"):
        people_differ(opposed(0, raters=40, each=1)[2])
