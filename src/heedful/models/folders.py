"""What every local model's folder is asked before anything in it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from heedful.core import InputError


def read_config(folder: Path, what: str, name: str = "config.json") -> Any:
    """The JSON file that describes a model. Raises InputError where there is none, or no weights as safetensors."""
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), fix=f"give the folder of a {what}")
    config = read_json(folder / name, what)
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            "there are no weights in the safetensors format, and no other is read (they can run code when loaded)",
            where=str(folder),
            fix="convert the weights with model.save_pretrained(folder, safe_serialization=True)",
        )
    return config


def read_json(path: Path, what: str, *, required: bool = True) -> Any:
    """The JSON of a file; {} where it is missing and not required. Raises InputError otherwise."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if not required:
            return {}
        raise InputError(
            f"{path.name} is missing, so this is not the folder of a {what}",
            where=str(path.parent),
            fix="give a folder in the layout of transformers",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read as JSON ({error})", where=str(path)) from error
