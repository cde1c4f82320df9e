"""Real and made-up items to encode."""

from __future__ import annotations

import functools
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from heedful.core import Item

DATA = Path(os.environ.get("HEEDFUL_DATA", Path(__file__).parents[3] / "shared" / "data"))
_LETTERS = np.array(list("aeiourstlnm"))
WORDS = ["".join(row) for row in np.random.default_rng(1).choice(_LETTERS, size=(60, 5))]


def made_up(n: int, *, per_context: int = 2, seed: int = 0) -> list[Item]:
    """n items of random words, `per_context` for each context."""
    rng = np.random.default_rng(seed)
    return [Item.of(f"q{row // per_context}", " ".join(rng.choice(WORDS, rng.integers(3, 30)))) for row in range(n)]


@functools.cache
def harmless_pairs() -> tuple[tuple[Item, Item], ...]:
    """Chosen and rejected last turns of the HH-RLHF dialogues, in their shared context."""
    path = DATA / "hh-rlhf" / "harmless-base-test.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{path} is absent: set HEEDFUL_DATA to a folder with anthropics/hh-rlhf")
    pairs = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            both = json.loads(line)
            (first, one), (second, other) = (both[name].rsplit("\n\nAssistant:", 1) for name in ("chosen", "rejected"))
            if first == second:
                pairs.append((Item.of(first, one.strip()), Item.of(second, other.strip())))
    return tuple(pairs)
