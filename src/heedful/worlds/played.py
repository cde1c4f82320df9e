"""What chat messages ask of whoever plays a chat model: material between marks, and the form of the answer."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from heedful.core import InputError, UsageError
from heedful.models import FunctionWriter
from heedful.models.marked import block
from heedful.worlds.served import Answering, Messages

_MARK = re.compile(r"<([0-9a-f]{12})>")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it reads.

    text     what others than the assistant said
    mark     the first mark that stands in it, "" where none does
    blocks   what stands between lines of this mark, in order
    outside  the text without the blocks
    """

    text: str
    mark: str
    blocks: tuple[str, ...]
    outside: str

    @classmethod
    def read(cls, messages: Messages) -> Self:
        said = (message for message in messages if message["role"] != "assistant")
        text = "\n\n".join(str(message.get("content") or "") for message in said)
        found = _MARK.search(text)
        if not found:
            return cls(text, "", (), text)
        between = re.compile(rf"<{found[1]}>\n(.*?)\n?</{found[1]}>", re.DOTALL)
        return cls(text, found[1], tuple(between.findall(text)), between.sub("", text))

    def without(self, place: int) -> str:
        """The text without the block at a place; the whole text where there is no block."""
        return self.text.replace(block(self.blocks[place], self.mark), "", 1) if self.blocks else self.text

    def form(self, answer: str) -> str:
        """An answer in the form asked for: before a verdict (KEEP where it is empty), between marks, or bare."""
        if self.mark and f"verdict {self.mark}:" in self.outside:
            return f"{answer or 'It is well.'}\nverdict {self.mark}: {'CHANGE' if answer else 'KEEP'}"
        return block(answer, self.mark) if self.mark and f"line <{self.mark}>" in self.outside else answer


def to_rewrite(asked: Asked) -> tuple[str, str]:
    """The text that an editor is to rewrite, and what is said of it: the first block, and all else."""
    return (asked.blocks[0] if asked.blocks else asked.text), asked.without(0)


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
