"""Log-probabilities under a reference kept on the disk, and found again by all that they depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import InputError
from heedful.feedback.atomic import Replacement
from heedful.training.digests import digest_of_tokens, digest_of_weights
from heedful.training.examples import Example
from heedful.training.precision import Precision, precision_of
from heedful.training.trainer import scored_bare

_FORM = 1  # of what is in a file: another number, and what was kept is not found


def reference_in(
    folder: Path, network: Any, examples: Sequence[Example], tokens: int, precision: Precision | None
) -> list[Any]:
    """What `scored_bare` gives, log-probabilities [k, t] of each example, from a file in `folder` where one has them.

    A file is named by a hash of the network's weights without an adapter, its kind and settings, the tokens of all
    examples in their order, the numbers that it computes with and where; whatever of these is another is another file.
    It appears whole or not at all. Raises InputError where a file cannot be read as one.
    """
    numbers = str(network.dtype), precision_of(network, precision), network.device.type
    kind = type(network).__name__, network.config.to_json_string(), digest_of_weights(network, bare=True)
    said = repr((_FORM, kind, numbers, digest_of_tokens(examples))).encode()
    path = folder / f"reference-{hashlib.blake2b(said, digest_size=16).hexdigest()}.safetensors"
    if path.exists():
        return _read(path, examples)
    found = scored_bare(network, examples, tokens, precision)
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, found)
    return found


def _write(path: Path, found: Sequence[Any]) -> None:
    from safetensors.numpy import save_file

    with Replacement(path) as replacement:
        save_file({"logprobs": np.concatenate([np.ravel(own) for own in found])}, replacement.temporary)


def _read(path: Path, examples: Sequence[Example]) -> list[Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    shapes = [(len(one.outputs), max(map(len, one.outputs))) for one in examples]
    try:
        flat = load_file(path)["logprobs"]
        parts = np.split(flat, np.cumsum([k * t for k, t in shapes])[:-1])
        return [own.reshape(shape) for own, shape in zip(parts, shapes, strict=True)]
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"this holds no log-probabilities ({error})", where=str(path), fix="remove it") from error
