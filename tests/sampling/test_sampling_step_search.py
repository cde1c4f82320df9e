"""The search over steps with steps back: its law by recursion, what it costs, and where it ends unfinished."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
from scipy.stats import chi2

from heedful.core import Budget, BudgetExceededError, Item, Part, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import PrefixValue, Rule
from heedful.models import StepModel, TableModel
from heedful.sampling import StepSearch
from heedful.target import Target

CONTEXTS = (Item.of("q").context, Item.of("r").context)
PARTS = tuple(Part(letter) for letter in "abc")
SHARE = (0.5, 0.3, 0.2)
# A prefix in here is refused: of "aa" nothing is kept, so that a search that came there must step back twice.
REFUSED = {"c", "aaa", "aab", "aac", "ab", "ba", "bba"}


def text(item: Item) -> str:
    return "".join(part.text for part in item.output)


def three_letters(context, steps):
    return ((), ()) if len(steps) == 3 else (PARTS, SHARE)


def score(item: Item) -> float:
    return -1.0 if text(item) in REFUSED else 0.25 * len(item.output) + 0.1 * text(item).count("b")


BASE = StepModel(three_letters)
TARGET = Target(BASE, PrefixValue(Rule(score, "kept"), "twist"))


class TestStepSearch(SamplingEngineContract):
    def make(self):
        return StepSearch(0.0, 2, 7)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


def law(tries: int, most: int) -> dict[tuple[str, bool], float]:
    """P(output, all accepted), by recursion over what a search can be at: the tries left at each prefix of its path."""

    @cache
    def after(path: tuple[tuple[str, int], ...], drawn: int, furthest: str, best: float) -> Counter:
        while path and path[-1][1] == 0:
            path = path[:-1]
        found: Counter = Counter()
        if not path or drawn == most:
            return _blind(furthest)
        prefix, left = path[-1]
        for letter, share in zip("abc", SHARE, strict=True):
            longer, rest = prefix + letter, (*path[:-1], (prefix, left - 1))
            value = score(Item(CONTEXTS[0], tuple(Part(own) for own in longer)))
            if value < 0:
                ahead = after(rest, drawn + 1, furthest, best)
            elif len(longer) == 3:
                ahead = Counter({(longer, True): 1.0})
            else:
                further = (len(longer), value) > (len(furthest), best)
                ahead = after((*rest, (longer, tries)), drawn + 1, *((longer, value) if further else (furthest, best)))
            for key, p in ahead.items():
                found[key] += share * p
        return found

    return dict(after((("", tries),), 0, "", -np.inf))


def _blind(prefix: str) -> Counter:
    ends: Counter = Counter({prefix: 1.0})
    while len(next(iter(ends))) < 3:
        ends = Counter({own + one: p * q for own, p in ends.items() for one, q in zip("abc", SHARE, strict=True)})
    return Counter({(own, False): p for own, p in ends.items()})


@pytest.mark.parametrize(("tries", "most"), [(1, 9), (2, 5), (2, 50), (3, 4)])
def test_its_law_is_that_of_a_recursion_over_all_it_can_meet(tries: int, most: int) -> None:
    expected, n = law(tries, most), 6_000
    assert sum(expected.values()) == pytest.approx(1.0)
    out = StepSearch(0.0, tries, most)(TARGET, CONTEXTS[:1] * n, budget=Budget(), rng=np.random.default_rng(tries))
    counts = Counter(zip(map(text, out.items), out.accepted.tolist(), strict=True))
    assert counts.keys() <= {key for key, p in expected.items() if p > 0}
    often = [key for key, p in expected.items() if n * p >= 5]
    rest = n - sum(counts[key] for key in often), n * (1 - sum(expected[key] for key in often))
    pairs = [(counts[key], n * expected[key]) for key in often] + [rest]
    assert chi2.sf(sum((seen - told) ** 2 / max(told, 1e-9) for seen, told in pairs), len(pairs) - 1) > 1e-3


def test_everything_accepted_is_a_draw_of_the_base_and_costs_its_steps() -> None:
    out = StepSearch(-np.inf, 1, 3)(TARGET, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    assert out.accepted.all()
    assert out.cost == {"samples": 2.0, "steps": 6.0, "scores": 8.0}
    assert out.kl is None


def test_what_was_not_needed_is_given_back_and_what_came_on_top_is_counted() -> None:
    engine = StepSearch(0.0, 2, 4)
    assert engine.plan(BASE, CONTEXTS) == {"samples": 2.0, "steps": 8.0, "scores": 10.0}
    for seed in range(20):
        budget = Budget(samples=2, steps=20)
        out = engine(TARGET, CONTEXTS, budget=budget, rng=np.random.default_rng(seed))
        assert budget.spent["steps"] == out.cost["steps"]
        assert 6 <= out.cost["steps"] <= 8 + 3 * int((~out.accepted).sum())
    nothing = StepSearch(9.0, 2, 4)(TARGET, CONTEXTS, budget=Budget(), rng=np.random.default_rng(0))
    assert not nothing.accepted.any()
    assert nothing.cost == {"samples": 2.0, "steps": 10.0, "scores": 6.0}  # two vain tries each, then three steps


def test_faults_are_refused() -> None:
    with pytest.raises(BudgetExceededError, match="steps"):
        StepSearch(0.0, 2, 7)(TARGET, CONTEXTS, budget=Budget(steps=13), rng=np.random.default_rng(0))
    listed = Target(TableModel.of({"q": {"a": 1.0}}), TARGET.expression)
    with pytest.raises(UsageError, match="step by step"):
        StepSearch(0.0, 1, 1)(listed, CONTEXTS[:1], budget=Budget(), rng=np.random.default_rng(0))
    for tries, steps, threshold in ((0, 1, 0.0), (1, 0, 0.0), (1, 1, np.nan)):
        with pytest.raises(UsageError, match="tries"):
            StepSearch(threshold, tries, steps)
