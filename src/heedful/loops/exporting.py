"""What `heedful train` made, as a folder that other programs read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from heedful.core import InputError, UsageError
from heedful.models.folders import read_json

To = Literal["transformers", "adapter"]


def export(trained: Path, to: To, out: Path, *, model: str | None = None) -> dict[str, Any]:
    """Write the model in the folder `trained` to a new folder; returns what was written, as JSON values.

    to     "transformers": a whole model, an adapter merged into its base; "adapter": the adapter alone
    model  the base that an adapter was trained on, where it is no longer where it was

    Raises UsageError where there is no adapter or something stands in the way, InputError where `trained` holds no
    result of training, or the base is not the one that the adapter was trained on.
    """
    from heedful.training.saving import save_merged, whole_folder

    summary = read_json(trained / "summary.json", "trained model", dict)
    if {"objective", "model", "model_digest"} - summary.keys():
        raise InputError("this is no summary of training", where=str(trained / "summary.json"), fix="train first")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("there is something in this place", where=str(out), fix="name a new folder")
    adapter, whole = trained / "adapter", trained / "model"
    if not (adapter.is_dir() or whole.is_dir()):
        raise InputError("what was trained is not here any more", where=str(trained), fix="train again")
    if to == "adapter" and not adapter.is_dir():
        fix = "take --to transformers, or train with --lora"
        raise UsageError("the whole model was trained, so there is no adapter", where=str(trained), fix=fix)
    if to == "transformers" and adapter.is_dir():
        save_merged(_base(summary, model, trained), adapter, out)
    else:
        with whole_folder(out) as begun:
            shutil.copytree(adapter if to == "adapter" else whole, begun, dirs_exist_ok=True)
    return {"to": to, "from": str(trained), "folder": str(out), "objective": summary["objective"]}


def _base(summary: dict[str, Any], model: str | None, trained: Path) -> Path:
    """Where the base of an adapter lies. Raises InputError where it is another one."""
    from heedful.models.sentence_folder import digest

    base = Path(model or summary["model"])
    if digest(base) != summary["model_digest"]:
        what = f"{base} is not the model that this adapter was trained on, or has been changed"
        raise InputError(what, where=str(trained), fix="say where that is: --model FOLDER")
    return base
