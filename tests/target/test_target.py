"""The target on bases that can be listed: closed-form identities, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core import InputError, Item, Scores, UsageError
from heedful.evidence import Constant, LogProb, Rule, constraint
from heedful.models import SequenceTable, TableModel
from heedful.target import Target, enumerate_exact, support

CONTEXT = Item.of("q").context
OUTPUTS = "abcde"
SCORE = dict(zip(OUTPUTS, [0.3, -1.2, 2.0, 0.0, 0.7], strict=True))
BASE_PROBABILITY = np.array([0.4, 0.3, 0.05, 0.15, 0.1])
BASE = TableModel.of({"q": dict(zip(OUTPUTS, BASE_PROBABILITY.tolist(), strict=True))})
HELPFUL = Rule(lambda item: SCORE[item.output[0].text], "helpful")
SCORES = np.array(list(SCORE.values()))


class _Unlisted:
    def sample(self, context, n, *, rng):
        return BASE.sample(context, n, rng=rng)

    def log_prob(self, items):
        return BASE.log_prob(items)


@given(st.floats(-4, 4))
def test_the_target_and_its_numbers_are_their_definitions(strength):
    weight = BASE_PROBABILITY * np.exp(strength * SCORES)
    normalizer = weight.sum()
    law = weight / normalizer
    listed = enumerate_exact(Target(BASE, strength * HELPFUL), CONTEXT)
    np.testing.assert_allclose(listed.probability, law, rtol=1e-12)
    np.testing.assert_allclose(listed.log_normalizer, math.log(normalizer), atol=1e-12)
    np.testing.assert_allclose(listed.kl, (law * np.log(law / BASE_PROBABILITY)).sum(), atol=1e-12)
    np.testing.assert_allclose(listed.expected, strength * law @ SCORES, atol=1e-12)
    np.testing.assert_allclose(listed.kl, listed.expected - listed.log_normalizer, atol=1e-12)
    np.testing.assert_allclose(listed.expectation(SCORES**2), law @ SCORES**2, rtol=1e-12)


def test_the_target_maximises_reward_less_divergence():
    strength = 1.7
    listed = enumerate_exact(Target(BASE, strength * HELPFUL), CONTEXT)
    rng = np.random.default_rng(0)
    for concentration in (0.1, 1.0, 10.0):
        policies = rng.dirichlet(np.full(5, concentration), size=200)
        with np.errstate(divide="ignore", invalid="ignore"):
            divergence = np.nansum(policies * np.log(policies / BASE_PROBABILITY), axis=1)
        assert (strength * policies @ SCORES - divergence <= listed.log_normalizer + 1e-12).all()
    near = listed.probability * np.exp(1e-3 * rng.normal(size=5))
    near /= near.sum()
    gap = listed.log_normalizer - (strength * near @ SCORES - (near * np.log(near / BASE_PROBABILITY)).sum())
    assert 0 < gap < 1e-5


def test_the_slope_of_the_log_normalizer_is_the_expected_potential():
    def at(strength):
        return enumerate_exact(Target(BASE, strength * HELPFUL), CONTEXT)

    step = 1e-5
    slope = (at(1.5 + step).log_normalizer - at(1.5 - step).log_normalizer) / (2 * step)
    assert slope == pytest.approx(at(1.5).expectation(SCORES), abs=1e-8)


def test_adding_strengths_is_tilting_twice():
    once = enumerate_exact(Target(BASE, 0.7 * HELPFUL), CONTEXT)
    middle = TableModel({CONTEXT: (once.items, once.log_prob)})
    twice = enumerate_exact(Target(middle, 0.5 * HELPFUL), CONTEXT)
    np.testing.assert_allclose(twice.log_prob, enumerate_exact(Target(BASE, 1.2 * HELPFUL), CONTEXT).log_prob)


def test_what_depends_on_the_context_alone_changes_nothing():
    plain = enumerate_exact(Target(BASE, 1.0 * HELPFUL), CONTEXT)
    shifted = enumerate_exact(Target(BASE, HELPFUL + Constant(1000.0)), CONTEXT)
    np.testing.assert_allclose(shifted.log_prob, plain.log_prob, atol=1e-10)
    assert shifted.log_normalizer == pytest.approx(plain.log_normalizer + 1000)
    assert shifted.kl == pytest.approx(plain.kl, abs=1e-10)


def test_a_constraint_conditions_the_base():
    listed = enumerate_exact(Target(BASE, constraint(lambda i: i.output[0].text in "ab", "a or b")), CONTEXT)
    np.testing.assert_allclose(listed.probability, [4 / 7, 3 / 7, 0, 0, 0])
    assert listed.kl == pytest.approx(-math.log(0.7))
    assert listed.log_normalizer == pytest.approx(math.log(0.7))
    assert listed.expectation(listed.scores.mean) == 0.0


def test_a_product_of_experts_over_a_language():
    language = SequenceTable({(): {"x": 0.5, "y": 0.3, "": 0.2}, ("x",): {"y": 0.6, "": 0.4}}, max_tokens=3)
    listed = enumerate_exact(Target(language, 2.0 * LogProb(language)), ())
    base = np.exp(language.log_prob(language.support(())))
    np.testing.assert_allclose(listed.probability, base**3 / (base**3).sum(), rtol=1e-12)


def test_log_weight_is_the_expression():
    target = Target(_Unlisted(), 2.0 * HELPFUL)
    np.testing.assert_allclose(target.log_weight(BASE.support(CONTEXT)), 2 * SCORES)


class _Given:
    scale, under = "utility", None

    def __init__(self, value):
        self.value = value

    def __call__(self, items):
        return Scores(np.array([0.0, self.value, *[0.0] * (len(items) - 2)]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_no_numbers_are_refused_with_the_item(value):
    items = BASE.support(CONTEXT)
    with pytest.raises(InputError, match="1 of 5 items") as error:
        Target(BASE, _Given(value)).log_weight(items)
    assert items[1].key in str(error.value)


def test_a_target_with_nothing_left_is_refused():
    with pytest.raises(InputError, match="all 5 outputs"):
        enumerate_exact(Target(BASE, constraint(lambda item: False, "nothing")), CONTEXT)


def test_a_base_that_cannot_be_listed_is_refused():
    for function in (enumerate_exact, support):
        with pytest.raises(UsageError, match="_Unlisted cannot be listed"):
            function(Target(_Unlisted(), HELPFUL), CONTEXT)


def test_a_target_is_made_of_a_base_and_a_potential():
    with pytest.raises(UsageError, match="a base has"):
        Target(object(), HELPFUL)
    with pytest.raises(UsageError, match="float is not a potential"):
        Target(BASE, 2.0)
