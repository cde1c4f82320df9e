"""Contexts and candidates from files: messages are read as the texts they hold, or refused."""

from __future__ import annotations

import json

import pytest

from heedful.core import InputError, Part
from heedful.feedback import read_candidates, read_contexts

TYPED = {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}
READ = (Part("hi", by="world", role="user"), Part("there", by="world", role="user"))


def written(folder, *rows):
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return str(path)


def test_messages_of_typed_texts_are_their_texts(tmp_path):
    plain = {"role": "assistant", "content": "hello"}
    path = written(tmp_path, {"prompt": [TYPED, plain], "outputs": [[plain], "bye"]})
    said = Part("hello", by="system", role="assistant")
    assert read_contexts(path) == ((*READ, said),)
    ((first, second),) = read_candidates(path)
    assert first.context == (*READ, said)
    assert first.output == (said,)
    assert second.output == (Part("bye"),)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]},
        {"role": "user", "content": [{"type": "text", "text": None}]},
        {"role": "user", "content": ["hi"]},
        {"role": "user", "content": []},
        {"role": "user", "content": {"text": "hi"}},
        {"role": None, "content": "hi"},
    ],
)
def test_messages_of_anything_else_are_refused_by_line(tmp_path, message):
    path = written(tmp_path, {"prompt": "q", "outputs": ["a"]}, {"prompt": [message], "outputs": ["a"]})
    for read in (read_contexts, read_candidates):
        with pytest.raises(InputError, match=r"rows\.jsonl, line 2.*more than text, or no text"):
            read(path)
