"""The tables of docs/benchmarks.md, from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .rewards import NAMES

SHOWN = ("true", "fitted", "lowered", "wrong")


def tables(result: Mapping[str, Any]) -> str:
    """Best-of-N by N; every engine at its least and its greatest; what lowered scores save."""
    rows = {(row["engine"], row["reward"], row["at"]): row for row in result["rows"]}
    return "\n\n".join([_best_of_n(rows), _engines(rows), _saved(result["saved"])])


def _best_of_n(rows: Mapping[Any, Any]) -> str:
    found = []
    for n in (2, 4, 8, 16, 32, 64):
        own = [rows["best-of-N", name, n] for name in NAMES]
        kl = " / ".join(f"{row['kl']:.2f}" for row in own)
        found.append([f"{n}", *(_told(row["true"]) for row in own), kl, f"{own[0]['tokens']:.0f}"])
    return _table(["best of", *SHOWN, "KL, of each", "tokens"], found)


def _engines(rows: Mapping[Any, Any]) -> str:
    found = []
    for engine in dict.fromkeys(engine for engine, _, _ in rows):
        efforts = sorted({at for one, _, at in rows if one == engine})
        efforts = efforts[::-1] if engine in ("stopped early", "cascade") else efforts
        for at in (efforts[0], efforts[-1]):
            own = [rows.get((engine, name, at)) or rows[engine, "", at] for name in NAMES]
            told = [_told(row["true"]) for row in own] if own[0]["reward"] else [_told(own[0]["true"]), "", "", ""]
            found.append([engine, f"{at:g}", *told, f"{own[1]['kl']:.2f}", f"{own[1]['tokens']:.0f}"])
    return _table(["engine", "at", *SHOWN, "KL, fitted", "tokens, fitted"], found)


def _saved(saved: Mapping[str, Sequence[float]]) -> str:
    ways = list(dict.fromkeys(key.rpartition(", ")[0] for key in saved))
    found = []
    for way in ways:
        feedback, _, doubt = way.partition(", ")
        count = {"all": "400", "fewer": "100"}[feedback]
        number, about = doubt.split()
        beside = {
            "draws": f"{number}, beside the base's own answers",
            "alone": "these alone, no reward",
            "training": f"{number}, beside the training mean",
        }[about]
        found.append([count, beside, *(_told(saved[f"{way}, {n}"]) for n in (4, 16, 64))])
    return _table(["comparisons", "deviations taken off", "best of 4", "best of 16", "best of 64"], found)


def _told(own: Sequence[float]) -> str:
    return "{} [{}, {}]".format(*(f"{value:+.2f}".replace("-", "−") for value in own))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))
