"""What candidates may cost, the shorter one that is no worse, and the front of what is good for its cost."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from heedful.core import Budget, UsageError
from heedful.evidence import Rule
from heedful.rewriting import Failures, Gate, Improved, Improving, Mutated, Splits, Text, Worth, draw, stage, trace
from heedful.rewriting.costs import Limits, Shorter, Standing, characters, front, length_of

LONG = "Answer, and answer so that everybody understands."
prompt = Text(LONG, "prompt")
EXAMPLES = [{"question": f"question {number}"} for number in range(400)]
SAME = Worth(Rule(lambda item: 0.5, "same"), (0, 1))


@stage
def ask(text: str) -> str:
    return text


def echo(question: str) -> str:
    return ask(f"{prompt} {question}")


def improved(texts: Any, function: Any = echo, worth: Worth = SAME, seed: int = 0, **settings: Any) -> Improved:
    own: Iterator[str] = iter(texts)
    how = {"rounds": len(texts), "batch": 4, "concurrency": 1, "trials": None, **settings}
    splits = how.pop("splits", Splits.of(EXAMPLES, seed=seed))
    engine = Improving(Mutated(lambda *_: next(own)), critic=Failures(), **how)
    return engine(trace(function), worth, splits, budget=Budget(), rng=np.random.default_rng(seed))


def test_what_a_run_costs_does_not_depend_on_what_was_remembered() -> None:
    run = trace(echo).run("why")
    assert characters(run) == 2 * len(f"{LONG} why")
    alone = trace(lambda question: f"{prompt} {question}").run("why")
    assert characters(alone) == len("why") + len(LONG) + len(f"{LONG} why")
    done = improved(["Answer.", "Answer me."])
    costs = {own.length: own.cost for own in done.front}
    assert costs == {len("Answer."): pytest.approx(2 * np.mean([len("Answer. question 1") + 1]), abs=3)}


def test_texts_that_are_too_long_are_not_run() -> None:
    done = improved(["Short.", "Short!" * 10], limits=Limits(longest=20))
    assert done.counts["too_long"] == 1
    assert [own.values["prompt"] for own in done.history[1:]] == ["Short."]
    free = improved(["Short.", "Short!" * 10])
    assert free.counts["too_long"] == 0
    assert len(free.history) == 3
    with pytest.raises(UsageError):
        Limits(longest=0)


def test_candidates_whose_runs_cost_too_much_are_not_tried() -> None:
    texts = [f"{LONG} {LONG} {LONG}", "Answer."]
    done = improved(texts, limits=Limits(dearer=1.5))
    assert done.counts["too_dear"] == 1
    assert [own["values"]["prompt"] for own in done.events if own["event"] == "tried"] == ["Answer."]
    assert improved(texts, limits=Limits(dearer=4)).counts["tried"] == 2
    assert improved(texts, limits=Limits(dearer=1.5, cost=lambda run: 1.0)).counts["tried"] == 2


def test_a_shorter_text_that_is_as_good_is_kept_and_told() -> None:
    done = improved(["Answer."], shorter=Shorter())
    assert done.values == {"prompt": "Answer."}
    first, last = (own for own in done.events if own["event"] == "tried")
    assert (first["margin"], first["kept"]) == (0.0, False)
    assert (last["margin"], last["kept"]) == (-0.05, True)
    assert first["level"] + last["level"] == pytest.approx(0.05)
    assert done.claim.value == 0
    assert done.claim.n == 120
    assert improved(["Answer."]).values == {}
    assert improved([f"{LONG}!"], shorter=Shorter()).values == {}  # not shorter
    with pytest.raises(UsageError):
        Shorter(loss=1.0)


def test_a_text_that_is_worse_by_what_may_be_lost_is_kept_as_rarely_as_stated() -> None:
    """Right with probability 0.8 at the start and 0.6 with the short text, whose loss of 0.2 is the most that may be
    lost: over whole runs, in which another was tried, too, alpha = 0.2 holds. Where nothing is lost, most keep it."""
    splits = Splits(tuple(EXAMPLES[:4]), tuple(EXAMPLES[4:104]), tuple(EXAMPLES[104:106]))

    def chance(*parts: Any) -> float:
        return float(np.random.default_rng(zlib.crc32(repr(parts).encode())).random())

    def kept(seed: int, short: float) -> int:
        def program(question: str) -> str:
            text = str(prompt)
            return "right" if chance(seed, text, question, draw()) < (short if text == "Answer." else 0.8) else "wrong"

        right = Worth(Rule(lambda item: float(item.output[0].text == "right"), "right"), (0, 1))
        how: dict[str, Any] = {"gate": Gate(0.2), "shorter": Shorter(loss=0.2), "rounds": 2, "splits": splits}
        return improved(["Answer.", f"{LONG}!"], program, right, seed, **how).counts["kept"]

    assert sum(kept(seed, 0.6) > 0 for seed in range(15)) <= 7  # P(more than 7 of 15 at 20 %) < 1 %
    assert sum(kept(seed, 0.8) > 0 for seed in range(10)) >= 6


def test_a_trial_of_a_shorter_text_errs_as_rarely_as_stated() -> None:
    """At the edge, where it is worse by just what may be lost, in 1,000 trials at a level of 0.2."""
    rng, kept = np.random.default_rng(0), 0
    for _ in range(1000):
        differences = (rng.random(100) < 0.6).astype(float) - (rng.random(100) < 0.8)
        kept += Gate(0.2, margin=-0.2).trial(100, 1, rng=rng).after(differences).kept
    assert 20 < kept <= 200


def test_the_front_is_what_no_other_beats() -> None:
    rng = np.random.default_rng(0)
    all_of = [
        Standing({"n": n}, float(rng.integers(4)), 8, int(rng.integers(1, 5)), float(rng.integers(1, 5)), False)
        for n in range(40)
    ]

    def beats(one: Standing, other: Standing) -> bool:
        mine, its = (one.mean, -one.length, -one.cost), (other.mean, -other.length, -other.cost)
        return all(a >= b for a, b in zip(mine, its, strict=True)) and mine != its

    found = front(all_of)
    assert {own.values["n"] for own in found} == {
        own.values["n"] for own in all_of if not any(beats(other, own) for other in all_of)
    }
    assert [own.mean for own in found] == sorted((own.mean for own in found), reverse=True)
    assert front([]) == ()
    assert length_of({"a": "abc", "b": 12}) == 5


def test_the_result_has_a_front_that_says_what_was_proven() -> None:
    won = Worth(Rule(lambda item: float("!" in item.output[0].text), "won"), (0, 1))
    done = improved([f"{LONG}!", "Answer."], worth=won)
    assert [(own.mean, own.kept, own.values["prompt"]) for own in done.front] == [
        (1.0, True, f"{LONG}!"),
        (0.0, False, "Answer."),
    ]
    assert done.summary()["front"][0]["n"] == done.front[0].n == 8
