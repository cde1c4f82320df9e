"""What training costs beside a lean PyTorch loop and beside TRL, on the same network, data and losses.

    python benchmarks/training.py [--quick] [--trl PEER/bin/python] [--sizes tiny small] [--cases dpo ...] [--out FILE]

Contenders:  ours    heedful's trainer (benchmarks/trainers/ours.py)
             floor   a bare loop that projects tokens of outputs alone (benchmarks/trainers/floor.py)
             trl     TRL's trainers at their fastest settings on a processor, run by the Python given with --trl

Each contender at each case is a process of its own with one thread. They take turns of a step, in a rotating order,
until each has had `--turns`; a first turn is not counted. All train the same random Llama on the same records
in the same order, so that where nothing is drawn losses must agree, which is checked. Tokens are those of prompts and
outputs, each output with its prompt, whatever a contender makes of it. Reported are tokens per processor second
(medians), the ratio of ours to another (geometric mean over turns, with a 95 % interval by Student's t: of turns of
these processes, not of processes), and the peak of memory above what imports, the data and a step of a network of one
layer took: what all load of torch and transformers is loaded before it counts. `others` is the share of the machine
that other processes used meanwhile.

Where objectives compare with a reference, ours is charged a scoring pass for each step's examples, as if none came
twice. TRL has no trainer for several scored outputs of one prompt.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from trainers.work import CASES, SIZES, tokenizer_of

HERE = Path(__file__).parent
LIBRARIES = "torch", "transformers"
ROLLOUTS = {"grpo", "rloo"}
NOT_THEIRS = {"shared prompts"}
TOLERANCE = 2e-4  # of losses, relative: rounding in single precision grows along the steps


class Contender:
    """A process that takes turns."""

    def __init__(self, name: str, python: str, *work: str) -> None:
        self.name = name
        known = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        known |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        known["PYTHONPATH"] = os.pathsep.join([str(HERE), *([str(HERE.parent / "src")] if name == "ours" else [])])
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
        self.process = subprocess.Popen(
            [python, "-m", "trainers", name, *work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **known},
        )

    def hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            self.errors.seek(0)
            raise SystemExit(f"{self.name} ended: {self.errors.read()[-2000:]}")
        return json.loads(line)

    def turn(self) -> dict[str, Any]:
        print(1, file=self.process.stdin, flush=True)
        return self.hear()

    def end(self) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.errors.close()


def compete(case: str, size: str, pythons: Mapping[str, str], turns: int, tokenizer: str) -> dict[str, list[Any]]:
    """What each contender's turns took, the first left out."""
    names = [name for name in pythons if name != "trl" or case not in NOT_THEIRS]
    work = case, size, str(turns + 1), tokenizer
    running = [Contender(name, pythons[name], *work) for name in names]
    told: dict[str, list[Any]] = {name: [] for name in names}
    try:
        for one in running:
            one.hear()
        for turn in range(turns + 1):
            for place in range(len(running)):
                one = running[(turn + place) % len(running)]
                told[one.name].append(one.turn())
    finally:
        for one in running:
            one.end()
    if case not in ROLLOUTS:
        refuse_other_losses(case, told)
    return {name: own[1:] for name, own in told.items()}


def refuse_other_losses(case: str, told: Mapping[str, Sequence[Any]]) -> None:
    """Ends the benchmark where contenders did not do the same."""
    first, *others = told
    base = [loss for own in told[first] for loss in own["losses"]]
    for name in others:
        found = [loss for own in told[name] for loss in own["losses"]]
        apart = np.abs(np.subtract(found, base)).max() / np.abs(base).max()
        tokens = [own["tokens"] for own in told[name]] == [own["tokens"] for own in told[first]]
        if apart > TOLERANCE or not tokens:
            what = f"losses {apart:.1e} apart, tokens {'the same' if tokens else 'others'}"
            raise SystemExit(f"{case}: {name} does not do what {first} does: {what}")


def ratio(ours: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Of rates turn by turn: the geometric mean, with its interval."""
    logs = np.log(ours) - np.log(other)
    half = stdtrit(len(logs) - 1, 0.975) * logs.std(ddof=1) / math.sqrt(len(logs)) if len(logs) > 1 else math.inf
    return {name: float(np.exp(logs.mean() + by)) for name, by in (("ratio", 0.0), ("low", -half), ("high", half))}


def report(told: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Medians of each contender and the ratios of ours to the others."""
    rates = {name: [one["tokens"] / one["cpu"] for one in own] for name, own in told.items()}
    found: dict[str, Any] = {
        name: {
            "tokens_per_cpu_second": statistics.median(rates[name]),
            "tokens_per_second": statistics.median(one["tokens"] / one["wall"] for one in own),
            "others": statistics.median(one["others"] for one in own),
            "base_mb": own[-1]["base"],
            "peak_mb": own[-1]["peak"],
        }
        for name, own in told.items()
    }
    if "ours" in told:
        for name in set(told) - {"ours"}:
            above = [found[own]["peak_mb"] - found[own]["base_mb"] for own in ("ours", name)]
            found[f"ours / {name}"] = ratio(rates["ours"], rates[name]) | {"memory": above[0] / above[1]}
    return found


HEAD = (
    "| case | ours | floor | TRL | ours / floor | ours / TRL | memory, MB | of floor's | of TRL's | others |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def row(name: str, found: Mapping[str, Any]) -> str:
    """A case as a row of the table on docs/benchmarks.md."""
    rates = [f"{found[own]['tokens_per_cpu_second']:,.0f}" if own in found else "–" for own in ("ours", "floor", "trl")]
    pairs = [found.get(f"ours / {own}") for own in ("floor", "trl")]
    ratios = ["{ratio:.2f} [{low:.2f}, {high:.2f}]".format(**own) if own else "–" for own in pairs]
    above = [f"{own['peak_mb'] - own['base_mb']:.0f}" for own in (found.get("ours"),) if own] or ["–"]
    shares = [f"{own['memory']:.2f}" if own else "–" for own in pairs]
    others = max(own["others"] for own in found.values() if "others" in own)
    return f"| {' | '.join([name, *rates, *ratios, *above, *shares])} | {others:.0%} |"


def pythons_of(peer: str | None, *, quick: bool) -> dict[str, str]:
    found = {"floor": sys.executable, "ours": sys.executable}
    if quick or peer is None:
        print(f"trl left out: {'not in the quick size' if quick else 'no --trl given'}")
    elif not Path(peer).exists():
        print(f"trl left out: there is no {peer}")
    else:
        found["trl"] = peer
    return found


def machine() -> dict[str, Any]:
    versions = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    return {"cores": os.cpu_count(), "machine": platform.machine()} | versions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="DPO in the tiny size, two turns of one step")
    parser.add_argument("--trl", help="the Python of an environment with TRL")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lacking = [name for name in LIBRARIES if find_spec(name) is None]
    if lacking:
        print(f"skipped: {lacking[0]} is not installed (pip install 'heedful[lm]')")
        return
    sizes, cases, turns = options.sizes, options.cases, options.turns
    if options.quick:
        sizes, cases, turns = ["tiny"], ["dpo"], 2
    pythons = pythons_of(options.trl, quick=options.quick)
    results: dict[str, Any] = {}
    print(*HEAD, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            tokenizer_of(size).save_pretrained(f"{folder}/{size}")
            for case in cases:
                told = compete(case, size, pythons, turns, f"{folder}/{size}")
                results[f"{size}, {case}"] = report(told)
                print(row(f"{size}, {case}", results[f"{size}, {case}"]), flush=True)
                if options.out:
                    told = {"machine": machine(), "turns": turns, "results": results}
                    options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
