"""The process of a program under test: it answers what is asked of the program's objects."""

from __future__ import annotations

import json
import operator
import sys
import types
from collections.abc import Callable, Mapping, Sequence

from heedful.evidence.sandbox.plain import MODULE, line_of, packed, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:  # what a process imports is what it costs to start
    from typing import Any, BinaryIO

_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "call": lambda called, *values, **named: called(*values, **named),
    "getattr": getattr,
    "setattr": setattr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
    "contains": operator.contains,
    "bool": bool,
    "len": len,
    "iter": iter,
    "next": next,
    "str": str,
    "repr": repr,
}


class Program:
    """Answers requests about a program, one a line, until there are none."""

    def __init__(self, answers: BinaryIO) -> None:
        self.answers = answers
        self.objects: list[Any] = []

    def serve(self, requests: BinaryIO) -> None:
        self.answer({"value": "ready"})
        for line in requests:
            self.answer(self.reply(json.loads(line)))

    def reply(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if "source" in request:
                return {"value": self.load(request["source"], request["names"])}
            values = [unpacked(own, self.objects.__getitem__) for own in request["values"]]
            named = {name: unpacked(own, self.objects.__getitem__) for name, own in request["named"].items()}
            found = _OPERATIONS[request["operation"]](*values, **named)
            return {"value": packed((found, values), self.number)}
        except BaseException as error:
            return {"raised": [type(error).__name__, str(error), line_of(error, MODULE)]}

    def load(self, source: str, names: Sequence[str]) -> Any:
        """Run the program anew, as a module; those of `names` that it defines."""
        self.objects = [module(source, MODULE)]
        held = vars(self.objects[0])
        return packed({name: held[name] for name in names if name in held}, self.number)

    def number(self, value: Any) -> int:
        self.objects.append(value)
        return len(self.objects) - 1

    def answer(self, reply: dict[str, Any]) -> None:
        self.answers.write(json.dumps(reply).encode() + b"\n")


def module(source: str, name: str) -> types.ModuleType:
    """A program, run as the module of this name."""
    made = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, f"<{MODULE}>", "exec", dont_inherit=True), vars(made))
    return made
