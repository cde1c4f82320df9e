"""`heedful run` on public feedback: what was read, how well it is predicted, how long it took.

    python benchmarks/real_data.py [--quick] [--out FILE]

The data is found through HEEDFUL_DATA; docs/datasets.md names its sources. Prints one row a data set, as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("HEEDFUL_DATA", ROOT.parent / "shared" / "data"))
RUNS = {
    "HH-RLHF": ["hh-rlhf"],
    "llmfao": ["llmfao/crowd-comparisons.csv", "--texts", "llmfao/pairs-crowd.jsonl"],
    "AlpacaEval": ["alpaca_eval/annotations"],
    "PandaLM": ["pandalm"],
    "GSM8K": ["gsm8k/example_model_solutions.jsonl"],
}
QUICK = ("PandaLM",)


def run(name: str, folder: Path) -> dict[str, Any]:
    """The summary of one run in a process of its own, with its wall seconds and peak memory."""
    arguments = [word if word.startswith("--") else str(DATA / word) for word in RUNS[name]]
    out = folder / name
    command = [sys.executable, "-m", "heedful", "run", *arguments, "--out", str(out)]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{name} failed:\n{errors.decode()[-2000:]}")
    seconds = time.perf_counter() - start
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text("utf-8"))
    return summary | {"wall": seconds, "peak_mb": usage.ru_maxrss / 1024}


def row(name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """The numbers of one summary that the documentation shows."""
    feedback, held, length = summary["feedback"], summary["held_out"], summary["controls"]["length_only"]
    return {
        "data": name,
        "read": feedback["read"],
        "rejected": feedback["rejected"],
        "utility": summary["model"]["utility"],
        "held out": held["n"],
        "accuracy": share(held["accuracy"], held["accuracy_interval"]),
        "length only": share(length["accuracy"], length["accuracy_interval"]) if length else "",
        "log loss": f"{held['log_loss']:.3f}",
        "ECE": f"{held['ece']:.3f}",
        "first": summary["ranking"][0]["item"] if summary["ranking"] else "",
        "seconds": f"{summary['wall']:.1f}",
        "MB": f"{summary['peak_mb']:.0f}",
    }


def share(value: float, interval: dict[str, Any] | None) -> str:
    """A share with its interval, in per cent."""
    return f"{value:.1%}" + (f" [{interval['low']:.1%}, {interval['high']:.1%}]" if interval else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no data at {DATA} (set HEEDFUL_DATA)")
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(name, run(name, Path(folder))) for name in (QUICK if options.quick else RUNS)]
    head = list(rows[0])
    print("| " + " | ".join(head) + " |\n| " + " | ".join("---" for _ in head) + " |")
    for found in rows:
        print("| " + " | ".join(str(found[key]) for key in head) + " |")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
