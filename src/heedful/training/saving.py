"""A trained network as a folder that every reader of transformers' layout can load."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from heedful.feedback.atomic import synced
from heedful.models.folders import quiet


def save_model(network: Any, tokenizer: Any, folder: Path) -> Path:
    """Weights as safetensors, their configuration and the tokenizer, whole or not at all, in the place of what was
    there. Returns the folder."""
    begun = folder.with_name(folder.name + ".part")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    with quiet():
        network.save_pretrained(begun)
        tokenizer.save_pretrained(begun)
    for path in (*begun.iterdir(), begun):
        synced(path)
    shutil.rmtree(folder, ignore_errors=True)
    begun.rename(folder)
    synced(folder.parent)
    return folder
