"""People asked which of two outputs is better, while the loop runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from heedful.core import Item, UsageError
from heedful.elicitation.duels import Outcome
from heedful.models.marked import output_text
from heedful.rewriting import Failures, Improved, Improving, Mutated, Run, Text, Versus, improve, trace

prompt = Text("Answer.", "prompt")
EXAMPLES = [f"question {number}" for number in range(120)]


def marks(pairs: Sequence[tuple[Item, Item]]) -> list[Outcome | None]:
    """More marks are better."""
    counts = [[output_text(own).count("!") for own in pair] for pair in pairs]
    return ["tie" if one == other else "first" if one > other else "second" for one, other in counts]


def echo(question: str) -> str:
    return f"{prompt} {question}"


def improved(versus: Versus, write: object) -> Improved:
    engine = Improving(Mutated(lambda *_: write), critic=Failures(), rounds=2, batch=4, concurrency=1)
    return improve(echo, EXAMPLES, versus, engine=engine)


def runs_of(*texts: str) -> list[Run]:
    """A run for each text, the n-th on question n."""

    def program(question: str) -> str:
        if "bad" in str(prompt):
            raise ValueError("no")
        return str(prompt)

    return [trace(program, prompt=text).run(str(number)) for number, text in enumerate(texts)]


def test_wins_losses_ties_and_failures() -> None:
    asked: list[tuple[str, str]] = []

    def noted(pairs: Sequence[tuple[Item, Item]]) -> list[Outcome | None]:
        asked.extend((output_text(one), output_text(other)) for one, other in pairs)
        return marks(pairs)

    versus = Versus(noted)
    after = versus.scores(runs_of("a!", "b", "bad", "c", "bad", "d"))
    before = versus.scores(runs_of("a", "b!!", "e", "c", "bad", "bad"))
    assert versus.differences(after, before).tolist() == [1, -1, -1, 0, 0, 1]
    assert len(asked) == versus.asked == 2
    assert versus.unit(before, after).tolist() == [0, 1, 1, 0.5, 0.5, 0]
    assert asked[2:] == asked[:2]  # in the same order, whichever is the candidate


def test_who_always_says_first_prefers_no_candidate() -> None:
    versus = Versus(lambda pairs: ["first"] * len(pairs))
    after, before = (versus.scores(runs_of(*[own] * 400)) for own in "ab")
    assert abs(versus.differences(after, before).mean()) < 0.15  # 3 standard errors
    versus.choose = lambda pairs: []
    with pytest.raises(UsageError, match="give an answer for each pair"):
        versus.differences(after, before)


def test_votes_decide_and_the_claim_is_asked_once() -> None:
    versus = Versus(marks)
    done = improved(versus, "Answer!")
    assert done.values == {"prompt": "Answer!"}
    assert done.claim.value == 0.5  # from a tie with itself to a win, on every example held out
    assert done.claim.n == 36
    assert versus.unanswered == 0
    assert improved(Versus(marks), "Other.").values == {}
    silent = Versus(lambda pairs: [None] * len(pairs))
    assert improved(silent, "Answer!").values == {}
    assert silent.unanswered == silent.asked > 0
    with pytest.raises(UsageError, match="votes have no bounds"):
        improve(echo, EXAMPLES, versus, engine=Improving(Mutated(lambda *_: "x")), bounds=(0, 1))
