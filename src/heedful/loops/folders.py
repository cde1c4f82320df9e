"""What training leaves in a folder of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heedful.core import UsageError
from heedful.feedback.atomic import Replacement

if TYPE_CHECKING:
    from heedful.training.data import Lost

_MARK = "lost.jsonl"  # the first file of a folder that training writes to


def refuse_folder(out: Path) -> None:
    """Raises UsageError where `out` holds something that training did not put there."""
    if out.is_dir() and any(out.iterdir()) and not (out / _MARK).is_file():
        raise UsageError("there is something else in this folder", where=str(out), fix="name a new folder")
    if out.exists() and not out.is_dir():
        raise UsageError("this is a file", where=str(out), fix="name a new folder")


def begin(out: Path) -> None:
    """The folder, marked as one of training, with a place for checkpoints; what is there stays as it is."""
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).touch()
    (out / "checkpoints").mkdir(exist_ok=True)


def write_lost(out: Path, rows: Iterable[tuple[str, Lost]]) -> None:
    """What became of each record that was not used, or not whole, as JSON Lines."""
    with Replacement(out / _MARK) as replacement:
        lines = (json.dumps({"what": kind, **asdict(lost)}, ensure_ascii=False) + "\n" for kind, lost in rows)
        replacement.temporary.write_text("".join(lines), "utf-8")


def write_summary(out: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """The summary as JSON, as it is returned: what is no number in it is null, and how many those are, there and in
    metrics.jsonl, stands in `not_numbers`."""
    made, missing = _finite(summary)
    metrics = out / "metrics.jsonl"
    lines = metrics.read_text("utf-8") if metrics.exists() else ""
    made["not_numbers"] = {"summary": missing, "metrics": lines.count(": null")}
    with Replacement(out / "summary.json") as replacement:
        replacement.temporary.write_text(json.dumps(made, indent=1, allow_nan=False) + "\n", "utf-8")
    return dict(made)


def saved(loaded: Any, out: Path, *, lora: bool, head: bool, write: bool = True) -> Path:
    """The model in `out`/model, or its adapter in `out`/adapter; a head with an adapter is one model, read whole.

    Without `write`, where another process has the same model and writes it, only where it will be.
    """
    from heedful.training.adapters import merged
    from heedful.training.saving import save_model

    if not write:
        return out / ("adapter" if lora and not head else "model")
    if not lora or head:
        network = merged(loaded.network) if lora else loaded.network
        return save_model(network, loaded.tokenizer, out / "model")
    return save_model(loaded.network, loaded.tokenizer, out / "adapter")


def _finite(value: Any) -> tuple[Any, int]:
    """JSON values with null for what is no number, and how many those are."""
    if isinstance(value, float) and not math.isfinite(value):
        return None, 1
    if isinstance(value, Mapping):
        found = {name: _finite(own) for name, own in value.items()}
        return {name: own for name, (own, _) in found.items()}, sum(n for _, n in found.values())
    if isinstance(value, list | tuple):
        told = [_finite(own) for own in value]
        return [own for own, _ in told], sum(n for _, n in told)
    return value, 0
