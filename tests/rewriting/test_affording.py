"""Caps and errors cost the search, never what was kept; what cannot be proven or paid is said before it is begun."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, EndpointError, InputError
from heedful.evidence import Rule
from heedful.models import FunctionWriter, Journal
from heedful.models.endpoint.requests import Answer
from heedful.rewriting import (
    Failures,
    Gate,
    Improved,
    Improving,
    Mutated,
    Rewriter,
    Splits,
    Text,
    Worth,
    improve,
    incumbent,
    stage,
    trace,
)
from heedful.rewriting.affording import Held, needed

prompt = Text("Answer.", "prompt")
EXAMPLES = [{"question": f"question {number}"} for number in range(100)]
BETTER = Worth(Rule(lambda item: min(1.0, item.output[0].text.count("!") / 5), "marks"), (0, 1))


WON = Worth(Rule(lambda item: float("!" in item.output[0].text), "won"), (0, 1))


def echo(question: str) -> str:
    return f"{prompt} {question}"


def louder(_: Any, text: str, rng: np.random.Generator) -> str:
    return f"{text}!"


def improved(function: Callable[..., Any] = echo, write: Any = louder, worth: Worth = BETTER, **own: Any) -> Improved:
    settings = {
        "rounds": 3,
        "batch": 8,
        "concurrency": 1,
        "trials": None,
        "select": incumbent,
        **own.pop("settings", {}),
    }
    own.setdefault("budget", Budget())
    engine = Improving(Mutated(write), critic=Failures(), **settings)
    splits = own.pop("splits", Splits.of(EXAMPLES))
    return engine(trace(function), worth, splits, rng=np.random.default_rng(0), **own)


@pytest.mark.parametrize("caps", [{"calls": 160}, {"tokens": 3500}, {"calls": 120, "tokens": 10**6}])
def test_the_claim_is_paid_from_any_cap(caps: Mapping[str, float]) -> None:
    budget, asked = Budget(**caps), []

    def asking(question: str) -> str:
        budget.reserve(calls=1, tokens=20)
        asked.append(question)
        return f"{prompt} {question}"

    done = improved(asking, budget=budget, worth=WON, settings={"rounds": 50})
    assert done.stopped.startswith("the budget")
    assert done.counts["kept"] > 0
    assert done.claim.identified
    assert done.claim.n == 30
    assert all(budget.spent[unit] <= cap for unit, cap in caps.items())
    assert budget.spent["calls"] == len(asked)  # nothing stays held back


class Metered:
    """A program whose calls go through a journal: each reserves far more than it takes."""

    def __init__(self, **caps: float) -> None:
        self.journal = Journal(None, Budget(**caps))
        self.keys = count()

    def __call__(self, question: str) -> str:
        key = str(next(self.keys)).encode()
        number = self.journal.begin(key, {"calls": 1, "tokens": 1000, "money": 10.0})
        spent = {"calls": 1.0, "tokens": 20.0, "money": 0.2}
        self.journal.settle(number, key, "answered", spent, Answer("x", 10, 10))
        return f"{prompt} {question}"


@pytest.mark.parametrize("caps", [{"tokens": 4500.0}, {"money": 45.0}, {"calls": 180.0}])
def test_the_claim_is_paid_from_the_caps_of_a_journal(caps: dict[str, float]) -> None:
    """Room is left for the last call, too, which reserves more than it takes."""
    program = Metered(**caps)
    done = improved(program, journal=program.journal, worth=WON, settings={"rounds": 50})
    assert done.stopped.startswith("the budget")
    assert done.counts["kept"] > 0
    assert done.claim.identified
    ((unit, cap),) = caps.items()
    spent = program.journal.spending().charged
    assert program.journal.budget.spent[unit] == pytest.approx(spent[unit])
    assert spent[unit] <= cap


def test_a_cap_that_is_less_than_the_claim_is_refused_before_a_run() -> None:
    ran: list[str] = []

    def program(question: str) -> str:
        ran.append(question)
        return f"{prompt} {question}"

    with pytest.raises(BudgetExceededError, match="may take 120 calls, and the cap is 119"):
        improved(program, budget=Budget(calls=119), a_run={"calls": 2})
    with pytest.raises(BudgetExceededError, match="60 runs needed"):
        improved(program, budget=Budget(runs=59))
    assert not ran


def test_what_is_held_back_grows_with_the_dearest_batch_and_is_given_back() -> None:
    budget = Budget(runs=100, tokens=1000)
    held = Held(budget, 10)
    assert held.unknown == ("tokens",)
    for cost, wanted in [(4, 44.0), (2, 44.0), (6, 66.0)]:
        with held.learning(5):
            budget.settle({}, {"tokens": 5.0 * cost})
        assert held.held == [{"runs": 10.0, "tokens": pytest.approx(wanted)}]
    assert held.unknown == ()
    held.free(4)
    assert held.held == [{"runs": 6.0, "tokens": pytest.approx(1.1 * 6 * 6)}]
    with pytest.raises(BudgetExceededError), held.learning(1):
        budget.settle({}, {"tokens": 500.0})
    held.release()
    assert budget.spent == {"runs": 0.0, "tokens": pytest.approx(560.0)}


@pytest.mark.parametrize("broken", [ValueError("a bug"), EndpointError("the server is gone")])
def test_an_error_of_a_proposer_loses_nothing_that_was_kept(broken: Exception) -> None:
    rounds = count()

    def write(_: Any, text: str, rng: np.random.Generator) -> str:
        if next(rounds) == 2:
            raise broken
        return f"{text}!"

    budget = Budget(runs=1000)
    done = improved(write=write, budget=budget)
    assert done.values == {"prompt": "Answer.!!"}
    assert done.error is broken
    assert not done.claim.identified
    assert str(broken) in done.claim.note
    assert str(broken) in done.stopped
    (finding,) = done.findings
    assert finding.code == "rewriting.ended_by_error"
    assert done.summary()["error"] == str(broken)
    assert done.events[-1]["event"] == "ended"


def test_an_error_in_the_claim_loses_nothing_that_was_kept() -> None:
    held = {own["question"] for own in Splits.of(EXAMPLES).held_out}

    def program(question: str) -> str:
        if question in held:
            raise EndpointError("the server is gone")
        return f"{prompt} {question}"

    done = improved(program)
    assert done.values == {"prompt": "Answer.!!!"}
    assert isinstance(done.error, EndpointError)
    assert not done.claim.identified


def test_an_error_before_anything_was_kept_is_raised_and_nothing_stays_held_back() -> None:
    def write(*_: Any) -> str:
        raise ValueError("a bug")

    budget = Budget(runs=1000)
    with pytest.raises(ValueError, match="a bug"):
        improved(write=write, budget=budget)
    assert budget.spent["runs"] == 8


def test_where_nothing_was_kept_the_gain_is_0_and_no_run_is_bought_for_it() -> None:
    held, ran = {own["question"] for own in Splits.of(EXAMPLES).held_out}, set[str]()

    def program(question: str) -> str:
        ran.add(question)
        return f"{prompt} {question}"

    done = improved(program, write=lambda *_: "Worse.", worth=Worth(Rule(lambda item: 0.5, "same"), (0, 1)))
    assert done.values == {}
    assert (done.claim.value, done.claim.n, done.claim.identified) == (0.0, 0, True)
    assert "nothing was kept" in done.claim.note
    assert not ran & held
    assert done.before is done.after is None


def test_a_text_that_a_trial_rejected_is_not_tried_again() -> None:
    texts = iter(["Other.", "Other.", "Answer!", "Other.", "Answer!"])
    same = Worth(Rule(lambda item: 0.5, "same"), (0, 1))
    done = improved(write=lambda *_: next(texts), worth=same, settings={"rounds": 5})
    assert done.counts["tried"] == 2
    assert done.counts["repeated"] == 3
    assert [own["repeated"] for own in done.events if own["event"] == "left out"] == [1, 1, 1]
    first, second = (own["level"] for own in done.events if own["event"] == "tried")
    assert first == pytest.approx(0.05 / 5)
    assert second == pytest.approx((0.05 - first) / 3)  # of the third round: the second spent nothing
    assert done.spent["runs"] < 5 * 8 + 2 * (8 + 2 * 40)


@pytest.mark.parametrize(("alpha", "coming"), [(0.05, 1), (0.05, 10), (0.2, 3)])
def test_the_fewest_examples_that_prove_anything(alpha: float, coming: int) -> None:
    least = needed(Gate(alpha), coming)
    kept = [
        Gate(alpha).trial(n, coming, rng=np.random.default_rng(1)).after(np.ones(n)).kept for n in range(1, least + 5)
    ]
    assert kept == [False] * (least - 1) + [True] * 5


def test_too_few_examples_to_keep_anything_are_refused_before_a_run() -> None:
    ran: list[str] = []

    def program(question: str) -> str:
        ran.append(question)
        return f"{prompt} {question}"

    least = needed(Gate(), 3)
    few = Splits(tuple(EXAMPLES[:10]), tuple(EXAMPLES[10 : 9 + least]), tuple(EXAMPLES[30:40]))
    with pytest.raises(InputError, match=f"{least - 1} examples decide, .* fewer than {least}"):
        improved(program, splits=few)
    assert not ran
    enough = Splits(few.train, tuple(EXAMPLES[10 : 10 + least]), few.held_out)
    assert improved(splits=enough, settings={"rounds": 3}, worth=WON).counts["kept"] == 1


def test_runs_that_failed_where_it_is_decided_and_measured_are_told() -> None:
    splits = Splits.of(EXAMPLES)
    bad = {
        splits.train[0]["question"],
        splits.validation[0]["question"],
        *(own["question"] for own in splits.held_out[:3]),
    }

    def program(question: str) -> str:
        if question in bad:
            raise ValueError(f"cannot read {question}")
        return f"{prompt} {question}"

    done = improved(program, splits=splits, settings={"batch": 30, "rounds": 1})
    assert {own.message.split(", the first")[0] for own in done.findings} >= {
        "6 of 60 runs on held-out examples failed (10%) and earned nothing"
    }
    assert all("cannot read question" in own.message for own in done.findings)
    assert {own.count for own in done.findings if "held-out" in own.message} == {6}
    assert not any("training" in own.message for own in done.findings)


def test_the_seed_moves_the_split() -> None:
    def begun(seed: int) -> set[str]:
        seen: set[str] = set()

        @stage
        def noted(question: str) -> str:
            seen.add(question)
            return str(prompt)

        engine = Improving(Rewriter(FunctionWriter(lambda *_: "")), rounds=1, batch=100, concurrency=1)
        improve(lambda question: noted(question), EXAMPLES, BETTER.evidence, engine=engine, bounds=(0, 1), seed=seed)
        return seen

    assert begun(0) == begun(0) != begun(1)


def test_what_trials_leave_of_what_was_held_back_for_them_stays_held_back() -> None:
    budget = Budget(runs=100, calls=50)
    held = Held(budget, 20)
    with held.learning(10):
        budget.reserve(calls=10)
    assert (budget.left("runs"), budget.left("calls")) == (80, pytest.approx(18))  # a call a run, and a tenth more
    with held.lent(10):
        assert (budget.left("runs"), budget.left("calls")) == (90, pytest.approx(29))
        budget.reserve(runs=4, calls=4)
    assert (budget.left("runs"), budget.left("calls")) == (80, pytest.approx(18))
    held.release()
    assert budget.spent == {"runs": 4, "calls": pytest.approx(14)}


class TestTrials:
    """What a trial costs and finds decides on nothing but its own candidate, as long as it keeps none."""

    @staticmethod
    def searched(ties: bool, **caps: float) -> Improved:
        """Where nothing is gained: validation examples all lose, and are dropped soon, or all tie."""
        examples = [{"question": f"question {number}"} for number in range(120)]
        splits = Splits.of(examples)
        decides = {own["question"] for own in splits.validation}
        numbers, budget = count(), Budget(**caps)
        text = Text("start", "text")

        def program(question: str) -> str:
            budget.reserve(calls=1)
            return f"{text} {question}"

        def coin(item: Any) -> float:
            said = item.output[0].text
            if any(said.endswith(f" {own}") for own in decides):
                return 0.0 if ties else float(said.startswith("start"))
            return float(zlib.crc32(said.encode()) % 2)

        made = Mutated(lambda *_: f"version {next(numbers)}")
        engine = Improving(made, rounds=30, batch=8, trials=3, concurrency=1)
        worth = Worth(Rule(coin, "coin"), (0, 1))
        return engine(trace(program), worth, splits, budget=budget, rng=np.random.default_rng(0))

    @pytest.mark.parametrize("calls", [150, 200, 300, 400, 600])
    def test_how_long_it_lasts_changes_nothing_of_the_search(self, calls: int) -> None:
        lost, tied = self.searched(False, calls=calls), self.searched(True, calls=calls)
        told = [
            [own["values"] for own in each.events if own["event"] in ("proposed", "tried")] for each in (lost, tied)
        ]
        assert told[0] == told[1]
        assert max(lost.spent["calls"], tied.spent["calls"]) <= calls

    def test_one_that_is_cut_off_is_over(self) -> None:
        """Its level is spent, and its candidate is not tried again."""
        done = self.searched(True, calls=150)
        tried = [own for own in done.events if own["event"] == "tried"]
        assert tried
        assert any(own["n"] < own["of"] and own["verdict"] == "open" for own in tried)
        assert len({str(own["values"]) for own in tried}) == len(tried)


def test_the_part_for_trials_is_taken_once() -> None:
    budget = Budget(calls=300)
    held = Held(budget, 1000, part=0.5)
    for _ in range(5):
        with held.learning(10):
            budget.reserve(calls=10)
    assert budget.left("calls") == 300 - 50 - 145


def test_a_cap_on_runs_that_leaves_too_few_to_try_is_refused() -> None:
    engine = Improving(Mutated(lambda *_: "other"), batch=1)
    with pytest.raises(BudgetExceededError, match="the cap on runs leaves 0 examples to each of 2 trials"):
        engine(
            trace(lambda question: f"{prompt} {question}"),
            WON,
            Splits.of(EXAMPLES),
            budget=Budget(runs=67),
            rng=np.random.default_rng(0),
        )
