"""Any server that speaks OpenAI's chat protocol, as a client and as a base. Needs the extra `endpoint` (openai)."""

from __future__ import annotations

import asyncio
import os
import re
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from heedful.core import EndpointError, Floats, HeedfulError, Item, Parts, UsageError, text_parts
from heedful.models.endpoint.background import BackgroundLoop, in_order
from heedful.models.endpoint.buying import Buyer, Order
from heedful.models.endpoint.journal import Journal, Spending
from heedful.models.endpoint.pace import Pace
from heedful.models.endpoint.requests import Answer, Prices, Request, Sampling, canonical
from heedful.models.endpoint.transport import OpenAITransport
from heedful.models.messages import chat_messages

_TOKENS_A_MESSAGE = 16  # role and marks of a chat template
_SAMPLES = 2**53  # numbers of samples that JSON holds exactly


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A chat model behind `url` (which usually ends in /v1).

    `api_key` is the name of the environment variable that holds the key, never the key; None for servers without one.
    `journal` keeps answers and holds the caps; without one, both last as long as this object. With a cap on money,
    `prices` must be given. At most `concurrency` calls are under way, fewer where the server refuses more. A call takes
    at most `timeout` seconds, and is made at most `attempts` times, as `Buyer` says; `longest_wait` bounds what a
    server may ask to wait.

    Each call is reserved at the most it may cost: `max_tokens` out, and in as many tokens as the messages have UTF-8
    bytes, with 16 for each message and `hidden_tokens` for what the server adds to them.

    As a base, its outputs end at max_tokens where the model did not end them before. It has no log-probabilities.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    sampling: Sampling = field(default_factory=Sampling)
    journal: Journal = field(default_factory=Journal, repr=False)
    prices: Prices | None = None
    concurrency: int = 16
    timeout: float = 120.0
    attempts: int = 6
    backoff: float = 0.5
    longest_wait: float = 600.0
    hidden_tokens: int = 256
    _loop: BackgroundLoop = field(init=False, repr=False, default_factory=BackgroundLoop)

    def __post_init__(self) -> None:
        _check_url(self.url)
        if self.api_key is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.api_key):
            raise UsageError("api_key is the name of an environment variable, not the key", where="Endpoint")
        if min(self.concurrency, self.attempts) < 1 or min(self.timeout, self.backoff, self.longest_wait) <= 0:
            raise UsageError("concurrency and attempts are 1 or more, times more than 0", where="Endpoint")
        if "money" in self.journal.budget.caps and self.prices is None:
            raise UsageError(
                "a cap on money needs prices", where="Endpoint", fix="prices=Prices(tokens_in, tokens_out)"
            )
        object.__setattr__(self, "url", self.url.rstrip("/"))
        weakref.finalize(self, self._loop.close)

    def complete(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        """An answer to each request, in their order. Answers on record are not bought again.

        A request that got no answer has one without text; `fault` says why. Raises EndpointError where the server
        refuses for good (wrong key, model or request) and BudgetExceededError where a cap is reached, in either case
        after the calls under way were answered and recorded; UsageError where the key is not set.
        """
        return self._loop.run(self._all(tuple(requests)))

    async def acomplete(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        """`complete` for callers with an event loop of their own, whichever it is."""
        future: Future[tuple[Answer, ...]] = self._loop.submit(self._all(tuple(requests)))
        return await asyncio.wrap_future(future)

    def most_tokens(self, request: Request) -> int:
        """The most tokens that a request can take, read and written: what is reserved for it."""
        order = self._order(request)
        return order.tokens_in + order.tokens_out

    def plan(self, contexts: Sequence[Parts], n: int) -> dict[str, float]:
        """The most that n draws of each context can take where no call fails; money where prices are known.

        Raises UsageError where a context cannot be sent.
        """
        orders = [self._order(Request(chat_messages(context))) for context in contexts]
        read, written = (n * sum(getattr(own, name) for own in orders) for name in ("tokens_in", "tokens_out"))
        money = {} if self.prices is None else {"money": self.prices.of(read, written)}
        return {"calls": float(n * len(orders)), "tokens": float(read + written), **money}

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws of the model's next message; the same `rng` draws what is on record again.

        Raises as `complete` does, and EndpointError where a draw got no answer: the others are on record.
        """
        return self.sample_each([context], n, rng=rng)

    def sample_each(self, contexts: Sequence[Parts], n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` draws for each context, one context after the other, all asked for at once; raises as `sample`."""
        asked = [(context, messages) for context in contexts for messages in [chat_messages(context)] * n]
        numbers = rng.integers(_SAMPLES, size=len(asked))
        answers = self.complete([Request(own, int(number)) for (_, own), number in zip(asked, numbers, strict=True)])
        faults = [answer.fault for answer in answers if answer.text is None]
        if faults:
            what = f"{len(faults)} of {len(asked)} draws got no answer ({', '.join(sorted(set(map(str, faults))))})"
            raise EndpointError(what, fix="draw again with the same rng: those answered are on record")
        return tuple(
            Item(context, text_parts(answer.text or "", "system"), self.model)
            for (context, _), answer in zip(asked, answers, strict=True)
        )

    def charged(self) -> dict[str, float]:
        """Calls, tokens and (with prices) money that the journal's calls have cost so far."""
        return {unit: own for unit, own in self.spending().charged.items() if unit != "money" or self.prices}

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Raises UsageError: the chat protocol does not tell how likely a given output is."""
        raise UsageError(
            "a chat endpoint does not tell the log-probability of a given output",
            where="Endpoint.log_prob",
            fix="use an engine that only samples (BestOfN), or a local model",
        )

    def spending(self) -> Spending:
        """What the journal's calls have cost so far."""
        return self.journal.spending()

    def close(self) -> None:
        """Close connections and end the thread; calls under way are given up. The journal stays open."""
        self._loop.close()
        self.__dict__.pop("_buyer", None)
        self.__dict__.pop("_send", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    async def _all(self, requests: tuple[Request, ...]) -> tuple[Answer, ...]:
        """All requests, as many at once as may be under way, none begun after a failure."""
        if not requests:
            return ()
        buyer = self._buyer

        async def answered(numbered: tuple[int, Request]) -> Answer:
            number, request = numbered
            try:
                return await buyer.answer(self._order(request))
            except HeedfulError as error:
                raise _at(error, f"{self.url}, request {number} of {len(requests)}") from None

        return tuple(await in_order(answered, list(enumerate(requests, 1)), self.concurrency))

    def _order(self, request: Request) -> Order:
        sampling = request.sampling or self.sampling
        body = {"model": self.model, "messages": list(request.messages), **sampling.fields(request.sample)}
        if sampling.other:
            body["extra_body"] = dict(sampling.other)
        size = len(request.written.encode()) + (len(canonical(dict(sampling.other), "").encode()))
        tokens_in = size + _TOKENS_A_MESSAGE * len(request.messages) + self.hidden_tokens
        return Order(body, request.key(self.url, self.model, sampling), tokens_in, sampling.max_tokens)

    # Both are made when first used, in the loop they belong to.

    @cached_property
    def _send(self) -> OpenAITransport:
        key = None if self.api_key is None else os.environ.get(self.api_key)
        if self.api_key is not None and not key:
            raise UsageError("the environment variable that api_key names is not set", where="Endpoint")
        made = OpenAITransport(self.url, key, self.timeout)
        self._loop.closers.append(made.close)
        return made

    @cached_property
    def _buyer(self) -> Buyer:
        limits = self.attempts, self.backoff, self.longest_wait
        return Buyer(self._send, self.journal, Pace(self.concurrency), self.prices, *limits)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("url begins with http:// or https://", where="Endpoint", fix="https://api.openai.com/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            "url holds no credentials and no query", where="Endpoint", fix="name the key's variable in api_key"
        )


def _at(error: HeedfulError, where: str) -> HeedfulError:
    """The same error, saying which request it was."""
    return error if error.where else type(error)(error.what, where=where, fix=error.fix)
