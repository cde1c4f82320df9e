"""What every peer runs on, in its own interpreter: each line of the input is a run, played in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Run:
    """A run as the peer knows it: the first text, questions to learn from and to choose by, and what a server tells."""

    server: str
    start: str
    train: list[str]
    validation: list[str]
    seed: int

    def earned(self, question: str, answer: str) -> float:
        """What the evidence says of an answer, from 0 to 1. It is no call of a model."""
        return float(self.asked("earned", f"{question}\n{answer}"))

    def keep(self, text: str) -> None:
        """Tells which text the peer would return now."""
        self.asked("kept", text)

    def batches(self, size: int) -> Iterator[list[str]]:
        """Training questions without end, shuffled anew each time all were seen."""
        rng, left = random.Random(self.seed), []
        while True:
            if len(left) < size:
                left = rng.sample(self.train, len(self.train))
            yield left[:size]
            left = left[size:]

    def asked(self, model: str, text: Any, system: str = "") -> str:
        """What a model answers to a text, behind a system prompt where there is one, or to messages."""
        before = [{"role": "system", "content": system}] if system else []
        messages = [*before, {"role": "user", "content": text}] if isinstance(text, str) else text
        body = json.dumps({"model": model, "messages": messages})
        self._connection.request("POST", "/v1/chat/completions", body)
        return str(json.loads(self._connection.getresponse().read())["choices"][0]["message"]["content"])

    @cached_property
    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.server)


def said_of(earned: float) -> str:
    """What a peer is told of an answer in words: as much as our own critic is."""
    return f"It earned {earned:.2g} of 1."


def main(play: Callable[[Run], None]) -> None:
    """Prints the process of each run when it begins, and its exit status when it ended; what it prints is lost."""
    for line in sys.stdin:
        if child := os.fork():
            print(child, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            continue
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            play(Run(**json.loads(line)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
