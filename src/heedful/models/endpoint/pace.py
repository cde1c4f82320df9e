"""How many calls may be under way at once: as many as the server takes."""

from __future__ import annotations

import asyncio
from collections import deque

_START = 16.0  # calls at once before anything is known of the server
_SHRINK, _PATIENCE = 0.75, 16.0


class Pace:
    """Places for calls, at most `most`: refusals lower their number multiplicatively, answers raise it slowly.

    Additive increase and multiplicative decrease (Chiu and Jain 1989, "Analysis of the increase and decrease algorithms
    for congestion avoidance"). Refusals of calls begun before the last decrease lower nothing more: they tell of the
    number before. Until the first refusal every answer raises it by one, then a round of calls and 16 more do, so that
    a server that takes one call at a time refuses some one in eight. One that asks to wait is asked nothing until
    then. Of one event loop.
    """

    def __init__(self, most: int) -> None:
        self.limit = min(_START, float(most))
        self.under_way = 0
        self._most = float(most)
        self._decreases = 0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._hold: asyncio.TimerHandle | None = None

    async def enter(self) -> int:
        """Wait for a place, first come first served; a ticket that tells `refused` when it was given."""
        turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._fill()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self.under_way -= 1
        self._fill()

    def answered(self) -> None:
        """A call was answered: there may be room for more."""
        self.limit = min(self._most, self.limit + (1 / (self.limit + _PATIENCE) if self._decreases else 1.0))

    def refused(self, ticket: int) -> None:
        """A call was refused for being one too many."""
        if ticket == self._decreases:
            self.limit = max(1.0, self.limit * _SHRINK)
            self._decreases += 1

    def hold(self, seconds: float) -> None:
        """No call begins for so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if self._hold is None or self._hold.when() < until:
            if self._hold is not None:
                self._hold.cancel()
            self._hold = loop.call_at(until, self._go_on)

    def _go_on(self) -> None:
        self._hold = None
        self._fill()

    def _fill(self) -> None:
        while self._waiting and self._hold is None and self.under_way < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.under_way += 1
                turn.set_result(self._decreases)
