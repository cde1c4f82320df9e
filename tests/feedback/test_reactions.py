"""Reactions of users in chats: which turns are read as feedback, on what, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import heedful
from heedful.core import HeedfulError, InputError
from heedful.feedback import Exchange, by_rule, mined


@pytest.mark.parametrize(
    ("asked", "answered", "said", "reaction"),
    [
        ("Sort it.", "sorted(x)", "Thanks!", "positive"),
        ("Sort it.", "sorted(x)", "Ok great, that works", "positive"),
        ("Sort it.", "sorted(x)", "It runs now, thank you.", "positive"),
        ("Sort it.", "sorted(x)", "Great Britain is where?", "positive"),  # a rule by words errs
        ("Sort it.", "sorted(x)", "No, it must be descending.", "corrected"),
        ("Sort it.", "Descending?", "No, it must be ascending.", None),
        ("Sort it.", "sorted(x)", "I meant by date", "corrected"),
        ("Sort it.", "sorted(x)", "Thanks, but that’s wrong", "unhappy"),
        ("Sort it.", "sorted(x)", "this doesn't work", "unhappy"),
        ("Sort it.", "sorted(x)", "What do you mean?", "unclear"),
        ("How do I sort rows by date?", "Rows?", "How to sort the rows by date", None),
        ("How do I sort rows by date?", "sorted(x)", "sort rows by the date, how?", "rephrase"),
        ("How do I sort rows by date?", "sorted(x)", "And by name?", None),
        ("Sort it.", "sorted(x)", "Now reverse it.", None),
    ],
)
def test_reactions_by_rule(asked: str, answered: str, said: str, reaction: str | None) -> None:
    assert by_rule([Exchange(asked, answered, said)]) == (reaction,)


def chat(*turns: tuple[str, str], **about: object) -> dict[str, object]:
    return {"messages": [{"role": role, "content": content} for role, content in turns], **about}


TALK = chat(
    ("system", "Be brief."),
    ("user", "Sort x."),
    ("assistant", "x.sort()"),
    ("user", "Perfect"),
    ("user", "thank you"),
    ("assistant", "Any time."),
    ("user", "And the median?"),
    ("assistant", "x[0]"),
    ("tool", "3"),
    ("assistant", "It is x[0]"),
    ("user", "That is wrong."),
    ("assistant", "Sorry."),
    user="ann",
    model="m1",
    id="c7",
    topic="code",
)


def test_a_response_is_labelled_by_what_is_said_next() -> None:
    found = mined([TALK])
    assert found.turns == 3
    assert found.reactions == {"positive": 1, "unhappy": 1}
    good, bad = found.table.records()
    assert (good.id, good.kind, good.value.label) == ("chat-c7/2", "label", True)
    assert [part.text for part in good.items()[0].context] == ["Be brief.", "Sort x."]
    assert [part.text for part in good.items()[0].output] == ["x.sort()"]
    assert (good.rater and good.rater.id, good.candidates[0].system) == ("ann", "m1")
    assert good.extra == {"topic": "code", "reaction": "positive", "said": "Perfect\nthank you"}
    # What tools returned on the way is part of the response.
    assert bad.value.label is False
    assert [part.text for part in bad.items()[0].output] == ["x[0]", "3", "It is x[0]"]
    assert len(bad.items()[0].context) == 7


def test_a_model_may_read_the_turns_and_fail_to() -> None:
    def classify(exchanges):
        assert [own.said for own in exchanges] == ["Perfect\nthank you", "And the median?", "That is wrong."]
        return ["unread", None, "corrected"]

    found = mined([TALK], classify)
    assert found.reactions == {"unread": 1, "corrected": 1}
    assert [own.value.label for own in found.table.records()] == [False]


def test_chats_without_an_exchange_give_nothing() -> None:
    found = mined([chat(("user", "Hi"), ("assistant", "Hi")), chat(("assistant", "Hi"), ("user", "thanks"))])
    assert (found.turns, len(found.table)) == (0, 0)
    assert mined([]).turns == 0


def test_a_user_who_writes_before_being_answered_makes_no_response_of_nothing() -> None:
    found = mined([chat(("user", "Hi"), ("system", "Be brief."), ("user", "thanks"))])
    assert found.turns == 0


def test_what_is_no_chat_is_refused_by_number() -> None:
    with pytest.raises(InputError, match="messages with a role") as caught:
        mined([TALK, {"text": "hello"}])
    assert "chat 2" in str(caught.value)
    with pytest.raises(InputError, match="two chats give the label chat-c7/2"):
        mined([TALK, TALK])
    for wrong in (lambda own: [], lambda own: ["angry"] * len(own)):
        with pytest.raises(HeedfulError, match="3 exchanges"):
            mined([TALK], wrong)


def test_files_of_chats_are_read_where_asked_for_by_name(tmp_path: Path) -> None:
    nameless = {key: own for key, own in TALK.items() if key != "id"}
    file = tmp_path / "chats.jsonl"
    file.write_text("\n".join(map(json.dumps, (TALK, nameless, nameless, {"messages": "hello"}))), "utf-8")
    found = heedful.read(file, format="chats")
    assert found.table.column("label").to_list() == [True, False] * 3
    assert found.table.column("id").n_unique() == 6
    assert found.table.column("id")[0] == "chat-c7/2"
    assert len(found.rejects) == 1
    assert "messages with a role" in found.rejects[0].reason
    with pytest.raises(HeedfulError):
        heedful.read(file)
