"""What docs/benchmarks.md shows of the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent values, one a seed, and its 95 % t interval; of one value, NaN."""
    own = np.asarray(values, float)
    if len(own) < 2:
        return float(own.mean()), float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(own) - 1) * own.std(ddof=1) / np.sqrt(len(own)))
    return float(own.mean()), float(own.mean()) - half, float(own.mean()) + half


def shown(values: Sequence[float]) -> str:
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*interval(values)).replace("-", "−")


def plain(values: Sequence[float | None], form: str = "{:.2f}") -> str:
    return "—" if None in values else form.format(np.mean(np.asarray(values, float))).replace("-", "−")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def listed(result: dict[str, Any]) -> Iterator[str]:
    yield row("objective", "claim", "rate", "utility", "KL", "below", "TV", "all: utility", "all: KL", "all: TV")
    yield row(*["---"] * 10)
    for name, own in result.items():
        clean, limit = own["clean"], own["limit"]
        several = (plain(clean["kl"]), plain(clean["below"]), plain(clean["tv"]))
        whole = (plain(limit["gain"], "{:+.2f}"), plain(limit["kl"]), plain(limit["tv"], "{:.3f}"))
        yield row(name, own["claim"], f"{own['rate']:g}", shown(clean["gain"]), *several, *whole)


def faults(result: dict[str, Any], clean: dict[str, Any]) -> Iterator[str]:
    """Utility, or true reward, lost to each fault, on the same seeds."""
    names = list(next(iter(result.values())))
    yield row("objective", *names)
    yield row(*["---"] * (1 + len(names)))
    for name, told in result.items():
        yield row(name, *(_lost(told[fault], clean[name]) for fault in names))


def _lost(told: Any, clean: Any) -> str:
    if isinstance(told, str):
        return "—" if "both signs" in told else "refused"
    return shown(np.asarray(told["gain"]) - np.asarray(clean["gain"])[: len(told["gain"])])


def small(result: dict[str, Any]) -> Iterator[str]:
    pick = result.get("the model's own pick", {"gain": [np.nan]})["gain"]
    yield row("trained by", "rate", "true reward", "right answers", "tokens", "KL", "better", "less the own pick's")
    yield row(*["---"] * 8)
    for name, own in sorted(result.items(), key=lambda one: -np.mean(one[1]["gain"])):
        better = "yes" if interval(own["gain"])[1] > 0 else "worse" if interval(own["gain"])[2] < 0 else "no"
        against = shown(np.subtract(own["gain"], pick)) if own["gain"] != pick else ""
        numbers = (shown(own["gain"]), shown(own["right"]), plain(own["length"], "{:+.2f}"), plain(own["kl"]))
        yield row(name, f"{own['rate']:g}", *numbers, better, against)


def tables(result: dict[str, Any]) -> dict[str, str]:
    """By part of the results."""
    made = {"listed": listed, "small": small, "whole": small}
    made["faults"] = lambda own: faults(own, {name: row["clean"] for name, row in result["listed"].items()})
    made["small-faults"] = lambda own: faults(own, result["small"])
    return {part: "\n".join(make(result[part])) for part, make in made.items() if part in result}
