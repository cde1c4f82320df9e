"""Other packages, each in an interpreter of its own, which play one run after the other against a server here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from heedful.core import BudgetExceededError, Item
from heedful.rewriting import Splits
from heedful.worlds.rule_world import RuleWorld
from heedful.worlds.served import Answering, ChatServer, Messages
from rule_world_.charged import START, Paid

HERE = Path(__file__).parent
PACKAGES = {
    "GEPA": ("gepa", "with_gepa.py"),
    "TextGrad": ("textgrad", "with_textgrad.py", "16"),
    "TextGrad, 3": ("textgrad", "with_textgrad.py", "3"),
    "Trace": ("opto", "with_trace.py", "OptoPrime", "16"),
    "Trace, 3": ("opto", "with_trace.py", "OptoPrime", "3"),
    "OPRO": ("opto", "with_trace.py", "OPRO", "16"),
    "MIPROv2": ("dspy", "with_dspy.py"),
}
"""The module that an interpreter must have, the script, and its arguments."""


def found(pythons: Sequence[str]) -> dict[str, list[str]]:
    """The command of each package that one of these interpreters has."""
    commands = {}
    for name, (module, script, *arguments) in PACKAGES.items():
        for python in pythons:
            check = f"import importlib.util as known, sys; sys.exit(known.find_spec({module!r}) is None)"
            if subprocess.run([python, "-c", check], check=False).returncode == 0:
                commands[name] = [python, str(HERE / script), *arguments]
                break
    return commands


class Peer:
    """A package at play, while the context is open."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command, self.run = command, 0

    def __enter__(self) -> Self:
        self.home = tempfile.TemporaryDirectory()
        settings = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.home.name,
                env=settings,
            )
        return self

    def __exit__(self, *_: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        self.home.cleanup()

    def play(self, paid: Paid, world: RuleWorld, splits: Splits, seed: int) -> None:
        """A run, until the package ends it or all calls were made. Raises RuntimeError where it fails before."""
        train, validation = ([own["question"] for own in part] for part in (splits.train, splits.validation))
        with ChatServer(self._answering(paid, world)) as server:
            place = server.url.split("/")[2]
            told = {"server": place, "start": START, "train": train, "validation": validation, "seed": seed}
            print(json.dumps(told), file=self.process.stdin, flush=True)
            self.run = self._number()
            status = self._number()
        if status not in (0, -signal.SIGKILL):
            raise self._failed()

    def _answering(self, paid: Paid, world: RuleWorld) -> Answering:
        """What the server says: models, each call charged, and two that cost nothing, what the evidence says of an
        answer and what is kept. Who asks the same again hears another draw. The run ends with the last call."""
        asked, one_at_a_time = Counter[str](), threading.Lock()

        def model(messages: Messages, name: str) -> str:
            said = json.dumps([name, list(messages)])
            asked[said] += 1
            try:
                return paid(messages, {"model": name, "seed": asked[said]})
            except BudgetExceededError:
                os.kill(self.run, signal.SIGKILL)
                raise

        def answer(messages: Messages, parameters: Mapping[str, Any]) -> str:
            name, said = str(parameters["model"]), str(messages[-1]["content"])
            with one_at_a_time:
                if name == "earned":
                    return repr(world.share(Item.of(said, said)))
                if name == "kept":
                    paid.keep(said)
                    return ""
                return model(messages, name)

        return answer

    def _number(self) -> int:
        """The next number that the process says. Other lines are what a package says when it is loaded."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip().lstrip("-").isdigit():
                return int(line)
        raise self._failed()

    @property
    def _errors(self) -> Path:
        return Path(self.home.name) / "errors"

    def _failed(self) -> RuntimeError:
        return RuntimeError(f"{' '.join(self.command)} failed:\n{self._errors.read_text()[-2_000:]}")
