"""Pools: all pairs, or a fair sample; what joins islands and places items stands first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from posteriors_by_hand import Placing

from heedful.core import InputError, Item
from heedful.elicitation import context_pairs, item_pairs
from heedful.feedback import Candidate, Record, Table, Value
from heedful.preference.identification import UNDEFEATED, WINLESS


def systems(*names: str) -> list[Item]:
    return [Item(system=name) for name in names]


def won(first: str, second: str) -> Record:
    candidates = [Candidate(system=first), Candidate(system=second)]
    return Record(kind="comparison", candidates=candidates, value=Value(choice="first"))


def test_all_pairs_once() -> None:
    items = systems(*"abcde")
    pool = item_pairs([*items, items[0]], rng=np.random.default_rng(0))
    assert {frozenset(pair) for pair in pool} == {frozenset(pair) for pair in itertools.combinations(items, 2)}
    assert len(pool) == pool.possible == 10
    assert pool.connecting == 0


def test_two_hundred_items_are_all_paired_and_more_are_sampled() -> None:
    items = systems(*(str(number) for number in range(201)))
    assert len(item_pairs(items[:200], rng=np.random.default_rng(0))) == 19_900
    pool = item_pairs(items, rng=np.random.default_rng(0))
    assert (len(pool), pool.possible) == (19_900, 20_100)
    assert item_pairs(items, rng=np.random.default_rng(0)).pairs == pool.pairs
    assert item_pairs(items, rng=np.random.default_rng(1)).pairs != pool.pairs


def test_sampled_pairs_are_different_and_fair() -> None:
    items = systems(*(str(number) for number in range(3000)))
    pool = item_pairs(items, rng=np.random.default_rng(0), cap=6000)
    assert pool.possible == 3000 * 2999 // 2
    assert len({frozenset(pair) for pair in pool}) == 6000
    assert all(a != b for a, b in pool)
    seen = np.bincount([int(item.system or 0) for pair in pool for item in pair], minlength=3000)
    # Each item is in a pair 4 times on average; uniform pairs make that nearly Poisson.
    assert np.var(seen) == pytest.approx(4.0, rel=0.15)


def test_pairs_within_contexts_stay_there() -> None:
    groups = [[Item.of(f"q{c}", f"answer {n}") for n in range(size)] for c, size in enumerate((3, 1, 0, 4, 2))]
    pool = context_pairs(groups, rng=np.random.default_rng(0))
    assert {frozenset(pair) for pair in pool} == {
        frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)
    }
    assert pool.possible == 3 + 6 + 1
    assert all(a.context == b.context for a, b in pool)
    some = context_pairs(groups, rng=np.random.default_rng(0), cap=4)
    assert (len(some), some.possible) == (4, 10)
    assert set(some) <= set(pool)
    assert len(context_pairs([], rng=np.random.default_rng(0))) == 0


def test_islands_are_bridged_first_between_their_most_judged_items() -> None:
    table = Table.of([won("a", "b"), won("b", "c"), won("b", "a"), won("x", "y"), won("z", "y")])
    names = ("a", "b", "c", "x", "y", "z", "lone")
    posterior = Placing(names, np.zeros((4, 7)), identified=(True,) * 7, counts=(2, 3, 1, 1, 2, 1, 0), notes=("",) * 7)
    pool = item_pairs(systems(*names), rng=np.random.default_rng(0), table=table, posterior=posterior, cap=3)
    assert {tuple(item.system for item in pair) for pair in pool[: pool.connecting]} == {("b", "y"), ("b", "lone")}
    whole = item_pairs(systems(*names), rng=np.random.default_rng(0), table=table, posterior=posterior)
    assert len({frozenset(pair) for pair in whole}) == len(whole) == whole.possible == 21


@pytest.mark.parametrize("kind", ["ranking", "best_of", "rating"])
def test_other_kinds_join_items_too(kind: str) -> None:
    candidates = [Candidate(system=name) for name in "abc"]
    values = {"ranking": Value(ranks=[1, 2, 2]), "best_of": Value(best=1)}
    if kind == "rating":
        rated = Value(rating=2, scale=(1, 5))
        records = [Record(kind="rating", candidates=[candidate], value=rated) for candidate in candidates]
    else:
        records = [Record(kind=kind, candidates=candidates, value=values[kind])]  # type: ignore[arg-type]
    pool = item_pairs(systems(*"abcd"), rng=np.random.default_rng(0), table=Table.of(records))
    assert [{item.system for item in pair} & {"d"} for pair in pool[: pool.connecting]] == [{"d"}]


def test_items_not_placed_are_challenged() -> None:
    names = ("low", "high", "never beaten", "never won", "separated")
    table = Table.of([won(a, b) for a, b in itertools.permutations(names, 2)])
    posterior = Placing(
        names,
        np.tile([-1.0, 1.0, 5.0, -5.0, 0.0], (4, 1)),
        identified=(True, True, False, False, False),
        counts=(9, 8, 2, 2, 2),
        notes=("", "", UNDEFEATED, WINLESS, "separated"),
    )
    pool = item_pairs(systems(*names), rng=np.random.default_rng(0), table=table, posterior=posterior)
    assert [tuple(item.system for item in pair) for pair in pool[: pool.connecting]] == [
        ("never beaten", "high"),
        ("never won", "low"),
        ("separated", "low"),
    ]


def test_false_pools_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="no pair"):
        item_pairs(systems("a", "a"), rng=rng)
    with pytest.raises(InputError, match="group 1"):
        context_pairs([[], [Item.of("p", "x"), Item.of("q", "x")]], rng=rng)
