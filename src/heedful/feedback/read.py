"""Reading feedback: any source, any known format, nothing lost without a word."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import polars as pl

from heedful.core import InputError, UsageError
from heedful.feedback.formats import Format, all_formats, format_named, mapped
from heedful.feedback.formats.native import NATIVE_TABLE
from heedful.feedback.identities import Identities
from heedful.feedback.intake import Intake, detected, is_row
from heedful.feedback.record import Record
from heedful.feedback.rows import MAX_RECORD_BYTES, Chunk, Fields, SourceRow, rows_of_frame
from heedful.feedback.source import Input, digest_of_frame, frame_of_pandas, of_file, of_frame, of_rows, rows_of
from heedful.feedback.streams import PathLike, locate
from heedful.feedback.table import PROVENANCE, Feedback, Reject, Source, Table
from heedful.feedback.texts import Texts

OnProgress = Callable[[str, int, int], None]  # source, done, in all: bytes of a file, rows of a table

_DETECT_ROWS = 100
_UNKNOWN = Format("unknown", "no row could be read", lambda row: False, lambda row: ())


@dataclass(frozen=True)
class _Options:
    """How to read, the same for every source of one call."""

    formats: tuple[Format, ...]
    given: Format | None
    texts: tuple[str, tuple[Fields, ...]] | None
    limit: int
    on_progress: OnProgress | None


def read(
    sources: Any,
    *,
    format: str | Format | None = None,  # noqa: A002 - the word that users write
    mapping: PathLike | None = None,
    texts: PathLike | None = None,
    strict: bool = False,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_progress: OnProgress | None = None,
) -> Feedback:
    """Read feedback into one table.

    `sources`: a path, folder or glob (plain, .gz or .zst); a polars or pandas data frame; a Table or Feedback; a list
    of rows as dicts; or a list of such sources. The format of each is detected by its first rows, unless `format`
    names one or `mapping` (a TOML file) describes the columns. `texts`: a file with the contexts and outputs of
    comparisons that only name them, joined on the columns that both share. Lines of more than `max_record_bytes` are
    rejected. `on_progress(source, done, total)` is called as reading goes on: bytes of files, rows of tables.

    Every judgement is in the table or among the rejects. With `strict`, the first reject raises InputError. It is also
    raised where a source does not exist or cannot be recognised, or where nothing at all is given; UsageError where an
    argument is wrong.
    """
    parts = iter_parts(
        sources,
        format=format,
        mapping=mapping,
        texts=texts,
        strict=strict,
        max_record_bytes=max_record_bytes,
        on_progress=on_progress,
    )
    return joined(list(parts))


def joined(parts: Sequence[Feedback]) -> Feedback:
    """Parts of one reading as a whole. The table keeps their pieces in memory as they are: nothing is held twice."""
    frames = [part.table.frame for part in parts if len(part.table)]
    return Feedback(
        Table.shaped(pl.concat(frames, how="diagonal")) if frames else Table.of(()),
        tuple(reject for part in parts for reject in part.rejects),
        tuple(source for part in parts for source in part.sources),
        tuple(note for part in parts for note in part.notes),
    )


def iter_tables(sources: Any, **options: Any) -> Iterator[Table]:
    """The tables of `iter_parts`, for those who need the accepted judgements alone."""
    return (part.table for part in iter_parts(sources, **options) if len(part.table))


def iter_parts(
    sources: Any,
    *,
    format: str | Format | None = None,  # noqa: A002 - the word that users write
    mapping: PathLike | None = None,
    texts: PathLike | None = None,
    strict: bool = False,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_progress: OnProgress | None = None,
) -> Iterator[Feedback]:
    """As `read`, in pieces of bounded size: each holds judgements of one source.

    The account of a source (`sources`) and the notes on it stand with its last piece.
    """
    formats = all_formats()
    options = _Options(
        formats,
        _format_given(format, mapping, formats),
        None if texts is None else _texts(texts, max_record_bytes),
        max_record_bytes,
        on_progress,
    )
    inputs, notes = _inputs(sources, options)
    identities = Identities()
    recognised = False
    if notes:
        yield _part(notes=notes)
    for one in inputs:
        pieces = _of_feedback(one, identities) if isinstance(one, Feedback) else _of_input(one, options, identities)
        for piece in pieces:
            recognised = recognised or isinstance(one, Feedback) or bool(piece.sources)
            if strict and piece.rejects:
                raise _strictly(piece.rejects[0])
            yield piece
    if not recognised:
        raise InputError(
            "none of the files holds feedback of a known format",
            where=str(sources),
            fix="name the file itself, with its format or a mapping",
        )


def _part(
    table: Table | None = None,
    rejects: Iterable[Reject] = (),
    sources: Iterable[Source] = (),
    notes: Iterable[str] = (),
) -> Feedback:
    return Feedback(Table.of(()) if table is None else table, tuple(rejects), tuple(sources), tuple(notes))


def _strictly(reject: Reject) -> InputError:
    return InputError(
        reject.reason,
        where=f"{reject.source}, line {reject.line}",
        fix="repair this record, or read without strict to set such records aside",
    )


# What is given


def _format_given(
    format: str | Format | None,  # noqa: A002
    mapping: PathLike | None,
    formats: tuple[Format, ...],
) -> Format | None:
    if format is not None and mapping is not None:
        raise UsageError("a format and a mapping are both given", where="format, mapping", fix="give one of them")
    if mapping is not None:
        return mapped(mapping)
    return format_named(format, formats) if isinstance(format, str) else format


def _inputs(sources: Any, options: _Options) -> tuple[Iterator[Input | Feedback], list[str]]:
    """Every source made ready, files first; and notes on them. Raises InputError where nothing is given."""
    listed = _listed(sources)
    if not listed:
        raise InputError("nothing was given to read", where="sources", fix="give a file, a folder or a data frame")
    places, notes = locate([one for one in listed if isinstance(one, str | os.PathLike)])
    others = [one for one in listed if not isinstance(one, str | os.PathLike)]

    def is_feedback(fields: Fields) -> bool:
        return is_row(options.formats, fields)

    files = (of_file(place, options.limit, is_feedback) for place in places)
    return chain(files, (_of_object(one, number) for number, one in enumerate(others, 1))), notes


def _listed(sources: Any) -> list[Any]:
    """The sources, one by one; rows and records together are one source."""
    if sources is None:
        return []
    single = isinstance(sources, str | os.PathLike | Table | Feedback | Mapping | Record) or _is_frame(sources)
    if single or not isinstance(sources, Iterable):
        return [sources]
    listed = list(sources)
    return [listed] if listed and all(isinstance(one, Mapping | Record) for one in listed) else listed


def _is_frame(value: Any) -> bool:
    return isinstance(value, pl.DataFrame | pl.LazyFrame) or _is_pandas(value)


def _is_pandas(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "columns")


def _of_object(value: Any, number: int) -> Input | Feedback:
    if isinstance(value, Feedback):
        return value
    if isinstance(value, Table):
        digest = digest_of_frame(value.frame.drop(PROVENANCE, strict=False))
        return Feedback(value, sources=(Source(f"table {number}", NATIVE_TABLE.name, digest, len(value), len(value)),))
    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.DataFrame):
        return of_frame(value, f"data frame {number}")
    if _is_pandas(value):
        frame = frame_of_pandas(value)
        name = f"data frame {number}"
        return of_rows(value.to_dict("records"), name) if frame is None else of_frame(frame, name)
    if isinstance(value, Mapping | Record):
        return of_rows([value], f"rows {number}")
    if isinstance(value, Sequence) and all(isinstance(one, Mapping | Record) for one in value):
        return of_rows(value, f"rows {number}")
    raise UsageError(
        f"a {type(value).__name__} cannot be read as feedback",
        where="sources",
        fix="give paths, data frames, tables or lists of dicts",
    )


def _texts(path: PathLike, limit: int) -> tuple[str, tuple[Fields, ...]]:
    """The rows of a file of texts. Raises InputError where one of them cannot be read."""
    return str(path), tuple(fields for _, fields in rows_of(path, max_record_bytes=limit))


# One source


def _of_feedback(feedback: Feedback, identities: Identities) -> Iterator[Feedback]:
    """Feedback already read: as it is, less the records whose ids were read before."""
    intake = Intake("", "", _UNKNOWN, (), identities)
    table, rejects = intake.without_repeats(feedback.table)
    yield Feedback(table, (*feedback.rejects, *rejects), feedback.sources, feedback.notes)


def _of_input(source: Input, options: _Options, identities: Identities) -> Iterator[Feedback]:
    known, chunks = options.given, source.chunks
    if known is None:
        known, chunks = _recognised(source, options.formats)
    if known is None:
        yield _part(notes=[f"{source.name} was left aside: its rows have no known format"])
        return
    texts = Texts(options.texts[1], options.texts[0]) if options.texts else None
    others = () if options.given else options.formats
    intake = Intake(source.name, source.digest, known, others, identities, texts)
    read = accepted = 0
    for chunk, done in chunks:
        table, rejects = intake.take(chunk)
        read, accepted = read + len(table) + len(rejects), accepted + len(table)
        if options.on_progress:
            options.on_progress(source.name, done, source.size)
        yield Feedback(table, tuple(rejects))
    account = Source(source.name, known.name, source.digest, read, accepted)
    yield _part(sources=[account], notes=_notes(intake, account))


def _notes(intake: Intake, account: Source) -> Iterator[str]:
    name, texts = account.path, intake.texts
    if not account.read:
        yield f"{name} is empty: it holds no judgement"
    for other, count in sorted(intake.foreign.items()):
        yield f"{count} rows of {name} have the format {other}, not {account.format}, and are read as such"
    if texts and texts.unmatched:
        yield f"{texts.unmatched} rows of {name} have no texts in {texts.where}"
    if texts and texts.ambiguous:
        yield f"{texts.ambiguous} keys of {texts.where} stand for differing texts, which are not used"


def _recognised(source: Input, formats: tuple[Format, ...]) -> tuple[Format | None, Iterator[tuple[Chunk, int]]]:
    """The format of a source by its first rows, and all its chunks.

    Without a single row it is `_UNKNOWN`. Rows of no known format raise InputError where the source was named by the
    person, and give None otherwise.
    """
    seen: list[tuple[Chunk, int]] = []
    rows: list[SourceRow] = []
    for chunk, done in source.chunks:
        seen.append((chunk, done))
        rows += _first_rows(chunk)
        found = detected(formats, rows)
        if found is not None:
            return found, chain(seen, source.chunks)
        if len(rows) >= _DETECT_ROWS:
            break
    if not rows:
        return _UNKNOWN, iter(seen)
    if not source.named:
        return None, iter(())
    columns = ", ".join(map(str, list(rows[0].fields)[:12]))
    raise InputError(
        f"no known format has rows like these, with the columns {columns}",
        where=source.name,
        fix=f"describe the columns in a mapping file, or name the format: {', '.join(one.name for one in formats)}",
    )


def _first_rows(chunk: Chunk) -> list[SourceRow]:
    if isinstance(chunk, pl.DataFrame):
        return list(rows_of_frame(chunk.head(_DETECT_ROWS)))
    return [entry for entry in chunk if isinstance(entry, SourceRow)][:_DETECT_ROWS]
