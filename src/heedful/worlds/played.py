"""What chat messages ask of whoever plays a chat model: material between marks, and the form of the answer."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from heedful.core import InputError, UsageError
from heedful.models import FunctionWriter
from heedful.models.marked import block
from heedful.worlds.served import Answering, Messages

_MARK = re.compile(r"<([0-9a-f]{12})(?:-\d+)?>")
_WELL = "It is well."


@dataclass(frozen=True, slots=True)
class Block:
    """A text between lines of a mark, which may be numbered, and the line before these."""

    head: str
    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it reads.

    text     what others than the assistant said
    mark     the first mark that stands in it, without a number; "" where none does
    blocks   those of this mark, in order
    outside  the text without the blocks
    """

    text: str
    mark: str
    blocks: tuple[Block, ...]
    outside: str

    @classmethod
    def read(cls, messages: Messages) -> Self:
        said = (message for message in messages if message["role"] != "assistant")
        text = "\n\n".join(str(message.get("content") or "") for message in said)
        found = _MARK.search(text)
        if not found:
            return cls(text, "", (), text)
        between = re.compile(rf"(?:([^\n]*)\n)?<({found[1]}(?:-\d+)?)>\n(.*?)\n?</\2>", re.DOTALL)
        return cls(text, found[1], tuple(Block(*own) for own in between.findall(text)), between.sub(r"\1", text))

    def form(self, answer: str, mark: str) -> str:
        """An answer as it is asked for: between lines of a mark where that is numbered, or named for more than to say
        what is material, else bare."""
        named = mark and re.search(rf"<{mark}>(?! and </{mark}> is material)", self.outside)
        return block(answer, mark) if named or mark != self.mark else answer

    def criticism(self, words: str) -> str:
        """What a critic says as it is asked for: before a verdict, or in the form of other answers. "": all is well."""
        if self.mark and f"verdict {self.mark}:" in self.outside:
            return f"{words or _WELL}\nverdict {self.mark}: {'CHANGE' if words else 'KEEP'}"
        return self.form(words or _WELL, self.mark)


def to_rewrite(asked: Asked) -> tuple[Sequence[Block], str]:
    """The texts that an editor may rewrite, and all else that it is told: the numbered blocks, or, where there are
    none, the first; the whole text where there are no blocks."""
    parts = [own for own in asked.blocks if own.mark != asked.mark] or list(asked.blocks[:1])
    others = (own.text for own in asked.blocks if own not in parts)
    return parts or [Block("", "", asked.text)], "\n".join([asked.outside, *others])


Player = Callable[[Asked, np.random.Generator], str]


def played(models: Mapping[str, Player]) -> Answering:
    """Players as chat models by name, for `ChatServer`. The same request to one has the same answer.

    Raises UsageError for a request that names none of them.
    """

    def answer(messages: Messages, parameters: Mapping[str, Any]) -> str:
        name = str(parameters.get("model"))
        if name not in models:
            raise UsageError(f"there is no model {name!r}", where="played", fix=f"one of {', '.join(models)}")
        return models[name](Asked.read(messages), stream(messages, parameters))

    return answer


def as_writer(answer: Answering, model: str) -> FunctionWriter:
    """One of the models as a writer, without a server."""
    return FunctionWriter(lambda messages, parameters: answer(messages, {**parameters, "model": model}))


def stream(messages: Messages, parameters: Mapping[str, Any]) -> np.random.Generator:
    """Random numbers that follow from the messages and the seed of a request."""
    said = zlib.crc32(json.dumps([dict(own) for own in messages], sort_keys=True).encode())
    return np.random.default_rng([said, parameters.get("seed", 0)])


def check_shares(where: str, **shares: float) -> None:
    """Raises InputError where one is no probability."""
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise InputError(f"{name} is {share}", where=where, fix="a probability")
