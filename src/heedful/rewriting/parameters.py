"""What may be rewritten in a program: texts, code and numbers."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from string import Formatter
from typing import Any, ClassVar, Generic, TypeVar

from heedful.core import InputError, UsageError
from heedful.rewriting.context import SCOPE

Value = TypeVar("Value")
_FIELD = re.compile(r"[{}.\[!:]")  # what may stand around the name of a field
Limit = Callable[[Any], str | None]
"""A value -> why it cannot be, in words that a writer can mend it by; None where it can."""


@dataclass(frozen=True, eq=False)
class Parameter(Generic[Value]):
    """A value that a program reads, and that may be rewritten.

    value    what it is, until it is rewritten
    name     what results and records call it: one name in a program
    role     what it is for, in words: all that a writer knows of it but its value
    limits   what every value must keep to; one that does not is never adopted
    frozen   feedback passes it by

    Within a run `now` is the value that the run has put in its place; it knows that it was read, and by which stage.
    """

    kind: ClassVar[str] = "parameter"
    value: Value
    name: str
    role: str = ""
    limits: Sequence[Limit] = ()
    frozen: bool = False

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise UsageError(f"a {self.kind} needs a name", where=type(self).__name__, fix='name="instructions"')
        if fault := self.fault(self.value):
            raise InputError(f"its value {fault}", where=f"{self.kind} {self.name!r}")

    @property
    def now(self) -> Value:
        """The value in the run under way, the own value outside of any."""
        scope = SCOPE.get()
        if scope is None:
            return self.value
        scope.recorder.read(self, scope)
        return scope.values.get(self.name, self.value)  # type: ignore[no-any-return]

    @property
    def told_role(self) -> str:
        """What it is for, in brackets, as it is told behind its name."""
        return f" ({self.role})" if self.role else ""

    def fault(self, value: Any) -> str | None:
        """Why this cannot be its value; None where it can."""
        return next((said for limit in (self.own_fault, *self.limits) if (said := limit(value))), None)

    def own_fault(self, value: Any) -> str | None:
        """What its kind alone asks of a value."""
        return None

    def read(self, written: str) -> Value:
        """A value as a writer wrote it. Raises InputError where it cannot be read."""
        raise NotImplementedError

    def show(self, value: Value) -> str:
        """A value as a writer is shown it."""
        return str(value)


class Written(Parameter[str]):
    """A parameter that is a text of some kind. It stands where a string would: in an f-string, in `+`, in `format`.

    Where only a string will do, such as `", ".join`, its `now` is one.
    """

    def __str__(self) -> str:
        return self.now

    def __format__(self, spec: str) -> str:
        return format(self.now, spec)

    def __add__(self, other: Any) -> str:
        return self.now + str(other)

    def __radd__(self, other: Any) -> str:
        return str(other) + self.now

    def own_fault(self, value: Any) -> str | None:
        if not isinstance(value, str) or not value.strip():
            return "is no text, or an empty one"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "holds half of a character, which nothing can be sent with"
        return None

    def read(self, written: str) -> str:
        return written


@dataclass(frozen=True, eq=False)
class Text(Written):
    """Words, such as a prompt. `fields` are what `format` fills in: every value names them all, and no other, each as
    it stands in the first: a format such as {price:.2f} or a part such as {page.title} is never new."""

    kind: ClassVar[str] = "text"
    fields: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in self.fields:
            if not name.isidentifier() or iskeyword(name) or name == "self":
                what = f"{name!r} cannot be the name of a field"
                fix = "take a name of letters, digits and _ that is no word of Python, such as the_text"
                raise UsageError(what, where=f"{self.kind} {self.name!r}", fix=fix)
        super().__post_init__()

    def own_fault(self, value: Any) -> str | None:
        if said := super().own_fault(value):
            return said
        return self._fields_fault(value) if self.fields else None

    def format(self, /, *args: Any, **fields: Any) -> str:
        """The text with its {fields} filled in. Raises InputError where a value has one that the first has not."""
        value = self.now
        if value != self.value and (new := slots_of(value) - slots_of(self.value)):
            what = f"{min(new)} is no field of the first text"
            raise InputError(what, where=f"{self.kind} {self.name!r}", fix=f"fields={tuple(fields)} refuses it before")
        return value.format(*args, **fields)

    def _fields_fault(self, value: str) -> str | None:
        try:
            named = slots_of(value)
        except ValueError as error:
            return f"has braces that cannot be filled in ({error})"
        asked = named if value == self.value else slots_of(self.value)
        if named <= asked and {_FIELD.split(own)[1] for own in named} == set(self.fields):
            return None
        wanted = ", ".join(f"{{{name}}}" for name in self.fields) if value == self.value else ", ".join(sorted(asked))
        return f"must have the fields {wanted} and no other (braces of its own are written twice)"


@dataclass(frozen=True, eq=False)
class Code(Written):
    """Python source that defines `function`, where one is named. heedful parses it, and never runs it here."""

    kind: ClassVar[str] = "code"
    function: str = ""

    def own_fault(self, value: Any) -> str | None:
        if said := super().own_fault(value):
            return said
        try:
            tree = ast.parse(value)
        except (SyntaxError, ValueError, RecursionError) as error:
            return f"is no Python ({error})"
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        return f"does not define {self.function}" if self.function and self.function not in defined else None


@dataclass(frozen=True, eq=False)
class Number(Parameter[float]):
    """A number from `low` to `high`, a whole one where `whole`. It is read as `now`, by `float()` and `int()`, and in
    f-strings."""

    kind: ClassVar[str] = "number"
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False

    @property
    def bounded(self) -> bool:
        """Whether it has both bounds."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def __float__(self) -> float:
        return float(self.now)

    def __int__(self) -> int:
        return int(self.now)

    def __str__(self) -> str:
        return self.show(self.now)

    def __format__(self, spec: str) -> str:
        return format(self.now, spec) if spec else str(self)

    def own_fault(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return "is no finite number"
        if not self.low <= value <= self.high:
            return f"lies outside of {self.low:g} to {self.high:g}"
        return "is not whole" if self.whole and value != int(value) else None

    def read(self, written: str) -> float:
        try:
            value = float(written.strip())
            return int(value) if self.whole and value.is_integer() else value
        except ValueError as error:
            raise InputError("it is no number", where=f"number {self.name!r}") from error

    def show(self, value: float) -> str:
        return repr(value)


def longest(characters: int) -> Limit:
    """A text of at most so many characters."""
    return lambda value: f"is longer than {characters} characters" if len(value) > characters else None


def keeps(*phrases: str) -> Limit:
    """A text in which each of these stands, word for word."""

    def fault(value: Any) -> str | None:
        lost = [phrase for phrase in phrases if phrase not in value]
        return f"lacks {', '.join(map(repr, lost))}" if lost else None

    return fault


def slots_of(text: str) -> set[str]:
    """Fields of a form as they are written, such as {price:.2f}. Raises ValueError where braces do not fit."""
    found: set[str] = set()
    for _, name, spec, conversion in Formatter().parse(text):
        if name is not None:
            how = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            found |= {f"{{{name}{how}}}", *slots_of(spec or "")}
    return found
