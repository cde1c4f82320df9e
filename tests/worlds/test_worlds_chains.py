"""Chains of additions: probabilities, values and features against arithmetic and enumeration by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import InputError, Item, Part
from heedful.core.contracts import BaseContract
from heedful.evidence import prefixes
from heedful.feedback import prefix_labels
from heedful.worlds import (
    CHAIN_FEATURES,
    ChainWorld,
    LanguageWorld,
    SimulatedRaters,
    collect,
    completion_marks,
    completion_shares,
    marks,
    outcomes,
)

WORLD = ChainWorld(steps=3, problems=6, aftermath=1.2, candour=0.9, words=True, seed=4)
EQUATION = re.compile(r"(neatly|roughly): (\d) \+ (\d) = (\d)")


class TestChainBase(BaseContract):
    def make(self):
        return WORLD.base()

    def context(self):
        return WORLD.contexts[1]


def equations(item: Item) -> list[tuple[str, int, int, int]]:
    found = [EQUATION.fullmatch(part.text) for part in item.output]
    return [(one[1], int(one[2]), int(one[3]), int(one[4])) for one in found]


def problem(item: Item) -> tuple[int, list[int]]:
    start, *added = map(int, re.findall(r"\d+", item.context[0].text.split(":")[1])[:-1])
    return start, added


@pytest.mark.parametrize("context", WORLD.contexts[:3])
def test_every_step_has_the_probability_of_its_slip_and_word(context):
    items = WORLD.base().support(context)
    assert len(items) == 6**3
    for item, told in zip(items, np.exp(WORLD.base().log_prob(items)), strict=True):
        (value, added), word, share = problem(item), "neatly", 1.0
        for own, (new, before, operand, after) in zip(added, equations(item), strict=True):
            assert (before, operand) == (value, own)
            wrong = expit(WORLD.slip + WORLD.carry * (value + own >= 10) + WORLD.aftermath * (word == "roughly"))
            slip = (after - value - own + 5) % 10 - 5
            share *= 1 - wrong if slip == 0 else wrong / 2
            rough = expit(WORLD.candour * (0.5 if slip else -0.5))
            share *= rough if new == "roughly" else 1 - rough
            value, word = after, new
        assert share == pytest.approx(told, rel=1e-12)


def test_truths_are_those_of_the_arithmetic():
    items = [item for context in WORLD.contexts for item in WORLD.base().support(context)]
    right = [[(before + own - after) % 10 == 0 for _, before, own, after in equations(item)] for item in items]
    np.testing.assert_array_equal(WORLD.right(items), right)
    first = [row.index(False) if False in row else 3 for row in right]
    np.testing.assert_array_equal(WORLD.first_error(items), first)
    ends = [(problem(item)[0] + sum(problem(item)[1])) % 10 == equations(item)[-1][3] for item in items]
    np.testing.assert_array_equal(WORLD.value(items), ends)
    assert sum(end and not all(row) for end, row in zip(ends, right, strict=True)) > 0  # some errors cancel


def test_the_value_of_a_prefix_is_the_mean_of_all_that_may_follow():
    for context in WORLD.contexts:
        items = WORLD.base().support(context)
        weight, ends = np.exp(WORLD.base().log_prob(items)), WORLD.value(items)
        begun = sorted({prefix.output for item in items for prefix in prefixes(item)} | {()}, key=len)
        expected = []
        for steps in begun:
            own = np.array([item.output[: len(steps)] == steps for item in items])
            expected.append(weight[own] @ ends[own] / weight[own].sum())
        np.testing.assert_allclose(WORLD.value([Item(context, steps) for steps in begun]), expected, atol=1e-12)


def test_features_by_hand():
    start, added = problem(Item(WORLD.contexts[0]))
    low = (start + added[0] - 1) % 10
    texts = (f"roughly: {start} + {added[0]} = {low}", f"neatly: {low} + {added[1]} = {(low + added[1]) % 10}")
    whole = Item(WORLD.contexts[0], tuple(map(Part, texts)))
    first, second = (dict(zip(CHAIN_FEATURES, row, strict=True)) for row in WORLD.features(prefixes(whole)))
    assert (first["word"], first["word before"], first["words"], first["left"]) == (1, 0, 1, 2)
    assert (second["word"], second["word before"], second["words"], second["left"]) == (0, 1, 1, 1)
    assert (first["carry"], second["carry"]) == (start + added[0] >= 10, low + added[1] >= 10)
    assert first["looks"] == first["worst look"] == first["look"]
    assert second["looks"] == pytest.approx(first["look"] + second["look"])
    assert second["worst look"] == min(first["look"], second["look"])
    doubts = [-math.log(expit(WORLD.look * row["look"])) for row in (first, second)]
    assert second["doubt"] == pytest.approx(sum(doubts))
    assert WORLD.right([whole]).tolist() == [[False, True, False]]
    np.testing.assert_array_equal(WORLD.features([Item(WORLD.contexts[0])])[0], [0] * 8 + [3])
    states = WORLD.state(prefixes(whole))
    assert states.sum(axis=1).tolist() == [1, 1]
    assert np.flatnonzero(states[0]).tolist() == [(0 * 10 + 9) * 2 + 1]
    assert np.flatnonzero(states[1]).tolist() == [(1 * 10 + 9) * 2 + 0]


def test_equal_states_of_one_problem_have_equal_values():
    items = {prefix for item in WORLD.base().support(WORLD.contexts[2]) for prefix in prefixes(item)}
    listed = sorted(items, key=lambda item: item.key)
    cells = WORLD.state(listed).argmax(axis=1)
    for cell in np.unique(cells):
        own = [item for item, found in zip(listed, cells, strict=True) if found == cell]
        assert np.ptp(WORLD.value(own)) < 1e-12


def test_looks_tell_right_from_wrong_as_far_apart_as_they_should():
    world = ChainWorld(problems=400, steps=2, look=1.5)
    items = [item for context in world.contexts for item in world.base().support(context)]
    steps = list({prefixes(item)[0] for item in items})
    look, right = world.features(steps)[:, 0], world.right(steps)[:, 0]
    assert abs(look[right].mean() - look[~right].mean() - 1.5) < 5 * math.sqrt(1 / right.sum() + 1 / (~right).sum())
    assert abs(look[right].std() - 1) < 0.12


def test_marks_err_as_often_as_said_and_outcomes_do_not():
    rng = np.random.default_rng(0)
    items = WORLD.draw(3000, rng=rng)
    table = marks(WORLD, items, raters=SimulatedRaters(7), certainty=1.5, rng=rng)
    given = np.array(table.frame["steps"].to_list())
    share = (given == WORLD.right(items)).mean()
    assert abs(share - expit(1.5)) < 5 * math.sqrt(0.25 / given.size)
    assert [record.items()[0] for record in table.take(range(5)).records()] == list(items[:5])
    assert len(set(table.frame["rater"])) == 7
    exact = marks(WORLD, items, raters=SimulatedRaters(1), certainty=math.inf, rng=rng)
    np.testing.assert_array_equal(np.array(exact.frame["steps"].to_list()), WORLD.right(items))
    ends = outcomes(WORLD, items, rng=rng)
    np.testing.assert_array_equal(ends.frame["label"].to_numpy(), WORLD.value(items))
    assert len(prefix_labels(ends)) == 9000


def test_solutions_are_dealt_out_evenly_and_follow_the_base():
    items = WORLD.draw(7, rng=np.random.default_rng(0), problems=[4, 2])
    assert [WORLD.contexts.index(item.context) for item in items] == [4, 4, 4, 4, 2, 2, 2]
    drawn = WORLD.draw(30_000, rng=np.random.default_rng(1))
    per_problem = [WORLD.value([Item(context)])[0] for context in WORLD.contexts]
    assert abs(WORLD.value(drawn).mean() - np.mean(per_problem)) < 5 * math.sqrt(0.25 / 30_000)


def test_faults_are_refused():
    with pytest.raises(InputError, match="steps from 1 to 9"):
        ChainWorld(steps=12)
    context, step = WORLD.contexts[0], Part("neatly: 1 + 1 = 2")
    for item, match in {
        Item(Item.of("what?").context): "no problem of this world",
        Item(context, (Part("1 + 1 = 2"),)): "no step of this world",
        Item(context, (step,) * 4): "up to 3 steps, not 4",
    }.items():
        with pytest.raises(InputError, match=match):
            WORLD.value([item])
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="1 of 1 solutions are not finished"):
        outcomes(WORLD, [Item(context, (step,))], rng=rng)
    with pytest.raises(InputError, match="marked with judge"):
        collect(LanguageWorld(), 4, raters=SimulatedRaters(), rng=rng, kind="steps")


def test_completions_mark_a_step_as_often_as_some_completion_ends_right():
    """Against completions written one by one, of a writer that slips more often."""
    rng, weak = np.random.default_rng(0), replace(WORLD, slip=0.3)
    item = next(item for item in WORLD.draw(200, rng=rng) if 0 < WORLD.first_error([item])[0] < 3)
    n, k = 2000, 3
    given = np.array(completion_marks(WORLD, [item] * n, weak, completions=k, rng=rng).frame["steps"].to_list())
    for place, prefix in enumerate(prefixes(item)):
        ends = [prefix] * (n * k)
        while not weak.base().ended(ends[0]):
            ends = weak.base().continued(ends, rng=rng)
        some = weak.value(ends).reshape(n, k).any(axis=1).mean()
        assert abs(given[:, place].mean() - some) < 5 * math.sqrt(2 * 0.25 / n)


def test_shares_of_completions_are_those_of_completions_written():
    rng, weak, n, k = np.random.default_rng(1), replace(WORLD, slip=0.3), 3000, 3
    prefix = next(prefixes(item)[1] for item in WORLD.draw(200, rng=rng) if 0 < WORLD.first_error([item])[0] < 3)
    ends = [prefix] * (n * k)
    while not weak.base().ended(ends[0]):
        ends = weak.base().continued(ends, rng=rng)
    written = np.bincount(weak.value(ends).reshape(n, k).sum(axis=1).astype(int), minlength=k + 1)
    shares = completion_shares([prefix] * n, weak, completions=k, rng=rng)
    told = np.bincount(np.round(k * shares).astype(int), minlength=k + 1)
    assert (np.abs(told - written) < 5 * np.sqrt(2 * np.maximum(written, 1))).all()
    done = WORLD.draw(5, rng=rng)
    np.testing.assert_array_equal(completion_shares(done, weak, completions=k, rng=rng), WORLD.value(done))
