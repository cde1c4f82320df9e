"""Ways of improving a prompt where its worth is known: what they reach, at what cost, and what they keep in vain.

    python benchmarks/rule_world.py [--quick] [--seeds N] [--names NAME ...] [--peers PYTHON ...] [--out FILE]

The world of rules (`heedful.worlds.RuleWorld`): one prompt, a model that answers by the rules in it, a critic who sees
8 of 10 failures and is misled once in ten, an editor who does what is asked 9 times of 10; 300 questions, and 2,000
calls of models in all. Ours are settings of `heedful.rewriting.Improving`:

ours         what is shown is the way to the end; changes build on one another in training, the best is tried six times
trials       each change is tried, and kept where that proves it better
textgrad     words by a model for each call, and each change kept that does no worse on its batch
trace        what is shown is the way to the end, and the same
opro         shown what was tried and what it earned; the same
gepa         batches of 3, parents by their front over examples, kept where the mean on validation is greater
random       a random edit, kept where a trial proves it better
votes        `ours`, where 200 comparisons of people by a fitted utility decide, and the critic says what to change
votes only   the same without critic: random edits, of which what the comparisons taught decides
critiques only  `ours`, where words alone decide: whether the critic, asked again, has nothing to say of an answer

", wins" decides by how often an answer is better than the one before rather than by how much it earns; "shown" asks no
critic: who rewrites is shown the answers and what each earned, and sees what is amiss as often as the critic.

`--peers` are interpreters of environments with other packages, which play the same world over HTTP at the same cap,
each by its own prompts (`rule_world_/`): GEPA, TextGrad, Trace (OptoPrime), OPRO (as Trace has it) and MIPROv2.

`worth`: that of the prompt that is kept in the end, of at most 1, and `calls`: those until a prompt was kept that has
90 % of the best one's worth, medians over seeds, where those that never came there count as more than the cap;
`reached`: the share that did; `null`: the share of seeds that kept anything else than the start in the world where
nothing matters, with half the calls, and `changes` how many in the mean. Intervals are for other seeds (95 %): of
medians by order statistics, of shares Wilson's.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from heedful.models.marked import context_text
from heedful.rewriting import Splits
from heedful.stats import proportion
from heedful.worlds.rule_world import RuleWorld
from rule_world_ import ours, peers
from rule_world_.charged import START, Paid
from rule_world_.players import all_models

CALLS, QUESTIONS, NEAR = 2_000, 300, 0.9
QUICK = "ours shown, wins", "trace", "gepa shown"
Play = Callable[[Paid, RuleWorld, Splits, int], None]


def ours_as(name: str) -> Play:
    return lambda paid, world, splits, seed: ours.play(name, paid, world, splits, np.random.default_rng([seed, 18]))


def played(play: Play, world: RuleWorld, seed: int, cap: int) -> Paid:
    """The account of one run. Each seed has questions of its own, so that no answer of a model is in two."""
    paid = Paid(all_models(world), cap)
    asked = world.contexts(QUESTIONS, rng=np.random.default_rng([seed, 17]), first=seed * QUESTIONS)
    play(paid, world, Splits.of([{"question": context_text(own)} for own in asked]), seed)
    return paid


def until_near(paid: Paid, world: RuleWorld) -> float:
    """The calls made when a text was first kept that is near the best, by the truth; infinite where none was."""
    goal = NEAR * world.expected(world.best())
    return next((float(calls) for calls, text in paid.kept if world.expected(text) >= goal), math.inf)


def median(values: list[float], level: float = 0.95) -> tuple[float, float, float]:
    """The median, and the order statistics between which that of the law lies with probability `level` at least,
    whatever the law is; infinite values are those beyond a cap. The least and the greatest where there are too few."""
    ordered, n = sorted(values), len(values)
    before = int(binom.ppf((1 - level) / 2, n, 0.5))
    low, high = (ordered[before - 1], ordered[n - before]) if before else (-math.inf, math.inf)
    return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2, low, high


def row(play: Play, seeds: int, cap: int) -> dict[str, Any]:
    world, begun = RuleWorld(), time.process_time()
    runs = [played(play, world, seed, cap) for seed in range(seeds)]
    nothing = [played(play, world.without_worth(), 1_000 + seed, cap // 2) for seed in range(seeds)]
    each = {
        "worth": [world.expected(own.kept[-1][1]) for own in runs],
        "calls": [until_near(own, world) for own in runs],
        "changes": [float(len(own.kept) - 1) for own in nothing],
        "used": [float(own.calls) for own in runs],
    }
    told: dict[str, Any] = {"seeds": seeds, "cap": cap, "seconds": time.process_time() - begun}
    for name in ("worth", "calls"):
        told[name], *told[f"{name}_interval"] = (own if math.isfinite(own) else None for own in median(each[name]))
    for name, held in {"reached": np.isfinite(each["calls"]), "null": np.array(each["changes"]) > 0}.items():
        found = proportion(held.astype(np.float64))
        told |= {name: found.value, f"{name}_interval": found.interval and [found.interval.low, found.interval.high]}
    each["calls"] = [own if math.isfinite(own) else None for own in each["calls"]]
    return {**told, "changes": float(np.mean(each["changes"])), "used": float(np.mean(each["used"])), "each": each}


def shown(name: str, found: dict[str, Any]) -> str:
    def within(key: str, digits: int, beyond: str = "") -> str:
        ends = (beyond if own is None else f"{own:.{digits}f}" for own in found[f"{key}_interval"])
        return f"[{', '.join(ends)}]"

    calls = f"more than {found['cap']}" if found["calls"] is None else f"{found['calls']:.0f}"
    return (
        f"{name:18s} worth {found['worth']:.3f} {within('worth', 3)}, near after {calls} {within('calls', 0, '...')} "
        f"calls, {found['reached']:.0%} {within('reached', 2)} ever; null {found['null']:.0%} {within('null', 2)}, "
        f"{found['changes']:.1f} changes; {found['used']:.0f} calls, {found['seconds']:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two seeds, 300 calls, three of ours and all peers")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--names", nargs="+", help="these alone")
    parser.add_argument("--peers", nargs="+", default=[], metavar="PYTHON")
    parser.add_argument("--out", type=Path, help="rows are put into it, in the place of those of the same names")
    options = parser.parse_args()
    seeds, cap = (2, 300) if options.quick else (options.seeds, CALLS)
    commands, world = peers.found(options.peers), RuleWorld()
    names = options.names or [*(QUICK if options.quick else ours.NAMES), *commands]
    if strange := {*names} - {*ours.NAMES, *commands}:
        parser.error(f"{min(strange)!r} is none of ours, nor in an interpreter of --peers")
    told = json.loads(options.out.read_text("utf-8")) if options.out and options.out.exists() else {}
    print(f"start {world.expected(START):.3f}, best {world.expected(world.best()):.3f}, {seeds} seeds, {cap} calls")
    for name in names:
        with ExitStack() as stack:
            play = stack.enter_context(peers.Peer(commands[name])).play if name in commands else ours_as(name)
            told[name] = row(play, seeds, cap)
        print(shown(name, told[name]), flush=True)
        if options.out:
            options.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
