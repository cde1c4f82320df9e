"""The main job in one call: feedback in, report out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from heedful.core import FitError, HeedfulError, InputError, Item, UsageError
from heedful.feedback import Feedback, read, read_candidates, refuse_overwriting, write_rejects
from heedful.loops import Decision, Options, decide
from heedful.preference.persistence import SAVED_AS
from heedful.report.write import write_report

REJECTS, POSTERIOR = "rejects.jsonl", "posterior"
_ELSEWHERE = "name another --out"


def run(
    feedback: Any,
    *,
    out: str | Path | None = None,
    candidates: str | Path | Sequence[Sequence[Item]] | None = None,
    features: str | None = None,
    utility: str = "auto",
    criterion: str | None = None,
    texts: str | None = None,
    mapping: str | None = None,
    format: str | None = None,  # noqa: A002 (the word users know)
    strict: bool = False,
    questions: int = 10,
    seed: int = 0,
    title: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> Decision:
    """Read feedback, check it, fit it, evaluate the fit, rank, ask and pick; with `out`, write the report.

    feedback: what `heedful.read` takes: paths, globs, folders, data frames, tables, lists of records.
    out: folder for report.html, summary.json, rejects.jsonl (where any were rejected) and posterior/.
    candidates: outputs to choose among, as a file (see `read_candidates`) or as items per context.
    features: folder of a local sentence encoder; None uses text features that need none.
    utility: "items" (who wrote it), "features" (the texts) or "auto". criterion: the most frequent one by default.
    texts, mapping, format, strict: see `heedful.read`. progress: called with a sentence at the start of each step.

    Returns the Decision: `.summary` (docs/summary.md), `.posterior`, `.feedback`. Raises FitError where no likelihood
    can be fitted, InputError and UsageError where files or arguments are wrong.
    """
    start = time.perf_counter()
    options = Options(criterion, utility, features, questions, seed)
    if out is not None:
        _refuse_place(Path(out))
    progress("Reading feedback")
    groups = read_candidates(str(candidates)) if isinstance(candidates, str | Path) else _checked(candidates)
    found = read(feedback, format=format, mapping=mapping, texts=texts, strict=strict)
    for source in found.sources:
        progress(f"{source.path}: {source.format}, {source.accepted:,} of {source.read:,} judgements accepted")
    if out is not None:
        refuse_overwriting(Path(out) / REJECTS, (source.path for source in found.sources))
    if len(found.table) == 0:
        raise _nothing_accepted(found)
    with threadpool_limits(1):  # small matrices: a second BLAS thread costs more than it brings
        decision = decide(
            found,
            candidates=groups,
            options=options,
            progress=progress,
            title=title or _title(found),
            read_seconds=time.perf_counter() - start,
        )
    if out is not None:
        progress("Writing the report")
        _write(decision, Path(out))
    return decision


def _refuse_place(folder: Path) -> None:
    """Raises InputError where the report would take the place of what heedful did not write."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError("the report goes into a folder, and this is a file", where=str(there), fix=_ELSEWHERE)
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError("this folder may not be written to", where=str(there), fix=_ELSEWHERE)
    place = folder / POSTERIOR
    others = sorted({file.name for file in place.iterdir()} - set(SAVED_AS)) if place.is_dir() else []
    if others:
        what = f"the posterior is saved here, but there are other files ({', '.join(others[:3])})"
        raise InputError(what, where=str(place), fix=_ELSEWHERE)


def _title(feedback: Feedback) -> str:
    names = [Path(source.path).name for source in feedback.sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _write(decision: Decision, folder: Path) -> None:
    """The report last: one that stands has everything it speaks of beside it. Errors of the disk become clear ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_posterior(decision, folder)
        _keep_rejects(decision.feedback, folder)
    except OSError as error:
        raise HeedfulError(
            f"the report could not be written ({error.strerror or error})",
            where=str(error.filename or folder),
            fix=f"free some space, or {_ELSEWHERE}",
        ) from error
    write_report(decision.summary, folder)


def _checked(candidates: Sequence[Sequence[Item]] | None) -> tuple[Sequence[Item], ...]:
    groups = tuple(candidates or ())
    if not all(isinstance(item, Item) for items in groups for item in items):
        raise UsageError("candidates are items by context", where="candidates", fix="give a file, or lists of Item")
    return groups


def _keep_rejects(feedback: Feedback, folder: Path) -> None:
    rejects = folder / REJECTS
    if feedback.rejects:
        write_rejects(feedback.rejects, rejects)
    else:
        rejects.unlink(missing_ok=True)


def _nothing_accepted(feedback: Feedback) -> FitError:
    notes = "; ".join(feedback.notes)
    if not feedback.rejects:
        return FitError(f"there is no judgement to fit: {notes or 'the feedback is empty'}")
    first = feedback.rejects[0]
    return FitError(
        f"none of the {len(feedback.rejects):,} judgements could be accepted; the first: {first.reason}",
        where=f"{first.source}, line {first.line}",
        fix="`heedful check --rejects FILE` writes all of them; --mapping describes a format (docs/formats.md)",
    )


def _replace_posterior(decision: Decision, folder: Path) -> None:
    """Put the new posterior in the place of the old, which comes back where that is interrupted."""
    place, fresh, old = folder / POSTERIOR, folder / f".{POSTERIOR}.new", folder / f".{POSTERIOR}.old"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        decision.posterior.save(fresh)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
