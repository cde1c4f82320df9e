"""The steps of a decision, each of which also stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from heedful.core import Finding, FitError, Item, Promise, UsageError
from heedful.elicitation import labels_needed
from heedful.evaluation import ranking, win_rates
from heedful.evaluation.rows import report
from heedful.feedback import iter_parts, refuse_overwriting, write_rejects, writer
from heedful.feedback.streams import locate
from heedful.loops.asking import known_items
from heedful.loops.fitting import PriorSd, choose_criterion, choose_fitter, described, items_recur
from heedful.loops.wording import texts_of
from heedful.preference import FittedPosterior, load
from heedful.preference.identification import WINLESS

if TYPE_CHECKING:
    from heedful.feedback import Reject, Table
    from heedful.preference.heads import HeadPosterior

__all__ = ["convert", "pick_best", "plan_labels", "posterior_at", "rank_systems"]

_LEVEL = 0.95


def rank_systems(
    table: Table, *, criterion: str | None = None, prior_sd: PriorSd = None, seed: int = 0
) -> dict[str, Any]:
    """Ranking, win rates and the findings of the fit they rest on, under a prior where one is given.

    Raises FitError where nothing recurs.
    """
    if not items_recur(table):
        raise FitError(
            "nothing can be ranked: no system or output is judged several times",
            fix="name the systems that wrote the outputs, or use `heedful run` for a model of the texts",
        )
    chosen = choose_criterion(table, criterion)
    judged = table.where(pl.col("criterion") == chosen)
    fitter = choose_fitter(judged, criterion=chosen, utility="items", seed=seed)
    fitted = replace(fitter, prior_sd=prior_sd)(judged)
    findings = list(fitted.findings)
    result = ranked(fitted, judged, np.random.default_rng(seed), findings)
    return result | {"model": described(fitted), "findings": [asdict(finding) for finding in findings]}


def ranked(fitted: FittedPosterior, table: Table, rng: np.random.Generator, findings: list[Finding]) -> dict[str, Any]:
    """The ranking of a posterior of free items and the win rates of its table; what they cannot say is added."""
    listed = ranking(fitted, level=_LEVEL, rng=rng, findings=findings)
    shown = {item.key: texts_of(item)["output"] or "(empty)" for item in known_items(fitted, table) if not item.system}
    return {
        "ranking": [row | {"item": shown.get(row["item"], row["item"])} for row in listed],
        "win_rates": win_rates(table, criterion=fitted.criterion, findings=findings),
    }


def posterior_at(folder: str) -> FittedPosterior | HeadPosterior:
    """The posterior saved in a folder. Raises UsageError where what was saved is none that candidates are picked by."""
    from heedful.preference.heads import HeadPosterior

    saved = load(folder)
    if not isinstance(saved, FittedPosterior | HeadPosterior):
        what = f"{type(saved).__name__} were saved there, and candidates are picked by one posterior"
        raise UsageError(what, where=folder, fix="save one of theirs: groups.posteriors[0], raters.items")
    return saved


def pick_best(
    fitted: FittedPosterior | HeadPosterior,
    candidates: Sequence[Sequence[Item]],
    *,
    pessimism: float = 0.0,
    findings: list[Finding] | None = None,
) -> list[dict[str, Any]]:
    """The best of each context's candidates by posterior mean less `pessimism` standard deviations.

    Candidates that the judgements do not place get no score. Where one of them could be the best (all but those that
    never won), there is no pick. Raises UsageError where a candidate names no system, or has no text, as the posterior
    needs.
    """
    if not candidates:
        return []
    notes: dict[str, str] = {}
    if isinstance(fitted, FittedPosterior) and fitted.model["utility"] == "items":
        _refuse_unknown(fitted, candidates)
        notes = dict(zip(fitted.names, fitted.notes, strict=True))
    else:
        _refuse_without_text(candidates)
    picks = [_pick_one(fitted, items, notes, pessimism) for items in candidates]
    open_picks = sum(pick["probability_best"] is None for pick in picks)
    if open_picks:
        message = f"{open_picks:,} of {len(picks):,} picks are among candidates that the judgements do not place."
        fix = "Collect judgements of these systems against others."
        report(findings, Finding("picks.unplaced", "warning", message, fix, open_picks))
    return picks


def _pick_one(
    fitted: FittedPosterior | HeadPosterior, items: Sequence[Item], notes: Mapping[str, str], pessimism: float
) -> dict[str, Any]:
    """`notes` says by name why an item is not placed ("": it is)."""
    from heedful.sampling import pick

    why = [notes.get(item.system or item.key, "") for item in items]
    known = [row for row, note in enumerate(why) if not note]
    listed: list[dict[str, Any]] = [
        {"output": texts_of(item)["output"], "system": item.system, "score": None, "interval": None} for item in items
    ]
    best, probability = None, None
    if known:
        promise: Promise | None = fitted.model["promise"]
        [choice] = pick(fitted, [[items[row] for row in known]], pessimism=pessimism, promise=promise)
        if all(note in ("", WINLESS) for note in why):
            best, probability = known[choice.best], choice.probability_best
        for row, score, interval in zip(known, choice.mean, choice.intervals, strict=True):
            listed[row] |= {"score": float(score), "interval": asdict(interval) if interval else None}
    return {
        "context": _context_of(items),
        "best": "" if best is None else listed[best]["output"] or items[best].system or "",
        "best_index": best,
        "probability_best": probability,
        "candidates": listed,
    }


def plan_labels(width: float, table: Table | None = None, *, criterion: str | None = None) -> dict[str, Any]:
    """How many labels give a 95 % interval of ± `width` for a share (a win rate, an accuracy).

    With earlier feedback, its rates and the design effect of its prompts and raters are used; without, the widest case.
    """
    return labels_needed(width, table, criterion=criterion, level=_LEVEL)


def convert(
    sources: Sequence[str],
    out: str,
    *,
    to: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
    **reading: Any,
) -> dict[str, Any]:
    """Write feedback as another format, a chunk at a time; rejects, if any, go to `out` + ".rejects.jsonl".

    Raises UsageError where `out` is one of the files read.
    """
    refuse_overwriting(out, (place.path for place in locate(sources)[0]))
    read = 0
    rejects: list[Reject] = []
    with writer(out, format=to) as target:
        for part in iter_parts(list(sources), **reading):
            target.add(part.table)
            read += part.read
            rejects += part.rejects
            progress(f"{read:,} judgements read")
        kept = Path(f"{out}.rejects.jsonl")
        kept.unlink(missing_ok=True)
        if rejects:
            write_rejects(rejects, kept)
    written = target.result
    return {
        "path": str(written.path),
        "format": written.format,
        "read": read,
        "rejected": len(rejects),
        "written": written.written,
        "lost": written.lost,
    }


def _refuse_unknown(fitted: FittedPosterior, candidates: Sequence[Sequence[Item]]) -> None:
    known = set(fitted.names)
    for row, items in enumerate(candidates, 1):
        for item in items:
            if (item.system or item.key) not in known:
                raise UsageError(
                    f"this posterior knows {len(known)} systems, but not {item.system or 'a new text'!r}",
                    where=f"candidates, row {row}",
                    fix="fit with --utility features to score new texts, or name a known system",
                )


def _refuse_without_text(candidates: Sequence[Sequence[Item]]) -> None:
    for row, items in enumerate(candidates, 1):
        if any(not item.output and item.system for item in items):
            raise UsageError(
                "a candidate has no text, and this posterior judges texts",
                where=f"candidates, row {row}",
                fix="give the outputs, or fit with --utility items",
            )


def _context_of(items: Sequence[Item]) -> str:
    return (texts_of(items[0])["context"] if items else None) or ""
