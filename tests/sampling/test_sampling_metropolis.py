"""Metropolis: moves leave the target exactly as it is, by the matrix of moves; the engine makes these moves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import constraint
from heedful.models import TableModel
from heedful.sampling import Metropolis, metropolis
from heedful.target import Target, enumerate_exact

from .language import BASE, CONTEXTS, Plain, frequencies, law, sampled_variation, total_variation, words

TARGET = Target(BASE, 1.5 * Plain())
LISTED = enumerate_exact(TARGET, CONTEXTS[0])
ITEMS, SCORE, BASE_PROBABILITY = LISTED.items, LISTED.scores.mean, np.exp(LISTED.base_log_prob)
TOKENS = BASE.encode(ITEMS)
CUTS = np.array([float(len(own)) for own in TOKENS])
DRAWS = 2500


class TestMetropolisKeepsTheContract(SamplingEngineContract):
    def make(self):
        return Metropolis(2, burn_in=3)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


class TestEditsKeepTheContract(TestMetropolisKeepsTheContract):
    def make(self):
        return Metropolis(2, burn_in=3, proposal="edit")


def run(engine, target=TARGET, context=CONTEXTS[0], repeats=DRAWS, seed=0, budget=None):
    return engine(target, [context] * repeats, budget=budget or Budget(), rng=np.random.default_rng(seed))


def proposals():
    """By kind: for each cut, the probability of each output from each, and the number of cuts of each."""
    n = len(ITEMS)
    alone = [np.broadcast_to(BASE_PROBABILITY, (n, n))]
    by_cut = []
    for k in range(BASE.max_tokens):
        begun = np.array([[len(own) > k and (own[:k] == other[:k]).all() for other in TOKENS] for own in TOKENS])
        begun &= k < CUTS
        joint = np.where(begun, BASE_PROBABILITY, 0.0)
        rest = joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
        by_cut.append(rest / CUTS[:, None])
    return {"independent": (alone, np.ones(n)), "edit": (by_cut, CUTS)}


def matrix(kind):
    """Probability of each output after one move from each, by enumeration."""
    total = np.zeros((len(ITEMS), len(ITEMS)))
    ways, cuts = proposals()[kind]
    for way in ways:
        chance = metropolis.log_acceptance(SCORE[:, None], SCORE[None], cuts[:, None], cuts[None])
        total += way * np.exp(chance)
    return total + np.diag(1 - total.sum(axis=1))


@pytest.mark.parametrize("kind", ["independent", "edit"])
def test_moves_leave_the_target_as_it_is(kind):
    moves = matrix(kind)
    assert (moves >= -1e-12).all()
    np.testing.assert_allclose(sum(way.sum(axis=1) for way in proposals()[kind][0]), 1.0)
    np.testing.assert_allclose(LISTED.probability @ moves, LISTED.probability, atol=1e-14)
    balance = LISTED.probability[:, None] * moves
    np.testing.assert_allclose(balance, balance.T, atol=1e-15)


@pytest.mark.parametrize("bug", ["cuts forgotten", "cuts upside down", "score at half its strength"])
def test_planted_bugs_are_noticed(bug, monkeypatch):
    right = metropolis.log_acceptance
    wrong = {
        "cuts forgotten": lambda s, t, c, d: right(s, t, np.ones_like(c), np.ones_like(d)),
        "cuts upside down": lambda s, t, c, d: right(s, t, d, c),
        "score at half its strength": lambda s, t, c, d: right(s / 2, t / 2, c, d),
    }[bug]
    monkeypatch.setattr(metropolis, "log_acceptance", wrong)
    after = LISTED.probability @ matrix("edit")
    assert np.abs(after - LISTED.probability).sum() / 2 > 0.01


@pytest.mark.parametrize("kind", ["independent", "edit"])
def test_the_engine_makes_these_moves(kind):
    """From a draw of the base, after two moves: its law by the matrix, and no other after one."""
    moves = matrix(kind)
    two = BASE_PROBABILITY @ moves @ moves
    true = dict(zip(ITEMS, two.tolist(), strict=True))
    found = run(Metropolis(burn_in=2, proposal=kind))
    assert total_variation(frequencies(found.items), true) < sampled_variation(true, DRAWS)
    ways, cuts = proposals()[kind]
    chance = np.exp(metropolis.log_acceptance(SCORE[:, None], SCORE[None], cuts[:, None], cuts[None]))
    share = (BASE_PROBABILITY + BASE_PROBABILITY @ moves) / 2 @ (sum(ways) * chance).sum(axis=1)
    assert found.moved.mean() == pytest.approx(share, abs=4 * math.sqrt(0.25 / DRAWS))
    if kind == "independent":
        assert found.kl[0].value > float(two @ np.log(two / BASE_PROBABILITY))
    else:
        assert found.kl is None


def test_an_edit_that_keeps_nothing_is_noticed(monkeypatch):
    """A planted bug: what stands before the cut is drawn anew."""
    monkeypatch.setattr(metropolis, "tokens_at", lambda outputs, place: np.full(len(outputs), -1))
    moves = matrix("edit")
    true = dict(zip(ITEMS, (BASE_PROBABILITY @ moves @ moves).tolist(), strict=True))
    found = run(Metropolis(burn_in=2, proposal="edit"))
    assert total_variation(frequencies(found.items), true) > 1.2 * sampled_variation(true, DRAWS)


def test_chains_come_to_the_target():
    for kind, moves, repeats in (("independent", 20, 1500), ("edit", 12, 800)):
        true = law(TARGET, CONTEXTS[1])
        far = np.linalg.matrix_power(matrix(kind), moves)
        assert np.abs(BASE_PROBABILITY @ far - LISTED.probability).sum() / 2 < 0.01
        found = run(Metropolis(burn_in=moves, proposal=kind), context=CONTEXTS[1], repeats=repeats)
        assert total_variation(frequencies(found.items), true) < sampled_variation(true, repeats)


@pytest.mark.parametrize("kind", ["independent", "edit"])
def test_burn_in_and_thinning_choose_among_the_same_moves(kind):
    contexts = [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]
    whole, part = (
        engine(TARGET, contexts, budget=Budget(), rng=np.random.default_rng(1))
        for engine in (Metropolis(9, 0, 1, kind), Metropolis(3, 2, 3, kind))
    )
    assert part.context_index.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    for context in range(3):
        own = whole.items[9 * context : 9 * context + 9]
        assert part.items[3 * context : 3 * context + 3] == (own[2], own[5], own[8])
    assert np.isnan(run(Metropolis(burn_in=0), repeats=1).moved).all()


def test_chains_leave_what_is_ruled_out():
    no_c = Target(BASE, 1.0 * Plain() + constraint(lambda item: "c" not in words(item), "no c"))
    for kind in ("independent", "edit"):
        found = run(Metropolis(burn_in=25, proposal=kind), no_c, repeats=50)
        assert not any("c" in words(item) for item in found.items)
        nothing = Target(BASE, constraint(lambda item: False, "nothing"))
        assert (run(Metropolis(burn_in=2, proposal=kind), nothing, repeats=3).log_weights == -np.inf).all()


def test_cost_is_known_and_capped():
    with pytest.raises(BudgetExceededError, match="samples"):
        run(Metropolis(burn_in=9), repeats=2, budget=Budget(samples=19))
    assert run(Metropolis(burn_in=9), repeats=2, budget=Budget(samples=20)).cost["samples"] == 20
    with pytest.raises(BudgetExceededError, match="tokens"):
        run(Metropolis(burn_in=9, proposal="edit"), repeats=2, budget=Budget(tokens=40))
    budget = Budget(tokens=41)
    cost = run(Metropolis(burn_in=9, proposal="edit"), repeats=2, budget=budget).cost
    assert 1 + 20 <= cost["tokens"] == budget.spent["tokens"] < 41
    # Only outputs are read: what follows the last token or the end is not, and the context but once.
    lone = run(Metropolis(burn_in=0, proposal="edit"), repeats=400)
    assert lone.cost["tokens"] == 1 + sum(min(len(words(item)), BASE.max_tokens - 1) for item in lone.items)


def test_wrong_use_is_said():
    for wrong in ({"n": 0}, {"burn_in": -1}, {"thin": 0}, {"proposal": "best"}):
        with pytest.raises(UsageError, match=r"moves apart|no proposal"):
            Metropolis(**wrong)
    with pytest.raises(UsageError, match="token by token"):
        run(Metropolis(proposal="edit"), Target(TableModel.of({"a": {"x": 1.0}}), 1.0 * Plain()))
