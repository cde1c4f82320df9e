"""The street of imports: a package imports only from packages before it, and the three engines never one another."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import heedful

ROOT = Path(heedful.__file__).parent
STREET = [
    {"core"},
    {"stats"},
    {"feedback"},
    {"models"},
    {"preference"},
    {"evidence"},
    {"elicitation"},
    {"target"},
    {"sampling", "training", "rewriting"},
    {"evaluation"},
    {"loops"},
    {"worlds"},
    {"catalogue"},
    {"report"},
    {"serve"},
    {"cli"},
]
PLACE = {package: place for place, packages in enumerate(STREET) for package in packages}
PACKAGES = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__")


def imported(tree: ast.AST) -> set[str]:
    """The heedful packages a module imports, wherever in it the import stands."""
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module or ""]
        found |= {name.split(".")[1] for name in names if name.startswith("heedful.")}
    return found - {"_version"}


def test_every_package_lives_on_the_street() -> None:
    assert set(PACKAGES) <= set(PLACE)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_up_the_street_only(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        for other in imported(ast.parse(path.read_text("utf-8"))) - {package}:
            assert PLACE[other] < PLACE[package], f"{path.relative_to(ROOT)} imports heedful.{other}"


HEAVY = "sklearn", "torch", "transformers", "sqlalchemy", "pandas", "openai"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("heedful", (*HEAVY, "scipy", "polars", "pydantic", "rich", "typer")),
        # Of all that a report needs, scipy.stats alone would take a third of the time to import.
        ("heedful.report", (*HEAVY, "scipy.stats")),
        ("heedful.worlds", (*HEAVY, "scipy.stats")),
    ],
)
def test_importing_heedful_loads_nothing_heavy(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
