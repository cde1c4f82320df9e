"""What is asked of a chat model, what it answers, and what makes two requests one."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from heedful.core import UsageError

Message = Mapping[str, Any]  # of the chat protocol: role, content, and what tools add
# Changes whenever what is sent for a request, or how its answer is read, changes: answers of another version are not
# taken from a journal.
PROTOCOL = 1
_NO_PLACE = "model", "messages", "stream", "n", "tools", "functions"
_WIRE_SEEDS = 2**31  # some servers take no greater seed


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. None leaves a parameter out of the request, to the server's default.

    `max_tokens` bounds every answer, so that a call can be reserved; newer servers want it under the name
    `max_completion_tokens` (`limit_name`). `seeded`: each request sends its sample's number, modulo 2^31, as the
    seed. `other` are further fields of the request (JSON), such as response_format; answers are texts, so tools have no
    place there. A single text is one `stop`.
    """

    max_tokens: int = 512
    temperature: float | None = 1.0
    top_p: float | None = None
    stop: str | Sequence[str] = ()
    seeded: bool = True
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    other: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise UsageError(f"max_tokens must be 1 or more, not {self.max_tokens}", where="Sampling")
        stops = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if not all(isinstance(stop, str) and stop for stop in stops):
            raise UsageError(f"a stop is a text that is not empty, not one of {stops}", where="Sampling")
        object.__setattr__(self, "stop", stops)
        if taken := {*self.other} & {*self.fields(0), *_NO_PLACE}:
            raise UsageError(f"{', '.join(sorted(taken))} cannot be given in `other`", where="Sampling")
        object.__setattr__(self, "other", json.loads(canonical(dict(self.other), "Sampling.other")))

    def fields(self, sample: int) -> dict[str, Any]:
        """The named fields of a request for the sample of this number."""
        given = {
            self.limit_name: self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": list(self.stop) or None,
            "seed": sample % _WIRE_SEEDS if self.seeded else None,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class Request:
    """Messages in; `sample` numbers independent answers to the same; `sampling` replaces that of the endpoint.

    Messages are copied. Raises UsageError where there are none, or they hold what is not JSON.
    """

    messages: Sequence[Message]
    sample: int = 0
    sampling: Sampling | None = None
    written: str = field(init=False, repr=False, compare=False)  # the messages as JSON, the same for equal messages

    def __post_init__(self) -> None:
        if not self.messages or not all(isinstance(message, Mapping) for message in self.messages):
            raise UsageError("a request needs messages, each a mapping of role and content", where="Request")
        if self.sample < 0:
            raise UsageError(f"the number of a sample is 0 or more, not {self.sample}", where="Request")
        object.__setattr__(self, "written", canonical([dict(each) for each in self.messages], "Request.messages"))
        object.__setattr__(self, "messages", tuple(json.loads(self.written)))

    @classmethod
    def of(cls, prompt: str, *, sample: int = 0, sampling: Sampling | None = None) -> Request:
        """The common case: one text by the user."""
        return cls(({"role": "user", "content": prompt},), sample, sampling)

    def key(self, url: str, model: str, sampling: Sampling) -> bytes:
        """What an answer is kept under: a hash of all that may bear on it."""
        rest = {**sampling.fields(self.sample), "other": dict(sampling.other)}
        head = canonical([PROTOCOL, url, model, rest, self.sample], "Request")
        return hashlib.sha256(f"{head}\n{self.written}".encode()).digest()


def canonical(value: Any, where: str) -> str:
    """JSON with sorted keys. Raises UsageError where there is none, or where no server could be sent it."""
    try:
        made = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        made.encode()  # a lone surrogate has no UTF-8
    except (TypeError, ValueError) as error:
        raise UsageError(f"this cannot be sent as JSON ({error})", where=where) from error
    return made


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request.

    `text` is None where there is no answer; `fault` then says why. `finish_reason` is the server's: "length" where the
    text was cut at max_tokens. Tokens are the server's count, None where it gave none. `cost` was charged for the call
    that brought it, 0 without prices; one that is `cached` was bought before, and costs nothing now.
    """

    text: str | None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float = 0.0
    finish_reason: str | None = None
    cached: bool = False
    fault: str | None = None

    @property
    def whole(self) -> bool:
        """Whether there is a text that ends where the model ended it."""
        return self.text is not None and self.finish_reason not in ("length", "content_filter")


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per million tokens, in whatever currency the cap is in."""

    tokens_in: float
    tokens_out: float

    def __post_init__(self) -> None:
        if not all(0 <= price < math.inf for price in (self.tokens_in, self.tokens_out)):
            raise UsageError("prices are finite numbers of 0 or more", where="Prices")

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """The price of a call."""
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6
