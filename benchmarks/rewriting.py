"""What one step of rewriting costs beside peers: round trips, calls, words, and time of the machine.

    python benchmarks/rewriting.py [--quick] [--peers PYTHON] [--out FILE]

A batch of 16 examples of one prompt, against a server in a process of its own whose answers are canned and take a fixed
latency. A step runs the program on the batch, hears what is wrong, carries it to the prompt and asks for a new one.

per call    the algorithm of TextGrad: a critic for each answer, a model for each way back, one rewrite (49 calls)
subgraph    that of Trace: what was wrong is said without a model, one rewrite (17 calls)
client      the bare openai client making 49 calls in the same four stages: the floor

`--peers` is the Python of an environment with textgrad, trace-opt and openai; without it they are left out. All take
turns; medians over turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import Budget, Item
from heedful.models import Endpoint, Journal, Request, Sampling
from heedful.rewriting import (
    Failures,
    ModelCritic,
    PerCall,
    Rewriter,
    Runner,
    Situation,
    Subgraph,
    Task,
    Text,
    Worth,
    matches,
    stage,
    trace,
)
from rewriting_.peers import ANSWERS, PROMPT, QUESTIONS

HERE = Path(__file__).parent
LATENCIES = (0.05, 0.5)


@contextmanager
def server(latency: float) -> Iterator[str]:
    command = [sys.executable, "-m", "rewriting_.served", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def stats(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url + "/stats") as answer:
        return dict(json.loads(answer.read()))


def ours(rule: str, url: str, concurrency: int = 16) -> Callable[[], str]:
    """One step, by the parts that `heedful.improve` is made of."""
    endpoint = Endpoint(
        url + "/v1", "fake", sampling=Sampling(seeded=False), journal=Journal(), concurrency=concurrency
    )
    prompt = Text(PROMPT, "prompt", role="system prompt of the model")
    known = dict(zip(QUESTIONS, ANSWERS, strict=True))

    @stage
    async def ask(text: str) -> str:
        (answer,) = await endpoint.acomplete([Request.of(text)])
        return answer.text or ""

    async def program(question: str) -> str:
        return await ask(f"{prompt}\n{question}")

    def expected(item: Item) -> str:
        return f"Expected {known[item.context[0].text]}."

    worth = Worth(matches([({"question": question}, answer) for question, answer in known.items()]))
    critic = ModelCritic(endpoint) if rule == "per call" else Failures(says=expected)
    carry = PerCall(endpoint) if rule == "per call" else Subgraph()
    rewrite, rng = Rewriter(endpoint), np.random.default_rng(0)

    def step() -> str:
        with Runner(trace(program), concurrency) as runner:
            runs = runner([Task({"question": question}, {}) for question in QUESTIONS])
            earned = worth.unit(worth.scores(runs))
            heard = critic(runs, earned, budget=Budget())
            said = carry(runs, heard.words, frozenset({"prompt"}), budget=Budget()).said
            made = rewrite(Situation({"prompt": prompt}, {"prompt": PROMPT}, said), budget=Budget(), rng=rng)
            return str(made.values[0]["prompt"])

    endpoint.complete([Request.of("warms up")])  # as peers make their clients before the step
    return step


def measured(step: Callable[[], str], url: str) -> dict[str, Any]:
    stats(url)
    begun, used = time.perf_counter(), time.process_time()
    changed = "IMPROVED" in step()
    wall, processor = time.perf_counter() - begun, time.process_time() - used
    seen = stats(url)
    row = {"wall": wall, "processor": processor, "changed": changed}
    return {**row, **{key: seen[key] for key in ("calls", "most", "characters")}}


def result(url: str, concurrency: int) -> str:
    step = ours("per call", url, concurrency)
    stats(url)
    return step()


def peer(name: str, python: str, url: str) -> dict[str, Any]:
    command = [python, str(HERE / "rewriting_" / "peers.py"), name, url, "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    rows = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not rows:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(rows[0])[0])


def turns(latency: float, count: int, python: str | None) -> dict[str, dict[str, Any]]:
    names = ["per call", "subgraph", *(["textgrad", "trace", "client"] if python else [])]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with server(latency) as url:
        for name in ("per call", "subgraph"):
            measured(ours(name, url), url)  # warms up: imports, and connections
        for _ in range(count):
            for name in names:
                own = name in ("per call", "subgraph")
                rows[name].append(measured(ours(name, url), url) if own else peer(name, python or "", url))
    return {name: {key: statistics.median(row[key] for row in own) for key in own[0]} for name, own in rows.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", help="Python of the peers' environment")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    told: dict[str, Any] = {}
    for latency in LATENCIES[:1] if options.quick else (0.0, *LATENCIES):
        told[f"{1000 * latency:.0f} ms"] = rows = turns(latency, 1 if options.quick else 5, options.peers)
        for name, row in rows.items():
            trips = f"{row['wall'] / latency:5.1f} round trips" if latency else ""
            print(
                f"{1000 * latency:4.0f} ms  {name:9s} {row['calls']:3.0f} calls, {row['most']:2.0f} at once, "
                f"{row['characters']:6.0f} characters, {row['wall']:6.2f} s, "
                f"{1000 * row['processor'] / row['calls']:5.2f} ms a call of the processor {trips}",
                flush=True,
            )
            assert row["changed"], f"{name} changed nothing"
    with server(0.01) as url:
        same = {result(url, at) for at in (1, 4, 16)}
        print("the same result at 1, 4 and 16 calls at once:", len(same) == 1)
        assert len(same) == 1
    if options.out:
        options.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
