"""How the columns of any table become judgements, as a mapping file says."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from heedful.core import UsageError
from heedful.feedback.formats.base import Judgement, Problem, Row, extra_of, missing, number_of
from heedful.feedback.formats.fields import at, content_of, listing, spelled
from heedful.feedback.record import CHOICES, KINDS, RATER_KINDS, AddressKind

# What a record of each kind cannot do without, by its key in the mapping.
_ANSWER: Mapping[str, str] = {
    "comparison": "choice", "ranking": "ranks", "best_of": "best", "rating": "rating", "label": "label",
    "steps": "steps", "critique": "text", "implicit": "signal",
}  # fmt: skip
_VALUE = (
    "choice", "degree", "share", "ranks", "best", "worst", "rating", "step", "label", "steps", "text", "signal",
    "amount",
)  # fmt: skip
_PLAIN = (
    "id", "criterion", "order", "protocol", "propensity", "position", "policy", "time", "seconds", "licence", "consent",
    "personal",
)  # fmt: skip
_COLUMNS = ("kind", "context", "rater", "rater_kind", *_PLAIN, *_VALUE)
_NAMES = ("id", "criterion", "protocol", "policy")
_LISTS = ("ranks", "steps")
_KEYS = (*_COLUMNS, "candidates", "scale", "address", "extra", "skip_empty")
_ADDRESS_KEYS = ("kind", "index", "start", "end", "name")
_COLUMN_KEYS = ("column", "constant", "values", "default", "times", "optional")
_CANDIDATE_KEYS = ("output", "system", "list")
_WORDS: Mapping[str, Collection[str]] = {
    "kind": KINDS, "choice": CHOICES, "rater_kind": RATER_KINDS, "order": ("shown", "unknown"),
    "address.kind": get_args(AddressKind),
}  # fmt: skip


@dataclass(frozen=True)
class MappingFile:
    """Checks the values of a mapping file; its errors name the file and the key."""

    path: str

    def wrong(self, key: str, what: str, fix: str = "") -> UsageError:
        return UsageError(what, where=f"{self.path}, key {key}", fix=fix or None)

    def known(self, key: str, given: Collection[str], allowed: Collection[str]) -> None:
        """Raises where a key is none of those allowed, naming the nearest one."""
        for name in given:
            if name not in allowed:
                close = difflib.get_close_matches(name, list(allowed), 1)
                fix = f"did you mean {close[0]}?" if close else f"use one of {', '.join(allowed)}"
                raise self.wrong(f"{key}.{name}" if key else name, "there is no such key", fix)

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self.wrong(key, f"a text is needed here, not {value!r}")
        return value

    def texts(self, key: str, value: Any) -> tuple[str, ...]:
        return tuple(self.text(key, one) for one in (value if isinstance(value, list) else [value]))

    def table(self, key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.wrong(key, f"a table is needed here, not {value!r}")
        return value

    def flag(self, key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.wrong(key, f"true or false is needed here, not {value!r}")
        return value

    def word(self, key: str, value: Any) -> Any:
        """Checks a value of a field that knows only certain words."""
        allowed = _WORDS.get(key)
        if allowed is not None and value not in allowed:
            raise self.wrong(key, f"{value!r} is not known here", f"use one of {', '.join(allowed)}")
        return value

    def scale(self, key: str, value: Any) -> tuple[float, float]:
        pair = value if isinstance(value, list) else []
        if len(pair) != 2 or not all(is_number(one) for one in pair) or not pair[0] < pair[1]:
            raise self.wrong(key, f"a scale is two rising numbers, not {value!r}", "write it as [1, 5]")
        return float(pair[0]), float(pair[1])


def is_number(value: Any) -> bool:
    """Whether a TOML value is a number (a truth value is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class _UnreadableError(Exception):
    """A row does not hold what the mapping looks for; caught where the row becomes a Problem."""


@dataclass(frozen=True)
class _Column:
    """Where one field comes from: a column, translated, or a constant."""

    key: str
    path: str = ""
    constant: Any = None
    values: Mapping[str, Any] | None = None
    default: Any = None
    times: float | None = None
    optional: bool = False

    @classmethod
    def of(cls, key: str, raw: Any, file: MappingFile) -> _Column:
        if is_number(raw) or isinstance(raw, bool) or raw in _WORDS.get(key, ()):
            return cls(key, constant=raw)
        if isinstance(raw, str):
            return cls(key, file.text(key, raw))
        table = file.table(key, raw)
        file.known(key, table, _COLUMN_KEYS)
        if ("column" in table) == ("constant" in table):
            raise file.wrong(key, "either `column` or `constant` is needed", f'for example {key} = "a column"')
        values = file.table(f"{key}.values", table["values"]) if "values" in table else None
        for value in [*(values or {}).values(), *(table[name] for name in ("constant", "default") if name in table)]:
            file.word(key, value)
        if "times" in table and not is_number(table["times"]):
            raise file.wrong(f"{key}.times", f"a number is needed here, not {table['times']!r}")
        path = file.text(f"{key}.column", table["column"]) if "column" in table else ""
        optional = file.flag(f"{key}.optional", table.get("optional", False))
        return cls(key, path, table.get("constant"), values, table.get("default"), table.get("times"), optional)

    def read(self, row: Any) -> Any:
        """The value for this row; None where its cell is empty and no default is given."""
        if not self.path:
            return self.constant
        raw = self._cell(row)
        if missing(raw):
            return self.default
        if self.values is not None:
            return self._translated(spelled(raw))
        return raw if self.times is None else self._scaled(raw)

    def text(self, row: Any) -> Any:
        """As `read`, but an empty text is a text."""
        return "" if self.path and self.default is None and self._cell(row) == "" else self.read(row)

    def _cell(self, row: Any) -> Any:
        """What stands in the column. A column that the row lacks altogether is a mistake, unless it may be absent."""
        raw = at(row, self.path)
        if raw is None and not self.optional and isinstance(row, Mapping) and not self._begins(row):
            raise _UnreadableError(
                f"there is no column {self.path!r} (key {self.key}); a constant is written as "
                f'{{ constant = "{self.path}" }}, a column that may be absent as '
                f'{{ column = "{self.path}", optional = true }}'
            )
        return raw

    def _begins(self, row: Mapping[str, Any]) -> bool:
        """Whether some column of the row begins the path."""
        return any(self.path == name or self.path.startswith(f"{name}.") for name in row)

    def _translated(self, key: str) -> Any:
        if self.values is None or key not in self.values:
            raise _UnreadableError(f"no translation of {key[:60]!r} in column {self.path} (key {self.key})")
        return self.values[key]

    def _scaled(self, raw: Any) -> float:
        value = number_of(raw)
        if value is None or self.times is None:
            raise _UnreadableError(f"{str(raw)[:60]!r} in column {self.path} is no number (key {self.key})")
        return value * self.times


@dataclass(frozen=True)
class _Candidate:
    """Where one candidate comes from."""

    output: _Column | None
    system: _Column | None

    def read(self, row: Any) -> dict[str, Any]:
        output = self.output.text(row) if self.output else None
        system = self.system.read(row) if self.system else None
        return {"output": content_of(output, "system"), "system": None if system is None else spelled(system)}


@dataclass(frozen=True)
class _Candidates:
    """Where the candidates come from: columns side by side, or one column that holds a list."""

    each: tuple[_Candidate, ...]
    listed: str = ""

    @classmethod
    def of(cls, raw: Any, file: MappingFile) -> _Candidates:
        tables = [file.table("candidates", one) for one in (raw if isinstance(raw, list) else [raw])]
        if not tables:
            raise file.wrong("candidates", "at least one candidate is needed", "write each as [[candidates]]")
        for table in tables:
            file.known("candidates", table, _CANDIDATE_KEYS)
        listed = file.text("candidates.list", tables[0]["list"]) if "list" in tables[0] else ""
        if listed and len(tables) > 1:
            raise file.wrong("candidates.list", "a list stands for all candidates", "keep one table under candidates")
        if not listed and not all("output" in table or "system" in table for table in tables):
            raise file.wrong("candidates", "a candidate needs `output`, `system` or both")
        return cls(tuple(_candidate(table, file) for table in tables), listed)

    def read(self, row: Row) -> list[dict[str, Any]]:
        if not self.listed:
            return [candidate.read(row) for candidate in self.each]
        entries = listing(at(row, self.listed))
        if entries is None:
            raise _UnreadableError(f"column {self.listed} holds no list (key candidates.list)")
        if self.each[0] == _Candidate(None, None):
            return [{"output": content_of(entry, "system")} for entry in entries]
        return [self.each[0].read(entry) for entry in entries]

    def paths(self) -> list[str]:
        columns = [column for one in self.each for column in (one.output, one.system) if column is not None]
        return [self.listed] if self.listed else [column.path for column in columns]


def _candidate(table: Mapping[str, Any], file: MappingFile) -> _Candidate:
    output, system = (
        _Column.of(f"candidates.{name}", table[name], file) if name in table else None for name in ("output", "system")
    )
    return _Candidate(output, system)


@dataclass(frozen=True)
class Recipe:
    """How one judgement is made from a row."""

    columns: Mapping[str, _Column]
    address: Mapping[str, _Column]
    candidates: _Candidates
    scale: tuple[float | _Column, ...]
    skip_empty: bool
    extra: tuple[str, ...] | bool

    @classmethod
    def of(cls, content: Mapping[str, Any], file: MappingFile) -> Recipe:
        """The recipe that a mapping file gives. Raises UsageError naming the key that is wrong or missing."""
        file.known("", content, _KEYS)
        columns = {key: _Column.of(key, content[key], file) for key in _COLUMNS if key in content}
        _check_whole(content, columns, file)
        address = file.table("address", content.get("address", {}))
        file.known("address", address, _ADDRESS_KEYS)
        extra = content.get("extra", False)
        return cls(
            columns,
            {key: _Column.of(f"address.{key}", value, file) for key, value in address.items()},
            _Candidates.of(content["candidates"], file),
            _scale(content.get("scale"), file),
            file.flag("skip_empty", content.get("skip_empty", False)),
            extra if isinstance(extra, bool) else file.texts("extra", extra),
        )

    def read(self, row: Row) -> Judgement | None:
        """One judgement; None where the answer's cell is empty and the mapping says to skip such rows."""
        try:
            found = {key: column.read(row) for key, column in self.columns.items()}
            answer = self.columns.get(_ANSWER.get(str(found["kind"]), ""))
            if answer is None or found[answer.key] is not None:
                return self._made(row, found)
        except _UnreadableError as error:
            return Problem(str(error))
        return None if self.skip_empty else Problem(f"the cell in column {answer.path} is empty (key {answer.key})")

    def _made(self, row: Row, found: Mapping[str, Any]) -> dict[str, Any]:
        made = {key: found[key] for key in (*_PLAIN, "kind") if found.get(key) is not None}
        made |= {key: spelled(made[key]) for key in _NAMES if key in made}
        made |= {
            "context": content_of(found.get("context"), "world"),
            "candidates": self.candidates.read(row),
            "value": self._value(row, found),
        }
        if found.get("rater") is not None:
            made["rater"] = {"id": spelled(found["rater"]), "kind": found.get("rater_kind") or "person"}
        address = {key: column.read(row) for key, column in self.address.items()}
        extra = extra_of(row, self._used()) if self.extra is True else self._picked(row)
        return made | ({"address": address} if address else {}) | ({"extra": extra} if extra else {})

    def _value(self, row: Row, found: Mapping[str, Any]) -> dict[str, Any]:
        value = {key: found[key] for key in _VALUE if found.get(key) is not None}
        value |= {key: listing(value[key]) or value[key] for key in _LISTS if key in value}
        if self.scale and "rating" in value:
            value["scale"] = [end.read(row) if isinstance(end, _Column) else end for end in self.scale]
        return value

    def _picked(self, row: Row) -> dict[str, Any]:
        paths = self.extra if isinstance(self.extra, tuple) else ()
        return {path: found for path in paths if not missing(found := at(row, path))}

    def _used(self) -> set[str]:
        """The columns that the mapping reads, by their paths and the first step of these."""
        columns = [*self.columns.values(), *self.address.values(), *(e for e in self.scale if isinstance(e, _Column))]
        paths = [column.path for column in columns] + self.candidates.paths()
        return {step for path in paths for step in (path, path.partition(".")[0])}


def _check_whole(content: Mapping[str, Any], columns: Mapping[str, _Column], file: MappingFile) -> None:
    """Raises where the mapping lacks a key that its kind needs."""
    if "kind" not in columns:
        raise file.wrong("kind", "the mapping needs a kind", f"use one of {', '.join(KINDS)}")
    if isinstance(content["kind"], str):
        file.word("kind", content["kind"])
    kind = columns["kind"].constant
    answer = _ANSWER.get(kind or "")
    if answer is not None and answer not in columns:
        raise file.wrong(answer, f"a {kind} needs it", f'for example {answer} = "a column"')
    if "candidates" not in content:
        raise file.wrong("candidates", "the mapping needs candidates", "write each as [[candidates]]")
    if kind == "rating" and "scale" not in content:
        raise file.wrong("scale", "a rating needs its scale", "for example scale = [1, 5]")


def _scale(raw: Any, file: MappingFile) -> tuple[float | _Column, ...]:
    """Two numbers, two columns, or none."""
    if raw is None:
        return ()
    if isinstance(raw, list) and len(raw) == 2 and all(isinstance(one, str) for one in raw):
        return tuple(_Column.of("scale", one, file) for one in raw)
    return file.scale("scale", raw)


def parse(row: Row, recipes: Sequence[Recipe]) -> Iterator[Judgement]:
    """Every judgement that the recipes make of a row."""
    for recipe in recipes:
        made = recipe.read(row)
        if made is not None:
            yield made
