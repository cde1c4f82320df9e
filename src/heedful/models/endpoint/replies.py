"""What a server sent back, and what to make of it."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heedful.core import EndpointError, RequestRefusedError

# What becomes of a call. `refused`: nothing was bought, it costs nothing. `unknown`: something may have been bought,
# it stays charged at its reservation. `answered`: there is a reply of the protocol, and it is charged by its usage.
Fate = Literal["refused", "unknown", "answered"]

NO_CONNECTION = "no connection"  # nothing was sent
_BUSY = (429, 503)
_OF_THE_REQUEST = (400, 413, 422)
_MALFORMED = ("wrong JSON", "no choices", "no content")
_FIXES = {
    400: "the server does not take this request: see its words, and Sampling",
    401: "check the key in the environment variable that api_key names",
    403: "check what the key may use",
    404: "check url (it usually ends in /v1) and model",
    413: "shorten the messages",
    422: "the server does not take this request: see its words, and Sampling (seeded=False sends no seed)",
}
_MOST_TOKENS = 2**53  # a count beyond is none
_NO_MONEY = "insufficient_quota"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a body, or the `fault` for which there is none; `wait` seconds, where the server asked for it."""

    status: int | None = None
    body: bytes = b""
    fault: str | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply as read: its fate, the text or the `fault` for which there is none, and the server's own count."""

    fate: Fate
    fault: str | None = None
    text: str | None = None
    finish_reason: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def malformed(self) -> bool:
        """Whether the server answered, and what it answered is no completion."""
        return self.fault in _MALFORMED

    @property
    def outcome(self) -> str:
        """One word or two for counting."""
        return self.fault or ("cut at max_tokens" if self.finish_reason == "length" else "answered")


def read_reply(reply: Reply) -> Reading:
    """Raises EndpointError for a reply that no repetition would change, RequestRefusedError where that is so of this
    request alone: another may pass."""
    if reply.status is None:
        return Reading("refused" if reply.fault == NO_CONNECTION else "unknown", reply.fault)
    if 200 <= reply.status < 300:
        return _read_body(reply.body)
    passes = reply.status in (408, *_BUSY) or reply.status >= 500
    no_money = _NO_MONEY in reply.body.decode("utf-8", "replace")
    if not passes or no_money:
        refusal = RequestRefusedError if reply.status in _OF_THE_REQUEST and not no_money else EndpointError
        what = f"the server refuses with status {reply.status}: {_words(reply.body)}"
        raise refusal(what, fix=_FIXES.get(reply.status))
    return Reading("refused" if reply.status in _BUSY else "unknown", f"status {reply.status}")


def _read_body(body: bytes) -> Reading:
    try:
        made = json.loads(body)
    except (ValueError, RecursionError):
        return Reading("unknown", "wrong JSON")
    if not isinstance(made, Mapping):
        return Reading("unknown", "wrong JSON")
    usage = made.get("usage")
    counts = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    choices = made.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return Reading("answered", "no choices", None, None, *counts)
    reason, message = choices[0].get("finish_reason"), choices[0].get("message")
    text = message.get("content") if isinstance(message, Mapping) else None
    reason = reason if isinstance(reason, str) else None
    if not isinstance(text, str):
        return Reading("answered", "no content", None, reason, *counts)
    return Reading("answered", None, text, reason, *counts)


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None


def _words(body: bytes) -> str:
    """What the server says of an error, as short as it can be shown."""
    text = body.decode("utf-8", "replace")
    try:
        made = json.loads(text)
        said = made.get("error", made) if isinstance(made, Mapping) else made
        text = str(said.get("message", said)) if isinstance(said, Mapping) else str(said)
    except (ValueError, RecursionError):
        pass
    return text.strip()[:300] or "it says nothing"


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply's headers ask to wait: Retry-After as a number or a date (RFC 9110, 10.2.3), or in ms."""
    milliseconds, after = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        if after is not None:
            return max(0.0, float(after))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(after).timestamp() - time.time()) if after else None
    except ValueError:
        return None
