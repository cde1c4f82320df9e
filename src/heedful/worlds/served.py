"""A world behind HTTP: any function of messages as an OpenAI-compatible server, with the troubles that servers have."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np

from heedful.core import Base, UsageError
from heedful.models.messages import message_parts

Messages = Sequence[Mapping[str, Any]]
Answering = Callable[[Messages, Mapping[str, Any]], str]


@dataclass(frozen=True)
class Trouble:
    """What is sent in the place of an answer: a status with `body` and `headers`, after `delay` seconds; `cut` closes
    the connection in the middle of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False


@dataclass(frozen=True)
class ServedCall:
    """A request as the server saw it. Tokens are 0 where it refused."""

    messages: Messages
    parameters: Mapping[str, Any]
    status: int
    tokens_in: int
    tokens_out: int
    under_way: int


class ChatServer:
    """Serves `answer(messages, parameters)` as chat completions at `url`, on this machine, while the context is open.

    A token is a word: the server counts those of all messages and of the answer, and cuts the answer at max_tokens.
    `trouble(number, parameters)` may replace the answer to the request of that number, from 0. Each takes `latency`
    seconds; beyond `most` at once it answers 429, and 500 where `answer` fails. `key` is asked for, where given.
    `calls` holds every request.

    `answering(base)` is an answer by any base.

    >>> with ChatServer(lambda messages, parameters: messages[-1]["content"].upper()) as server:  # doctest: +SKIP
    ...     Endpoint(server.url, "loud").complete([Request.of("hello")])
    """

    def __init__(
        self,
        answer: Answering,
        *,
        trouble: Callable[[int, Mapping[str, Any]], Trouble | None] | None = None,
        latency: float = 0.0,
        most: int | None = None,
        key: str | None = None,
    ) -> None:
        if latency < 0 or (most is not None and most < 1):
            raise UsageError("latency is 0 or more, and most 1 or more", where="ChatServer")
        self._answer, self._trouble, self._latency, self._most, self._key = answer, trouble, latency, most, key
        self.calls: list[ServedCall] = []
        self.begun = self.under_way = 0  # requests so far, and those not yet answered
        self._one_at_a_time = threading.Lock()
        self._server = _Listener(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, path: str, authorization: str | None, request: Mapping[str, Any]) -> Trouble:
        """What to send for a request, counted in `calls`."""
        with self._one_at_a_time:
            number, self.begun = self.begun, self.begun + 1
            self.under_way += 1
            under_way = self.under_way
        try:
            made, tokens = self._made(number, under_way, path, authorization, request)
            with self._one_at_a_time:
                messages = request.get("messages", ())
                self.calls.append(ServedCall(messages, request, made.status, *tokens, under_way))
            return made
        finally:
            with self._one_at_a_time:
                self.under_way -= 1

    def _made(
        self, number: int, under_way: int, path: str, authorization: str | None, request: Mapping[str, Any]
    ) -> tuple[Trouble, tuple[int, int]]:
        if self._key is not None and authorization != f"Bearer {self._key}":
            return _refusal(401, f"wrong key: {authorization}"), (0, 0)
        if path != "/v1/chat/completions":
            return _refusal(404, f"there is nothing at {path}"), (0, 0)
        if self._most is not None and under_way > self._most:
            return _refusal(429, "too many at once"), (0, 0)
        trouble = self._trouble(number, request) if self._trouble else None
        time.sleep(self._latency if trouble is None else trouble.delay)
        if trouble is not None:
            return trouble, (0, 0)
        try:
            body, tokens = _completion(self._answer(request["messages"], request), request)
        except Exception as error:  # whatever is served may fail in its own way
            return _refusal(500, f"{type(error).__name__}: {error}"), (0, 0)
        return Trouble(200, body), tokens


def answering(base: Base) -> Answering:
    """A draw of `base` in the context of the messages, by the seed of the request; one at a time."""
    one_at_a_time = threading.Lock()

    def answer(messages: Messages, parameters: Mapping[str, Any]) -> str:
        with one_at_a_time:
            (item,) = base.sample(message_parts(messages), 1, rng=np.random.default_rng(parameters.get("seed")))
        return "\n\n".join(part.text for part in item.output)

    return answer


def _completion(text: str, request: Mapping[str, Any]) -> tuple[bytes, tuple[int, int]]:
    words, limit = text.split(), request.get("max_tokens", request.get("max_completion_tokens"))
    cut = limit is not None and len(words) > limit
    choice = {
        "index": 0,
        "finish_reason": "length" if cut else "stop",
        "message": {"role": "assistant", "content": " ".join(words[:limit]) if cut else text},
    }
    tokens_in = sum(len(str(message.get("content") or "").split()) for message in request["messages"])
    tokens_out = limit if cut and limit is not None else len(words)
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    made = {"id": "chat", "object": "chat.completion", "created": 0, "model": request.get("model")}
    return json.dumps({**made, "choices": [choice], "usage": usage}).encode(), (tokens_in, tokens_out)


def _refusal(status: int, words: str) -> Trouble:
    return Trouble(status, json.dumps({"error": {"message": words}}).encode())


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


def _handler(served: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            made = served.reply(self.path, self.headers.get("authorization"), request)
            self.send_response(made.status)
            for name, value in {"content-type": "application/json", **made.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(made.body) * (2 if made.cut else 1)))
            self.end_headers()
            self.wfile.write(made.body)
            self.close_connection = made.cut

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
