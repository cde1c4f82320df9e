"""A language model small enough to ship: trained on exercises worked with slips, so that it is often right, not always.

Its weights lie beside this file as safetensors; `python -m heedful.worlds.small_model.make` makes them anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from heedful.models import LocalModel

FOLDER = Path(__file__).parent / "weights"


def small_model(**options: Any) -> LocalModel:
    """The small model, on exercises as `heedful.worlds.exercises` gives them. Needs the extra `lm`.

    options: those of LocalModel. By default outputs end after 48 tokens, and the CPU is used, where it is fastest.
    """
    given: dict[str, Any] = {"max_tokens": 48, "system": "small", "device": "cpu"} | options
    return LocalModel(str(FOLDER), **given)
