"""Picking among given candidates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import InputError, Item, Scores, UsageError
from heedful.evidence import Rule, constraint
from heedful.sampling import pick
from sampling.common import OUTPUTS, UTILITY, Uncertain, helpful

GROUP = tuple(Item.of("q", output) for output in OUTPUTS)


def uncertain(k=400, spread=1.0, seed=0):
    draws = np.random.default_rng(seed).normal(size=(k, 6)) * spread
    return Uncertain(draws - draws.mean(axis=0) + UTILITY)


class _Posterior:
    """A posterior whose potential is given."""

    def __init__(self, potential):
        self.given = potential

    def __call__(self, items):
        return self.given(items)

    def prefer(self, first, second):
        return np.full(len(first), 0.5)

    def potential(self, *, scale="utility", reference=None):
        return self.given


def test_the_best_has_the_greatest_mean_and_its_chance_is_its_share_of_draws():
    judge = uncertain()
    (made,) = pick(_Posterior(judge), [GROUP])
    draws = judge(GROUP).draws
    assert made.best == UTILITY.argmax()
    assert made.probability_best == np.mean(draws.argmax(axis=1) == made.best)
    assert made.chances.sum() == pytest.approx(1.0)
    assert made.context == GROUP[0].context


def test_utilities_are_shown_less_the_average_candidate():
    judge = uncertain()
    for shift in (0.0, 50.0):
        (made,) = pick(Uncertain(judge.draws + shift), [GROUP])
        np.testing.assert_allclose(made.mean, UTILITY - UTILITY.mean(), atol=1e-12)
        centred = judge.draws - judge.draws.mean(axis=1, keepdims=True)
        low, high = np.quantile(centred, [0.025, 0.975], axis=0, method="weibull")
        np.testing.assert_allclose([i.low for i in made.intervals], low, atol=1e-10)
        np.testing.assert_allclose([i.high for i in made.intervals], high, atol=1e-10)
        assert {(i.promise, i.level) for i in made.intervals} == {("credible", 0.95)}


def test_what_is_common_to_all_candidates_of_a_context_widens_no_interval():
    judge = uncertain(spread=0.1)
    common = Uncertain(judge.draws + 100 * np.random.default_rng(1).normal(size=(400, 1)))
    (plain,), (shifted,) = pick(judge, [GROUP], pessimism=1.0), pick(common, [GROUP], pessimism=1.0)
    assert shifted.best == plain.best
    for one, other in zip(plain.intervals, shifted.intervals, strict=True):
        assert (other.low, other.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_intervals_cover_a_further_draw_at_their_level():
    rng = np.random.default_rng(0)
    pair = GROUP[:2]
    truth = rng.normal(size=(3000, 2))
    inside = 0
    for row in truth:
        draws = np.zeros((39, 6))
        draws[:, :2] = rng.normal(size=(39, 2))
        (made,) = pick(Uncertain(draws), [pair], level=0.9)
        inside += made.intervals[0].low <= row[0] - row.mean() <= made.intervals[0].high
    assert inside == pytest.approx(0.9 * 3000, abs=4 * math.sqrt(3000 * 0.9 * 0.1))


def test_log_probabilities_are_shown_as_they_are():
    rule = Rule(lambda item: -float(OUTPUTS.index(item.output[0].text)) - 0.5, "log", "log_prob")
    (made,) = pick(rule, [GROUP])
    np.testing.assert_allclose(made.mean, -np.arange(6) - 0.5)
    assert made.intervals == (None,) * 6
    assert made.chances is None
    assert made.probability_best is None


def test_pessimism_prefers_what_is_known():
    draws = np.zeros((200, 6))
    draws[:, 0] = 1.0 + 5.0 * np.tile([-1, 1], 100)
    draws[:, 1] = 0.5
    assert pick(Uncertain(draws), [GROUP[:2]])[0].best == 0
    assert pick(Uncertain(draws), [GROUP], pessimism=0.0)[0].best == 0
    assert pick(Uncertain(draws), [GROUP], pessimism=1.0)[0].best == 1


def test_equals_are_counted_and_share_their_draws():
    level = Uncertain(np.zeros((10, 6)))
    (made,) = pick(level, [GROUP[:4]])
    assert (made.best, made.tied, made.probability_best) == (0, 4, 0.25)
    assert pick(helpful(), [GROUP])[0].tied == 1


def test_groups_of_any_size_are_scored_in_one_call():
    class Counting(Uncertain):
        calls = 0

        def __call__(self, items):
            Counting.calls += 1
            return super().__call__(items)

    other = tuple(Item.of("r", output) for output in "fe")
    made = pick(Counting(uncertain().draws), [GROUP[:3], other, GROUP[5:]])
    assert Counting.calls == 1
    assert [one.best for one in made] == [1, 1, 0]
    assert [len(one.candidates) for one in made] == [3, 2, 1]
    assert made[2].probability_best == 1.0
    assert pick(helpful(), []) == ()


def test_ruled_out_candidates_are_never_picked_and_do_not_move_the_average():
    judge = helpful() + constraint(lambda item: item.output[0].text != "e", "not e")
    (made,) = pick(judge, [GROUP])
    held = np.delete(UTILITY, 4)
    assert made.best == 1
    np.testing.assert_allclose(np.delete(made.mean, 4), held - held.mean())
    assert made.mean[4] == -np.inf


class _Broken:
    scale, under = "utility", None

    def __init__(self, value):
        self.value = value

    def __call__(self, items):
        return Scores(np.full(len(items), self.value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_scores_that_cannot_be_compared_are_refused(value):
    with pytest.raises(InputError, match=r"candidates\[0\]"):
        pick(_Broken(value), [GROUP])


def test_wrong_groups_are_named():
    with pytest.raises(InputError, match=r"candidates\[1\]: there are no candidates"):
        pick(helpful(), [GROUP, ()])
    with pytest.raises(InputError, match=r"candidates\[0\]: the candidates answer different contexts"):
        pick(helpful(), [(GROUP[0], Item.of("r", "a"))])
    with pytest.raises(UsageError, match="level"):
        pick(helpful(), [GROUP], level=95)
