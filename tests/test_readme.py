"""What the README shows runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import heedful

README = Path(__file__).parents[1] / "README.md"


def test_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    answers = ["No, two minutes.", "That depends on many things.", "Ask someone.", "Yes, rather far, I am afraid."]
    rows = []
    for number in range(200):
        first, second = rng.permutation(4)[:2]
        better = rng.random() < 1 / (1 + np.exp(first - second))
        rows.append(
            {
                "question": f"Is it far? ({number % 40})",
                "model_a": f"m{first}",
                "model_b": f"m{second}",
                "response_a": answers[first],
                "response_b": answers[second],
                "winner": "model_a" if better else "model_b",
            }
        )
    pl.DataFrame(rows).write_csv("votes.csv")
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
        exec(compile(block, "README.md", "exec"), scope)
    assert Path("report/report.html").exists()
    assert len(scope["drawn"].items) == 1  # type: ignore[attr-defined]


def test_the_example_of_votes_is_read(tmp_path: Path) -> None:
    [block] = re.findall(r"```csv\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "votes.csv").write_text(block, "utf-8")
    votes = heedful.read(tmp_path / "votes.csv")
    assert (len(votes.table), votes.rejects) == (2, ())
    bare = pl.read_csv(tmp_path / "votes.csv").select("model_a", "model_b", "winner")
    assert len(heedful.read(bare).table) == 2


def test_what_the_readme_names_exists() -> None:
    text = README.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (README.parent / target).exists(), target
