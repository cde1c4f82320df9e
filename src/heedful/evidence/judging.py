"""What model judges share: what they can compare, records of their votes, means of votes that may be missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Estimate, Floats, InputError, Item, Parts, encode_parts
from heedful.feedback import Candidate, Rater, Record, Value
from heedful.feedback.record import Kind, decode_content
from heedful.models.marked import output_text

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVW"  # X, Y and Z stand in examples, so that one repeated is no verdict


def refuse_apart(items: Sequence[Item], where: str) -> None:
    """Raises InputError where items stand in different contexts, or one has no text."""
    if any(item.context != items[0].context for item in items):
        raise InputError("answers to different contexts cannot be compared", where=where, fix="group them by context")
    for item in items:
        output_text(item)


def vote(kind: Kind, items: Sequence[Item], value: Mapping[str, Any], judge: str, sample: int, **about: Any) -> Record:
    """A vote of a model as a record: of candidates in the order shown, under an id that names what was asked."""
    asked = [judge, kind, about["criterion"], [item.key for item in items], sample]
    name = hashlib.blake2b(json.dumps(asked).encode(), digest_size=8).hexdigest()
    encoded = [encode_parts(item.output, "system") for item in items]
    return Record(
        id=f"judge-{name}",
        kind=kind,
        context=decode_content(encode_parts(items[0].context, "world"), "world") if items[0].context else None,
        candidates=[
            Candidate(output=decode_content(text, "system"), system=item.system)
            for text, item in zip(encoded, items, strict=True)
        ],
        order="shown" if len(items) > 1 else "unknown",
        value=Value(**value),
        rater=Rater(id=judge, kind="model"),
        **about,
    )


def over_known(values: Floats, contexts: Sequence[Parts], estimate: Callable[..., Estimate], nothing: str) -> Estimate:
    """An estimate of values [n] that are known, clustered by context; where none is, not identified, for `nothing`."""
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(np.nan, 0, identified=False, note=nothing)
    own = [context for context, held in zip(contexts, known, strict=True) if held]
    return estimate(values[known], clusters=[_codes(own)])


def _codes(contexts: Sequence[Parts]) -> NDArray[np.intp]:
    """A number for each different context [n]."""
    number = {context: place for place, context in enumerate(dict.fromkeys(contexts))}
    return np.array([number[context] for context in contexts], np.intp)


def mean_of_known(values: Floats, axis: int) -> Floats:
    """The mean over an axis of what is not NaN, NaN where nothing is known."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
