"""The steps of a decision, each of which also stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from heedful.core import Finding, FitError, Item, UsageError, encode_parts, render
from heedful.elicitation import ExpectedInformationGain, context_pairs, item_pairs, labels_needed
from heedful.evaluation import ranking, win_rates
from heedful.feedback import iter_parts, write_rejects, writer
from heedful.loops.fitting import choose_criterion, choose_fitter, described, items_recur

if TYPE_CHECKING:
    from heedful.feedback import Reject, Table
    from heedful.preference import FittedPosterior

__all__ = ["convert", "next_questions", "pick_best", "plan_labels", "rank_systems"]

_LEVEL = 0.95


def rank_systems(table: Table, *, criterion: str | None = None, seed: int = 0) -> dict[str, Any]:
    """Ranking, win rates and the findings of the fit they rest on. Raises FitError where nothing recurs."""
    if not items_recur(table):
        raise FitError(
            "nothing can be ranked: no system or output is judged several times",
            fix="name the systems that wrote the outputs, or use `heedful run` for a model of the texts",
        )
    chosen = choose_criterion(table, criterion)
    judged = table.where(pl.col("criterion") == chosen)
    fitted = choose_fitter(judged, criterion=chosen, utility="items", seed=seed)(judged)
    findings = list(fitted.findings)
    result = ranked(fitted, judged, np.random.default_rng(seed), findings)
    return result | {"model": described(fitted), "findings": [asdict(finding) for finding in findings]}


def ranked(fitted: FittedPosterior, table: Table, rng: np.random.Generator, findings: list[Finding]) -> dict[str, Any]:
    """The ranking of a posterior of free items and the win rates of its table; what they cannot say is added."""
    return {
        "ranking": ranking(fitted, level=_LEVEL, rng=rng, findings=findings),
        "win_rates": win_rates(table, criterion=fitted.criterion, findings=findings),
    }


def next_questions(
    fitted: FittedPosterior,
    table: Table,
    candidates: Sequence[Sequence[Item]] = (),
    *,
    count: int = 10,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The `count` pairs whose answers would teach most, in nats, none asking the same thing twice."""
    rng = np.random.default_rng(seed)
    if fitted.model["utility"] == "items":
        items = [Item(system=name) for name in fitted.names]
        if len(items) < 2:
            return []
        pool = item_pairs(items, rng=rng, table=table, posterior=fitted, criterion=fitted.criterion)
    else:
        pool = context_pairs(_candidates_of(table, candidates), rng=rng)
    asked = ExpectedInformationGain(batch=count)(fitted, pool, rng=rng)
    return [
        {
            "items": [{"system": item.system, **_texts(item)} for item in question],
            "expected_gain": float(gain),
            "cost": float(cost),
            "rater": rater,
        }
        for question, gain, cost, rater in zip(asked.items, asked.expected_gain, asked.cost, asked.rater, strict=True)
    ]


def pick_best(
    fitted: FittedPosterior, candidates: Sequence[Sequence[Item]], *, pessimism: float = 0.0
) -> list[dict[str, Any]]:
    """The best of each context's candidates by posterior mean less `pessimism` standard deviations.

    Raises UsageError where the posterior knows systems only and a candidate names none it knows.
    """
    if not candidates:
        return []
    from heedful.sampling import pick

    if fitted.model["utility"] == "items":
        _refuse_unknown(fitted, candidates)
    return [
        {
            "context": _context_of(items),
            "best": _texts(items[choice.best])["output"] or items[choice.best].system or "",
            "best_index": choice.best,
            "probability_best": choice.probability_best,
            "candidates": [
                {"output": _texts(item)["output"], "system": item.system, "score": score, "interval": interval}
                for item, score, interval in zip(items, choice.mean, choice.intervals, strict=True)
            ],
        }
        for items, choice in zip(candidates, pick(fitted, candidates, pessimism=pessimism), strict=True)
    ]


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
    """Write feedback as another format, a chunk at a time; rejects, if any, go to `out` + ".rejects.jsonl"."""
    read = 0
    rejects: list[Reject] = []
    with writer(out, format=to) as target:
        for part in iter_parts(list(sources), **reading):
            target.add(part.table)
            read += part.read
            rejects += part.rejects
            progress(f"{read:,} judgements read")
    written = target.result
    if rejects:
        write_rejects(rejects, f"{out}.rejects.jsonl")
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


def _candidates_of(table: Table, candidates: Sequence[Sequence[Item]]) -> list[tuple[Item, ...]]:
    """Groups of items that share a context: the candidates where there are any, else those of the table."""
    if candidates:
        return [tuple(items) for items in candidates]
    groups: dict[str, dict[str, Item]] = {}
    for record in table.records():
        for item in record.items():
            groups.setdefault(encode_parts(item.context, "world"), {}).setdefault(item.key, item)
    return [tuple(items.values()) for items in groups.values() if len(items) > 1]


def _texts(item: Item) -> dict[str, str]:
    return {
        "context": render(encode_parts(item.context, "world")),
        "output": render(encode_parts(item.output, "system")),
    }


def _context_of(items: Sequence[Item]) -> str:
    return _texts(items[0])["context"] if items else ""
