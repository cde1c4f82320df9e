"""Questions that are out with raters: what was asked and why, and the key by which an answer finds its question."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from pydantic import ValidationError

from heedful.core import InputError, Item, encode_parts, render
from heedful.core.items import Author
from heedful.feedback.record import Record, decode_content
from heedful.stats.hashing import unit_hash

NOT_ANSWERED = "not answered yet"
ASKED = "asked"  # in a record's `extra`: why its question was asked
_KEY = "heedful1."  # begins every key; the number is the version of what follows
_LARGEST = 64 << 20  # bytes, as of any record that is read
_DAMAGED = "the key of this question is missing or damaged: copy it from the file as it was written"


@dataclass(frozen=True)
class Question:
    """A comparison to be judged: two outputs in the order shown, and why it is asked.

    `rule` chose it by the posterior named `posterior`; `expected_gain` in nats; `cost` in the unit of the raters'
    costs; `rater` is who is to answer (None: anyone); `propensity` the probability with which it came to be asked,
    where known. Raises InputError where the two stand in different contexts: no record holds such a comparison.
    """

    items: tuple[Item, Item]
    criterion: str
    rule: str
    posterior: str
    expected_gain: float
    cost: float = 1.0
    rater: str | None = None
    propensity: float | None = None

    def __post_init__(self) -> None:
        if self.items[0].context != self.items[1].context:
            raise InputError("two outputs of different contexts cannot be compared", where="Question")

    @classmethod
    def ordered(cls, items: tuple[Item, Item], **about: Any) -> Self:
        """The question with its outputs in an order that a hash of its id decides, whichever way round they come."""
        asked = cls(items, **about)
        first = unit_hash([asked.id.encode()], 0, "order")[0] < 0.5
        ascending = items[0].key < items[1].key
        return asked if first == ascending else cls((items[1], items[0]), **about)

    @cached_property
    def id(self) -> str:
        """Names the question: the same for the same outputs (either way round), rule, posterior and rater."""
        named = sorted(item.key for item in self.items)
        written = json.dumps([named, self.criterion, self.rule, self.posterior, self.rater])
        return f"q-{hashlib.blake2b(written.encode(), digest_size=8).hexdigest()}"

    def record(self) -> dict[str, Any]:
        """The record (docs/formats.md) that an answer completes: all of it but `value.choice`."""
        asked = {"rule": self.rule, "posterior": self.posterior, "expected_gain": self.expected_gain, "cost": self.cost}
        candidates = [
            {"output": _content(item.output, "system") if item.output or not item.system else None}
            | ({"system": item.system} if item.system else {})
            for item in self.items
        ]
        record = {
            "schema": 1,
            "id": self.id,
            "kind": "comparison",
            "context": _content(self.items[0].context, "world") if self.items[0].context else None,
            "candidates": candidates,
            "order": "shown",
            "criterion": self.criterion,
            "value": {},
            "rater": {"id": self.rater} if self.rater else None,
            "propensity": self.propensity,
            "extra": {ASKED: asked},
        }
        return {name: value for name, value in record.items() if value is not None}

    def shown(self) -> tuple[str, str, str]:
        """Context and both outputs as a rater reads them; "" for what is not known."""
        return shown_of(self.record())


def _content(parts: Any, by: Author) -> Any:
    held = decode_content(encode_parts(parts, by), by)
    return held if held is None or isinstance(held, str) else [part.model_dump(exclude_none=True) for part in held]


def shown_of(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Context and both outputs of a comparison as a rater reads them; "" for what is not known."""
    whole = Record.model_validate({**record, "value": {"choice": "tie"}})
    first, second = whole.items()
    context = render(encode_parts(first.context, "world"))
    return context, render(encode_parts(first.output, "system")), render(encode_parts(second.output, "system"))


def is_unanswered(row: Mapping[str, Any]) -> bool:
    """Whether a record is a question of heedful's that nobody has answered yet."""
    extra, value = row.get("extra"), row.get("value") or {}
    return isinstance(extra, Mapping) and ASKED in extra and isinstance(value, Mapping) and value.get("choice") is None


def sealed(record: Mapping[str, Any]) -> str:
    """A record as a key: letters, digits and -_ only, so that it passes through any tool unharmed and untempting.

    It keeps systems from catching a rater's eye; it is no secret.
    """
    packed = zlib.compress(json.dumps(record, ensure_ascii=False).encode(), 9)
    return _KEY + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def is_key(value: Any) -> bool:
    """Whether a cell holds a key, sound or not."""
    return isinstance(value, str) and value.strip().startswith(_KEY)


def opened(key: str) -> dict[str, Any]:
    """The inverse of `sealed`. Raises ValueError where the key is damaged or its record is no comparison."""
    body = key.strip().removeprefix(_KEY)
    try:
        unpacking = zlib.decompressobj()
        packed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        content = unpacking.decompress(packed, _LARGEST)
        if not unpacking.eof:  # cut, or so long that it is none of ours
            raise ValueError(_DAMAGED)
        record = json.loads(content)
        Record.model_validate({**record, "value": {"choice": "tie"}})
    except (ValueError, TypeError, zlib.error, ValidationError) as error:
        raise ValueError(_DAMAGED) from error
    return dict(record)
