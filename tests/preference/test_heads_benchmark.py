"""What the page on benchmarks says of reward heads is what the committed results hold."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmarks.md").read_text("utf-8").split("## Reward heads")[1].split("\n## ")[0]
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "heads.json").read_text("utf-8"))


@pytest.mark.parametrize("name", RESULTS)
def test_rows_of_the_page_are_the_results(name: str) -> None:
    shown = runpy.run_path(str(ROOT / "benchmarks" / "heads.py"))["shown"]
    table = PAGE.split(f"\n{name}, ")[1].split("\n\n")[1]
    cells = {line.split(" | ")[0].strip("| "): line for line in table.splitlines()[2:]}
    plain = [row for row in RESULTS[name]["summary"] if not row["name"].endswith(("temperature", "isotonic"))]
    assert cells.keys() == {row["name"] for row in plain}
    for row in plain:
        line = cells[row["name"]]
        assert f"| {row['log loss']:.4f} |" in line
        assert f"| {row['Brier']:.4f} | {row['ECE']:+.3f} |" in line
        if row["name"] != "linear, style + n-grams":
            assert shown(row["log loss difference"], 1) in line
            assert shown(row["accuracy difference"], 100) in line


def test_settings_that_are_not_defaults_are_told() -> None:
    for setting in ("quantiles are 5 (9)", "(2,000, 800 and 300 by default)", "(10 on five)", "three folds (five)"):
        assert setting in " ".join(PAGE.split())
