"""The main job in one call: feedback in, report out."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from heedful.core import FitError, InputError, Item
from heedful.feedback import Feedback, read, read_candidates, write_rejects
from heedful.loops import Decision, Options, decide
from heedful.report.write import write_report

REJECTS, POSTERIOR = "rejects.jsonl", "posterior"


def run(
    feedback: Any,
    *,
    out: str | Path | None = None,
    candidates: str | Sequence[Sequence[Item]] | None = None,
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
    if out is not None and Path(out).exists() and not Path(out).is_dir():
        raise InputError("the report goes into a folder, and this is a file", where=str(out), fix="name another --out")
    progress("Reading feedback")
    found = read(feedback, format=format, mapping=mapping, texts=texts, strict=strict)
    groups = read_candidates(candidates) if isinstance(candidates, str) else tuple(candidates or ())
    if out is not None:
        _keep_rejects(found, Path(out))
    if len(found.table) == 0:
        raise _nothing_accepted(found)
    options = Options(criterion, utility, features, questions, seed)
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


def _title(feedback: Feedback) -> str:
    names = [Path(source.path).name for source in feedback.sources]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _write(decision: Decision, folder: Path) -> None:
    """The posterior first, the report last: a report that stands has everything it speaks of beside it."""
    _replace_posterior(decision, folder)
    write_report(decision.summary, folder)


def _keep_rejects(feedback: Feedback, folder: Path) -> None:
    """Rejects are kept whatever comes after: also where nothing can be fitted to the rest."""
    rejects = folder / REJECTS
    if feedback.rejects:
        folder.mkdir(parents=True, exist_ok=True)
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
        fix="see rejects.jsonl for all of them, or describe the format with --mapping (docs/formats.md)",
    )


def _replace_posterior(decision: Decision, folder: Path) -> None:
    fresh = folder / f".{POSTERIOR}.partial"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        decision.posterior.save(fresh)
        shutil.rmtree(folder / POSTERIOR, ignore_errors=True)
        fresh.rename(folder / POSTERIOR)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
