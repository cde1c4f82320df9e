"""Fitted heads as they come back from arrays and JSON values."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from heedful.core import InputError
from heedful.preference.heads.base import FittedHead

# Where each kind of fitted head is, by the name that its `state` gives; imported when first asked for.
_HEADS = {
    "linear": "heedful.preference.heads.linear:FittedLinear",
    "concepts": "heedful.preference.heads.concepts:FittedConcepts",
    "process": "heedful.preference.heads.process:FittedProcess",
    "networks": "heedful.preference.heads.networks:FittedNetworks",
    "members": "heedful.preference.heads.members:FittedMembers",
    "staged": "heedful.preference.heads.composed:FittedStaged",
    "routed": "heedful.preference.heads.composed:FittedRouted",
    "calibrated": "heedful.preference.heads.calibration:FittedCalibrated",
}


def load_head(arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> FittedHead:
    """The head whose `state()` gave these arrays and values. Raises InputError where they are of no known kind."""
    kind = state.get("head")
    if kind not in _HEADS:
        raise InputError(f"unknown kind of head {kind!r}", fix=f"known kinds: {', '.join(_HEADS)}")
    module, name = _HEADS[kind].split(":")
    made: FittedHead = getattr(importlib.import_module(module), name).from_state(arrays, state)
    return made
