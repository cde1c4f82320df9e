"""Two candidates that changed different parameters become one that has both changes, and is tried like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from heedful.core import Budget
from heedful.evidence import Rule
from heedful.rewriting import (
    Begun,
    Improved,
    Improving,
    Merged,
    Mutated,
    Proposed,
    Situation,
    Text,
    Tried,
    Worth,
    longest,
    trace,
)
from heedful.rewriting.merging import by_lines, merged, unbeaten
from heedful.rewriting.splits import Splits

RNG = np.random.default_rng(0)
START = {"a": "0", "b": "0", "c": "0"}


def of(values: str, mean: float, earned: Mapping[int, float] | None = None) -> Tried:
    return Tried(dict(zip("abc", values, strict=True)), mean, 4, "train", earned or {})


def proposed(*history: Tried, now: str = "000", n: int = 5) -> list[str]:
    parameters = {name: Text("0", name) for name in START}
    state = Situation(parameters, dict(zip("abc", now, strict=True)), (), history)
    made = Merged(n)(state, budget=Budget(), rng=RNG)
    return ["".join({**state.values, **own}[name] for name in "abc") for own in made.values]


def test_each_parameter_is_taken_from_who_changed_it() -> None:
    one, other = {**START, "a": "1"}, {**START, "b": "2", "c": "3"}
    assert merged(one, other, START) == {"a": "1", "b": "2", "c": "3"}
    assert merged(one, {**other, "a": "1"}, START) is None  # both changed it, if alike
    assert merged(one, START, START) is None
    assert merged(one, other, one) is None


def test_texts_that_both_changed_are_merged_by_lines() -> None:
    old = "Answer.\nBe brief.\nUse a list."
    more, less, both = f"{old}\nName the year.", "Answer.\nUse a list.", "Answer.\nUse a list.\nName the year."
    assert by_lines(more, less, old) == by_lines(less, more, old) == both
    assert by_lines(more, both, old) is None  # both added the same
    assert by_lines("Answer.\nBe brief.", "Answer.\nPlease be brief.", old) is None  # both left out the same
    assert by_lines(old, more, old) is None
    state = Situation(
        {"prompt": Text("Answer.", "prompt", limits=[longest(40)])},
        {"prompt": "Answer."},
        (),
        [Tried({"prompt": f"Answer.\n{own}"}, 0.5, 4, "train") for own in ("Be brief.", "Name the year.", "Say " * 9)],
    )
    made = Merged(3)(state, budget=Budget(), rng=RNG)
    assert made.values == ({"prompt": "Answer.\nBe brief.\nName the year."},)
    assert made.unread == 2  # too long
    assert Merged(lines=False)(state, budget=Budget(), rng=RNG).values == ()


def test_the_best_pairs_come_first_and_nothing_twice() -> None:
    history = of("100", 0.5), of("020", 0.4), of("003", 0.6)
    assert proposed(*history) == ["103", "023", "120"]
    assert proposed(*history, n=1) == ["103"]
    assert proposed(*history, of("103", 0.7), n=1) == ["123"]  # from 000 and 020 the same, once


def test_a_common_ancestor_may_be_one_that_was_tried_but_none_that_earned_more() -> None:
    pair = of("110", 0.5), of("101", 0.5)
    assert proposed(*pair, of("100", 0.3), now="222") == ["111"]
    assert proposed(*pair, of("100", 0.6), now="222") == []


def test_a_dominated_candidate_is_not_merged() -> None:
    worse, better = of("100", 0.5, {0: 0.0, 1: 1.0}), of("400", 1.0, {0: 1.0, 1: 1.0})
    other = of("020", 0.5, {0: 1.0, 2: 0.0})
    assert unbeaten([worse, better, other]) == [better, other]
    assert proposed(worse, better, other) == ["420"]
    apart = of("100", 0.1, {5: 0.0})  # never ran where the others did
    assert unbeaten([apart, better]) == [apart, better]


def test_merging_reaches_what_two_parameters_are_worth_together() -> None:
    """Each of two texts earns half. Both are proposed from the start in one round, and one alone can be kept of them; a
    proposer that only merges then finds both, and without it nothing more is found."""
    first, second = Text("plain", "first"), Text("plain", "second")

    def program(question: str) -> str:
        return f"{first} {second}"

    def both(situation: Situation, **_: Any) -> Proposed:
        return Proposed(({"first": "good"}, {"second": "good"}))

    def done(then: Any) -> Improved:
        engine = Improving(Begun(both, then), rounds=2, concurrency=1)
        worth = Worth(Rule(lambda item: item.output[0].text.count("good") / 2, "good"), (0, 1))
        splits = Splits.of([{"question": f"q {number}"} for number in range(60)])
        return engine(trace(program), worth, splits, budget=Budget(), rng=np.random.default_rng(0))

    reached = done(Merged())
    assert reached.values == {"first": "good", "second": "good"}
    assert reached.claim.value == 1.0
    assert reached.counts["kept"] == 2
    assert [sum(own == "good" for own in values.values()) for values in reached.versions] == [0, 1, 2]
    assert reached.program("q") == "good good"
    assert reached.program.with_values(reached.versions[0])("q") == "plain plain"
    assert done(Mutated(lambda own, value, rng: value)).claim.value == 0.5
