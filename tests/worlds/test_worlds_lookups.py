"""Plans of look-ups and sums: their law by hand, what is shown of them, and what is right."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, Item, Part
from heedful.core.contracts import BaseContract
from heedful.evidence import prefixes
from heedful.worlds import LOOKUP_FEATURES, SUBGOALS, LookupWorld

WORLD = LookupWorld(questions=200, seed=3)


def plan(number: int, *steps: str) -> Item:
    return Item(WORLD.contexts[number], tuple(map(Part, steps)))


class TestFixedWriter(BaseContract):
    def make(self):
        return WORLD.writer(fixed=True)

    def context(self):
        return WORLD.contexts[0]


def rightly(number: int) -> Item:
    one, two = WORLD.asked[number]
    a, b = WORLD.values[[one, two]]
    steps = ("query", f"key {one} is {a}", "reason", f"total {a}", "query", f"key {two} is {b}", "reason")
    return plan(number, *steps, f"total {(a + b) % 7}", "answer")


def test_a_plan_without_fault_is_right_and_as_likely_as_its_steps() -> None:
    item = rightly(5)
    assert WORLD.right([item]).tolist() == [True]
    assert np.exp(WORLD.writer(fixed=True).log_prob([item])[0]) == pytest.approx((0.6 * 0.8) ** 2)
    assert np.exp(WORLD.writer().log_prob([item])[0]) == pytest.approx((0.4 * 0.6 * 0.4 * 0.8) ** 2)


def test_recalling_and_answering_early_are_as_likely_as_said() -> None:
    one = int(WORLD.values[WORLD.asked[0, 0]])
    wrong = (one + 1) % 7
    writer = WORLD.writer()
    assert np.exp(writer.log_prob([plan(0, "answer")])[0]) == pytest.approx(0.2)
    for total, share in ((one, 0.3), (wrong, 0.7 / 6)):
        guess = plan(0, "reason", f"total {total}", "answer")
        assert np.exp(writer.log_prob([guess])[0]) == pytest.approx(0.4 * share * 0.2)
        assert not WORLD.right([guess])[0]
    last = plan(0, *("query", f"key 0 is {WORLD.values[0]}") * 5, "answer")
    assert np.exp(writer.prefix_log_prob([last])[0]) > 0
    assert writer.following(last.context, last.output[:-1]) == ((Part("answer"),), (1.0,))


def test_how_often_drawn_plans_are_right_is_what_their_steps_say() -> None:
    """Errors that cancel among them: by a sum over totals of two hops, each right, found wrong, or slipped."""
    drawn = WORLD.writer(fixed=True).sample(WORLD.contexts[1], 4000, rng=np.random.default_rng(0))
    off = np.zeros(7)  # how far a hop's total is from the right one
    step = np.full(7, 0.2 / 6)
    step[0] = 0.8
    laws = []
    for needed in WORLD.asked[1]:
        off = np.zeros(7)
        for key, value in enumerate(WORLD.values):
            share = 0.6 if key == needed else 0.4 / 7
            off += share * np.roll(step, value - WORLD.values[needed])
        laws.append(off)
    right = sum(laws[0][one] * laws[1][-one % 7] for one in range(7))
    assert abs(WORLD.right(drawn).mean() - right) < 5 * np.sqrt(0.25 / 4000)


def test_features_tell_the_state_and_looks_tell_right_sums() -> None:
    column = {name: place for place, name in enumerate(LOOKUP_FEATURES)}
    seen = WORLD.features(prefixes(rightly(7)))
    assert seen[:, column["hops left"]].tolist() == [2, 2, 2, 1, 1, 1, 1, 0, 0]
    told = [LOOKUP_FEATURES[3:13][place] if any(row) else "" for row in seen[:, 3:13] for place in [row.argmax()]]
    hop = ["query, nothing", "found the key", "reason, the key", ""]
    assert told == [*hop, *hop, "answer, all added"]
    assert (seen[:, column["trouble"]] == 0).all()
    guess = plan(0, "reason", "total 3", "answer")
    assert WORLD.features([guess])[0, [column["trouble"], column["answer, too early"]]].tolist() == [1, 1]
    right, wrong = (
        [plan(n, "reason", f"total {(WORLD.values[WORLD.asked[n, 0]] + away) % 7}") for n in range(len(WORLD.contexts))]
        for away in (0, 2)
    )
    assert WORLD.features(right)[:, 1].mean() < WORLD.features(wrong)[:, 1].mean() - 0.5
    assert {part.text for part in SUBGOALS} == {"query", "reason", "answer"}


def test_other_contexts_are_refused() -> None:
    with pytest.raises(InputError, match="no question"):
        WORLD.right([Item.of("what?", "answer")])
