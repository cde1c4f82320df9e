"""Outputs made to look again: chances of being right in closed form, and where the trigger stands."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, Item, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import Rule
from heedful.models import SequenceTable
from heedful.sampling import Deepening
from heedful.target import Target

from .language import CONTEXTS, words

FIRST, MENDED, SPOILT = 0.4, 0.6, 0.1
SOLVER = SequenceTable(
    {
        (): {"right": FIRST, "wrong": 1 - FIRST},
        ("right",): {"": 1.0},
        ("wrong",): {"": 1.0},
        ("right", "check"): {"right": 1 - SPOILT, "wrong": SPOILT},
        ("wrong", "check"): {"right": MENDED, "wrong": 1 - MENDED},
        ("never",): {"check": 1.0},
    },
    max_tokens=9,
)
STEADY = SequenceTable({(): {"x": 1.0}, ("never",): {"check": 0.5, "now": 0.5}}, max_tokens=14)
RIGHT = Rule(lambda item: float(words(item)[-1] == "right"), "right")
DRAWS = 4000


def run(engine, base=SOLVER, score=RIGHT, n=DRAWS, budget=None, seed=0):
    return engine(Target(base, score), [CONTEXTS[0]] * n, budget=budget or Budget(), rng=np.random.default_rng(seed))


def chance(times: int) -> float:
    """P(the last answer is right) after so many checks."""
    p = FIRST
    for _ in range(times):
        p = p * (1 - SPOILT) + (1 - p) * MENDED
    return p


def close(share: float, p: float) -> bool:
    return abs(share - p) < 4 * np.sqrt(p * (1 - p) / DRAWS)


class TestDeepening(SamplingEngineContract):
    def make(self):
        return Deepening(2, "check", first=1, times=2)

    def target(self):
        return Target(SOLVER, 1.0 * RIGHT)

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


@pytest.mark.parametrize("times", [0, 1, 2, 4])
def test_each_check_mends_and_spoils_as_often_as_the_language_says(times):
    found = run(Deepening(1, "check", first=9, times=times))
    assert close(found.scores.mean.mean(), chance(times))
    assert all(words(item).count("check") == times for item in found.items)


def test_best_of_n_and_votes_by_their_closed_forms():
    p = chance(1)
    best = run(Deepening(3, "check", first=9))
    assert close(best.scores.mean.mean(), 1 - (1 - p) ** 3)
    silent = Rule(lambda item: 0.0, "silent")
    voted = run(Deepening(3, "check", first=9, answer=lambda item: words(item)[-1]), score=silent)
    assert close(RIGHT(voted.items).mean.mean(), p**3 + 3 * p**2 * (1 - p))
    # Of two that disagree, each is kept as often, or the one with the greater score.
    split = run(Deepening(2, "check", first=9, answer=lambda item: words(item)[-1]), score=silent)
    assert close(RIGHT(split.items).mean.mean(), p)
    scored = run(Deepening(2, "check", first=9, answer=lambda item: words(item)[-1]))
    assert close(scored.scores.mean.mean(), 1 - (1 - p) ** 2)


def test_triggers_stand_where_budgets_are_used_and_count_as_written():
    engine = Deepening(1, "check now", first=2, growth=1.5, times=2)
    found = run(engine, base=STEADY, score=Rule(lambda item: 0.0, "none"), n=1)
    assert " ".join(words(found.items[0])) == "x x check now x x x check now x x x x x"
    assert found.cost["tokens"] == 1 + 13  # the context, and all but the last token
    cut = SequenceTable(STEADY.following, max_tokens=3)
    assert words(run(engine, base=cut, score=Rule(lambda item: 0.0, "none"), n=1).items[0]) == ["x", "x", "check"]


def test_what_ends_by_itself_can_be_left_alone():
    left = run(Deepening(1, "check", first=9, reopen=False), n=50)
    assert not any("check" in words(item) for item in left.items)
    # With a budget of one token the trigger comes before the end does.
    assert all("check" in words(item) for item in run(Deepening(1, "check", first=1, reopen=False), n=50).items)


def test_wrong_use_is_said():
    with pytest.raises(BudgetExceededError):
        run(Deepening(2, "check", first=1), n=2, budget=Budget(tokens=8 - 1))
    with pytest.raises(InputError, match="cannot write"):
        run(Deepening(1, "wait", first=1), n=1)
    with pytest.raises(InputError, match="trigger is empty"):
        run(Deepening(1, "", first=1), n=1)
    for options in ({"n": 0}, {"first": 0}, {"times": -1}, {"growth": 0.5}):
        with pytest.raises(UsageError, match="occasions"):
            Deepening(**{"n": 1, "trigger": "check", "first": 1, **options})
    assert run(Deepening(1, "check", first=1), n=1).items[0].context == Item.of("a").context
