"""A trained network as a folder that every reader of transformers' layout can load."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heedful.core import UsageError
from heedful.feedback.atomic import synced
from heedful.models.folders import quiet
from heedful.training.adapters import write_adapter


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of what was in `folder` when it is whole, or is removed."""
    folder = folder.absolute()
    begun = folder.with_name(f".{folder.name}.heedful.part")  # what a kill left there is nobody else's
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    try:
        yield begun
    except BaseException:
        shutil.rmtree(begun, ignore_errors=True)
        raise
    for path in (*begun.iterdir(), begun):
        synced(path)
    shutil.rmtree(folder, ignore_errors=True)
    begun.rename(folder)
    synced(folder.parent)


def save_model(network: Any, tokenizer: Any, folder: Path) -> Path:
    """Weights as safetensors, their configuration and the tokenizer; of a network with an adapter, the adapter alone.

    Whole or not at all, in the place of what was there. Returns the folder. Raises UsageError for an adapter beside a
    head of its own, which no folder of an adapter holds.
    """
    if hasattr(network, "peft_config") and hasattr(network, "score"):
        what = "an adapter beside a head would be saved without the head"
        raise UsageError(what, where="save_model", fix="merge it first: adapters.merged(network)")
    with whole_folder(folder) as begun, quiet():
        if hasattr(network, "peft_config"):
            write_adapter(network, begun)
        else:
            network.save_pretrained(begun)
        tokenizer.save_pretrained(begun)
    return folder


def save_merged(base: Path, adapter: Path, folder: Path) -> Path:
    """A causal language model with an adapter merged into its weights, as a folder of its own. Returns the folder."""
    from heedful.models.local_folder import check_folder, load

    check_folder(base, adapter)
    loaded = load(base, adapter, "cpu", "float32")
    return save_model(loaded.network, loaded.tokenizer, folder)
