"""Engines are what they declare: tested against laws worked out by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, Item, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Constant, Rule, constraint, pessimistic
from heedful.models import TableModel
from heedful.sampling import BestOfN, best_of_n_kl_bound, best_of_n_law, exact
from heedful.target import Target, enumerate_exact
from sampling.common import (
    BASE,
    CONTEXTS,
    OUTPUTS,
    PROBABILITY,
    UTILITY,
    Uncertain,
    brute_force_law,
    chi_square_p,
    divergence,
    helpful,
    target,
)

DRAWS = 20_000
PLENTY = {"samples": math.inf}


class _Engine(SamplingEngineContract):
    def target(self):
        return target()

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


class TestExactKeepsTheContract(_Engine):
    def make(self):
        return exact


class TestBestOfNKeepsTheContract(_Engine):
    def make(self):
        return BestOfN(8)


class TestSoftBestOfNKeepsTheContract(_Engine):
    def make(self):
        return BestOfN(8, soft=True)


def run(engine, *, of=None, contexts=None, seed=0, budget=None):
    contexts = [CONTEXTS[0]] * DRAWS if contexts is None else contexts
    return engine(of or target(), contexts, budget=budget or Budget(**PLENTY), rng=np.random.default_rng(seed))


def total_variation(items, law):
    count = np.bincount([OUTPUTS.index(item.output[0].text) for item in items], minlength=len(OUTPUTS))
    return np.abs(count / count.sum() - law).sum() / 2


def test_exact_draws_follow_the_enumerated_target_in_each_context():
    out = run(exact, contexts=[CONTEXTS[row % 2] for row in range(2 * DRAWS)])
    assert exact.honesty == "exact"
    for number, context in enumerate(CONTEXTS):
        listed = enumerate_exact(target(), context)
        drawn = [item for item, row in zip(out.items, out.context_index, strict=True) if row % 2 == number]
        assert all(item.context == context for item in drawn)
        assert chi_square_p(drawn, listed.probability) > 1e-3
        assert {estimate.value for estimate in out.kl[number::2]} == {listed.kl}
        assert set(out.log_normalizer[number::2]) == {listed.log_normalizer}
    # The base itself would be told apart, so the test above can fail.
    drawn = [item for item in out.items if item.context == CONTEXTS[0]]
    assert chi_square_p(drawn, PROBABILITY) < 1e-6


def test_exact_scores_are_those_of_its_items():
    out = run(exact, contexts=[*CONTEXTS, CONTEXTS[0]])
    np.testing.assert_allclose(out.scores.mean, target().log_weight(out.items))


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("utility", [UTILITY, np.arange(6.0), np.zeros(6), np.array([0, 0, 1, 1, 1, -np.inf])])
def test_the_closed_form_of_best_of_n_is_what_summing_over_all_draws_gives(n, utility):
    law = best_of_n_law(target(utility=utility), CONTEXTS[0], n)
    truth = brute_force_law(utility, PROBABILITY, n, soft=False)
    np.testing.assert_allclose(np.exp(law.log_prob), truth, rtol=1e-11)
    assert law.kl == pytest.approx(divergence(truth), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5])
def test_best_of_n_follows_its_closed_form(n):
    law = np.exp(best_of_n_law(target(), CONTEXTS[0], n).log_prob)
    assert BestOfN(n).honesty == "maximiser"
    assert chi_square_p(run(BestOfN(n)).items, law) > 1e-3
    assert chi_square_p(run(BestOfN(n + 1)).items, law) < 1e-6


def test_the_closed_form_stands_for_many_draws():
    law = best_of_n_law(target(), CONTEXTS[0], 10**6)
    assert np.exp(law.log_prob[4]) == pytest.approx(1.0)
    assert law.kl == pytest.approx(-math.log(0.07))
    rare = best_of_n_law(target(), CONTEXTS[0], 400).log_prob[5]
    assert rare == pytest.approx(400 * math.log(0.03), rel=1e-9)  # the worst is kept only if drawn every time


@pytest.mark.parametrize("soft", [False, True])
def test_no_choice_of_one_draw_goes_further_from_the_base_than_the_bound(soft):
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 4):
        for concentration in (0.2, 1.0, 5.0):
            probability = rng.dirichlet(np.full(5, concentration))
            law = brute_force_law(rng.normal(size=5) * 3, probability, n, soft=soft)
            assert divergence(law, probability) <= best_of_n_kl_bound(n) + 1e-12


def test_the_bound_is_met_where_nothing_ties():
    many = [str(number) for number in range(4000)]
    base = TableModel.of({"q": dict.fromkeys(many, 1 / 4000)})
    score = {Item.of("q", name).output: float(number) for number, name in enumerate(many)}
    fine = Target(base, Rule(lambda item: score[item.output], "order"))
    for n in (2, 8, 32):
        kl = best_of_n_law(fine, CONTEXTS[0], n).kl
        assert best_of_n_kl_bound(n) - 0.005 < kl <= best_of_n_kl_bound(n)


def test_engines_state_the_bound():
    for engine in (BestOfN(8), BestOfN(8, soft=True)):
        (bound,) = run(engine, contexts=CONTEXTS[:1]).kl
        assert (bound.side, bound.value) == ("upper", pytest.approx(math.log(8) - 7 / 8))


def test_soft_best_of_n_follows_its_own_law():
    engine = BestOfN(3, soft=True)
    assert engine.honesty == "consistent"
    law = brute_force_law(1.5 * UTILITY, PROBABILITY, 3, soft=True)
    assert chi_square_p(run(engine).items, law) > 1e-3
    assert chi_square_p(run(engine).items, enumerate_exact(target(), CONTEXTS[0]).probability) < 1e-6


def test_soft_best_of_n_tends_to_the_target():
    truth = enumerate_exact(target(), CONTEXTS[0]).probability
    laws = [brute_force_law(1.5 * UTILITY, PROBABILITY, n, soft=True) for n in (1, 2, 3, 4, 5)]
    distance = [np.abs(law - truth).sum() / 2 for law in laws]
    assert all(later < 0.9 * sooner for sooner, later in itertools.pairwise(distance))
    contexts = [CONTEXTS[0]] * 1500
    assert chi_square_p(run(BestOfN(128, soft=True), contexts=contexts).items, truth) > 1e-3
    # The hard one goes elsewhere, however many it draws.
    assert total_variation(run(BestOfN(128), contexts=contexts).items, truth) > 0.4


def test_ties_are_broken_by_the_base_not_by_position():
    out = run(BestOfN(4), of=Target(BASE, Constant(0.0)))
    assert chi_square_p(out.items, PROBABILITY) > 1e-3


def test_the_score_kept_is_the_greatest_drawn():
    class Recording:
        drawn = ()

        def sample(self, context, n, *, rng):
            self.drawn = BASE.sample(context, n, rng=rng)
            return self.drawn

        def log_prob(self, items):
            return BASE.log_prob(items)

    for seed in range(20):
        base = Recording()
        tilted = Target(base, helpful())
        out = run(BestOfN(3), of=tilted, contexts=CONTEXTS[:1], seed=seed)
        assert out.scores.mean[0] == tilted.log_weight(base.drawn).max()
        assert out.items[0] in base.drawn


def test_posterior_draws_travel_with_the_items_kept():
    draws = np.random.default_rng(0).normal(size=(30, 6)) + UTILITY
    out = run(BestOfN(3), of=Target(BASE, 2.0 * Uncertain(draws)), contexts=[CONTEXTS[0]] * 50)
    rows = [OUTPUTS.index(item.output[0].text) for item in out.items]
    np.testing.assert_allclose(out.scores.draws, 2 * draws[:, rows])


def test_pessimism_is_best_of_n_by_the_lowered_score():
    draws = np.random.default_rng(1).normal(size=(30, 6)) * np.array([3, 0.1, 0.1, 2, 0.1, 0.1]) + UTILITY
    tilted = Target(BASE, Uncertain(draws))
    lowered = Target(BASE, pessimistic(Uncertain(draws), 2.0))
    law = best_of_n_law(tilted, CONTEXTS[0], 3, pessimism=2.0)
    np.testing.assert_allclose(law.log_prob, best_of_n_law(lowered, CONTEXTS[0], 3).log_prob)
    assert chi_square_p(run(BestOfN(3, pessimism=2.0), of=tilted).items, np.exp(law.log_prob)) > 1e-3
    assert np.abs(law.log_prob - best_of_n_law(tilted, CONTEXTS[0], 3).log_prob).max() > 0.1


def test_soft_draws_with_nothing_left_weigh_nothing():
    tilted = Target(BASE, constraint(lambda item: item.output[0].text == "f", "only f"))
    out = run(BestOfN(4, soft=True), of=tilted, contexts=[CONTEXTS[0]] * 500)
    is_f = np.array([item.output[0].text == "f" for item in out.items])
    np.testing.assert_array_equal(np.isneginf(out.log_weights), ~is_f)
    assert 0.5 * 500 < (~is_f).sum() < 500  # (1 − 0.03)⁴ = 0.885 of them
    hard = run(BestOfN(4), of=tilted, contexts=[CONTEXTS[0]] * 500)
    assert (hard.log_weights == 0).all()


class _Counting:
    def __init__(self):
        self.samples = 0

    def sample(self, context, n, *, rng):
        self.samples += n
        return BASE.sample(context, n, rng=rng)

    def log_prob(self, items):
        return BASE.log_prob(items)

    def support(self, context):
        return BASE.support(context)


@pytest.mark.parametrize("engine", [BestOfN(4), BestOfN(4, soft=True)])
def test_the_budget_is_reserved_before_anything_is_drawn(engine):
    base, budget = _Counting(), Budget(samples=11)
    with pytest.raises(BudgetExceededError, match="12 samples needed, 11"):
        run(engine, of=Target(base, helpful()), contexts=[CONTEXTS[0]] * 3, budget=budget)
    assert base.samples == 0
    assert budget.spent["samples"] == 0
    budget = Budget(samples=12)
    out = run(engine, of=Target(base, helpful()), contexts=[CONTEXTS[0]] * 3, budget=budget)
    assert base.samples == out.cost["samples"] == budget.spent["samples"] == 12


def test_scores_are_budgeted_too():
    with pytest.raises(BudgetExceededError, match="scores"):
        run(BestOfN(4), contexts=CONTEXTS[:1], budget=Budget(scores=3))
    with pytest.raises(BudgetExceededError, match="6 scores needed"):
        run(exact, contexts=CONTEXTS[:1], budget=Budget(scores=5))
    assert run(exact, contexts=[CONTEXTS[0]] * 9).cost == {"samples": 9, "scores": 6}


def test_a_base_that_gives_too_few_samples_is_named():
    class Short(_Counting):
        def sample(self, context, n, *, rng):
            return BASE.sample(context, n - 1, rng=rng)

    with pytest.raises(InputError, match="gave 3 samples, not the 4"):
        run(BestOfN(4), of=Target(Short(), helpful()), contexts=CONTEXTS[:1])


def test_wrong_use_is_refused():
    with pytest.raises(UsageError, match="n must be"):
        BestOfN(0)
    with pytest.raises(UsageError, match="pessimism"):
        BestOfN(2, pessimism=-1.0)
    with pytest.raises(UsageError, match="another target"):
        BestOfN(2, pessimism=1.0, soft=True)
    for engine in (exact, BestOfN(2)):
        with pytest.raises(UsageError, match="no contexts"):
            run(engine, contexts=[])


def test_a_refused_best_of_n_leaves_the_budget_as_it_was():
    budget = Budget(samples=3, scores=100)
    with pytest.raises(BudgetExceededError, match="samples"):
        run(BestOfN(4), contexts=CONTEXTS[:1], budget=budget)
    assert budget.left("scores") == 100
    assert budget.left("samples") == 3
