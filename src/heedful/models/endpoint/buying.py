"""How a request is bought: reserved, sent, read, recorded, and sent again where that may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from heedful.core import BudgetExceededError, EndpointError
from heedful.models.endpoint.journal import UNITS, Journal
from heedful.models.endpoint.pace import Pace
from heedful.models.endpoint.replies import NO_CONNECTION, Reading, Reply, read_reply
from heedful.models.endpoint.requests import Answer, Prices

Send = Callable[[Mapping[str, Any]], Awaitable[Reply]]
_MALFORMED_TRIES = 2
_GLANCE = 0.05  # seconds between looks at a budget that other calls hold


@dataclass(frozen=True, slots=True)
class Order:
    """A request as it is sent, the key of its answer, and the most tokens it may take."""

    body: Mapping[str, Any]
    key: bytes
    tokens_in: int
    tokens_out: int


@dataclass(eq=False)
class Buyer:
    """Buys answers through `send`. Of one event loop.

    A call that may yet pass is sent again, at most `attempts` times in all, after a random time of up to `backoff`
    seconds that doubles with each (full jitter), and not before the server's Retry-After. A malformed answer is sent
    again once. What still fails is an answer without text. The jitter is random on purpose: processes that were refused
    together must not return together; no result depends on it.
    """

    send: Send
    journal: Journal
    pace: Pace
    prices: Prices | None
    attempts: int
    backoff: float
    longest_wait: float
    _buying: dict[bytes, asyncio.Event] = field(default_factory=dict)

    async def answer(self, order: Order) -> Answer:
        """The recorded answer, or else a bought one. A request that is being bought already is waited for.

        Raises EndpointError where the server refuses for good, BudgetExceededError where a cap does not allow it.
        """
        while True:
            known = await self._recalled(order)
            if known is not None:
                return known
            if order.key not in self._buying:
                break
            await self._buying[order.key].wait()
        done = self._buying[order.key] = asyncio.Event()
        try:
            return await self._buy(order)
        finally:
            del self._buying[order.key]
            done.set()

    async def _recalled(self, order: Order) -> Answer | None:
        """The recorded answer; where it is counted now, once calls under way leave enough for it."""
        while True:
            others = self.journal.under_way
            try:
                return self.journal.recall(order.key, self._amounts(order.tokens_in, order.tokens_out))
            except BudgetExceededError:
                if not others:
                    raise
            await asyncio.sleep(_GLANCE)

    async def _buy(self, order: Order) -> Answer:
        malformed = 0
        for attempt in range(self.attempts):
            reply, reading, answer = await self._call(order)
            malformed += reading.malformed
            if answer.text is not None or malformed == _MALFORMED_TRIES or attempt == self.attempts - 1:
                break
            if not reply.wait:  # else the pace holds all calls until then
                await asyncio.sleep(random.uniform(0, self.backoff * 2**attempt))
        if reading.fault == NO_CONNECTION:
            raise EndpointError("there is no connection to the server", fix="check url, and that the server runs")
        return answer

    async def _call(self, order: Order) -> tuple[Reply, Reading, Answer]:
        ticket = await self.pace.enter()
        try:
            call, reserved = await self._reserve(order)
            outcome, spent, answer = "given up", None, None
            try:
                reply = await self.send(order.body)
                reading = read_reply(reply)
                outcome, spent = reading.outcome, self._spent(reading)
                answer = _answer(reading, (spent or reserved)["money"])
            except EndpointError:
                outcome, spent = "refused", dict.fromkeys(UNITS, 0.0)
                raise
            finally:  # whatever ends a call, it is settled
                self.journal.settle(call, order.key, outcome, spent, answer)
            self._tell_pace(reading, reply, ticket)
        finally:
            self.pace.leave()
        self._check(reserved, spent)
        return reply, reading, answer

    def _tell_pace(self, reading: Reading, reply: Reply, ticket: int) -> None:
        if reading.fate == "refused":
            self.pace.refused(ticket)
        elif reading.fate == "answered":
            self.pace.answered()
        if reply.wait is not None and reply.wait > self.longest_wait:
            what = f"the server asks to wait {reply.wait:.0f} s, more than the {self.longest_wait:.0f} allowed"
            raise EndpointError(what, fix="come back later: what is recorded is not bought again")
        if reply.wait:
            self.pace.hold(reply.wait)

    async def _reserve(self, order: Order) -> tuple[int, dict[str, float]]:
        """Take the most that a call may cost. What calls under way hold may come free, and is waited for."""
        amounts = self._amounts(order.tokens_in, order.tokens_out)
        while True:
            others = self.journal.under_way  # before, for they may settle in between
            try:
                return self.journal.begin(order.key, amounts), amounts
            except BudgetExceededError:
                if not others:
                    raise
            await asyncio.sleep(_GLANCE)

    def _amounts(self, tokens_in: int, tokens_out: int) -> dict[str, float]:
        money = self.prices.of(tokens_in, tokens_out) if self.prices else 0.0
        return {"calls": 1.0, "tokens": float(tokens_in + tokens_out), "money": money}

    def _spent(self, reading: Reading) -> dict[str, float] | None:
        if reading.fate == "refused":
            return dict.fromkeys(UNITS, 0.0)
        if reading.tokens_in is None or reading.tokens_out is None:
            return None
        return self._amounts(reading.tokens_in, reading.tokens_out)

    def _check(self, reserved: Mapping[str, float], spent: Mapping[str, float] | None) -> None:
        """Caps hold only while no call costs more than was reserved for it."""
        above = [unit for unit in UNITS if spent and unit in self.journal.budget.caps and spent[unit] > reserved[unit]]
        if above and spent:
            unit = above[0]
            raise EndpointError(
                f"a call cost {spent[unit]:g} {unit}, more than the {reserved[unit]:g} reserved: caps cannot hold",
                fix="raise the endpoint's hidden_tokens (the answer is recorded)",
            )


def _answer(reading: Reading, cost: float) -> Answer:
    counts = reading.tokens_in, reading.tokens_out
    return Answer(reading.text, *counts, cost, reading.finish_reason, fault=reading.fault)
