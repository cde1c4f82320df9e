"""Examples apart: those that feedback is drawn from, those that decide, and those that measure once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.core import InputError
from heedful.stats.hashing import hash_bits

Inputs = Mapping[str, Any]
LEAST = 2


@dataclass(frozen=True, slots=True)
class Splits:
    """Inputs of a program by what they are for. No inputs stand in two of them."""

    train: tuple[Inputs, ...]
    validation: tuple[Inputs, ...]
    held_out: tuple[Inputs, ...]

    def __post_init__(self) -> None:
        for name in ("train", "validation", "held_out"):
            if len(getattr(self, name)) < LEAST:
                what = f"{len(getattr(self, name))} examples are {name.replace('_', ' ')}, and {LEAST} are needed"
                raise InputError(what, where="examples", fix="give more examples that differ")
            texts = [written(inputs) for inputs in getattr(self, name)]
            if name != "train" and len(set(texts)) < len(texts):
                what = f"equal inputs are {name.replace('_', ' ')} more than once: they would count as independent"
                raise InputError(what, where="examples", fix="give each once")
        seen: dict[str, str] = {}
        for name in ("train", "validation", "held_out"):
            for inputs in getattr(self, name):
                if seen.setdefault(written(inputs), name) != name:
                    what = f"the same inputs are in {seen[written(inputs)]} and in {name}: {written(inputs)[:100]}"
                    raise InputError(what, where="examples", fix="keep equal inputs in one split")

    @classmethod
    def of(
        cls,
        examples: Sequence[Inputs],
        shares: tuple[float, float] = (0.3, 0.4),
        *,
        known: Callable[[Inputs], bool] = lambda inputs: False,
        seed: int = 0,
    ) -> Splits:
        """Shares of training and validation; the rest is held out. Of equal inputs one is kept, for all of them are
        one example; which go where is decided by a hash of what they hold, not by their order. Those `known`, of which
        something was said before, are for training, beside its share of the others. Raises InputError for too few."""
        if not (min(shares) > 0 and sum(shares) < 1):
            raise InputError(f"shares are above 0 and leave some to hold out, not {shares}", where="shares")
        each = {written(inputs): inputs for inputs in examples}
        parts = [[inputs for inputs in each.values() if known(inputs)], [], []]
        names = sorted(text for text, inputs in each.items() if not known(inputs))
        bits = hash_bits([name.encode("utf-8", "surrogatepass") for name in names], seed, "rewriting")
        rank = {names[place]: number for number, place in enumerate(np.argsort(bits, kind="stable"))}
        bounds = [round(len(names) * own) for own in (shares[0], sum(shares))]
        for text in rank:
            parts[sum(rank[text] >= bound for bound in bounds)].append(each[text])
        return cls(*(tuple(part) for part in parts))


def written(inputs: Any) -> str:
    """Inputs as one text, the same for equal inputs, in whatever order their mappings are."""
    if isinstance(inputs, Mapping):
        return "{" + ", ".join(sorted(f"{name!r}: {written(value)}" for name, value in inputs.items())) + "}"
    if isinstance(inputs, list | tuple):
        return "[" + ", ".join(map(written, inputs)) + "]"
    return repr(inputs)
