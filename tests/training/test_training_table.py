"""The table of objectives says what they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.training import objectives  # noqa: E402
from heedful.training.objectives.base import TokenObjective  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text("utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]


NEEDED = {"mirror_prox": {"temperature": 1.0, "step": 1.0}, "Addressed": {"objective": objectives.DPO()}}


def named(row):
    return re.match(r"`(\w+)", row[0])[1]


def made(row):
    """What the first cell says, as it stands there; of a name alone, with its defaults."""
    written = re.match(r"`(.+?)`", row[0])[1]
    found = eval(written, vars(objectives))
    return found if "(" in written else found(**NEEDED.get(written, {}))


def test_every_objective_is_in_the_table_and_nothing_else():
    kinds = {"Claim", "Losses", "TokenObjective"}
    assert {named(row) for row in ROWS} == set(objectives.__all__) - kinds


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 5 and row[3] != "–"], ids=lambda row: row[0])
def test_claims_and_records_are_those_of_the_code(row):
    objective = made(row)
    if isinstance(objective, TokenObjective):
        assert row[3] == objective.claim
        assert row[1].startswith(objective.outputs) or "objective" in row[1]
    else:
        assert type(objective).__name__ in ("Cringe", "Director")


def test_its_python_runs(capsys):
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "objectives.md", "exec"), {})
    assert "0.5" in capsys.readouterr().out
