"""Weighted sums of potentials: exact, draw by draw, and refused where they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.common import ITEMS, Bare, Known, known
from heedful.core import InputError, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import Constant, Expression, pessimistic, term


class TestExpressionKeepsTheContract(PotentialContract):
    def make(self):
        return 2.0 * known(0) - 0.5 * known(1) + Constant(1.5)

    def items(self):
        return ITEMS


class TestLogProbExpressionKeepsTheContract(PotentialContract):
    def make(self):
        return known(0, scale="log_prob") + known(1, scale="log_prob")

    def items(self):
        return ITEMS


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=5))
def test_a_sum_is_the_weighted_sum_of_means_and_of_each_draw(strengths):
    parts = [known(seed) for seed in range(len(strengths))]
    scores = sum(strength * part for strength, part in zip(strengths, parts, strict=True))(ITEMS)
    each = [part(ITEMS) for part in parts]
    np.testing.assert_allclose(
        scores.mean, sum(s * one.mean for s, one in zip(strengths, each, strict=True)), atol=1e-12
    )
    if any(strengths):
        np.testing.assert_allclose(
            scores.draws, sum(s * one.draws for s, one in zip(strengths, each, strict=True)), atol=1e-12
        )


def test_variance_of_perfectly_correlated_draws_adds_in_standard_deviations():
    helpful = known(0)
    again = Known(helpful.mean, helpful.draws)  # another potential with the same posterior samples
    spread = helpful(ITEMS).draws.std(axis=0)
    np.testing.assert_allclose((2.0 * helpful + 3.0 * again)(ITEMS).draws.std(axis=0), 5 * spread, rtol=1e-12)
    np.testing.assert_allclose((2.0 * helpful - 2.0 * again)(ITEMS).draws, 0.0, atol=1e-12)


def test_variance_of_a_sum_has_the_covariance_of_its_parts():
    one, other = known(0), known(1)
    a, b = one(ITEMS).draws, other(ITEMS).draws
    crossed = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    np.testing.assert_allclose(
        (one + 0.5 * other)(ITEMS).draws.var(axis=0), a.var(0) + 0.25 * b.var(0) + crossed, rtol=1e-12
    )


def test_a_term_without_draws_adds_its_mean_to_every_draw():
    certain, helpful = known(1, k=None), known(0)
    scores = (helpful + 2.0 * certain)(ITEMS)
    np.testing.assert_allclose(scores.draws, helpful(ITEMS).draws + 2 * certain(ITEMS).mean)
    assert (1.0 * certain)(ITEMS).draws is None


def test_draws_that_cannot_be_paired_are_refused():
    with pytest.raises(InputError, match=r"\[10, 40\]"):
        (known(0, k=10) + known(1, k=40))(ITEMS)


@pytest.mark.parametrize("strength", [2, 2.0, np.float64(2), np.int64(2)])
def test_numbers_of_numpy_are_strengths_on_either_side(strength):
    helpful = known(0)
    for expression in (strength * helpful, helpful * strength, helpful / (1 / strength)):
        assert isinstance(expression, Expression)
        assert [t.strength for t in expression.terms] == [2.0]


def test_expressions_nest_and_distribute():
    one, other = known(0), known(1)
    nested = 2.0 * (one - 0.5 * (other - one))
    assert [(t.strength, t.potential) for t in nested.terms] == [(3.0, one), (-1.0, other)]


def test_a_potential_named_twice_is_evaluated_once():
    helpful = known(0)
    (helpful + 0.5 * known(1) + 2.0 * helpful)(ITEMS)
    assert helpful.calls == 1


def test_any_potential_enters_through_term_or_the_other_side():
    bare, helpful = Bare(), known(0)
    expected = 0.5 * bare(ITEMS).mean + helpful(ITEMS).mean
    np.testing.assert_allclose((term(bare, 0.5) + helpful)(ITEMS).mean, expected)
    np.testing.assert_allclose((helpful + 0.5 * term(bare))(ITEMS).mean, expected)
    np.testing.assert_allclose((bare - helpful)(ITEMS).mean, bare(ITEMS).mean - helpful(ITEMS).mean)


def test_what_is_no_potential_is_refused_with_the_way_out():
    class Fitted:
        def potential(self):
            return known(0)

    with pytest.raises(UsageError, match=r"call its \.potential\(\)"):
        term(Fitted())
    with pytest.raises(UsageError, match="not a potential"):
        term(3.0)
    with pytest.raises(TypeError):
        known(0) + 3.0
    with pytest.raises(UsageError, match="finite"):
        float("nan") * known(0)


def test_strength_zero_switches_a_term_off_even_where_it_rules_out():
    forbidden = Known({"a": -np.inf, "b": 0.0, "c": 0.0, "d": 0.0}, scale="log_prob")
    helpful = known(0)
    np.testing.assert_allclose((helpful + 0.0 * forbidden)(ITEMS).mean, helpful(ITEMS).mean)
    assert forbidden.calls == 0
    assert (helpful + forbidden)(ITEMS).mean[0] == -np.inf


def test_a_negative_strength_on_a_ruled_out_item_is_refused():
    forbidden = Known({"a": -np.inf, "b": 0.0, "c": 0.0, "d": 0.0}, scale="log_prob")
    with pytest.raises(InputError, match="negation"):
        (-1.0 * forbidden)(ITEMS)


def test_the_scale_of_a_sum_is_log_prob_only_for_a_conjunction():
    log_prob, utility = known(0, scale="log_prob"), known(1)
    assert (log_prob + known(2, scale="log_prob")).scale == "log_prob"
    assert (log_prob + utility).scale == "utility"
    assert (2.0 * log_prob).scale == "utility"
    assert (-log_prob).scale == "utility"


def test_potentials_of_different_policies_do_not_add():
    first, second = Known({}, under="policy-1"), Known({}, under="policy-2")
    assert (first + known(0)).under == "policy-1"
    with pytest.raises(UsageError, match="policy-1, policy-2"):
        first + second


def test_disagreement_between_people_is_kept_for_one_term_and_unknown_for_two():
    spread = {"a": 1.0, "b": 2.0, "c": 0.0, "d": 1.0}
    mean = dict.fromkeys("abcd", 0.0)
    one, other = Known(mean, aleatoric=spread), Known(mean, aleatoric=spread)
    np.testing.assert_allclose((-3.0 * one + known(0))(ITEMS).aleatoric, [3.0, 6.0, 0.0, 3.0])
    assert (one + other)(ITEMS).aleatoric is None


def test_pessimism_takes_the_spread_of_the_whole_expression():
    one, other = known(0), known(1)
    whole = 2.0 * one - other
    scores = whole(ITEMS)
    lowered = pessimistic(whole, 1.5)(ITEMS)
    np.testing.assert_allclose(lowered.mean, scores.mean - 1.5 * scores.draws.std(axis=0), rtol=1e-12)
    assert lowered.draws is None
    np.testing.assert_array_equal(pessimistic(whole, 0.0)(ITEMS).mean, scores.mean)
    np.testing.assert_array_equal(pessimistic(known(0, k=None), 2.0)(ITEMS).mean, known(0, k=None)(ITEMS).mean)


def test_pessimism_rules_out_what_only_some_draws_rule_out():
    draws = {"a": [-np.inf, 0.0], "b": [-1.0, -3.0], "c": [-np.inf, -np.inf], "d": [0.0, 0.0]}
    mean = {"a": -1.0, "b": -2.0, "c": -np.inf, "d": 0.0}
    scores = pessimistic(Known(mean, draws, scale="log_prob"), 1.0)(ITEMS)
    np.testing.assert_array_equal(scores.mean, [-np.inf, -3.0, -np.inf, 0.0])


@pytest.mark.parametrize("k", [-1.0, float("nan"), float("inf")])
def test_pessimism_is_a_number_of_standard_deviations(k):
    with pytest.raises(UsageError, match="pessimism"):
        pessimistic(known(0), k)
