"""What a local model's folder is asked before it is loaded, and how transformers loads it: no code, nothing random."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from heedful.core import InputError, MissingExtraError

# What else an implementation may be called, transformers fetches as a kernel, and runs. A map of attributes could give
# these settings other names.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "attn_implementation": ("eager", "sdpa", "flex_attention"),
    "experts_implementation": ("eager", "batched_mm", "grouped_mm"),
    "attribute_map": (),
}
Held = TypeVar("Held", dict[str, Any], list[Any])
_NAMES: Mapping[type, str] = {dict: "JSON object", list: "JSON list"}


def read_config(folder: Path, what: str, name: str = "config.json") -> dict[str, Any]:
    """The JSON file that describes a model.

    Raises InputError where there is none, where it asks for code from elsewhere, or where no weights are safetensors.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder), fix=f"give the folder of a {what}")
    config = read_json(folder / name, what, dict)
    _refuse_kernels(config, folder / name)
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            "there are no weights in the safetensors format, and no other is read (they can run code when loaded)",
            where=str(folder),
            fix="convert the weights with model.save_pretrained(folder, safe_serialization=True)",
        )
    return config


def read_json(path: Path, what: str, kind: type[Held], *, required: bool = True) -> Held:
    """The JSON in a file; an empty `kind` where it is missing and not required. Raises InputError otherwise."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if not required:
            return kind()
        raise InputError(
            f"{path.name} is missing, so this is not the folder of a {what}",
            where=str(path.parent),
            fix="give a folder in the layout of transformers",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read as JSON ({error})", where=str(path)) from error
    if not isinstance(found, kind):
        raise InputError(f"this holds no {_NAMES[kind]}, as that of a {what} does", where=str(path))
    return found


@contextmanager
def refusing(what: str, folder: Path | str) -> Iterator[None]:
    """Whatever others' code raises over a folder, as InputError."""
    try:
        yield
    except Exception as error:  # it raises what it likes
        raise InputError(f"{what} ({type(error).__name__}: {error})", where=str(folder)) from error


def pretrained(
    head: str, folder: Path, what: str, *, extra: str, dtype: str = "float32", unused: str | None = None
) -> tuple[Any, Any]:
    """The fast tokenizer in a folder, and the network by the class `head` of transformers, on the processor.

    Weights whose names begin with `unused` may be missing. Raises InputError where transformers refuses the folder, or
    where other weights are missing or of other shapes, which it would draw at random; MissingExtraError without it.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", extra) from error
    local = {"local_files_only": True, "trust_remote_code": False}
    weights = {"use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True}
    with refusing("transformers cannot load it", folder), quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **local)
        kind = getattr(torch, dtype)
        network, told = getattr(transformers, head).from_pretrained(folder, dtype=kind, **weights, **local)
    if not tokenizer.is_fast:
        raise InputError("its tokenizer has no fast form", where=str(folder), fix="add tokenizer.json")
    lacking = [name for name in told["missing_keys"] if unused is None or not name.startswith(unused)]
    refuse_lacking([*lacking, *(name for name, *_ in told["mismatched_keys"])], what, folder)
    return tokenizer, network


def refuse_lacking(names: list[str], what: str, folder: Path) -> None:
    """Raises InputError where there are names of weights that are missing, or not of the shape they should have."""
    if names:
        shown = ", ".join(sorted(names)[:5]) + (f" and {len(names) - 5} others" if len(names) > 5 else "")
        fault = f"the weights lack {shown}, or have them in another shape, so this is no trained {what}"
        raise InputError(fault, where=str(folder), fix=f"give the folder of a whole {what}")


def placed(network: Any, device: str | None, folder: Path | str) -> Any:
    """A network on torch's `device`, by default a GPU where there is one, to be read from and not trained."""
    import torch

    with refusing("its network cannot be put on the device", folder):
        return network.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the bar of progress that transformers draws for weights that load in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _refuse_kernels(config: dict[str, Any], path: Path) -> None:
    """Raises InputError where a setting, at any depth, names an implementation from elsewhere."""
    left: list[tuple[Any, tuple[str, ...] | None]] = [(config, None)]
    while left:
        value, known = left.pop()
        if isinstance(value, dict):
            inside = ((_SETTINGS.get(key.strip("_").removesuffix("_internal")), own) for key, own in value.items())
            left += [(own, known if named is None else named) for named, own in inside]
        elif isinstance(value, list):
            left += [(own, known) for own in value]
        elif isinstance(value, str) and known is not None and value not in known:
            what = f"it asks for the implementation {value[:60]!r}, which may be code from elsewhere, and none is run"
            raise InputError(what, where=str(path), fix="take the setting out of the file")
