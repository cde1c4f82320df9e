"""How long the way from feedback to a report takes, and how much memory: whole processes, medians of several runs.

    python benchmarks/street.py [--quick] [--runs N] [--out FILE]

Each command runs in a process of its own. Real data is found through HEEDFUL_DATA (a folder with hh-rlhf/...); parts
whose data is absent are skipped, and say so. The floor beside the arena is the time polars takes to read its CSV.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HEEDFUL_DATA", ROOT.parent / "shared" / "data"))
HEEDFUL = [sys.executable, "-m", "heedful"]


def arena(path: Path, rows: int, systems: int = 100) -> Path:
    """An arena table with Davidson ties: log-strengths N(0, 1), uniform pairs, 1,000 judges."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=systems)
    first = rng.integers(0, systems, rows)
    second = (first + rng.integers(1, systems, rows)) % systems
    gap = (strength[first] - strength[second]) / 2
    win, loss, tie = np.exp(gap), np.exp(-gap), 0.5
    point = rng.random(rows) * (win + loss + tie)
    winner = np.where(point < win, "model_a", np.where(point < win + loss, "model_b", "tie"))
    names = np.array([f"system-{number:03d}" for number in range(systems)])
    judge = np.char.add("judge-", rng.integers(0, 1000, rows).astype(str))
    columns = {"model_a": names[first], "model_b": names[second], "winner": winner, "judge": judge}
    pl.DataFrame(columns).write_csv(path)
    return path


def measure(command: list[str], runs: int) -> dict[str, float]:
    """Median wall seconds, median CPU seconds and peak memory (MB) of a command's process."""
    seconds, processor, peaks = [], [], []
    # An installed package is compiled once; a checkout that may not keep bytecode would be compiled in every run.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(runs):
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        error = child.stderr.read() if child.stderr else b""
        _, status, usage = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - start)
        processor.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1024)
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed:\n{error.decode()[-2000:]}")
    return {
        "seconds": statistics.median(seconds),
        "cpu_seconds": statistics.median(processor),
        "peak_mb": max(peaks),
        "runs": runs,
    }


def commands(folder: Path, rows: int) -> dict[str, list[str]]:
    """What is measured, by name."""
    table = folder / "arena.csv"
    # In a process of its own: the peak memory of a process counts that of the one it was forked from.
    subprocess.run([sys.executable, __file__, "--make", str(table), str(rows)], check=True)
    hh = DATA / "hh-rlhf" / "harmless-base-test.jsonl.gz"
    found = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import heedful": [sys.executable, "-c", "import heedful"],
        "heedful --help": [*HEEDFUL, "--help"],
        f"polars reads the arena of {rows:,}": [
            sys.executable,
            "-c",
            f"import polars; polars.read_csv({str(table)!r}, infer_schema=False)",
        ],
        f"heedful run, arena 100 x {rows:,}": [*HEEDFUL, "run", str(table), "--out", str(folder / "arena")],
    }
    if hh.exists():
        found["heedful run, HH-RLHF 2,312 pairs"] = [*HEEDFUL, "run", str(hh), "--out", str(folder / "hh")]
    else:
        print(f"skipped HH-RLHF: {hh} is absent (set HEEDFUL_DATA)")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--make", nargs=2, metavar=("FILE", "ROWS"), help="only write the arena table")
    options = parser.parse_args()
    if options.make:
        arena(Path(options.make[0]), int(options.make[1]))
        return
    rows, runs = (5_000, 1) if options.quick else (1_000_000, options.runs)
    folder = Path(tempfile.mkdtemp(prefix="heedful-bench-"))
    try:
        results = {name: measure(command, runs) for name, command in commands(folder, rows).items()}
    finally:
        shutil.rmtree(folder)
    for name, result in results.items():
        print(
            f"{name:45s} {result['seconds']:8.3f} s {result['cpu_seconds']:8.3f} s of CPU {result['peak_mb']:8.0f} MB"
        )
    if options.out:
        machine = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
        options.out.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
