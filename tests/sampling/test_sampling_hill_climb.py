"""Hill climbing: its law after one change by enumeration, optima, levels, and what it costs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chi2

from heedful.core import Budget, BudgetExceededError, Item, Part, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import PrefixValue, Rule
from heedful.models import StepModel
from heedful.sampling import HillClimb
from heedful.target import Target

CONTEXTS = (Item.of("q").context, Item.of("r").context)
SHARE = {"a": 0.5, "b": 0.3, "c": 0.2}
GAIN = np.array([[0.0, 0.4, 0.1], [0.3, 0.0, 0.2], [0.0, 0.1, 0.9]])


def text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def two_letters(context, steps):
    """After c nothing but c is written."""
    if len(steps) == 2:
        return (), ()
    if steps == (Part("c"),):
        return (Part("c"),), (1.0,)
    return tuple(map(Part, SHARE)), tuple(SHARE.values())


def score(item: Item) -> float:
    places = ["abc".index(letter) for letter in text(item)]
    return float(GAIN[*places]) if len(places) == 2 else [0.5, 0.2, 0.1][places[0]] if places else 0.0


BASE = StepModel(two_letters)
TARGET = Target(BASE, PrefixValue(Rule(score, "gain"), "twist"))


class TestHillClimb(SamplingEngineContract):
    def make(self):
        return HillClimb(4, (1, 2))

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


def after_one_change(law: dict[str, float]) -> Counter[str]:
    found: Counter[str] = Counter()
    for old, p in law.items():
        for place in range(2):
            steps = tuple(map(Part, old[:place]))
            for part, share in zip(*two_letters(None, steps), strict=True):
                new = old[:place] + part.text + old[place + 1 :]
                ended = Item(CONTEXTS[0], tuple(map(Part, new)))
                kept = BASE.log_prob([ended])[0] > -np.inf and score(ended) >= GAIN[*map("abc".index, old)]
                found[new if kept else old] += p * share / 2
    return found


@pytest.mark.parametrize("rounds", [1, 3])
def test_its_law_is_that_of_changes_one_by_one(rounds: int) -> None:
    n, items = 8000, BASE.support(CONTEXTS[0])
    law: dict[str, float] = dict(zip(map(text, items), np.exp(BASE.log_prob(items)), strict=True))
    for _ in range(rounds):
        law = after_one_change(law)
    out = HillClimb(rounds)(TARGET, CONTEXTS[:1] * n, budget=Budget(), rng=np.random.default_rng(rounds))
    counts = Counter(map(text, out.items))
    assert counts.keys() <= {own for own, p in law.items() if p > 0}
    pairs = [(counts[own], n * p) for own, p in law.items() if p > 0]
    assert chi2.sf(sum((seen - told) ** 2 / told for seen, told in pairs), len(pairs) - 1) > 1e-3


def test_it_ends_where_no_change_of_one_part_is_better_and_levels_go_by_prefixes() -> None:
    """Of the whole, ab (0.4), ba (0.3) and cc (0.9) are such; by levels a is best alone, and then ab."""
    rng = np.random.default_rng(0)
    whole = HillClimb(60)(TARGET, CONTEXTS[:1] * 200, budget=Budget(), rng=rng)
    assert set(map(text, whole.items)) == {"ab", "ba", "cc"}
    by_level = HillClimb(60, (1, 2))(TARGET, CONTEXTS[:1] * 200, budget=Budget(), rng=rng)
    assert set(map(text, by_level.items)) == {"ab"}
    begun = HillClimb(60, (1,))(TARGET, CONTEXTS[:1] * 2000, budget=Budget(), rng=rng)
    assert {own[0] for own in map(text, begun.items)} == {"a"}
    second = Counter(own[1] for own in map(text, begun.items))  # written unlooked at
    assert all(abs(second[letter] - 2000 * p) < 5 * np.sqrt(2000 * p) for letter, p in SHARE.items())


def test_scores_are_paid_for_and_those_of_impossible_changes_given_back() -> None:
    engine = HillClimb(5, (1, 2))
    assert engine.plan(BASE, CONTEXTS) == {"samples": 2.0, "scores": 26.0}
    budget = Budget(scores=26)
    out = engine(TARGET, CONTEXTS, budget=budget, rng=np.random.default_rng(0))
    assert out.cost["scores"] == budget.spent["scores"] == 26.0
    many = HillClimb(20)(TARGET, CONTEXTS, budget=Budget(), rng=np.random.default_rng(1))
    assert many.cost["scores"] < 42.0  # changes of the first letter to c, which would leave a or b after it
    with pytest.raises(BudgetExceededError, match="scores"):
        engine(TARGET, CONTEXTS, budget=Budget(scores=23), rng=np.random.default_rng(0))


def test_faults_are_refused() -> None:
    for rounds, levels in ((0, ()), (1, (2, 1)), (1, (0, 1)), (1, (1, 1))):
        with pytest.raises(UsageError, match="rounds on levels"):
            HillClimb(rounds, levels)
    with pytest.raises(UsageError, match="step by step"):
        HillClimb(1)(Target(BASE, 1.0 * TARGET.expression), CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
