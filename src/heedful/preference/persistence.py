"""What was fitted as a folder: arrays in safetensors, everything else in JSON. Nothing is unpickled.

A posterior of votes has a layout of its own (`posterior_state`); all else is packed field by field (`packing`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from heedful.core import InputError
from heedful.models.encoders import Arrays
from heedful.preference.named import Named

FORMAT = "heedful.posterior"
VERSION = 3
# Version 2 had no scales of raters.
READABLE = (2, 3)
_JSON, _ARRAYS = "posterior.json", "posterior.safetensors"


class Saved:
    """What can be saved to a folder."""

    def save(self, folder: str | Path) -> None:
        """Write `posterior.json` and `posterior.safetensors`; `heedful.load` gives back the same, to the last bit."""
        from safetensors.numpy import save as to_bytes

        from heedful.preference.packing import packed

        folder, arrays = Path(folder), Arrays()
        packed_self = packed(self, "", arrays)
        document = {"format": FORMAT, "version": VERSION, **packed_self.get("state", {"saved": packed_self})}
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / _ARRAYS, to_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
        _write(folder / _JSON, json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass"))


def load(folder: str | Path) -> Any:
    """What `save` wrote there, identical to the last bit: a posterior, groups, people, raters, ratings and so on.

    Raises InputError where the folder holds none, one of another version, or one that was damaged.
    """
    from heedful.preference.packing import unpacked
    from heedful.preference.posterior_state import from_state

    folder = Path(folder)
    document, arrays = _document(folder), _arrays(folder)
    try:
        made = unpacked(document["saved"], "", arrays) if "saved" in document else from_state(arrays, document)
        if not isinstance(made, Saved):
            raise ValueError(f"{_JSON} holds nothing that was saved")
        return made
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(folder, str(error)) from error


class _Values(Named):
    file = _JSON


class _Numbers(Named):
    file = _ARRAYS


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    beside.replace(path)


def _document(folder: Path) -> Named:
    path = folder / _JSON
    try:
        document = json.loads(path.read_text("utf-8", "surrogatepass"), object_hook=_Values)
    except FileNotFoundError:
        raise InputError(
            "there is no posterior here",
            where=str(folder),
            fix="give a folder that `heedful fit --out` or .save() wrote",
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{_JSON}: {error}") from error
    if not isinstance(document, Named) or document.get("format") != FORMAT:
        raise InputError("this is not a saved posterior", where=str(path))
    version = document.get("version")
    if version not in READABLE:
        older = isinstance(version, int) and version < VERSION
        raise InputError(
            f"the posterior has format version {version}, this heedful reads version {VERSION}",
            where=str(path),
            fix="fit and save it again" if older else "upgrade heedful",
        )
    return document


def _arrays(folder: Path) -> Named:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    path = folder / _ARRAYS
    try:
        return _Numbers(from_bytes(path.read_bytes()))
    except FileNotFoundError:
        raise _damaged(folder, f"{_ARRAYS} is missing") from None
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, f"{_ARRAYS}: {error}") from error


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"the saved posterior is damaged ({why})", where=str(folder), fix="fit and save it again")
