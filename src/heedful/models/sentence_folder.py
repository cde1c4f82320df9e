"""The folder of a local sentence encoder: what its files say about pooling, length and scale."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heedful.core import InputError
from heedful.models.folders import read_config, read_json, refusing

Pooling = Literal["mean", "cls", "max"]
WHAT = "sentence encoder"
_DIGESTED = (".safetensors", ".json", ".txt", ".model")
_SUPPORTED = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a folder turns tokens into one vector.

    `dimensions` of the vector; texts longer than `max_tokens` are read in several windows; `pooling` of the tokens'
    vectors; `normalise` to length 1; `lower_case` the text first; `note` says what was assumed where files are silent.
    """

    dimensions: int
    max_tokens: int
    pooling: Pooling
    normalise: bool
    lower_case: bool
    note: str = ""


def read_layout(folder: Path) -> Layout:
    """Read the JSON files of a sentence-transformers or transformers folder. Raises InputError where it is neither."""
    config = read_config(folder, WHAT)
    if "hidden_size" not in config:
        raise InputError("config.json names no hidden_size", where=str(folder), fix="give a transformers text encoder")
    modules = _modules(folder)
    pooling: Pooling = "mean"
    if "Pooling" in modules:
        pooling = _pooling(folder / modules["Pooling"] / "config.json")
    own = read_json(folder / "sentence_bert_config.json", WHAT, dict, required=False)
    with refusing("its configuration makes no sense", folder):
        dimensions, most = int(config["hidden_size"]), int(config.get("max_position_embeddings") or 512)
        most = min(most, int(own.get("max_seq_length") or most))
    return Layout(
        dimensions=dimensions,
        max_tokens=most,
        pooling=pooling,
        normalise="Normalize" in modules or not modules,
        lower_case=bool(own.get("do_lower_case")),
        note="" if modules else "modules.json is missing: mean pooling to length 1 is assumed",
    )


def digest(folder: Path) -> str:
    """SHA-256 of the folder's weights, configuration and vocabulary, with their names."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in _DIGESTED and p.is_file()):
        with path.open("rb") as stream:
            own = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {own}\n".encode())
    return total.hexdigest()


def _modules(folder: Path) -> dict[str, str]:
    """Where each module of the pipeline lives, by the last part of its type; none where the folder has no pipeline."""
    path = folder / "modules.json"
    listed = read_json(path, WHAT, list, required=False)
    with refusing("this is no list of modules", path):
        modules = {str(module["type"]).rsplit(".", 1)[-1]: str(module["path"]) for module in listed}
    other = [name for name in modules if name not in _SUPPORTED]
    if other:
        raise InputError(
            f"the pipeline has modules of other kinds: {', '.join(other)}",
            where=str(path),
            fix=f"use an encoder made of {', '.join(_SUPPORTED)} only",
        )
    return modules


def _pooling(path: Path) -> Pooling:
    config = read_json(path, WHAT, dict)
    named = str(config.get("pooling_mode", ""))
    modes: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "max_tokens": "max"}
    chosen = [mode for flag, mode in modes.items() if config.get(f"pooling_mode_{flag}") or named == mode]
    if len(chosen) != 1:
        raise InputError(
            f"one way of pooling is needed among mean, cls and max; the file names {chosen or 'none of them'}",
            where=str(path),
            fix="use an encoder with one of these",
        )
    return chosen[0]
