"""The served world: the protocol as a client of the standard library alone sees it."""

from __future__ import annotations

import http.client
import json
import threading
import time
from urllib.parse import urlsplit

import pytest

from heedful.core import UsageError
from heedful.worlds import ChatServer, Trouble


def ask(server: ChatServer, text: str = "one two", path: str = "/v1/chat/completions", key: str = "", **fields):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **fields})
    connection.request("POST", path, body, {"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def upper(messages, parameters) -> str:
    return messages[-1]["content"].upper()


def test_an_answer_is_a_completion_with_its_words_counted() -> None:
    with ChatServer(upper) as server:
        status, body, _ = ask(server, "one two three", max_tokens=2)
        made = json.loads(body)
        choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "ONE TWO"}}
        assert (status, made["choices"]) == (200, [choice])
        assert made["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        _, body, _ = ask(server, "one two  three", max_completion_tokens=3)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ONE TWO  THREE"}}
        assert json.loads(body)["choices"] == [choice]
        assert [(call.status, call.tokens_in, call.tokens_out) for call in server.calls] == [(200, 3, 2), (200, 3, 3)]
        assert server.calls[0].parameters["max_tokens"] == 2


def test_wrong_keys_and_paths_are_refused() -> None:
    with ChatServer(upper, key="right") as server:
        assert ask(server, key="wrong")[0] == 401
        assert ask(server, key="right", path="/v1/other")[0] == 404
        assert ask(server, key="right")[0] == 200


def test_an_answer_that_fails_is_told() -> None:
    with ChatServer(lambda messages, parameters: parameters["unknown"]) as server:
        status, body, _ = ask(server)
        assert (status, json.loads(body)["error"]["message"]) == (500, "KeyError: 'unknown'")
        assert (server.calls[0].status, server.calls[0].tokens_out, server.under_way) == (500, 0, 0)


def test_troubles_come_by_script() -> None:
    script = [Trouble(429, b"{}", {"retry-after": "3"}), Trouble(body=b"half", cut=True), None]
    with ChatServer(upper, trouble=lambda number, _: script[number]) as server:
        status, _, headers = ask(server)
        assert (status, headers["retry-after"]) == (429, "3")
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(server)
        assert caught.value.partial == b"half"
        assert ask(server)[0] == 200
        assert [call.tokens_out for call in server.calls] == [0, 0, 2]


def test_more_at_once_than_it_takes_are_refused() -> None:
    done = threading.Event()

    def answer(messages, parameters) -> str:
        done.wait(10)
        return "done"

    with ChatServer(answer, most=1) as server:
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(ask(server)[0]))
        first.start()
        while not server.under_way:
            time.sleep(0.001)
        statuses.append(ask(server)[0])
        done.set()
        first.join()
        assert statuses == [429, 200]
        assert [call.under_way for call in server.calls] == [2, 1]


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(UsageError):
        ChatServer(upper, latency=-1)
    with pytest.raises(UsageError):
        ChatServer(upper, most=0)
