"""What a network and examples are known by again: hashes of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from heedful.training.examples import Example, depth


def digest_of_weights(network: Any, *, bare: bool = False) -> str:
    """Of names, shapes and bits of all weights and buffers, wherever they lie; `bare` of those of the network without
    the adapter that it may have."""
    said = hashlib.blake2b(digest_size=16)
    held = network.state_dict()
    if bare:
        held = {name.replace(".base_layer.", "."): own for name, own in held.items() if ".lora_" not in name}
    for name, own in sorted(held.items()):
        said.update(repr((name, tuple(own.shape), str(own.dtype))).encode())
        said.update(own.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return said.hexdigest()


def settings(network: Any) -> str:
    """What no weight shows, as JSON: the configuration of a network, and that of its adapter (scale, dropout)."""
    adapters = {name: own.to_dict() for name, own in getattr(network, "peft_config", {}).items()}
    written = json.dumps(
        adapters, sort_keys=True, default=lambda own: sorted(own) if isinstance(own, set) else str(own)
    )
    return str(network.config.to_json_string()) + written


def digest_of_examples(examples: Sequence[Example]) -> str:
    """Of tokens and of what was said of them."""
    return _digest([part for one in examples for part in (*_tokens(one), *_said(one))])


def digest_of_tokens(examples: Sequence[Example]) -> str:
    """Of tokens alone."""
    return _digest([part for one in examples for part in _tokens(one)])


def _digest(parts: Sequence[Any]) -> str:
    said = hashlib.blake2b(digest_size=16)
    for part in parts:
        own = np.ascontiguousarray(part, dtype=np.float64).tobytes()
        said.update(len(own).to_bytes(8) + own)
    return said.hexdigest()


def _tokens(one: Example) -> list[Any]:
    return [len(one.outputs), one.prompt, *one.outputs]


def _said(one: Example) -> list[Any]:
    return [part for name in sorted(one.said) for part in _flat(name, one.said[name])]


def _flat(name: str, value: Any) -> list[Any]:
    return [list(name.encode()), *(value if depth(value) == 2 else [value])]
