"""How often is what is no better kept, what is better kept, and is what is claimed true?

Programs are coins: a program earns 1 on an example with a probability of its own, and proposals know nothing, so that
all that can be kept is luck, or the one that is better. Measured are searches of `heedful.rewriting.Improving`, with as
many training examples as validation ones, and its trials:

null    nothing can be gained, every score is a fair coin; sizes of validation, proposals and budgets as the search of
        GEPA makes them by default. False keeps a run, and coverage of the gain claimed on as many held-out examples
reuse   outcomes are fixed given program and example, the same validation examples are used for 30 proposals, each
        half of the answers made anew; one in five gains 15 points, one in ten loses 5
power   one proposal of 32 or 30 is 10 points better, all others are worth as much as the start
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import heedful
from heedful.core import Budget, Floats
from heedful.evidence import Rule
from heedful.rewriting import Improving, Logged, Proposed, Score, Situation, Splits, Trial, Worth, claim

SIZES = ((20, 300, 20), (50, 800, 30), (100, 1500, 32), (300, 4000, 30))  # validation, budget, proposals
BLOCK = 8
HELD = 2  # examples held out from each search
ALPHA = 0.05
PAIRS = ((0.3, 0.2), (0.25, 0.15), (0.15, 0.05), (0.1, 0.0))  # shares of examples won and lost by 10 points more


GAINS = (0.0, -0.05, 0.15)


@dataclass(frozen=True, eq=False)
class Coins:
    """A program: the probability of a 1, and its outcomes on all examples, where they are fixed."""

    quality: float
    values: Floats | None = None

    def earned(self, place: int, rng: np.random.Generator) -> bool:
        return rng.random() < self.quality if self.values is None else bool(self.values[place])


Proposal = Callable[[Coins], Coins]


def search(
    start: Coins,
    proposals: Sequence[Proposal],
    n: int,
    budget: float,
    rng: np.random.Generator,
    trials: int = 2,
) -> dict[str, Any]:
    """One run of `Improving`, where each proposal is made from the parent that the search takes: what each keep gained
    over the one before, and the runs made. No claim is looked at here."""
    programs, told = [start], heedful.Text("0", "number")

    def propose(situation: Situation, **_: Any) -> Proposed:
        programs.append(proposals[situation.round](programs[int(situation.values["number"])]))
        return Proposed(({"number": str(len(programs) - 1)},))

    def program(place: int) -> str:
        return str(int(programs[int(told.now)].earned(place, rng)))

    examples = [{"place": place} for place in range(2 * n + HELD)]
    splits = Splits(examples[:n], examples[n : 2 * n], examples[2 * n :])
    batch = 16 if np.isinf(budget) else max(1, min(n, int((budget - 2 * n * trials) / (2 * len(proposals)))))
    engine = Improving(propose, critic=Logged(()), rounds=len(proposals), batch=batch, trials=trials, concurrency=1)
    capped = Budget() if np.isinf(budget) else Budget(runs=budget + 2 * HELD)
    worth = Worth(Rule(lambda item: float(item.output[0].text), "coin"), (0, 1))
    done = engine(heedful.trace(program), worth, splits, budget=capped, rng=rng)
    tried = [own for own in done.events if own["event"] == "tried"]
    kept = [programs[int(own["values"]["number"])].quality for own in tried if own["kept"]]
    gains = [after - before for before, after in pairwise([start.quality, *kept])]
    return {"gains": gains, "calls": done.spent["runs"] - 2 * HELD, "trials": len(tried)}


def coins(n: int, quality: float, rng: np.random.Generator) -> Floats:
    return (rng.random(n) < quality).astype(float)


def null(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n, budget, proposals in SIZES:
        found = [search(Coins(0.5), [_fair] * proposals, n, budget, rng) for _ in range(runs)]
        claims = [claim(*(Score(coins(n, 0.5, rng), "held out") for _ in range(2))) for _ in range(runs)]
        covered = sum(own.interval.low <= 0 <= own.interval.high for own in claims if own.interval)
        row = {"validation": n, "budget": budget, "proposals": proposals} | falsely(found)
        row |= {"covered": covered, "p below": float(stats.binomtest(covered, runs, 0.95, "less").pvalue)}
        rows.append(row | {"claimed gain": mean(own.value for own in claims)})
    return rows


def _fair(_: Coins) -> Coins:
    return Coins(0.5)


def reuse(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for n in (20, 50, 100, 300):
        for trials in (2, 10):
            found = []
            for _ in range(runs):
                makers = [partial(_changed, float(gain), rng) for gain in rng.choice(GAINS, 30, p=[0.7, 0.1, 0.2])]
                start = Coins(0.3, coins(2 * n + HELD, 0.3, rng))
                found.append(search(start, makers, n, np.inf, rng, trials))
            rows.append({"validation": n, "trials at most": trials} | falsely(found))
    return rows


def _changed(gain: float, rng: np.random.Generator, parent: Coins) -> Coins:
    """Half of the answers made anew, with the probability that gains as much; nothing gained where it is above 1."""
    assert parent.values is not None
    if parent.quality + 2 * gain > 1:
        gain = 0.0
    new = coins(len(parent.values), parent.quality + 2 * gain, rng)
    values = np.where(rng.random(len(new)) < 0.5, new, parent.values)
    return Coins(parent.quality + gain, values)


def falsely(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Runs with a keep that is no better than what it replaced, and the p-value of that being 5 % at most."""
    false = sum(any(gain <= 0 for gain in one["gains"]) for one in found)
    return {
        "runs": len(found),
        "trials": mean(one["trials"] for one in found),
        "calls": mean(one["calls"] for one in found),
        "false keeps": false,
        "p above": float(stats.binomtest(false, len(found), ALPHA, "greater").pvalue),
        "true keeps a run": mean(sum(gain > 0 for gain in one["gains"]) for one in found),
    }


def power(runs: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Programs that answer all examples with coins of their own, drawn anew at each run as in the peers', or two in
    five, fixed, the others as all programs do."""
    rows = []
    for n, budget, proposals in SIZES[2:]:
        for share, trials in ((1.0, 1), (1.0, 2), (0.4, 1), (0.4, 2)):
            found = []
            for _ in range(runs):
                alike, own = coins(2 * n + HELD, 0.5, rng), rng.random(2 * n + HELD) < share
                lucky = int(rng.integers(proposals))
                quality = [0.6 if number == lucky else 0.5 for number in range(proposals)]
                makers = [partial(_beside, alike, own, share, each, rng) for each in quality]
                start = _beside(alike, own, share, 0.5, rng, Coins(0))
                found.append(search(start, makers, n, budget, rng, trials))
            kept = sum(any(gain > 0 for gain in each["gains"]) for each in found)
            told = {
                "validation": n,
                "budget": budget,
                "proposals": proposals,
                "own share": share,
                "trials at most": trials,
            }
            rows.append(told | {"kept": kept / runs} | falsely(found))
    return rows


def _beside(alike: Floats, own: Any, share: float, quality: float, rng: np.random.Generator, _: Coins) -> Coins:
    if share == 1:
        return Coins(quality)
    values = np.where(own, coins(len(alike), 0.5 + (quality - 0.5) / share, rng), alike)
    return Coins(quality, values)


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
            results[name] = part(
                (3 if name == "calls" else 1) if options.quick else runs, np.random.default_rng([options.seed, number])
            )
            show(name, results[name])
    if options.peer_python:
        results["peers"] = peers(options.peer_python, 2 if options.quick else 60)
    if "peers" in results:
        show("peers" if options.peer_python else "peers, not run now", results["peers"])
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"{time.process_time() - began:.0f} s of processor time")
    if any(
        row.get("p above", 1) < 5e-3 or row.get("p below", 1) < 5e-3 for own in PARTS for row in results.get(own, ())
    ):
        raise SystemExit("a promise is broken")


def show(name: str, rows: list[dict[str, Any]]) -> None:
    print(name)
    for row in rows:
        shown = (f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items())
        print("  " + ", ".join(shown), flush=True)


if __name__ == "__main__":
    main()
