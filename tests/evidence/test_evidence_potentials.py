"""Rules, log-probabilities of a base, constants, and the logic of log-probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evidence.common import ITEMS, Known, known
from heedful.core import BudgetExceededError, EndpointError, InputError, Item, ScaleError, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import (
    Constant,
    LogProb,
    Rule,
    conjunction,
    constraint,
    disjunction,
    mixture,
    negation,
    pessimistic,
    threshold,
)
from heedful.models import TableModel

BASE = TableModel.of({"q": {"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.125}})


class _OnItems(PotentialContract):
    def items(self):
        return ITEMS


class TestRule(_OnItems):
    def make(self):
        return Rule(lambda item: -ord(item.output[0].text), "early letters")


class TestConstraint(_OnItems):
    def make(self):
        return constraint(lambda item: item.output[0].text in "ab", "a or b")


class TestLogProb(_OnItems):
    def make(self):
        return LogProb(BASE)


class TestConstant(_OnItems):
    def make(self):
        return Constant(-0.5, "log_prob")


class TestPessimistic(_OnItems):
    def make(self):
        return pessimistic(known(0) + 2.0 * known(1), 1.0)


class TestConjunction(_OnItems):
    def make(self):
        return conjunction(known(0, scale="log_prob"), known(1, scale="log_prob"))


class TestDisjunction(_OnItems):
    def make(self):
        return disjunction(known(0, scale="log_prob"), Constant(-1.0, "log_prob"))


class TestNegation(_OnItems):
    def make(self):
        return negation(known(0, scale="log_prob"))


class TestMixture(_OnItems):
    def make(self):
        return mixture([0.3, 0.7], [known(0, scale="log_prob"), known(1, scale="log_prob")])


class TestThreshold(_OnItems):
    def make(self):
        return threshold(known(0, scale="log_prob"), 0.4)


def test_a_rule_scores_each_item_by_its_function():
    rule = Rule(lambda item: item.output[0].text == "b", "is b")
    np.testing.assert_array_equal(rule(ITEMS).mean, [0, 1, 0, 0])


@pytest.mark.parametrize(
    ("fn", "scale", "message"),
    [
        (lambda item: math.nan, "utility", "nan"),
        (lambda item: math.inf, "utility", "inf"),
        (lambda item: 0.1, "log_prob", "at most 0"),
        (lambda item: {}["x"], "utility", "KeyError"),
        (lambda item: "long", "utility", "ValueError"),
    ],
)
def test_a_rule_that_gives_no_score_is_named_with_the_item(fn, scale, message):
    with pytest.raises(InputError, match=message) as error:
        Rule(fn, "my rule", scale)(ITEMS)
    assert "my rule" in str(error.value)
    assert ITEMS[0].key in str(error.value)


def test_the_log_prob_of_a_base_is_its_own():
    np.testing.assert_allclose(np.exp(LogProb(BASE)(ITEMS).mean), [0.5, 0.25, 0.125, 0.125])


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_constant_is_finite(value):
    with pytest.raises(UsageError):
        Constant(value)


def test_a_constant_probability_is_at_most_one():
    assert Constant(0.5).value == 0.5
    with pytest.raises(UsageError):
        Constant(0.5, "log_prob")


P, Q = (np.exp(known(seed, scale="log_prob")(ITEMS).mean) for seed in (0, 1))
P_DRAWS, Q_DRAWS = (np.exp(known(seed, scale="log_prob")(ITEMS).draws) for seed in (0, 1))


@pytest.mark.parametrize(
    ("made", "truth"),
    [
        (lambda p, q: conjunction(p, q), lambda p, q: p * q),
        (lambda p, q: disjunction(p, q), lambda p, q: p + q - p * q),
        (lambda p, q: negation(p), lambda p, q: 1 - p),
        (lambda p, q: mixture([0.2, 0.8], [p, q]), lambda p, q: 0.2 * p + 0.8 * q),
        (lambda p, q: threshold(p, 0.4), lambda p, q: (p >= 0.4).astype(float)),
        (lambda p, q: negation(conjunction(negation(p), negation(q))), lambda p, q: p + q - p * q),
    ],
)
def test_logic_is_that_of_independent_events_draw_by_draw(made, truth):
    scores = made(known(0, scale="log_prob"), known(1, scale="log_prob"))(ITEMS)
    np.testing.assert_allclose(np.exp(scores.mean), truth(P, Q), rtol=1e-12)
    np.testing.assert_allclose(np.exp(scores.draws), truth(P_DRAWS, Q_DRAWS), rtol=1e-10)


def test_negation_is_accurate_at_both_ends():
    values = {"a": -1e-20, "b": -800.0, "c": 0.0, "d": -np.inf}
    scores = negation(Known(values, scale="log_prob"))(ITEMS).mean
    assert scores[0] == pytest.approx(math.log(1e-20), rel=1e-14)
    assert scores[1] == 0.0  # 1 - exp(-800) is 1 in double precision
    assert scores[2] == -np.inf
    assert scores[3] == 0.0


@pytest.mark.parametrize(
    "operation",
    [
        conjunction,
        disjunction,
        negation,
        lambda p: threshold(p, 0.5),
        lambda p: mixture([1.0], [p]),
        lambda p: conjunction(known(1, scale="log_prob"), p),
    ],
)
@pytest.mark.parametrize("utility", [known(0), 2.0 * known(0, scale="log_prob")])
def test_logic_refuses_utilities_and_names_the_way_out(operation, utility):
    with pytest.raises(ScaleError, match=r"potential\(scale='log_prob', reference=items\)"):
        operation(utility)


def test_logic_refuses_what_is_above_one_and_draws_that_do_not_pair():
    with pytest.raises(InputError, match="above 0"):
        negation(Known(dict.fromkeys("abcd", 0.1), scale="log_prob"))(ITEMS)
    with pytest.raises(InputError, match="cannot be paired"):
        conjunction(known(0, k=3, scale="log_prob"), known(1, k=4, scale="log_prob"))(ITEMS)


@pytest.mark.parametrize("weights", [[0.5], [0.5, 0.6], [1.0, 0.0], [0.5, math.nan]])
def test_mixture_weights_add_up_to_one(weights):
    with pytest.raises(UsageError, match="add up to 1"):
        mixture(weights, [known(0, scale="log_prob"), known(1, scale="log_prob")])


@pytest.mark.parametrize("at_least", [0.0, 1.5, math.nan])
def test_a_threshold_is_a_probability(at_least):
    with pytest.raises(UsageError):
        threshold(known(0, scale="log_prob"), at_least)


def test_logic_holds_under_the_policy_of_its_parts():
    under = Known({}, scale="log_prob", under="policy-1")
    assert conjunction(under, known(0, scale="log_prob")).under == "policy-1"
    with pytest.raises(UsageError, match="different policies"):
        disjunction(under, Known({}, scale="log_prob", under="policy-2"))


@pytest.mark.parametrize("error", [BudgetExceededError("no calls are left"), EndpointError("the server is gone")])
def test_a_rule_that_asks_somebody_passes_on_why_it_cannot(error: Exception) -> None:
    def asks(item: Item) -> float:
        raise error

    with pytest.raises(type(error)) as raised:
        Rule(asks, "asks")([Item.of("q", "a")])
    assert raised.value is error
