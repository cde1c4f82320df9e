"""Other packages in the rule world: their prompts as recorded are read for what they show, their calls are counted at
the server, and the median's interval holds."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from heedful.core import Item
from heedful.rewriting import Splits
from heedful.worlds.played import Asked
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import RuleWorld

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
RECORDED = json.loads((Path(__file__).parent / "recorded" / "rule_world_prompts.json").read_text("utf-8"))
sys.path.insert(0, str(BENCHMARKS))
try:
    import rule_world
    from rule_world_.charged import START, Paid
    from rule_world_.peers import Peer
    from rule_world_.players import Readers, all_models
finally:
    sys.path.remove(str(BENCHMARKS))

WORLD = RuleWorld()
PEER = """
import http.client, json, sys
sys.path.insert(0, {place!r})
from peer import main, said_of

def asked(run, model, text):
    own = http.client.HTTPConnection(run.server)
    body = dict(model=model, messages=[dict(role="user", content=text)])
    own.request("POST", "/v1/chat/completions", json.dumps(body))
    return json.loads(own.getresponse().read())["choices"][0]["message"]["content"]

def play(run):
    print("what a package says")
    if run.seed == 1:
        raise ValueError("it breaks")
    for questions in run.batches(3):
        answers = [asked(run, "task", f"{{run.start}} Give a source. {{own}}") for own in questions]
        assert all(0 <= run.earned(*own) <= 1 for own in zip(questions, answers))
        run.keep(run.start + said_of(len(questions)))
        if run.seed == 2:
            return

main(play)
"""


class Watched(Readers):
    """Notes the answers that a player found in what it was asked."""

    def _said(self, shown: Iterable[str], rng: np.random.Generator) -> str:
        self.shown.extend(found := list(shown))
        return super()._said(found, rng)

    @property
    def shown(self) -> list[str]:
        return self.__dict__.setdefault("found", [])


def replied(name: str, place: int = 0) -> tuple[list[str], str]:
    """What a player who never errs saw in a recorded prompt, and its answer."""
    own = Watched(RuleCritic(WORLD, sees=1, misled=0), RuleEditor(WORLD, skill=1))
    return own.shown, own.players()[name](Asked.read(RECORDED[name][place]), np.random.default_rng(0))


@pytest.mark.parametrize(("name", "count"), [("reader", 3), ("gepa", 3), ("textgrad", 1), ("optoprime", 3)])
def test_players_see_each_answer_with_its_question_and_what_it_earned(name: str, count: int) -> None:
    shown, _ = replied(name)
    assert len(shown) == count
    for own in shown:
        (earned,) = re.findall(r"It earned (\S+) of 1\.", own)
        assert float(earned) == pytest.approx(WORLD.share(Item.of(own, own)), abs=0.006)


@pytest.mark.parametrize(
    ("name", "place", "form"),
    [
        ("reader", 0, r"<(\w{12}-1)>\n(?P<text>.*)\n</\1>"),
        ("gepa", 0, r"```\n(?P<text>.*)\n```"),
        ("textgrad", 2, r"<IMPROVED_VARIABLE>(?P<text>.*)</IMPROVED_VARIABLE>"),
    ],
)
def test_players_rewrite_as_is_asked_in_the_form_that_is_asked(name: str, place: int, form: str) -> None:
    found = re.fullmatch(form, replied(name, place)[1], re.DOTALL)
    assert found
    assert done_of(name, found["text"])


def test_players_of_trace_suggest_a_value_of_its_variable() -> None:
    for name in ("optoprime", "opro"):
        (suggested,) = json.loads(replied(name)[1])["suggestion"].items()
        assert suggested[0] == "str0"
        assert done_of(name, suggested[1])


def test_the_player_of_dspy_proposes_an_instruction_and_answers_by_it() -> None:
    shown, said = replied("dspy")
    assert len(shown) == 3
    assert [WORLD.topic(own) for own in shown] == [WORLD.topic(own.splitlines()[0]) for own in shown]
    found = re.fullmatch(r"\[\[ ## proposed_instruction ## \]\]\n(.*)", said, re.DOTALL)
    assert found
    assert done_of("dspy", found[1])
    _, said = replied("dspy", 1)
    assert said.startswith("[[ ## answer ## ]]\n")
    assert not np.isnan(WORLD.shown(said)).any()


def done_of(name: str, text: str) -> bool:
    """Whether a text keeps what stood in the prompt and adds one rule, which one of the answers asks for."""
    before = {"optoprime": "End with a full stop.", "textgrad": "Give a source.\nUse no list."}.get(name, "")
    (rule,) = set(WORLD.standing(text)) - set(WORLD.standing(before))
    place, wants = WORLD.rules[rule]
    told = " ".join(str(message["content"]) for asked in RECORDED[name] for message in asked)
    amiss = WORLD.aspects[place].line(not wants) in told
    return text.startswith(START) and before in text and (amiss or name == "opro")


def test_the_player_of_textgrad_criticises_and_passes_on() -> None:
    shown, said = replied("textgrad")
    amiss = WORLD.amiss(Item.of(shown[0], shown[0]))
    complaints = [own.complaint(worth > 0) for own, worth in zip(WORLD.aspects, WORLD.worth[0], strict=True)]
    assert said in [own for own, bad in zip(complaints, amiss, strict=True) if bad]
    (told,) = re.findall(r"feedback on the LM_OUTPUT: (.*?) </OBJ", RECORDED["textgrad"][1][1]["content"])
    assert replied("textgrad", 1)[1] == told


def test_the_player_of_opro_changes_the_text_that_earned_most() -> None:
    tried = [{"variables": {"s": f"Be brief. {own}"}, "feedback": f"It earned {own} of 1."} for own in (0.2, 0.7, 0.4)]
    text = "Below are some example variables and their feedbacks.\n" + "\n".join(map(json.dumps, tried))
    own = Readers(RuleCritic(WORLD), RuleEditor(WORLD))
    assert "0.7" in own.opro(Asked.read([{"role": "user", "content": text}]), np.random.default_rng(1))


def splits() -> Splits:
    return Splits.of([{"question": f"Question {number} about history."} for number in range(30)])


def test_calls_are_counted_at_the_server_until_the_cap(tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(PEER.format(place=str(BENCHMARKS / "rule_world_")))
    with Peer([sys.executable, str(script)]) as peer:
        runs = [Paid(all_models(WORLD), 10) for _ in range(3)]
        peer.play(runs[0], WORLD, splits(), 0)
        with pytest.raises(RuntimeError, match=r"(?s)own\.py failed.*it breaks"):
            peer.play(runs[1], WORLD, splits(), 1)
        peer.play(runs[2], WORLD, splits(), 2)
    kept = f"{START}It earned 3 of 1."
    assert [own.calls for own in runs] == [10, 0, 3]
    assert [own.kept for own in runs] == [[(0, START), (3, kept)], [(0, START)], [(0, START), (3, kept)]]


def test_calls_until_near_are_those_when_it_was_first_kept() -> None:
    paid = Paid(all_models(WORLD), 10)
    paid.kept += [(3, "Give a source."), (5, WORLD.best()), (9, START)]
    assert rule_world.until_near(paid, WORLD) == 5
    assert rule_world.until_near(Paid(all_models(WORLD), 10), WORLD) == math.inf


@pytest.mark.parametrize("n", [6, 12, 20])
def test_the_interval_of_a_median_holds_where_much_is_beyond_the_cap(n: int) -> None:
    rng = np.random.default_rng(n)
    drawn = rng.exponential(size=(1_500, n)) * 1_000 / math.log(2)  # of median 1,000
    capped = np.where(drawn > 1_400, math.inf, drawn)

    def holds(values: Sequence[float]) -> bool:
        value, low, high = rule_world.median(list(values))
        assert low <= value <= high
        return low <= 1_000 <= high

    assert 0.945 <= np.mean([holds(own) for own in capped]) < 0.985
    assert rule_world.median([1.0, 2.0, 3.0]) == (2.0, -math.inf, math.inf)


def test_the_page_says_what_the_committed_results_hold() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    rows = json.loads((BENCHMARKS / "results" / "rule_world.json").read_text("utf-8"))
    for name, own in rows.items():
        beyond = f"> {own['cap']:,}"
        calls, low, high = (beyond if one is None else f"{one:,.0f}" for one in (own["calls"], *own["calls_interval"]))
        within = f" [{low}, {high}]" if own["calls_interval"][0] is not None else ""
        worth = "{:.3f} [{:.3f}, {:.3f}]".format(own["worth"], *own["worth_interval"])
        null = "{:.0%} [{:.0f}, {:.0f}]".format(own["null"], *(100 * one for one in own["null_interval"]))
        row = f"| {name} | {worth} | {calls}{within} | {own['reached']:.0%} | {null} | {own['changes']:.1f} |"
        assert row in page, row
        values = own["each"]["calls"]
        assert own["reached"] == np.mean([one is not None for one in values])
        assert own["worth"] == pytest.approx(np.median(own["each"]["worth"]))
