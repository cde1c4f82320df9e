"""Sending a request through the openai client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from heedful.core import EndpointError, MissingExtraError
from heedful.models.endpoint.replies import NO_CONNECTION, Reply, asked_wait


class OpenAITransport:
    """Chat completions of one server, by openai's asynchronous client without its own retries. Of one event loop.

    `timeout` seconds are for the whole call, not only for each read. The key appears in no error: neither that of
    the client, which is not chained, nor the server's words.
    """

    def __init__(self, url: str, key: str | None, timeout: float) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(error.name or "openai", "endpoint") from error
        self._openai, self._key, self._timeout = openai, key, timeout
        # Servers without keys take any.
        self._client = openai.AsyncOpenAI(base_url=url, api_key=key or "none", max_retries=0, timeout=None)

    async def __call__(self, body: Mapping[str, Any]) -> Reply:
        """The reply to a request; faults of the connection are replies without a status."""
        try:
            async with asyncio.timeout(self._timeout):
                made = await self._client.chat.completions.with_raw_response.create(**body)
            return Reply(made.http_response.status_code, made.http_response.content)
        except self._openai.APIStatusError as error:
            response = error.response
            return Reply(response.status_code, self._hidden(response.content), None, asked_wait(response.headers))
        except TimeoutError:
            return Reply(fault="timeout")
        except self._openai.APIConnectionError as error:
            # The name alone: which HTTP library the client rests on has changed.
            never = type(error.__cause__).__name__ == "ConnectError"
            return Reply(fault=NO_CONNECTION if never else "connection cut")
        except (self._openai.OpenAIError, UnicodeError, ValueError) as error:
            raise EndpointError(f"the client cannot send it ({type(error).__name__})") from None

    def _hidden(self, body: bytes) -> bytes:
        return body.replace(self._key.encode(), b"[key]") if self._key else body

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()
