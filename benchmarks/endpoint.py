"""What an endpoint costs beside the bare client, how it finds a server's pace, and what kills make it buy again.

    python benchmarks/endpoint.py [--quick] [--out FILE] [--kills N]

All against a server on this machine (`heedful.worlds.ChatServer`), in a process of its own where time is measured.

- Overhead: processor and wall time a call, of `Endpoint.complete` with a journal in a file and of openai's asynchronous
  client alone under a semaphore, in turn: medians over rounds, and the mean difference with half a t interval over
  them. Then what an endpoint does itself, with answers that come at once and without HTTP.
- Pace: a server that takes `most` calls at once and refuses more; the time that calls take as a multiple of the least
  possible, calls × latency / most.
- Kills: a run of 200 calls is killed (SIGKILL) at random moments and begun again, with caps that are reached on the
  way and then raised. The server counts for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from heedful.core import Budget, BudgetExceededError
from heedful.models import Endpoint, Journal, Prices, Request, Sampling
from heedful.models.endpoint.replies import Reply
from heedful.worlds import ChatServer

CALLS, CONCURRENCY, LATENCY = 200, 8, 0.02
CLOCKS = ("processor", "wall")
PRICES, SAMPLING = Prices(1.0, 4.0), Sampling(max_tokens=12)
REQUESTS = [Request.of(f"question {number} of a run that may be killed") for number in range(CALLS)]


def echo(messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
    return f"answer to {messages[-1]['content']}"


# Kills


def endpoint(url: str, journal: Journal) -> Endpoint:
    limits = {"concurrency": CONCURRENCY, "backoff": 0.05, "hidden_tokens": 0}
    return Endpoint(url, "echo", sampling=SAMPLING, journal=journal, prices=PRICES, **limits)


def one_life(url: str, path: str, caps: Mapping[str, float]) -> int:
    """Make all calls that are not on record; 0 where all are answered, 3 where a cap was reached."""
    with Journal(path, Budget(**caps)) as journal, endpoint(url, journal) as made:
        try:
            answers = made.complete(REQUESTS)
        except BudgetExceededError:
            return 3
    return 0 if all(answer.whole for answer in answers) else 4


def nursery() -> None:
    """For each line of JSON on standard input a life, in a fork of this process, which has imported all: its process
    id, then its exit code."""
    import openai  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(one_life(*json.loads(line)))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


@contextlib.contextmanager
def script(argument: str) -> Iterator[subprocess.Popen[str]]:
    """This script in another process, until the end of its standard input."""
    command = [sys.executable, __file__, argument]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


def live(process: subprocess.Popen[str], server: ChatServer, life: Sequence[Any], until: int, delay: float) -> int:
    """The exit code of a life that is killed `delay` seconds after the server saw `until` requests in all."""
    print(json.dumps(life), file=process.stdin, flush=True)
    child = int(process.stdout.readline())
    while server.begun < until and not ended(child):
        time.sleep(0.001)
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    code = int(process.stdout.readline())
    while server.under_way:  # what a killed process sent is served all the same
        time.sleep(0.001)
    return code


def ended(child: int) -> bool:
    """Whether a process has ended and its parent knows."""
    try:
        os.kill(child, 0)
    except ProcessLookupError:
        return True
    return False


def on_record(url: str, path: str) -> set[str]:
    """The messages whose answers are on record."""
    with Journal(path) as journal:
        known = {one.messages[0]["content"]: journal.recall(one.key(url, "echo", SAMPLING)) for one in REQUESTS}
    return {content for content, answer in known.items() if answer is not None}


def counted(server: ChatServer) -> dict[str, float]:
    """What the server served, by its own count."""
    tokens_in, tokens_out = (sum(getattr(call, name) for call in server.calls) for name in ("tokens_in", "tokens_out"))
    return {"calls": len(server.calls), "tokens": tokens_in + tokens_out, "money": PRICES.of(tokens_in, tokens_out)}


def killed_run(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """A run killed so often, at first under caps that end it on the way; what is wrong with it by the server's count.

    `repeats` are calls whose answer a kill lost, at most `most_repeats` a kill; `bought_again` those whose answer was
    on record; `above_caps` the lives after which the server had served more than the caps then allowed.
    """
    rng, path = np.random.default_rng(seed), str(folder / f"journal-{seed}")
    moments = np.sort(rng.integers(0, CALLS, size=kills)).tolist()
    caps = {"calls": 0.6 * CALLS, "tokens": 70.0 * CALLS, "money": 1.5e-4 * CALLS}
    made = Counter(dict.fromkeys(("kills", "caps_reached", "repeats", "most_repeats", "bought_again", "above_caps"), 0))
    with ChatServer(echo, latency=LATENCY) as server, script("--nursery") as process:
        code, known = None, set[str]()
        while code != 0:
            until, before = moments[0] if moments else 10**9, len(server.calls)
            code = live(process, server, [server.url, path, caps], until, rng.uniform(0, 2 * LATENCY))
            asked, known_before = [call.messages[0]["content"] for call in server.calls[before:]], known
            known = on_record(server.url, path)
            repeats = len(asked) - len(known - known_before)
            made["repeats"] += repeats
            made["most_repeats"] = max(made["most_repeats"], repeats)
            made["bought_again"] += sum(content in known_before for content in asked)
            made["above_caps"] += any(spent > caps[unit] for unit, spent in counted(server).items())
            if code == -signal.SIGKILL:
                made["kills"] += 1
                moments.pop(0)
            elif code == 3:
                made["caps_reached"] += 1
                caps = {unit: cap * 20 for unit, cap in caps.items()}
            elif code:
                raise RuntimeError(f"a life ended with exit code {code}")
        with Journal(path) as journal:
            charged = journal.spending().charged
        return {"seed": seed, **made, "answered": len(known), "served": counted(server), "charged": charged}


# Pace


def pace(most: int, calls: int, latency: float = 0.25) -> dict[str, float]:
    """A run at a server that takes `most` calls at once, by one that would make 32."""
    with ChatServer(echo, latency=latency, most=most) as server, Endpoint(server.url, "echo", concurrency=32) as made:
        made.complete([Request.of("to begin with")])
        start = time.perf_counter()
        answers = made.complete([Request.of(f"question {number}") for number in range(calls)])
        took = time.perf_counter() - start
        refused = sum(call.status == 429 for call in server.calls)
    least = calls * latency / most
    unanswered = sum(not answer.whole for answer in answers)
    made = {"most": most, "calls": calls, "least": least, "took": took, "factor": took / least}
    return {**made, "refused": refused, "unanswered": unanswered}


# Overhead


def served(latency: str) -> None:
    """A server in a process of its own, until the end of standard input; prints its address."""
    with ChatServer(echo, latency=float(latency)) as server:
        print(server.url, flush=True)
        sys.stdin.read()


async def bare(client: Any, prompts: Sequence[str], concurrency: int) -> list[str]:
    """What one would write with the client alone, which is kept from round to round."""
    places = asyncio.Semaphore(concurrency)

    async def one(prompt: str) -> str:
        async with places:
            messages = [{"role": "user", "content": prompt}]
            made = await client.chat.completions.create(model="echo", messages=messages, max_tokens=512)
            return made.choices[0].message.content

    return await asyncio.gather(*map(one, prompts))


def timed(make: Callable[[], Any]) -> tuple[float, float]:
    """Processor and wall seconds."""
    start = time.process_time(), time.perf_counter()
    make()
    return time.process_time() - start[0], time.perf_counter() - start[1]


def overhead(calls: int, rounds: int, latency: float, concurrency: int = 16) -> dict[str, float]:
    """Milliseconds a call, of both; medians over rounds."""
    import openai

    took: dict[str, list[tuple[float, float]]] = {"bare": [], "endpoint": []}
    with script(f"--serve={latency}") as process, tempfile.TemporaryDirectory() as folder:
        url = process.stdout.readline().strip()
        client = openai.AsyncOpenAI(base_url=url, api_key="none")
        journal = Journal(Path(folder) / "journal")
        with asyncio.Runner() as loop, journal, Endpoint(url, "echo", journal=journal) as made:
            for number in range(-1, rounds):  # the first is to warm up
                prompts = [f"round {number}, question {place}" for place in range(calls)]
                runs = {
                    "bare": lambda prompts=prompts: loop.run(bare(client, prompts, concurrency)),
                    "endpoint": lambda prompts=prompts: made.complete([Request.of(prompt) for prompt in prompts]),
                }
                for name in sorted(runs, reverse=number % 2 == 0):  # neither always first
                    spent = timed(runs[name])
                    if number >= 0:
                        took[name].append(spent)
            loop.run(client.close())
    spent = {name: np.array(rows) * 1000 / calls for name, rows in took.items()}  # [rounds, 2]
    made: dict[str, float] = {"latency": latency, "calls": calls}
    for at, clock in enumerate(CLOCKS):
        made |= {f"{name}_{clock}": float(np.median(rows[:, at])) for name, rows in spent.items()}
        more = (spent["endpoint"] - spent["bare"])[:, at]
        within = stats.t.ppf(0.975, len(more) - 1) * more.std(ddof=1) / np.sqrt(len(more))
        made |= {f"more_{clock}": float(more.mean()), f"within_{clock}": float(within)}
    return made


class Immediate(Endpoint):
    """An endpoint whose answers come at once."""

    @property
    def _send(self) -> Any:
        message = {"content": "answer " * 20}
        usage = {"prompt_tokens": 5, "completion_tokens": 20}
        reply = Reply(200, json.dumps({"choices": [{"message": message}], "usage": usage}).encode())

        async def send(body: Mapping[str, Any]) -> Reply:
            await asyncio.sleep(0)
            return reply

        return send


def machinery(calls: int, rounds: int) -> dict[str, float]:
    """Milliseconds a call of all that is not HTTP; medians over rounds."""
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal") as journal:
        made = Immediate("http://nowhere/v1", "echo", journal=journal)

        def asked(number: int) -> None:
            made.complete([Request.of(f"round {number}, question {place}") for place in range(calls)])

        processor, wall = np.median([timed(lambda n=number: asked(n)) for number in range(rounds)], axis=0)
    return {"calls": calls, "processor": float(processor) * 1000 / calls, "wall": float(wall) * 1000 / calls}


COLUMNS = {
    "overhead": [
        *("latency", "calls", "bare_processor", "endpoint_processor", "more_processor", "within_processor"),
        *("bare_wall", "endpoint_wall", "more_wall", "within_wall"),
    ],
    "machinery": ["calls", "processor", "wall"],
    "pace": ["most", "calls", "least", "took", "factor", "refused", "unanswered"],
    "kills": ["kills", "answered", "repeats", "most_repeats", "bought_again", "caps_reached", "above_caps"],
}


def shown(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.2f}"


def tables(done: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[list[str]]:
    """Each part's lines, as in docs/benchmarks.md."""
    return [
        [
            f"| {' | '.join(names).replace('_', ' ')} |",
            f"|{' --- |' * len(names)}",
            *(f"| {' | '.join(shown(row[name]) for name in names)} |" for row in done[part]),
        ]
        for part, names in COLUMNS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nursery", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.nursery:
        return nursery()
    if args.serve:
        return served(args.serve)
    calls, rounds = (50, 2) if args.quick else (100, 12)
    done = {
        "overhead": [overhead(calls, rounds, latency) for latency in (0.0, 0.05)],
        "machinery": [machinery(10 * calls, 3)],
        "pace": [pace(most, (8 if args.quick else 48) * most) for most in ((4,) if args.quick else (1, 4, 8))],
    }
    with tempfile.TemporaryDirectory() as folder:
        kills, seeds = (2, 1) if args.quick else (args.kills, 3)
        done["kills"] = [killed_run(kills, seed, Path(folder)) for seed in range(seeds)]
    print("\n\n".join(map("\n".join, tables(done))))
    if args.out:
        args.out.write_text(json.dumps(done, indent=1) + "\n", "utf-8")
    return None


if __name__ == "__main__":
    main()
