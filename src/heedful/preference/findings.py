"""What a reader must know of a fit: records not used, items not placed, intervals that do not stand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from heedful.core import Finding
from heedful.preference.identification import ALONE, ISLAND, SEPARATED, UNDEFEATED, UNSETTLED, WINLESS
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import Observations, distinct

_EXAMPLES = 5


@dataclass(frozen=True)
class _Case:
    code: str
    message: str
    fix: str


_CASES = {
    UNDEFEATED: _Case(
        "ranking.undefeated",
        "never judged below another item: nothing bounds how good they are, so they get no score",
        "collect judgements of them against the strongest items",
    ),
    WINLESS: _Case(
        "ranking.winless",
        "never judged above another item: nothing bounds how bad they are, so they get no score",
        "collect judgements of them against the weakest items",
    ),
    ISLAND: _Case(
        "ranking.islands",
        "no chain of judgements connects them to the items ranked, so they cannot be compared with those",
        "collect judgements between the groups",
    ),
    SEPARATED: _Case(
        "ranking.separated",
        "all judgements that connect them to the items ranked go the same way, so nothing says how far off they are",
        "collect more judgements between them and the items ranked",
    ),
    UNSETTLED: _Case(
        "ranking.unsettled",
        "wins and ties do not overlap, so no finite tie term fits them",
        "collect more judgements, or fit with ties='half'",
    ),
    ALONE: _Case(
        "ranking.alone",
        "nothing they were judged by says how they stand to other items",
        "collect comparisons, or ratings that differ",
    ),
}


def unused(observations: Observations) -> list[Finding]:
    """One note per reason for which records were kept but not used."""
    return [
        Finding(
            "fit.not_used", "note", f"{count:,} judgements are kept but not used by this fit: {reason}", count=count
        )
        for reason, count in observations.excluded.items()
    ]


def silent(observations: Observations, likelihoods: Sequence[Likelihood]) -> list[Finding]:
    """Instruments all of whose votes say the same."""
    said = {likelihood.kind for likelihood in likelihoods}
    return [
        Finding(
            "fit.all_alike",
            "warning",
            f"all judgements of the sort {kind!r} say the same (all ties, or all one level), so they place nothing",
            "check how they were collected",
            count=len(distinct([votes.row])),
        )
        for kind, votes in observations.instruments.items()
        if kind not in said
    ]


def unplaced(names: Sequence[str], notes: Sequence[str]) -> list[Finding]:
    """Items that are not identified, by reason; first of all, where none is."""
    found = []
    if all(notes):
        found.append(
            Finding(
                "ranking.nothing_identified",
                "problem",
                "the judgements place no two items relative to each other, so there is no ranking",
                "collect judgements in which items win and lose against each other",
                count=len(names),
            )
        )
    for note, case in _CASES.items():
        items = [name for name, own in zip(names, notes, strict=True) if own == note]
        if items:
            message = f"{len(items):,} of {len(names):,} items: {case.message}"
            found.append(Finding(case.code, "warning", message, case.fix, len(items), tuple(items[:_EXAMPLES])))
    return found


def few_clusters(notes: Iterable[str]) -> list[Finding]:
    """Dimensions held fixed."""
    return [Finding("intervals.few_clusters", "note", note, "collect from more of them") for note in notes]


def without_interval(names: Sequence[str]) -> list[Finding]:
    """Items that have a score, but whose variance the votes cannot tell."""
    if not names:
        return []
    message = f"{len(names):,} items get no interval: all that is known of them rests on one prompt or one rater"
    fix = "collect judgements of them on more prompts, by more raters"
    return [Finding("intervals.one_cluster", "warning", message, fix, len(names), tuple(names[:_EXAMPLES]))]


def contradicting(kinds: Sequence[str]) -> list[Finding]:
    """Instruments that order the items otherwise than the rest."""
    return [
        Finding(
            "fit.contradicting",
            "warning",
            f"judgements of the sort {kind!r} do not order the items as the others do; all are taken as equally sharp",
            "fit them as a criterion of their own",
        )
        for kind in kinds
    ]


def not_converged(iterations: int) -> Finding:
    return Finding(
        "fit.not_converged",
        "problem",
        f"the fit did not converge in {iterations} Newton steps: take its numbers as approximate",
        "report this with the data, if you can",
    )
