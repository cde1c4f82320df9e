"""Models whose calls are counted together, and what was kept after how many: alike for our ways and for packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heedful.core import BudgetExceededError
from heedful.worlds.served import Answering, Messages

START = "You answer questions."


class Paid:
    """Models whose calls are counted together, up to a cap; `kept` are the texts that were kept, each behind the calls
    made until then."""

    def __init__(self, models: Answering, cap: int) -> None:
        self.models, self.cap, self.calls, self.kept = models, cap, 0, [(0, START)]

    def __call__(self, messages: Messages, parameters: Mapping[str, Any]) -> str:
        if self.calls == self.cap:
            raise BudgetExceededError("all calls were made")
        self.calls += 1
        return self.models(messages, parameters)

    def keep(self, text: str) -> None:
        if text != self.kept[-1][1]:
            self.kept.append((self.calls, text))
