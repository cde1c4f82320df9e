"""From rows of one source to judgements: accepted as columns of the table, or rejected with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from heedful.core import HeedfulError
from heedful.feedback.formats.base import LINE, Format, Judgement, Problem
from heedful.feedback.formats.native import NATIVE, NATIVE_TABLE
from heedful.feedback.identities import Identities, permuted
from heedful.feedback.record import Record
from heedful.feedback.rows import Chunk, Entry, Loss, SourceRow, rows_of_frame
from heedful.feedback.table import SCHEMA, Reject, Table
from heedful.feedback.texts import Texts

_ORDERED = (NATIVE.name, NATIVE_TABLE.name)  # formats whose candidates stand as they were written
_MOST_FAULTS = 3
_BATCH = 4096


@dataclass
class _Batch:
    """Accepted records as they become frames, a few thousand at a time."""

    source: str
    frames: list[pl.DataFrame] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    free: list[bool] = field(default_factory=list)

    def add(self, record: Record, line: int, *, free: bool) -> None:
        """Take one record. `free`: its candidates may be permuted where their order is unknown."""
        self.records.append(record)
        self.lines.append(line)
        self.free.append(free)
        if len(self.records) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        frame = Table.of(self.records, source=self.source).frame
        frame = frame.with_columns(line=pl.Series(self.lines, dtype=pl.Int64))
        self.frames.append(permuted(frame, np.array(self.free, bool)))
        self.records, self.lines, self.free = [], [], []

    def frame(self) -> pl.DataFrame:
        """All of them."""
        if self.records or not self.frames:
            self._flush()
        return self.frames[0] if len(self.frames) == 1 else pl.concat(self.frames, how="diagonal")


@dataclass
class Intake:
    """Takes the chunks of one source, in order. `ordinal` counts its judgements, accepted or not."""

    source: str
    digest: str
    format: Format
    formats: Sequence[Format]
    identities: Identities
    texts: Texts | None = None
    ordinal: int = 0
    foreign: Counter[str] = field(default_factory=Counter)

    def take(self, chunk: Chunk) -> tuple[Table, list[Reject]]:
        """The judgements of a chunk, sorted by line; those accepted have ids that no earlier record has."""
        accepted, rejects = self._of_frame(chunk) if isinstance(chunk, pl.DataFrame) else self._of_entries(chunk)
        table, repeated = self.without_repeats(Table.shaped(accepted))
        return table, sorted(rejects + repeated, key=lambda reject: reject.line)

    # Row by row

    def _of_rows(self, rows: Iterable[Entry], ahead: Iterable[int]) -> tuple[pl.DataFrame, list[Reject], list[int]]:
        """Records accepted, rejects, and how many judgements each row held.

        `ahead` counts, per row, the judgements that stand before it in this chunk but are not among `rows`.
        """
        batch, rejects, counts = _Batch(self.source), [], []
        taken = 0
        for row, before in zip(rows, ahead, strict=False):
            judgements, used = self._said(row)
            for said in judgements:
                taken += 1
                try:
                    record = self._record(said, self.ordinal + before + taken)
                except ValueError as error:
                    rejects.append(Reject(self.source, row.line, reason_of(error), row.raw))
                else:
                    batch.add(record, row.line, free=used.name not in _ORDERED)
            counts.append(len(judgements))
        self.ordinal += taken
        return batch.frame(), rejects, counts

    def _said(self, row: Entry) -> tuple[Sequence[Judgement], Format]:
        if isinstance(row, Loss):
            return [Problem(row.reason)], self.format
        fields = row.fields if self.texts is None else self.texts.added_to(row.fields)
        chosen = self._format_of(fields)
        try:
            return list(chosen.parse(fields)), chosen
        except (HeedfulError, LookupError, TypeError, ValueError, AttributeError) as error:
            return [Problem(f"cannot be read as {chosen.name} ({type(error).__name__}: {error})")], chosen

    def _format_of(self, fields: Mapping[str, Any]) -> Format:
        """The source's format, or the only other one that a row of another shape has."""
        if not self.formats or self.format.matches(fields):
            return self.format
        others = [one for one in self.formats if one.matches(fields)]
        if len(others) != 1:
            return self.format
        self.foreign[others[0].name] += 1
        return others[0]

    def _record(self, said: Judgement, ordinal: int) -> Record:
        """The judgement as a record with an id. Raises ValueError (of pydantic, too) where it is none."""
        if isinstance(said, Problem):
            raise ValueError(said.reason)
        if said.get("id") is None:
            said = {**said, "id": f"{self.digest[:12]}-{ordinal}"}
        return Record.model_validate(said)

    # Many rows at once

    def _of_frame(self, chunk: pl.DataFrame) -> tuple[pl.DataFrame, list[Reject]]:
        if self.format.frame is None or self.texts is not None:
            return self._of_rows(rows_of_frame(chunk), repeat(0))[:2]
        sound, rest = self.format.frame(chunk)
        return self._of_both(sound, rows_of_frame(rest), rest[LINE].to_numpy())

    def _of_entries(self, chunk: list[Entry]) -> tuple[pl.DataFrame, list[Reject]]:
        if self.format.rows is None or self.texts is not None:
            return self._of_rows(chunk, repeat(0))[:2]
        rows = [entry for entry in chunk if isinstance(entry, SourceRow)]
        sound, left = self.format.rows([row.fields for row in rows])
        lines = np.array([row.line for row in rows], np.int64)
        sound = sound.with_columns(pl.Series(LINE, lines[sound[LINE].to_numpy()]))
        losses = [entry for entry in chunk if isinstance(entry, Loss)]
        rest: list[Entry] = sorted([*losses, *(rows[place] for place in left)], key=lambda entry: entry.line)
        return self._of_both(sound, rest, np.array([entry.line for entry in rest], np.int64))

    def _of_both(
        self, sound: pl.DataFrame, rest: Iterable[Entry], rest_lines: NDArray[np.int64]
    ) -> tuple[pl.DataFrame, list[Reject]]:
        """Sound rows in bulk, the rest one by one, together in the order of lines.

        Every sound row is one judgement; those of the rest may hold any number. Ordinals count both.
        """
        if not len(rest_lines):
            ordinals = np.arange(self.ordinal + 1, self.ordinal + 1 + sound.height)
            self.ordinal += sound.height
            return self._finished(sound, pl.Series(ordinals)), []
        sound_lines, start = sound[LINE].to_numpy(), self.ordinal
        ahead = np.searchsorted(sound_lines, rest_lines).tolist()
        others, rejects, counts = self._of_rows(rest, ahead)
        if not sound.height:  # a table none of whose rows is sound may lack any column
            return others, rejects
        between = np.cumsum([0, *counts])[np.searchsorted(rest_lines, sound_lines)]
        self.ordinal += sound.height
        accepted = self._finished(sound, pl.Series(start + 1 + np.arange(sound.height) + between))
        if others.height:
            accepted = pl.concat([accepted, others], how="diagonal").sort("line", maintain_order=True)
        return accepted, rejects

    def _finished(self, sound: pl.DataFrame, ordinals: pl.Series) -> pl.DataFrame:
        """The columns of sound rows with their ids and where they came from, typed as the schema has them."""
        made = pl.concat_str(pl.lit(f"{self.digest[:12]}-"), pl.lit(ordinals))
        typed = [pl.col(name).cast(SCHEMA[name]) for name in sound.columns if name != LINE]
        frame = sound.select(*typed, pl.col(LINE).alias("line"), pl.lit(self.source).alias("source"))
        given = pl.col("id") if "id" in frame.columns else pl.lit(None, pl.String)
        frame = frame.with_columns(pl.coalesce(given, made).alias("id"))
        return frame if self.format.name in _ORDERED else permuted(frame)

    def without_repeats(self, accepted: Table) -> tuple[Table, list[Reject]]:
        """The records whose ids no earlier record has, and the others as rejects that name the first place."""
        frame = accepted.frame
        if "source" not in frame.columns or "line" not in frame.columns:
            frame = frame.with_columns(
                source=pl.lit(self.source), line=pl.int_range(1, frame.height + 1, dtype=pl.Int64)
            )
        repeats = self.identities.repeats(frame)
        if not repeats:
            return accepted, []
        rows = [again.row for again in repeats]
        rejects = []
        for again, record in zip(repeats, accepted.take(rows).records(), strict=True):
            source, line = frame["source"][again.row], frame["line"][again.row]
            how = "repeats the record at" if again.same else "has the id of another record, at"
            reason = f"{how} line {again.line} of {again.source} (id {record.id!r})"
            rejects.append(Reject(source, line, reason, record.model_dump_json(by_alias=True, exclude_none=True)))
        kept = np.ones(len(accepted), bool)
        kept[rows] = False
        return accepted.where(pl.Series(kept)), rejects


def reason_of(error: ValueError) -> str:
    """Why a judgement is rejected, in one line: of pydantic's errors, the first few with their places."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = [_fault(fault["loc"], fault["msg"]) for fault in faults[:_MOST_FAULTS]]
    more = len(faults) - _MOST_FAULTS
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _fault(place: Sequence[int | str], message: str) -> str:
    plain = message.removeprefix("Value error, ")
    path = ".".join(map(str, place))
    return f"{path}: {plain}" if path else plain


def is_row(formats: Sequence[Format], fields: Mapping[str, Any]) -> bool:
    """Whether an object is itself a row of feedback."""
    return any(one.matches(fields) for one in formats)


def detected(formats: Sequence[Format], rows: Sequence[SourceRow]) -> Format | None:
    """The first format that the first recognisable row has."""
    for row in rows:
        for one in formats:
            if one.matches(row.fields):
                return one
    return None
