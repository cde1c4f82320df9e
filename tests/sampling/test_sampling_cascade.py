"""Cascades against the best of all rules, found by working backwards, on models whose scores are tables."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from scipy.stats import norm

from heedful.core import Budget, BudgetExceededError, InputError, Item, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Rule
from heedful.models import TableModel
from heedful.sampling import BestOfN, Cascade, KnownScores, NormalScores, PairedScores, Stage
from heedful.target import Target

READ = Rule(lambda item: float(item.output[0].text), "read")
CONTEXT = Item.of("q").context
# Scores and their probabilities; the base costs nothing, and is asked first.
TABLES = ({0.0: 0.5, 1.0: 0.4, 3.0: 0.1}, {0.5: 0.5, 2.0: 0.5}, {-1.0: 0.4, 4.0: 0.6})
PRICES = (0.0, 0.3, 1.2)
RUNS = 3000


def model(table):
    return TableModel.of({"q": {repr(score): p for score, p in table.items()}})


def law(table):
    return KnownScores.of(list(table), list(table.values()))


TARGET = Target(model(TABLES[0]), READ)


def cascade(order=(1, 2)):
    return Cascade(tuple(Stage(model(TABLES[place]), PRICES[place], law(TABLES[place])) for place in order))


class TestCascadeKeepsTheContract(SamplingEngineContract):
    def make(self):
        return cascade()

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXT] * 3


@functools.cache
def best_rule(best: float, left: frozenset[int]) -> float:
    """The most that any rule makes of what is left, in any order, with the best score so far."""
    return max(
        [best]
        + [
            sum(p * best_rule(max(best, score), left - {place}) for score, p in TABLES[place].items()) - PRICES[place]
            for place in left
        ]
    )


def net_of(order):
    """E[score − prices] of a cascade in this order, over all that the models may answer."""
    laws, net = {place: law(TABLES[place]) for place in order}, 0.0
    for drawn in itertools.product(*(TABLES[place].items() for place in (0, *order))):
        best, paid = drawn[0][0], 0.0
        for place, (score, _) in zip(order, drawn[1:], strict=True):
            if laws[place].improvement(np.array([[best]]))[0] <= PRICES[place]:
                break
            best, paid = max(best, score), paid + PRICES[place]
        net += math.prod(p for _, p in drawn) * (best - paid)
    return net


def run(engine, target=TARGET, contexts=(CONTEXT,) * RUNS, budget=None, seed=0):
    return engine(target, list(contexts), budget=budget or Budget(), rng=np.random.default_rng(seed))


def test_in_the_order_of_reservation_values_no_rule_does_better():
    bar = {place: law(TABLES[place]).reservation(PRICES[place]) for place in (1, 2)}
    order = tuple(sorted(bar, key=lambda place: -bar[place]))
    truth = sum(p * best_rule(score, frozenset({1, 2})) for score, p in TABLES[0].items())
    assert net_of(order) == pytest.approx(truth)
    assert net_of(order[::-1]) < truth - 0.05
    # Weitzman's identity: each model counts up to its reservation value.
    capped = sum(
        math.prod(p for _, p in drawn) * max(drawn[0][0], *(min(drawn[place][0], bar[place]) for place in (1, 2)))
        for drawn in itertools.product(*(table.items() for table in TABLES))
    )
    assert capped == pytest.approx(truth)
    found = run(cascade(order))
    paid = sum(n * PRICES[place] for n, place in zip(found.asked[1:], order, strict=True)) / RUNS
    assert found.scores.mean.mean() - paid == pytest.approx(truth, abs=4 * 2.0 / math.sqrt(RUNS))
    assert found.asked[0] == RUNS
    assert found.turned_away == (0, 0, 0)
    assert found.cost["samples"] == sum(found.asked)
    assert found.kl is None


def test_answering_without_the_dear_model_is_noticed():
    """A planted bug: a law that expects nothing."""
    nothing = KnownScores.of([-10.0])
    blind = Cascade(tuple(Stage(stage.base, stage.price, nothing) for stage in cascade((2, 1)).stages))
    found = run(blind)
    truth = sum(p * best_rule(score, frozenset({1, 2})) for score, p in TABLES[0].items())
    assert found.asked == (RUNS, 0, 0)
    assert found.scores.mean.mean() < truth - 4 * 2.0 / math.sqrt(RUNS)


def test_pairs_tell_what_is_added_to_a_score():
    """Of normal pairs: a closed form, by the conditional normal law."""
    rng = np.random.default_rng(0)
    before = rng.normal(1.0, 2.0, size=20_000)
    after = 0.5 + 0.8 * before + rng.normal(0.0, 1.5, size=20_000)
    score = np.array([[-3.0], [1.0], [6.0], [-np.inf]])
    ahead = 0.5 + 0.8 * score[:3, 0] - score[:3, 0]
    truth = ahead * norm.cdf(ahead / 1.5) + 1.5 * norm.pdf(ahead / 1.5)
    gain = PairedScores(before, after).improvement(score)
    np.testing.assert_allclose(gain[:3], truth, atol=0.05)
    assert gain[3] == np.inf
    # The best so far counts, not the last.
    assert PairedScores(before, after).improvement(np.array([[9.0, -3.0]]))[0] < 1e-3 < gain[0]
    # Few pairs: on average the residuals are as wide as the noise.
    few = [PairedScores(b, 2 * b + rng.normal(size=5))._residual for b in rng.normal(size=(4000, 5))]
    assert np.mean(np.square(few)) == pytest.approx(1.0, abs=0.05)


def test_a_short_budget_goes_where_it_adds_most():
    engine = Cascade((Stage(model(TABLES[2]), 0.0, law(TABLES[2]), unit="dear"),))
    budget = Budget(samples=50, dear=10)
    found = run(engine, contexts=[CONTEXT] * 40, budget=budget, seed=1)
    assert found.asked == (40, 10)
    assert found.turned_away == (0, 30)
    assert found.cost == {"samples": 50.0, "dear": 10.0, "scores": found.cost["scores"]}
    assert budget.spent["dear"] == 10
    lone = run(BestOfN(1), contexts=[CONTEXT] * 40, seed=1)
    worst = np.sort(lone.scores.mean)[:10]
    changed = found.scores.mean != lone.scores.mean
    assert 0 < changed.sum() <= 10
    assert (lone.scores.mean[changed] <= worst.max()).all()
    with pytest.raises(BudgetExceededError, match="samples"):
        run(engine, contexts=[CONTEXT] * 3, budget=Budget(samples=2))


def test_wrong_use_is_said():
    with pytest.raises(UsageError, match="no dearer models"):
        Cascade(())
    with pytest.raises(UsageError, match="pessimism"):
        Cascade(cascade().stages, pessimism=-1.0)
    with pytest.raises(UsageError, match="price"):
        Stage(TARGET.base, -0.1, NormalScores())
    for before, after in (
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.0, np.inf]),
    ):
        with pytest.raises(InputError, match="PairedScores"):
            PairedScores(np.array(before), np.array(after))
