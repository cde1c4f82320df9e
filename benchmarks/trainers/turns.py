"""How a contender's process takes turns with others: so many steps when it is told to, measured, and then it waits."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def machine_seconds() -> float:
    """Processor seconds that all processes of this machine have used (user, nice, system)."""
    told = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:4]
    return sum(map(int, told)) / os.sysconf("SC_CLK_TCK")


def memory() -> tuple[float, float]:
    """MB of this process now, and at most since `forget_peak`."""
    told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Vm"))
    now, most = (int(told[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class Turns:
    """Turns as the driver gives them: a line with a number of steps in, a line of JSON with what they took out.

    What comes before `begin` is what any contender does (imports, texts, tokens); memory is counted from there. The
    process ends where its input does.
    """

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever prints to stdout goes elsewhere
        self.left, self.losses, self.tokens = 0, [], 0

    def begin(self) -> None:
        forget_peak()
        self.base = memory()[0]

    def wait(self) -> None:
        """Until the driver gives a turn."""
        line = sys.stdin.readline()
        if not line:
            raise SystemExit
        self.left, self.losses, self.tokens = int(line), [], 0
        self.start = time.process_time(), time.perf_counter(), machine_seconds()

    def ready(self, seconds: float) -> None:
        self._say({"ready": round(seconds, 2)})
        self.wait()

    def stepped(self, tokens: int, loss: float) -> None:
        """A step was taken, on so many tokens."""
        self.left -= 1
        self.losses.append(loss)
        self.tokens += tokens
        if self.left == 0:
            now = time.process_time(), time.perf_counter(), machine_seconds()
            own, wall, all_of_it = (after - before for after, before in zip(now, self.start, strict=True))
            others = max(0.0, all_of_it - own) / wall / (os.cpu_count() or 1)
            told: dict[str, Any] = {"cpu": own, "wall": wall, "others": others, "tokens": self.tokens}
            self._say(told | {"losses": self.losses, "base": self.base, "peak": memory()[1]})
            self.wait()

    def _say(self, told: dict[str, Any]) -> None:
        print(json.dumps(told), file=self.out, flush=True)
