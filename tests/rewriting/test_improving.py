"""The loop of improvement in a small world of rules: it gains what can be gained, and nothing where nothing can."""

from __future__ import annotations

import asyncio
import json
import re
import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from heedful.core import Budget, InputError, Item, UsageError
from heedful.evidence import Rule
from heedful.models import FunctionWriter
from heedful.rewriting import Text, draw, improve, stage, trace
from heedful.rewriting.audit import Audit
from heedful.rewriting.improving import Improving
from heedful.rewriting.judging import Failures, Logged, Together, Worth, matches, spoken_of
from heedful.rewriting.outcomes import Improved
from heedful.rewriting.parameters import Number
from heedful.rewriting.pools import pareto
from heedful.rewriting.proposing import FromHistory, Mutated, Rewriter
from heedful.rewriting.splits import Splits

RULES = ["Name the year.", "Be brief.", "Give a source.", "End with thanks."]
prompt = Text("You answer questions.", "prompt", role="instructions of the answerer")
EXAMPLES = [{"question": f"question {number}"} for number in range(200)]


def chance(*parts: Any) -> float:
    return float(np.random.default_rng(zlib.crc32(repr(parts).encode())).random())


@stage
def ask(text: str, number: int) -> str:
    """Does what each rule in the text says, nine times of ten."""
    return " ".join(rule for rule in RULES if rule in text and chance(text, rule, number) < 0.9) or "nothing"


def program(question: str) -> str:
    return ask(f"{prompt}\n{question}", draw())


def amiss(item: Item) -> list[str]:
    return [rule for rule in RULES if rule not in item.output[0].text]


earned = Rule(lambda item: 1 - len(amiss(item)) / len(RULES), "rules kept")
critic = Failures(says=lambda item: f"It should follow: {amiss(item)[0]}" if amiss(item) else None)


def edit(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
    """Adds the rule that was asked for most to part 1."""
    text = str(messages[0]["content"])
    found = re.search(r"<([0-9a-f]{12}-1)>\n(.*?)\n</", text, re.DOTALL)
    assert found
    wanted = Counter(rule for rule in RULES for _ in range(text.count(f"should follow: {rule}")))
    new = f"{found[2]} {wanted.most_common(1)[0][0]}" if wanted else found[2]
    return f"Done.\n<{found[1]}>\n{new}\n</{found[1]}>"


def anything(messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
    text = str(messages[0]["content"])
    mark = re.findall(r"<([0-9a-f]{12}-1)>", text)[0]
    return f"<{mark}>\nversion {zlib.crc32(text.encode())} {parameters.get('seed')}\n</{mark}>"


def echo(question: str) -> str:
    return f"{prompt} {draw()} {question}"


def improved(engine: Improving | None = None, seed: int = 0, **own: Any) -> Improved:
    chosen = engine or Improving(Rewriter(FunctionWriter(edit)), critic=critic, rounds=6, concurrency=1)
    return chosen(
        own.pop("program", trace(program)),
        own.pop("worth", Worth(earned, (0, 1))),
        own.pop("splits", Splits.of(EXAMPLES)),
        budget=own.pop("budget", Budget()),
        rng=np.random.default_rng(seed),
        **own,
    )


def test_each_answer_that_is_known_is_right() -> None:
    """Of equal inputs, and of a list; an output that names two is neither."""
    questions = [{"question": own} for own in ("capital", "capital", "river")]
    rule = matches(zip(questions, ["Paris", "paris ", ["Seine", "the Seine"]], strict=True))
    given = [("capital", "Paris\n"), ("capital", "paris"), ("capital", "Paris paris"), ("river", "the Seine")]
    assert list(rule([Item.of(*own) for own in given]).mean) == [0, 0, -np.inf, 0]
    partly = matches([(questions[0], 2.0), (questions[1], 4.0)], lambda output, answer: float(output) / answer)
    assert partly([Item.of("capital", "2")]).mean == pytest.approx([0.0])
    assert partly([Item.of("capital", "1")]).mean == pytest.approx([np.log(0.5)])
    with pytest.raises(InputError, match=r"agree gave 1\.5, which is not from 0 to 1"):
        partly([Item.of("capital", "3")])


def test_runs_that_take_too_long_are_failures_of_the_loop() -> None:
    async def slow(question: str) -> str:
        await asyncio.sleep(60 if question.endswith("77") else 0)
        return ask(f"{prompt}\n{question}", draw())

    engine = Improving(Rewriter(FunctionWriter(edit)), critic=critic, rounds=1, batch=64, seconds=0.3)
    done = improved(engine, program=trace(slow))
    assert done.counts["failed"] > 0
    assert done.before is not None


def test_a_prompt_gets_the_rules_that_its_critic_misses() -> None:
    done = improved()
    assert done.counts["tried"] == done.counts["kept"] == 2
    assert set(RULES) <= set(re.findall(r"[A-Z][a-z ]+\.", done.values["prompt"]))
    assert done.claim.interval is not None
    assert done.claim.interval.low > 0.8
    assert done.before is not None
    assert done.before.value == 0
    assert done.claim.split == "held out"
    assert done.program("new question") != "nothing"
    assert prompt.value == "You answer questions."
    assert done.spent["runs"] == done.spent["runs"] // 1 > 0


def test_the_same_at_any_concurrency() -> None:
    one, many = (
        improved(Improving(Rewriter(FunctionWriter(edit)), critic=critic, rounds=4, concurrency=at)) for at in (1, 16)
    )
    assert one.values == many.values
    assert [dict(own) for own in one.events] == [dict(own) for own in many.events]


def test_one_change_builds_on_another_before_any_is_proven() -> None:
    """One trial, after six rounds, proves what four of them found."""
    done = improved(Improving(Rewriter(FunctionWriter(edit)), critic=critic, rounds=6, trials=1, concurrency=1))
    assert set(RULES) <= set(re.findall(r"[A-Z][a-z ]+\.", done.values["prompt"]))
    assert [own["round"] for own in done.events if own["event"] == "tried"] == [6]


@pytest.mark.parametrize(
    ("trials", "after"), [(1, [5]), (2, [3, 5]), (3, [2, 4, 5]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5])]
)
def test_trials_are_spread_over_the_rounds(trials: int, after: list[int]) -> None:
    engine = Improving(Rewriter(FunctionWriter(edit)), rounds=5, trials=trials)
    due = {number + 1: engine.due(number) for number in range(5)}
    assert [number for number, coming in due.items() if coming] + [5] == after
    assert all(1 < coming <= trials for coming in due.values() if coming)


def test_how_long_trials_last_changes_nothing_of_what_is_proposed() -> None:
    """Under a cap that ends the search: what loses on validation is dropped soon, what ties is looked at for longer."""
    splits = Splits.of(EXAMPLES)
    decides = {own["question"] for own in splits.validation}

    def searched(ties: bool) -> Improved:
        def coin(item: Item) -> float:
            text = item.output[0].text
            if any(text.endswith(own) for own in decides):
                return 0.5 if ties else float("version" not in text)
            return float(chance(text) < 0.5)

        engine = Improving(Rewriter(FunctionWriter(anything)), rounds=30, batch=8, trials=3, concurrency=1)
        worth = Worth(Rule(coin, "coin"), (0, 1))
        return improved(engine, program=trace(echo), worth=worth, splits=splits, budget=Budget(runs=600))

    lost, tied = searched(False), searched(True)
    assert lost.stopped.startswith("the budget")
    assert lost.spent["runs"] < tied.spent["runs"] <= 600
    assert lost.counts["kept"] == tied.counts["kept"] == 0
    made = [[own["values"] for own in done.events if own["event"] in ("proposed", "tried")] for done in (lost, tied)]
    assert made[0] == made[1]


def test_it_ends_in_time() -> None:
    """Rounds of 32 runs of 2 ms, 280 runs of trials and claim at most: they are left time for."""

    def slow(question: str) -> str:
        time.sleep(0.002)
        return program(question)

    began = time.monotonic()
    engine = Improving(Rewriter(FunctionWriter(edit)), critic=critic, rounds=10_000, minutes=0.05, concurrency=1)
    done = improved(engine, program=trace(slow))
    assert "the time that there is" in done.stopped
    assert time.monotonic() - began < 6  # of 3 s, on a machine that has other things to do
    assert done.claim.n == 60
    never = improved(Improving(Rewriter(FunctionWriter(edit)), critic=critic, minutes=0.0, concurrency=1))
    assert never.counts["proposed"] == 0


def test_what_cannot_be_read_is_never_adopted() -> None:
    calls: list[int] = []

    def chatty(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        calls.append(len(messages))
        return "I would make the prompt clearer."

    done = improved(Improving(Rewriter(FunctionWriter(chatty)), critic=critic, rounds=3, concurrency=1))
    assert calls == [1, 3] * 3  # one repair each
    assert done.counts["unread"] == 3
    assert done.counts["tried"] == 0
    assert done.values == {}
    assert done.claim.value == 0


def test_values_that_cannot_be_are_not_tried() -> None:
    number = Number(3, "n", low=0, high=5)

    def answer(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
        mark = re.findall(r"<([0-9a-f]{12}-1)>", str(messages[0]["content"]))[0]
        return f"<{mark}>\n7\n</{mark}>"

    def counting(question: str) -> str:
        return str(number.now)

    done = improved(
        Improving(Rewriter(FunctionWriter(answer)), rounds=1, concurrency=1),
        program=trace(counting),
        worth=Worth(Rule(lambda item: 0.5, "half"), (0, 1)),
    )
    assert done.counts["unread"] == 1
    assert done.values == {}


@pytest.mark.parametrize("runs", [200, 350, 480])
def test_the_cap_is_kept_and_the_claim_is_paid_from_it(runs: int) -> None:
    ran: list[str] = []

    def counted(question: str) -> str:
        ran.append(question)
        return ask(f"{prompt}\n{question}", draw())

    budget = Budget(runs=runs)
    done = improved(program=trace(counted), budget=budget)
    assert len(ran) == budget.spent["runs"] <= runs
    assert done.stopped.startswith("the budget")
    assert done.claim.n == (60 if done.values else 0)
    with pytest.raises(Exception, match="the cap on runs leaves 0 examples"):
        improved(budget=Budget(runs=10))


def test_a_prompt_that_changes_nothing_is_rarely_kept() -> None:
    """Fair coins, whatever the prompt says: of 20 runs of 10 proposals each, no more keep one than chance allows."""
    coin = Worth(Rule(lambda item: float(chance(item.output[0].text) < 0.5), "coin"), (0, 1))

    engine = Improving(Rewriter(FunctionWriter(anything)), rounds=10, batch=4, concurrency=1)
    kept = [improved(engine, seed, program=trace(echo), worth=coin).counts["kept"] for seed in range(20)]
    assert sum(own > 0 for own in kept) <= 3  # P(more than 3 of 20 at 5 %) = 1.6 %


def test_the_audit_log_is_written_as_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    done = improved(audit=Audit(path))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == [json.loads(json.dumps(own)) for own in done.events]
    assert Counter(own["event"] for own in lines)["tried"] == done.counts["tried"]
    assert lines[0]["splits"] == [60, 80, 60]
    improved(audit=Audit(path))
    assert len(path.read_text("utf-8").splitlines()) == 2 * len(lines)
    with pytest.raises(UsageError, match="folder"):
        Audit(tmp_path / "no" / "audit.jsonl")


def test_other_ways_of_choosing_and_proposing() -> None:
    by_history = Improving(FromHistory(FunctionWriter(edit)), critic=critic, rounds=3, concurrency=1)
    assert improved(by_history).counts["proposed"] == 0  # it is told nothing of rules
    front = Improving(Rewriter(FunctionWriter(edit), n=3), critic=critic, rounds=6, select=pareto, concurrency=1)
    assert improved(front).counts["kept"] > 0
    stays = Improving(Rewriter(FunctionWriter(edit)), critic=critic, frozen=frozenset({"prompt"}), concurrency=1)
    with pytest.raises(UsageError, match="no parameter that may be rewritten"):
        improved(stays)


def test_the_alarm_rings_where_only_training_examples_gain() -> None:
    """A prompt that knows the answers to training examples gains most of all there."""
    splits = Splits.of(EXAMPLES)
    learnt = {own["question"] for own in splits.train}
    cheat = Text("Plain.", "prompt")

    def answers(question: str) -> str:
        good = "by heart" in str(cheat) and (question in learnt or chance(question, str(cheat)) < 0.4)
        return "right" if good else "wrong"

    def told(alarm: bool) -> Improved:
        engine = Improving(
            Mutated(lambda *_: "Know them by heart."), rounds=1, concurrency=1, alarm=alarm, critic=Failures()
        )
        worth = Worth(Rule(lambda item: float(item.output[0].text == "right"), "right"), (0, 1))
        return improved(engine, program=trace(answers), worth=worth, splits=splits)

    (finding,) = told(True).findings
    assert finding.code == "rewriting.overfitted"
    assert told(True).counts["kept"] == 1
    assert told(False).findings == ()
    assert told(True).spent["runs"] == told(False).spent["runs"] + 2 * len(splits.train)


class TestSplits:
    def test_equal_inputs_stay_together_in_any_order(self) -> None:
        doubled = [*EXAMPLES, *EXAMPLES[:50]]
        made = Splits.of(doubled)
        again = Splits.of(doubled[::-1])
        assert [len(own) for own in (made.train, made.validation, made.held_out)] != [0, 0, 0]
        assert sum(len(own) for own in (made.train, made.validation, made.held_out)) == 200  # each once
        for name in ("train", "validation", "held_out"):
            assert sorted(map(repr, getattr(made, name))) == sorted(map(repr, getattr(again, name)))
        assert Splits.of(EXAMPLES, seed=1) != Splits.of(EXAMPLES)

    def test_what_was_spoken_of_is_for_training(self) -> None:
        made = Splits.of(EXAMPLES, known=lambda own: own["question"] in ("question 3", "question 150"))
        assert {"question": "question 3"} in made.train
        assert {"question": "question 150"} in made.train
        assert sum(len(own) for own in (made.train, made.validation, made.held_out)) == 200
        item = Item.of("question 3", "x")
        assert spoken_of(Together([Logged([(item, "bad")]), Failures()])) == {"question 3"}

    def test_too_few_or_shared(self) -> None:
        with pytest.raises(InputError, match="are needed"):
            Splits.of(EXAMPLES[:3])
        with pytest.raises(InputError, match="the same inputs"):
            Splits(tuple(EXAMPLES[:2]), tuple(EXAMPLES[1:3]), tuple(EXAMPLES[4:6]))


def test_where_only_comparisons_are_known_something_is_proposed_without_a_critic() -> None:
    engine = Improving(Rewriter(FunctionWriter(anything)), rounds=2, concurrency=1)
    done = improved(engine, program=trace(echo), worth=Worth(Rule(lambda item: -len(item.output[0].text), "short")))
    assert done.counts["proposed"] == 2
    assert all(own.endswith("Better is wanted.") for own in done.events[1]["said"])


class TestWorth:
    def test_bounds(self) -> None:
        (run,) = [trace(lambda question: "abc").run("q")]
        worth = Worth(Rule(lambda item: 3.0, "r"), (1, 5))
        assert worth.unit(worth.scores([run])).tolist() == [0.5]
        worth = Worth(Rule(lambda item: np.log(0.25), "r", "log_prob"))
        assert worth.unit(worth.scores([run])).tolist() == [0.25]
        with pytest.raises(InputError, match="outside of 0 to 1"):
            Worth(Rule(lambda item: 3.0, "r"), (0, 1)).scores([run])

    def test_a_utility_is_told_against_the_start(self) -> None:
        worth = Worth(Rule(lambda item: 3.0, "r"))
        assert worth.against_start
        scores, start = np.array([1.0, 2, 3, -np.inf, -np.inf, 1]), np.array([1.0, 1, 4, 0, -np.inf, -np.inf])
        assert worth.unit(scores, start).tolist() == [0.5, 1, 0, 0, 0.5, 1]
        assert worth.ranked(scores, start) == pytest.approx([0.5, expit(1), expit(-1), 0, 0.5, 1])
        done = improved(worth=Worth(Rule(lambda item: 4 - 2.0 * len(amiss(item)), "rules kept")))
        assert done.before is not None
        assert done.before.value == pytest.approx(0.5)
        assert done.counts["kept"] >= 1
        assert len(set(RULES) & set(re.findall(r"[A-Z][a-z ]+\.", done.values["prompt"]))) >= 3

    def test_known_answers(self) -> None:
        rule = matches([({"question": "1+1"}, 2)])
        runs = [trace(lambda question, own=own: own).run("1+1") for own in (" 2", "3")]
        items = [Item.of("1+1", run.output) for run in runs]
        assert np.exp(rule(items).mean).tolist() == [1, 0]
        with pytest.raises(InputError, match="no answer is known"):
            rule([Item.of("2+2", "4")])

    def test_a_run_that_failed_earned_nothing(self) -> None:
        def fails(question: str) -> str:
            raise ValueError("no")

        worth = Worth(Rule(lambda item: 1.0, "r"), (0, 1))
        assert worth.unit(worth.scores([trace(fails).run("q")])).tolist() == [0.0]


class TestImprove:
    def test_the_front_door(self) -> None:
        done = improve(
            program, [f"q {number}" for number in range(150)], earned, writer=FunctionWriter(edit), critic=critic
        )
        assert done.claim.value > 0.1
        assert done.counts["kept"] > 0

    def test_settings_that_do_not_go_together(self) -> None:
        with pytest.raises(UsageError, match="rewrite"):
            improve(program, ["a"], earned)
        engine = Improving(Rewriter(FunctionWriter(edit)))
        with pytest.raises(UsageError, match="its own writer"):
            improve(program, ["a"], earned, engine=engine, critic=critic)
        with pytest.raises(UsageError, match="cannot be called with the example"):
            improve(program, [{"asked": "a"}], earned, engine=engine)
        with pytest.raises(UsageError, match="give a potential"):
            improve(program, ["a", "b", "c", "d", "e", "f", "g"], "good", engine=engine)  # type: ignore[arg-type]


def test_proposals_hear_no_comment_on_examples_that_decide_or_measure() -> None:
    heard: list[str] = []

    def noted(messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
        heard.append(str(messages[0]["content"]))
        return edit(messages, parameters)

    splits = Splits.of(EXAMPLES)
    comments = [(Item.of(own["question"], "x"), f"about <{own['question']}>") for own in EXAMPLES]
    engine = Improving(Rewriter(FunctionWriter(noted), most=10**6), critic=Logged(comments), rounds=1, concurrency=1)
    improved(engine, splits=splits)
    assert any(f"<{own['question']}>" in heard[0] for own in splits.train)
    assert not any(f"<{own['question']}>" in heard[0] for own in (*splits.validation, *splits.held_out))
