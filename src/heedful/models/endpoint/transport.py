"""Sending a request through the openai client."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from heedful.core import EndpointError, MissingExtraError
from heedful.models.endpoint.replies import NO_CONNECTION, Reply, asked_wait

_SECRET = 12  # characters: a shorter key is a placeholder, and may be a word of an answer


class OpenAITransport:
    """Chat completions of one server, by openai's asynchronous client without its own retries. Of one event loop.

    `timeout` seconds are for the whole call, not only for each read. The key appears in no error: neither that of
    the client, which is not chained, nor the server's words; one of 12 characters or more in no answer either. What the
    client would add from its environment variables (organisation, project, further headers) is not sent.
    """

    def __init__(self, url: str, key: str | None, timeout: float) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(error.name or "openai", "endpoint") from error
        self._openai, self._key, self._timeout = openai, key, timeout
        given = key or "none"  # servers without keys take any
        headers = {**dict.fromkeys(_ambient(), openai.Omit()), "Authorization": f"Bearer {given}"}
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key=given, max_retries=0, timeout=None, default_headers=headers
        )

    async def __call__(self, body: Mapping[str, Any]) -> Reply:
        """The reply to a request; faults of the connection are replies without a status."""
        try:
            async with asyncio.timeout(self._timeout):
                made = await self._client.chat.completions.with_raw_response.create(**body)
            content, secret = made.http_response.content, self._key if len(self._key or "") >= _SECRET else None
            return Reply(made.http_response.status_code, hidden(content, secret))
        except self._openai.APIStatusError as error:
            response = error.response
            return Reply(response.status_code, hidden(response.content, self._key), None, asked_wait(response.headers))
        except TimeoutError:
            return Reply(fault="timeout")
        except self._openai.APIConnectionError as error:
            # The name alone: which HTTP library the client rests on has changed.
            never = type(error.__cause__).__name__ == "ConnectError"
            return Reply(fault=NO_CONNECTION if never else "connection cut")
        except (self._openai.OpenAIError, UnicodeError, ValueError) as error:
            raise EndpointError(f"the client cannot send it ({type(error).__name__})") from None

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def hidden(body: bytes, key: str | None) -> bytes:
    """A body with [key] in the place of the key, however JSON may spell it, also in texts that are JSON themselves."""
    if not key:
        return body
    try:  # which undoes escapes, but for backslashes
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    shown, found = re.subn(r"\\*".join(map(re.escape, key)), "[key]", text)
    return shown.encode("utf-8", "surrogatepass") if found else body


def _ambient() -> list[str]:
    """Names of the headers that the client takes from environment variables."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    return ["OpenAI-Organization", "OpenAI-Project", *(line.partition(":")[0].strip() for line in lines if ":" in line)]
