"""Pace, retries and reservations, in virtual time: what happens when is exact."""

from __future__ import annotations

import asyncio
import json
from collections import deque

import pytest

from heedful.core import Budget, BudgetExceededError, EndpointError
from heedful.models import Journal
from heedful.models.endpoint.buying import Buyer, Order
from heedful.models.endpoint.pace import Pace
from heedful.models.endpoint.replies import Reply

from .virtual_time import now, run


def good(tokens=10) -> Reply:
    usage = {"prompt_tokens": 0, "completion_tokens": tokens}
    body = {"choices": [{"message": {"content": "four"}, "finish_reason": "stop"}], "usage": usage}
    return Reply(200, json.dumps(body).encode())


class Server:
    """Gives the scripted replies, then good ones, each after `latency`; beyond `most` at once it refuses at once."""

    def __init__(self, *script, latency=1.0, most=10**9, tokens=10) -> None:
        self.script, self.latency, self.most, self.tokens = deque(script), latency, most, tokens
        self.begun: list[float] = []
        self.under_way = self.answered = self.refused = 0

    async def __call__(self, body) -> Reply:
        self.begun.append(now())
        if self.under_way >= self.most:
            self.refused += 1
            return Reply(429)
        self.under_way += 1
        await asyncio.sleep(self.latency)
        self.under_way -= 1
        self.answered += 1
        return self.script.popleft() if self.script else good(self.tokens)


def buyer(server, *, most=16, budget=None, attempts=6, backoff=0.5, longest=60.0) -> Buyer:
    return Buyer(server, Journal(budget=budget), Pace(most), None, attempts, backoff, longest)


def order(number=0) -> Order:
    return Order({}, number.to_bytes(4, "big"), 50, 50)


async def all_of(made: Buyer, n: int):
    return await asyncio.gather(*(made.answer(order(number)) for number in range(n)))


def outcomes(made: Buyer):
    return made.journal.spending().outcomes


# --- Pace ------------------------------------------------------------------------------------------------------------


def test_no_more_than_the_limit_first_come_first_served() -> None:
    async def main():
        pace, order = Pace(3), []

        async def call(number):
            await pace.enter()
            assert pace.under_way <= 3
            order.append(number)
            await asyncio.sleep(1)
            pace.leave()

        await asyncio.gather(*map(call, range(10)))
        return order, now(), pace.under_way

    assert run(main()) == (list(range(10)), 4.0, 0)


def test_refusals_of_one_round_lower_the_limit_once() -> None:
    async def main():
        pace = Pace(8)
        tickets = [await pace.enter() for _ in range(8)]
        for ticket in tickets:
            pace.refused(ticket)
            pace.leave()
        assert pace.limit == 6.0
        pace.refused(await pace.enter())
        assert pace.limit == 4.5
        pace.answered()
        assert pace.limit == 4.5 + 1 / 20.5
        for _ in range(40):
            pace.refused(pace._decreases)
        assert pace.limit == 1.0
        for _ in range(2000):
            pace.answered()
        assert pace.limit == 8.0

    run(main())


def test_a_caller_that_gives_up_leaves_no_place_taken() -> None:
    async def main():
        pace = Pace(1)
        await pace.enter()
        waiting = [asyncio.create_task(pace.enter()) for _ in range(3)]
        await asyncio.sleep(1)
        waiting[0].cancel()
        pace.leave()  # the place goes to the second
        waiting[1].cancel()  # in the same moment
        await asyncio.sleep(1)
        assert waiting[2].done()
        pace.leave()
        assert pace.under_way == 0

    run(main())


@pytest.mark.parametrize("most", [1, 3, 6, 20, 50])
def test_the_pace_settles_near_what_the_server_takes(most) -> None:
    """600 calls of a second at a server of `most` places cannot take less than 600 / most seconds."""

    async def main():
        server = Server(latency=1.0, most=most)
        made = buyer(server, most=64, attempts=6)
        answers = await all_of(made, 600)
        assert all(answer.text == "four" for answer in answers)
        return now() / (600 / most), server.refused, made.pace.limit

    factor, refused, limit = run(main())
    assert 1.0 <= factor < 1.3
    assert refused < 0.15 * 600
    assert 0.7 * most <= limit <= most + 2


def test_an_open_server_is_used_in_full() -> None:
    async def main():
        server = Server()
        await all_of(buyer(server, most=64), 640)
        return now()

    assert run(main()) <= 10 + 2  # two rounds to find out that 64 are welcome


# --- Retries ---------------------------------------------------------------------------------------------------------


def test_what_passes_is_sent_again_after_jittered_doubling_waits() -> None:
    async def once():
        server = Server(Reply(500), Reply(429), Reply(502), Reply(fault="timeout"), latency=0.0)
        answer = await buyer(server).answer(order())
        assert answer.text == "four"
        return [late - soon for soon, late in zip(server.begun, server.begun[1:], strict=False)]

    waits = [run(once()) for _ in range(30)]
    for doubling, column in enumerate(zip(*waits, strict=True)):
        most = 0.5 * 2**doubling
        assert 0 <= min(column) < most / 3 < 2 * most / 3 < max(column) <= most  # each fails once in 30 000 runs
        assert len(set(column)) == 30


def test_retry_after_holds_all_calls() -> None:
    async def main():
        server = Server(Reply(429, wait=7.0), latency=1.0)
        made = buyer(server, most=2)
        await all_of(made, 6)
        return server.begun

    # The second call was under way already; all others wait until 1 + 7.
    begun = run(main())
    assert begun[:2] == [0.0, 0.0]
    assert begun[2] == 8.0 == min(begun[2:])


def test_too_long_a_wait_is_an_error_and_holds_nothing() -> None:
    async def main():
        made = buyer(Server(Reply(429, wait=3600.0), latency=0.0))
        with pytest.raises(EndpointError, match="asks to wait 3600 s, more than the 60 allowed"):
            await made.answer(order())
        await made.answer(order(1))
        return now()

    assert run(main()) == 0.0


def test_attempts_end_with_an_answer_that_says_why() -> None:
    async def main():
        server = Server(*[Reply(500)] * 9)
        made = buyer(server, attempts=3)
        answer = await made.answer(order())
        assert (answer.text, answer.fault, answer.whole) == (None, "status 500", False)
        assert len(server.begun) == 3
        assert outcomes(made) == {"status 500": 3}
        assert made.journal.budget.spent == {"calls": 3, "tokens": 300, "money": 0}

    run(main())


def test_a_malformed_answer_is_sent_again_once() -> None:
    async def main():
        server = Server(Reply(200, b"{}"), Reply(500), Reply(200, b"<html>"))
        answer = await buyer(server).answer(order())
        assert (answer.text, answer.fault, len(server.begun)) == (None, "wrong JSON", 3)
        server = Server(Reply(200, b"{}"))
        assert (await buyer(server).answer(order())).text == "four"

    run(main())


def test_no_connection_at_all_is_an_error_and_costs_nothing() -> None:
    async def main():
        made = buyer(Server(*[Reply(fault="no connection")] * 2), attempts=2)
        with pytest.raises(EndpointError, match="no connection to the server"):
            await made.answer(order())
        assert made.journal.budget.spent == {"calls": 0, "tokens": 0, "money": 0}

    run(main())


# --- Reservations ----------------------------------------------------------------------------------------------------


def test_every_call_is_reserved_before_it_is_sent() -> None:
    async def main():
        server = Server(Reply(500), Reply(429), tokens=10)

        async def send(body):
            spent = made.journal.budget.spent["tokens"]
            assert spent >= 100 * (server.under_way + 1) + 10 * (server.answered - 2)
            return await server(body)

        made = buyer(send, most=4)
        await all_of(made, 40)
        assert made.journal.budget.spent == {"calls": 41, "tokens": 40 * 10 + 100, "money": 0}

    run(main())


def test_near_a_cap_calls_wait_for_what_others_give_back() -> None:
    """Each call may take 100 tokens and takes 10: 500 suffice for 41, five at once and then ever fewer."""

    async def main():
        server = Server(tokens=10)
        made = buyer(server, budget=Budget(tokens=500))
        answers = await all_of(made, 41)
        assert all(answer.text == "four" for answer in answers)
        assert made.journal.budget.spent["tokens"] == 410
        with pytest.raises(BudgetExceededError, match="100 tokens needed, 90 of 500 left"):
            await made.answer(order(99))
        assert server.answered == 41

    run(main())


def test_a_server_that_charges_beyond_the_reservation_stops_a_capped_run() -> None:
    async def main():
        made = buyer(Server(tokens=101), budget=Budget(tokens=10_000))
        with pytest.raises(EndpointError, match="cost 101 tokens, more than the 100 reserved"):
            await made.answer(order())
        assert made.journal.budget.spent["tokens"] == 101
        assert (await made.answer(order())).cached
        assert (await buyer(Server(tokens=101)).answer(order())).tokens_out == 101

    run(main())


def test_a_call_given_up_stays_charged() -> None:
    async def main():
        made = buyer(Server(latency=5.0))
        task = asyncio.create_task(made.answer(order()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert made.journal.budget.spent == {"calls": 1, "tokens": 100, "money": 0}
        assert outcomes(made) == {"given up": 1}
        assert (made.pace.under_way, made.journal.under_way) == (0, 0)

    run(main())


def test_equal_requests_are_bought_once() -> None:
    async def main():
        server = Server()
        made = buyer(server)
        answers = await asyncio.gather(*(made.answer(order(number % 3)) for number in range(30)))
        assert len(server.begun) == 3
        assert sum(not answer.cached for answer in answers) == 3

    run(main())
