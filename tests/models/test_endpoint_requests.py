"""What is sent, what is read of a reply, and what makes two requests one."""

from __future__ import annotations

import dataclasses
import email.utils
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heedful.core import EndpointError, Part, RequestRefusedError, UsageError
from heedful.models import Prices, Request, Sampling, chat_messages
from heedful.models.endpoint.replies import Reply, asked_wait, read_reply

CALL = {"id": "a", "type": "function", "function": {"name": "add", "arguments": "{}"}}


# --- Contexts as messages --------------------------------------------------------------------------------------------


def test_parts_are_the_messages_of_a_chat() -> None:
    context = (
        Part("Be brief.", by="world", role="system"),
        Part("2 + 2?", by="world"),
        Part("Really?", by="world"),
        Part("Let me add.", by="system"),
        Part(json.dumps(CALL), "tool_call", "system"),
        Part(json.dumps({**CALL, "id": "b"}), "tool_call", "system"),
        Part(json.dumps({"tool_call_id": "b", "content": "5"}), "tool_result", "world"),
        Part("4", "tool_result", "world"),
        Part("Thanks", by="world", role="human"),
    )
    assert chat_messages(context) == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?\n\nReally?"},
        {"role": "assistant", "content": "Let me add.", "tool_calls": [CALL, {**CALL, "id": "b"}]},
        {"role": "tool", "tool_call_id": "b", "content": "5"},
        {"role": "tool", "tool_call_id": "a", "content": "4"},
        {"role": "user", "content": "Thanks"},
    )


def test_a_call_without_words_has_no_content() -> None:
    context = (Part("add", by="world"), Part(json.dumps(CALL), "tool_call", "system"))
    assert chat_messages(context)[1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ((), "context is empty"),
        ((Part("a"), Part("a cat", "media", uri="cat.png")), "part 2 of the context: media cannot be sent"),
        ((Part("[1]", "array"),), "array cannot be sent"),
        ((Part(uri="essay.txt"),), "known only by a reference"),
        ((Part("add(2)", "tool_call"),), "not of the chat protocol"),
        ((Part('{"id": "a", "function": "add"}', "tool_call"),), "not of the chat protocol"),
        ((Part("4", "tool_result", "world"),), "without a call before it"),
    ],
)
def test_what_has_no_place_in_a_chat_is_named(context, words) -> None:
    with pytest.raises(UsageError, match=words):
        chat_messages(context)


# --- Keys ------------------------------------------------------------------------------------------------------------


def test_everything_that_may_bear_on_an_answer_is_in_its_key() -> None:
    plain, url, sampling = Request.of("hello"), "http://a/v1", Sampling()
    other = [
        Request.of("hello.").key(url, "m", sampling),
        Request.of("hello", sample=1).key(url, "m", sampling),
        Request(({"role": "system", "content": "hello"},)).key(url, "m", sampling),
        Request(({"role": "user", "content": "hello"}, {"role": "user", "content": ""})).key(url, "m", sampling),
        plain.key("http://b/v1", "m", sampling),
        plain.key(url, "n", sampling),
        *(
            plain.key(url, "m", dataclasses.replace(sampling, **change))
            for change in (
                {"max_tokens": 7},
                {"temperature": 0.0},
                {"temperature": None},
                {"top_p": 0.9},
                {"stop": ("x",)},
                {"seeded": False},
                {"limit_name": "max_completion_tokens"},
                {"other": {"response_format": {"type": "json_object"}}},
            )
        ),
    ]
    assert len({plain.key(url, "m", sampling), *other}) == 1 + len(other)
    unseeded = dataclasses.replace(sampling, seeded=False)
    assert plain.key(url, "m", unseeded) != Request.of("hello", sample=1).key(url, "m", unseeded)


def test_keys_outlast_the_process() -> None:
    """Frozen: a changed key would buy every recorded answer again."""
    key = Request.of("hello", sample=3).key("http://a/v1", "m", Sampling(stop=("x",)))
    assert key.hex() == "81ef155381cc7856095791dec1a31b36e36102fd9b60eb1e186e2772baded3e1"
    spelled = Request([{"content": "hello", "role": "user"}], 3).key("http://a/v1", "m", Sampling(stop=("x",)))
    assert spelled == key


def test_seeds_fit_the_wire_and_can_be_left_out() -> None:
    assert Sampling().fields(2**40 + 5) == {"max_tokens": 512, "temperature": 1.0, "seed": 5}
    assert Sampling(9, None, seeded=False, limit_name="max_completion_tokens").fields(1) == {"max_completion_tokens": 9}


def test_a_text_is_one_stop() -> None:
    for stop in ("END", ("END",), ["END"]):
        assert Sampling(stop=stop) == Sampling(stop=("END",))
        assert Sampling(stop=stop).fields(0)["stop"] == ["END"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Request([]),
        lambda: Request("hello"),
        lambda: Request.of("\ud800"),
        lambda: Request([{"role": "user", "content": float("nan")}]),
        lambda: Request.of("hello", sample=-1),
        lambda: Sampling(max_tokens=0),
        lambda: Sampling(stop=""),
        lambda: Sampling(stop=("a", "")),
        lambda: Sampling(stop=(3,)),
        lambda: Sampling(other={"seed": 3}),
        lambda: Sampling(other={"stream": True}),
        lambda: Sampling(other={"tools": []}),
        lambda: Sampling(other={"x": {1, 2}}),
        lambda: Prices(-1, 0),
        lambda: Prices(float("nan"), 0),
    ],
)
def test_what_cannot_be_sent_is_refused(make) -> None:
    with pytest.raises(UsageError):
        make()


def test_prices_are_per_million_tokens() -> None:
    assert Prices(3, 15).of(2_000_000, 100_000) == 7.5


def test_what_is_changed_after_asking_changes_no_request() -> None:
    messages, other = [{"role": "user", "content": ["hello"]}], {"stop_ids": [1]}
    request, sampling = Request(messages), Sampling(other=other)
    key = request.key("http://a/v1", "m", sampling)
    messages[0]["content"].append("more")
    messages.append({"role": "user", "content": "and more"})
    other["stop_ids"].append(2)
    assert request.messages == ({"role": "user", "content": ["hello"]},)
    assert sampling.other == {"stop_ids": [1]}
    assert request.key("http://a/v1", "m", sampling) == key


# --- Replies ---------------------------------------------------------------------------------------------------------


def completion(message, reason="stop", usage=None) -> Reply:
    body = {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}
    return Reply(200, json.dumps(body).encode())


def test_a_completion_is_read() -> None:
    read = read_reply(completion({"content": "four"}, "length", {"prompt_tokens": 7, "completion_tokens": 1}))
    assert (read.text, read.finish_reason, read.tokens_in, read.tokens_out) == ("four", "length", 7, 1)
    assert (read.fate, read.fault, read.outcome) == ("answered", None, "cut at max_tokens")
    assert read_reply(completion({"content": ""})).text == ""


@pytest.mark.parametrize(
    ("body", "fault", "fate"),
    [
        (b"", "wrong JSON", "unknown"),
        (b'{"choices": [{"mess', "wrong JSON", "unknown"),
        (b"\xff\xfe", "wrong JSON", "unknown"),
        (b"[" * 100_000, "wrong JSON", "unknown"),
        (b"[]", "wrong JSON", "unknown"),
        (b"{}", "no choices", "answered"),
        (b'{"choices": []}', "no choices", "answered"),
        (b'{"choices": "four"}', "no choices", "answered"),
        (b'{"choices": [null]}', "no choices", "answered"),
        (b'{"choices": [{}]}', "no content", "answered"),
        (b'{"choices": [{"message": {"content": null}}]}', "no content", "answered"),
        (b'{"choices": [{"message": {"content": ["four"]}}]}', "no content", "answered"),
    ],
)
def test_what_is_no_completion_is_never_a_text(body, fault, fate) -> None:
    read = read_reply(Reply(200, body))
    assert (read.text, read.fault, read.fate, read.malformed) == (None, fault, fate, True)


NAMES = st.sampled_from(["choices", "message", "content", "usage", "prompt_tokens", "finish_reason"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, lambda x: st.lists(x, max_size=2) | st.dictionaries(NAMES, x, max_size=3), max_leaves=8))
def test_any_json_is_read_as_a_text_or_a_fault(value) -> None:
    read = read_reply(Reply(200, json.dumps(value).encode()))
    assert isinstance(read.text, str) != (read.fault is not None)
    assert read.tokens_in is None or read.tokens_in >= 0


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (429, "refused"),
        (503, "refused"),
        (408, "unknown"),
        (500, "unknown"),
        (502, "unknown"),
        (504, "unknown"),
        (529, "unknown"),
    ],
)
def test_what_may_pass_is_a_fault(status, fate) -> None:
    read = read_reply(Reply(status, b"busy"))
    assert (read.fate, read.fault, read.malformed) == (fate, f"status {status}", False)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"error": {"message": "too long"}}', "status 400: too long"),
        (422, b"filtered", "status 422: filtered"),
        (400, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', "status 400: pay"),
        (401, b'{"error": "no"}', "status 401: no Fix: check the key"),
        (404, b"<html>", "status 404: <html> Fix: check url"),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', "status 429: pay"),
        (302, b"", "status 302: it says nothing"),
    ],
)
def test_what_will_not_pass_is_an_error_in_the_servers_words(status, body, words) -> None:
    with pytest.raises(EndpointError, match=words) as caught:
        read_reply(Reply(status, body))
    assert isinstance(caught.value, RequestRefusedError) == (status in (400, 422) and b"pay" not in body)


def test_waits_are_read_in_all_three_spellings() -> None:
    assert asked_wait({}) is None
    assert asked_wait({"retry-after": "1.5"}) == 1.5
    assert asked_wait({"retry-after": "9", "retry-after-ms": "250"}) == 0.25
    assert asked_wait({"retry-after": "soon"}) is None
    assert asked_wait({"retry-after": "-3"}) == 0
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 55 < asked_wait({"retry-after": date}) <= 60
