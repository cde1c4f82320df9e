"""How often is what is no better kept, what is better kept, and is what is claimed true?

Programs are coins: a program earns 1 on an example with a probability of its own, and proposals know nothing, so that
all that can be kept is luck, or the one that is better. Measured are the trials of `heedful.rewriting`:

null    nothing can be gained, every score is a fair coin; sizes of validation, proposals and budgets as the search of
        GEPA makes them by default. False keeps a run, and coverage of the gain claimed on as many held-out examples
reuse   outcomes are fixed given program and example, the same validation examples are used for 30 proposals, each
        half of the answers made anew; one in five gains 15 points, one in ten loses 5
power   one proposal of 20 or 30 is 10 points better, all others are worth as much as the start
calls   examples until a candidate that is 10 points better is kept in 80 % of trials, against those of the z test of
        fixed size that knows the variance; and the mean number looked at

GEPA (its minibatch of 3, then the best mean on validation) and MIPROv2 (the best mean) run in their own packages by
`--peer-python`, an interpreter that has gepa, dspy and optuna; without it their rows in the results stay as they are.

    python benchmarks/acceptance.py [--quick] [--peer-python PYTHON] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from heedful.core import Floats
from heedful.rewriting.acceptance import Gate, Trial
from heedful.rewriting.claims import claim
from heedful.rewriting.scores import Score

SIZES = ((20, 300, 20), (50, 800, 30), (100, 1500, 32), (300, 4000, 30))  # validation, budget, proposals
TRAINING = 6  # calls that a proposal costs before its trial: three examples before and after, as in GEPA
BLOCK = 8
ALPHA = 0.05
PAIRS = ((0.3, 0.2), (0.25, 0.15), (0.15, 0.05), (0.1, 0.0))  # shares of examples won and lost by 10 points more


@dataclass(frozen=True, eq=False)
class Program:
    """Its outcomes on the validation examples, the probability of a 1, and what that is beyond its parent's."""

    values: Floats
    quality: float
    gain: float = 0.0


GAINS = (0.0, -0.05, 0.15)
Proposal = Callable[[Program], Program]


def search(start: Program, proposals: list[Proposal], budget: float, rng: np.random.Generator) -> dict[str, Any]:
    """The programs kept, in order, and the calls made. Each proposal is made from what is kept; an outcome is paid for
    where a trial looks at it first."""
    n, gate, kept, calls, tried = len(start.values), Gate(ALPHA), [start], 0.0, 0
    known = np.zeros(n, dtype=bool)
    for number, propose in enumerate(proposals):
        if calls + TRAINING > budget:
            break
        own, seen = propose(kept[-1]), np.zeros(n, dtype=bool)
        trial = gate.trial(n, len(proposals) - number, rng=rng)
        calls += TRAINING
        while trial.open and calls + 2 * BLOCK <= budget:
            places = list(trial.next(BLOCK))
            calls += len(places) + int((~known[places]).sum())
            known[places], seen[places] = True, True
            trial = trial.after(own.values[places] - kept[-1].values[places])
        gate, tried = gate.closed(trial), tried + bool(len(trial.differences))
        if trial.kept:
            kept, known = [*kept, own], seen
    return {"kept": kept[1:], "calls": calls, "trials": tried}


def coins(n: int, quality: float, rng: np.random.Generator) -> Floats:
    return (rng.random(n) < quality).astype(float)


def null(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n, budget, proposals in SIZES:
        makers = [lambda _, n=n: Program(coins(n, 0.5, rng), 0.5)] * proposals
        found = [search(Program(coins(n, 0.5, rng), 0.5), makers, budget, rng) for _ in range(runs)]
        claims = [claim(*(Score(coins(n, 0.5, rng), "held out") for _ in range(2))) for _ in range(runs)]
        covered = sum(own.interval.low <= 0 <= own.interval.high for own in claims if own.interval)
        row = {"validation": n, "budget": budget, "proposals": proposals} | falsely(found)
        row |= {"covered": covered, "p below": float(stats.binomtest(covered, runs, 0.95, "less").pvalue)}
        rows.append(row | {"claimed gain": mean(own.value for own in claims)})
    return rows


def reuse(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n in (20, 50, 100, 300):
        found = []
        for _ in range(runs):
            makers = [partial(_changed, float(gain), rng) for gain in rng.choice(GAINS, 30, p=[0.7, 0.1, 0.2])]
            found.append(search(Program(coins(n, 0.3, rng), 0.3), makers, np.inf, rng))
        rows.append({"validation": n} | falsely(found))
    return rows


def _changed(gain: float, rng: np.random.Generator, parent: Program) -> Program:
    """Half of the answers made anew, with the probability that gains as much; nothing gained where it is above 1."""
    if parent.quality + 2 * gain > 1:
        gain = 0.0
    new = coins(len(parent.values), parent.quality + 2 * gain, rng)
    values = np.where(rng.random(len(new)) < 0.5, new, parent.values)
    return Program(values, parent.quality + gain, gain)


def falsely(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs with a false keep, and the p-value of that being 5 % at most."""
    false = sum(any(own.gain <= 0 for own in one["kept"]) for one in found)
    return {
        "runs": len(found),
        "trials": mean(one["trials"] for one in found),
        "calls": mean(one["calls"] for one in found),
        "false keeps": false,
        "p above": float(stats.binomtest(false, len(found), ALPHA, "greater").pvalue),
        "true keeps a run": mean(sum(own.gain > 0 for own in one["kept"]) for one in found),
    }


def power(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Programs that answer all examples with coins of their own, as in the peers' runs, or two in five, the others as
    all programs do."""
    rows = []
    for n, budget, proposals in SIZES[2:]:
        for share in (1.0, 0.4):
            found = []
            for _ in range(runs):
                alike, own = coins(n, 0.5, rng), rng.random(n) < share
                lucky = int(rng.integers(proposals))
                quality = [0.6 if number == lucky else 0.5 for number in range(proposals)]
                makers = [partial(_beside, alike, own, share, each, rng) for each in quality]
                start = _beside(alike, own, share, 0.5, rng, Program(alike, 0.5))
                found.append(search(start, makers, budget, rng))
            kept = sum(any(one.gain > 0 for one in each["kept"]) for each in found)
            told = {"validation": n, "budget": budget, "proposals": proposals, "own share": share, "kept": kept / runs}
            rows.append(told | falsely(found))
    return rows


def _beside(
    alike: Floats, own: Any, share: float, quality: float, rng: np.random.Generator, parent: Program
) -> Program:
    values = np.where(own, coins(len(alike), 0.5 + (quality - 0.5) / share, rng), alike)
    return Program(values, quality, quality - parent.quality)


def calls(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for level in (ALPHA, ALPHA / 10):
        for won, lost in PAIRS:
            gain = won - lost
            oracle = (stats.norm.isf(level) + stats.norm.isf(0.2)) ** 2 * (won + lost - gain**2) / gain**2
            low, high = oracle, 2.5 * oracle
            while high - low > 0.04 * oracle:
                size = int((low + high) / 2)
                kept, seen = trials(size, won, lost, level, runs, rng)
                low, high = (low, size) if kept >= 0.8 else (size, high)
            size = int(np.ceil(high))
            kept, seen = trials(size, won, lost, level, runs, rng)
            row = {
                "level": level,
                "won": won,
                "lost": lost,
                "oracle": oracle,
                "size": size,
                "power": kept,
                "seen": seen,
            }
            rows.append(row | {"size / oracle": size / oracle, "seen / oracle": seen / oracle})
    return rows


def trials(n: int, won: float, lost: float, level: float, runs: int, rng: np.random.Generator) -> tuple[float, float]:
    """The share of trials that keep, and the mean number of examples looked at."""
    kept = seen = 0
    for _ in range(runs):
        u, trial = rng.random(n), Trial(range(n), level)
        differences = (u < won).astype(float) - (u > 1 - lost)
        while trial.open:
            trial = trial.after(differences[trial.next(BLOCK)])
        kept, seen = kept + trial.kept, seen + len(trial.differences)
    return kept / runs, seen / runs


def mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


PARTS = {"null": (null, 200), "reuse": (reuse, 200), "power": (power, 200), "calls": (calls, 300)}


def peers(python: str, runs: int) -> list[dict[str, Any]]:
    """What GEPA and MIPROv2 keep and claim, in their own interpreter."""
    script = Path(__file__).parent / "acceptance_" / "peers.py"
    done = subprocess.run([python, str(script), str(runs)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few runs of each")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--peer-python", help="an interpreter with gepa, dspy and optuna")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    began = time.process_time()
    results = json.loads(options.out.read_text()) if options.out and options.out.exists() else {}
    for number, (name, (part, runs)) in enumerate(PARTS.items()):
        if name in options.parts:
            results[name] = part(3 if options.quick else runs, np.random.default_rng([options.seed, number]))
            show(name, results[name])
    if options.peer_python:
        results["peers"] = peers(options.peer_python, 2 if options.quick else 60)
    if "peers" in results:
        show("peers" if options.peer_python else "peers, not run now", results["peers"])
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.process_time() - began:.0f} s of processor time")
    if any(
        row.get("p above", 1) < 1e-3 or row.get("p below", 1) < 1e-3 for own in PARTS for row in results.get(own, ())
    ):
        raise SystemExit("a promise is broken")


def show(name: str, rows: list[dict[str, Any]]) -> None:
    print(name)
    for row in rows:
        shown = (f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        print("  " + ", ".join(shown), flush=True)


if __name__ == "__main__":
    main()
