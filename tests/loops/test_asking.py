"""What is asked: the right pairs, of those who can be paid, in words that say why there are no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import heedful
from heedful.core import InputError, Item, UsageError
from heedful.elicitation import RULES
from heedful.feedback import HiredRater, Record, Table, read, read_raters, write_questions
from heedful.loops import Wanted, ask, fit_to_ask, fitting, next_questions
from heedful.models import StyleFeatures
from heedful.worlds import ArenaWorld, SimulatedRaters, collect


def arena(n: int = 60, items: int = 5) -> Table:
    rng = np.random.default_rng(0)
    return collect(ArenaWorld(items, prompts=1000), n, raters=SimulatedRaters(20), rng=rng)


def spoken(groups: int = 4) -> Table:
    """Systems a, b and c, who each answer in every context; the judgements compare a with b and b with c."""
    return Table.of(
        Record(
            id=f"{number}{one}",
            kind="comparison",
            context=f"context {number}",
            candidates=[{"output": f"{system} in {number}", "system": system} for system in (one, two)],  # type: ignore[list-item]
            value={"choice": "first" if number % 2 else "second"},  # type: ignore[arg-type]
        )
        for number in range(groups)
        for one, two in ("ab", "bc")
    )


def test_asking_for_information_asks_what_a_summary_proposes() -> None:
    table = arena()
    fitted = heedful.fit(table)
    asked = ask(fitted, table, wanted=Wanted(questions=4)).rows()
    proposed = next_questions(fitted, table, count=4)
    assert [{item["system"] for item in row["items"]} for row in asked] == [
        {item["system"] for item in row["items"]} for row in proposed
    ]
    assert [row["expected_gain"] for row in asked] == pytest.approx([row["expected_gain"] for row in proposed])


def test_ids_are_the_same_for_the_same_votes_and_others_for_others() -> None:
    table = arena()
    once, again = (ask(heedful.fit(table), table) for _ in range(2))
    more = Table.concat([table, collect(ArenaWorld(5), 5, raters=SimulatedRaters(), rng=np.random.default_rng(1))])
    later = ask(heedful.fit(more), more)
    assert once == again
    assert not {question.id for question in once.questions} & {question.id for question in later.questions}


def test_nothing_is_asked_that_tells_too_little() -> None:
    table = arena()
    fitted = heedful.fit(table)
    every = ask(fitted, table, wanted=Wanted("random", questions=100, least=0))
    own = sorted(question.expected_gain for question in every.questions)
    assert len(own) == 10
    some = ask(fitted, table, wanted=Wanted("random", questions=100, least=own[4]))
    assert sorted(question.expected_gain for question in some.questions) == own[4:]
    assert "No other answer" in some.reason
    none = ask(fitted, table, wanted=Wanted(least=own[-1] * 1.01))
    assert none.questions == ()
    assert none.reason.startswith("Nothing left is worth asking")
    assert f"{own[-1]:.2g}" in none.reason


def test_a_random_rule_tells_its_propensity_and_the_others_none() -> None:
    table = arena()
    fitted = heedful.fit(table)
    at_random = ask(fitted, table, wanted=Wanted("random", questions=4, least=0))
    assert [question.propensity for question in at_random.questions] == [0.4] * 4
    assert {question.propensity for question in ask(fitted, table).questions} == {None}


@pytest.mark.parametrize("rule", ["random", "mixed"])
def test_there_is_no_propensity_where_some_pairs_could_not_be_asked_about(rule: str) -> None:
    table = arena()
    fitted = heedful.fit(table)
    gains = sorted(one.expected_gain for one in ask(fitted, table, wanted=Wanted(rule, 10, least=0)).questions)
    whole, part = (ask(fitted, table, wanted=Wanted(rule, 4, least=least)).questions for least in (0, gains[2]))
    assert all(question.propensity for question in whole)
    assert {question.propensity for question in part} == {None}


def test_the_propensity_is_how_often_a_pair_is_asked() -> None:
    table = arena(items=4)
    fitted = heedful.fit(table)
    asked = [ask(fitted, table, wanted=Wanted("random", 2, least=0, seed=seed)).questions for seed in range(300)]
    pair = {"system-1", "system-3"}
    often = sum({item.system for item in question.items} == pair for batch in asked for question in batch)
    assert abs(often - 100) < 4 * np.sqrt(300 * 2 / 9)  # two of six pairs


@pytest.mark.parametrize(
    ("wanted", "slots"),
    [
        (Wanted(), [(None, 1.0)] * 10),
        (Wanted(questions=2), [(None, 1.0)] * 2),
        (Wanted(budget=3.5), [(None, 1.0)] * 3),
        (
            Wanted(budget=7, raters=(HiredRater("a", 3.0, 5), HiredRater("b", 0.5, 2))),
            [("b", 0.5)] * 2 + [("a", 3.0)] * 2,
        ),
        (Wanted(questions=3, raters=(HiredRater("a", 2.0, 1), HiredRater("b", 9.0))), [("a", 2.0)] + [("b", 9.0)] * 2),
        (Wanted(questions=5, raters=(HiredRater("a", 2.0, 1),)), [("a", 2.0)]),
        (
            Wanted(budget=0.6, raters=tuple(HiredRater(f"{n}", 0.1, 1) for n in range(9))),
            [(f"{n}", 0.1) for n in range(6)],
        ),
        (Wanted(budget=1.0, raters=(HiredRater("a", 2.0),)), []),
        (Wanted(budget=1.0, raters=(HiredRater("free", 0.0),)), [("free", 0.0)] * 20),
    ],
)
def test_the_cheapest_are_asked_first_while_they_can_be_paid(
    wanted: Wanted, slots: list[tuple[str | None, float]]
) -> None:
    assert wanted.slots(20) == slots


@pytest.mark.parametrize("rule", list(RULES))
def test_every_rule_can_be_asked_by_name(rule: str) -> None:
    table, hired = arena(), (HiredRater("a", 2.0, 1), HiredRater("b", 3.0, 2))
    asked = ask(fit_to_ask(table), table, wanted=Wanted(rule, budget=9.0, raters=hired))
    assert 1 <= len(asked.questions) <= 3
    assert {question.rule for question in asked.questions} == {rule}
    assert sum(question.cost for question in asked.questions) <= 9.0
    costs = {"a": 2.0, "b": 3.0}
    assert all(question.rater and question.cost == costs[question.rater] for question in asked.questions)


def test_a_rule_that_has_no_question_left_is_said_to() -> None:
    """One system beat both others a hundred times: the winner is known, however little is known of the others."""
    rows = [{"model_a": "a", "model_b": other, "winner": "model_a"} for other in "bc" for _ in range(100)]
    table = read([{"question": "q", **row} for row in [*rows, {"model_a": "b", "model_b": "c", "winner": "tie"}]]).table
    asked = ask(fit_to_ask(table), table, wanted=Wanted("copeland", 3))
    assert (asked.questions, asked.reason) == ((), "The rule 'copeland' asks nothing.")
    texts = heedful.fit(spoken(), utility="features", features=StyleFeatures())
    with pytest.raises(UsageError, match="counts of duels are of systems"):
        ask(texts, spoken(), wanted=Wanted("copeland", least=0))


def test_texts_are_asked_about_at_random_by_default_and_systems_by_information() -> None:
    rng, rows = np.random.default_rng(0), []
    for number, lengths in enumerate(rng.integers(1, 20, (80, 2))):
        better = "model_a" if rng.random() < 1 / (1 + np.exp((lengths[1] - lengths[0]) / 4)) else "model_b"
        texts = {f"response_{side}": "word " * length for side, length in zip("ab", lengths, strict=True)}
        rows.append({"question": f"{number}", "model_a": "x", "model_b": "y", "winner": better, **texts})
    table = read(rows).table
    by_text = heedful.fit(table, utility="features", features=StyleFeatures())
    for fitted, rule in ((by_text, "random"), (heedful.fit(table), "information")):
        assert {question.rule for question in ask(fitted, table, wanted=Wanted(least=0)).questions} == {rule}


def test_raters_who_cannot_be_paid_are_said() -> None:
    table = arena()
    asked = ask(heedful.fit(table), table, wanted=Wanted(budget=1.0, raters=(HiredRater("a", 2.0),)))
    assert asked.questions == ()
    assert "pay for no question" in asked.reason
    few = ask(heedful.fit(table), table, wanted=Wanted(questions=3, raters=(HiredRater("a", 2.0, 2),)))
    assert [question.rater for question in few.questions] == ["a", "a"]
    assert "pay for no more" in few.reason


def test_systems_are_shown_by_what_they_wrote_in_one_context() -> None:
    table = spoken()
    asked = ask(heedful.fit(table), table, wanted=Wanted(least=0, questions=3))
    assert {frozenset(item.system or "" for item in one.items) for one in asked.questions} == {
        frozenset("ab"),
        frozenset("bc"),
        frozenset("ac"),
    }
    written = {(item.context, item.output, item.system) for record in table.records() for item in record.items()}
    for question in asked.questions:
        assert {(item.context, item.output, item.system) for item in question.items} <= written
    given = [[Item.of("new", "x", "a"), Item.of("new", "y", "b")]]
    shown = ask(heedful.fit(table), table, given, Wanted(least=0, questions=3)).questions
    texts = {frozenset(item.system or "" for item in one.items): one.shown()[0] for one in shown}
    assert texts == {frozenset("ab"): "new", frozenset("bc"): "", frozenset("ac"): ""}


def test_outputs_of_different_contexts_are_not_compared() -> None:
    table = Table.of(
        Record(
            id=f"{number}",
            kind="comparison",
            context=f"context {number % 2}",
            candidates=[{"output": "yes"}, {"output": "no"}],  # type: ignore[list-item]
            value={"choice": "first" if number % 3 else "second"},  # type: ignore[arg-type]
        )
        for number in range(24)
    )
    asked = ask(heedful.fit(table), table, wanted=Wanted(least=0))
    assert len(asked.questions) == 2


def test_few_items_are_held_by_a_prior_for_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    table = arena(20, items=8)
    held = fit_to_ask(table)
    assert held.model["prior"]["sd_was"] != "given"
    assert np.isfinite(np.diag(held.covariance)).all()
    monkeypatch.setattr(fitting, "_MOST_HELD", 7)
    assert np.array_equal(fit_to_ask(table).mean, heedful.fit(table).mean)


def test_answers_join_the_earlier_votes(tmp_path: Path) -> None:
    table = spoken()
    questions = ask(heedful.fit(table), table, wanted=Wanted(least=0, questions=3)).questions
    write_questions(questions, tmp_path / "q.jsonl")
    answers = (tmp_path / "q.jsonl").read_text("utf-8").replace('"value": {}', '"value": {"choice": "first"}')
    (tmp_path / "a.jsonl").write_text(answers, "utf-8")
    heedful.feedback.write(table, tmp_path / "votes.jsonl")
    both = read([str(tmp_path / "votes.jsonl"), str(tmp_path / "a.jsonl")]).table
    assert len(both) == len(table) + 3
    counts = dict(zip(heedful.fit(both).names, heedful.fit(both).counts, strict=True))
    before = dict(zip(heedful.fit(table).names, heedful.fit(table).counts, strict=True))
    assert {name: counts[name] - before[name] for name in counts} == dict.fromkeys("abc", 2)


def test_raters_are_read_and_faults_named(tmp_path: Path) -> None:
    file = tmp_path / "raters.csv"
    file.write_text("rater,cost,capacity\nann,2.5,3\nbob,,\n7,0,0\n")
    assert read_raters(str(file)) == (HiredRater("ann", 2.5, 3), HiredRater("bob"), HiredRater("7", 0.0, 0))
    for content, says in {
        "rater,cost\nann,cheap\n": r"line 2.*cost.*'cheap'",
        "rater,cost\nann,-1\n": "cost",
        "rater,capacity\nann,2.5\n": "capacity",
        "rater,cost\nann,1\nann,2\n": r"line 3.*second time",
        "who,cost\nann,1\n": "names no rater",
        "rater,cost\n": "no raters",
    }.items():
        file.write_text(content)
        with pytest.raises(InputError, match=says):
            read_raters(str(file))


@pytest.mark.parametrize("wrong", [{"rule": "magic"}, {"questions": 0}, {"budget": 0.0}, {"least": -1.0}])
def test_wrong_wishes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Wanted(**wrong)  # type: ignore[arg-type]
