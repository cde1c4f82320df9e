"""What a reader must know of a fit: records not used, items not placed, intervals that do not stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Finding, FitError, Promise
from heedful.preference.effects import widths_of
from heedful.preference.identification import ALONE, ISLAND, SEPARATED, UNDEFEATED, UNSETTLED, WINLESS
from heedful.preference.instruments import Grades, Observations, distinct, is_weighted, sort_of
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import FITTED_KINDS
from heedful.preference.own_scales import FEWEST, told_apart, too_many
from heedful.preference.prediction import Reading
from heedful.preference.signals import sort_without_position

OWN_SCALES = "fit.own_scales"
IN_COMMON = "fit.scale_in_common"
_EXAMPLES = 5


@dataclass(frozen=True)
class _Case:
    code: str
    message: str
    fix: str


_CASES = {
    UNDEFEATED: _Case(
        "ranking.undefeated",
        "never lost, so nothing says how good they are, and they get no score.",
        "Collect judgements of them against the strongest items.",
    ),
    WINLESS: _Case(
        "ranking.winless",
        "never won, so nothing says how bad they are, and they get no score.",
        "Collect judgements of them against the weakest items.",
    ),
    ISLAND: _Case(
        "ranking.islands",
        "are connected to the items ranked by no chain of judgements, so they cannot be compared with them.",
        "Collect judgements between the groups.",
    ),
    SEPARATED: _Case(
        "ranking.separated",
        "are joined to the items ranked by judgements that all go one way, so nothing says how far off they are.",
        "Collect more judgements between them and the items ranked.",
    ),
    UNSETTLED: _Case(
        "ranking.unsettled",
        "are separated together with ties, degrees or thresholds, so that no finite score fits them.",
        "Collect more judgements; where ties are the reason, ties='half' needs no tie term.",
    ),
    ALONE: _Case(
        "ranking.alone",
        "were judged by nothing that says how they stand to other items.",
        "Collect comparisons, or ratings that differ.",
    ),
}


def nothing_to_fit(observations: Observations, criterion: str) -> FitError:
    """That no judgement can be fitted, and what was left out why."""
    counted = "; ".join(f"{count} {reason}" for reason, count in observations.excluded.items())
    return FitError(
        f"no judgement on the criterion {criterion!r} has a likelihood ({counted or 'the table is empty'})",
        fix=f"give feedback of one of these kinds: {', '.join(FITTED_KINDS)}; critiques are read beside them",
    )


def read(observations: Observations) -> list[Finding]:
    """What of the records a fit does not use, or uses in part: one note per reason."""
    found = [
        Finding(
            "fit.not_used", "note", f"{count:,} judgements are kept but not used by this fit: {reason}.", count=count
        )
        for reason, count in observations.excluded.items()
    ]
    found += [
        Finding(
            "fit.degrees_not_used",
            "note",
            f"{count:,} comparisons are read by their choice alone, without their degree: {reason}.",
            count=count,
        )
        for reason, count in observations.by_choice.items()
    ]
    found += _positions(observations)
    for kind, votes in observations.instruments.items():
        if isinstance(votes, Grades) and is_weighted(votes):
            n, told = len(votes.row), float(votes.weight.sum()) if votes.weight is not None else 0.0
            message = (
                f"The {n:,} votes of the sort {kind!r} are weighted by their propensities, and tell as {told:,.0f}."
            )
            found.append(Finding("fit.propensities", "note", message, count=n))
    return found


def raters_independent() -> Finding:
    """That a fit holds out and clusters contexts alone."""
    message = "Votes of one rater are taken for independent: a head clusters contexts alone."
    return Finding("heads.raters_independent", "note", message)


def _positions(observations: Observations) -> list[Finding]:
    """Signals that are read position by position."""
    counts: dict[str, list[int]] = {}
    for kind, votes in observations.instruments.items():
        sort = sort_without_position(sort_of(kind)[0])
        if sort is not None:
            counts.setdefault(sort, []).append(len(votes.row))
    return [
        Finding(
            "fit.positions",
            "note",
            f"The {sum(each):,} votes of the sort {sort!r} are read at each of {len(each)} positions apart, so that "
            "standing first makes no item better.",
            "Show items at different positions now and then: that is what joins the positions.",
            count=sum(each),
        )
        for sort, each in counts.items()
    ]


def chosen(rules: Mapping[str, int], promise: Promise | None) -> list[Finding]:
    """Questions that were asked because of earlier answers, by rule, and what that leaves of intervals."""
    if not rules:
        return []
    asked = f"{sum(rules.values()):,} questions were chosen by what earlier answers said ({', '.join(rules)})"
    if promise is not None:
        message = f"{asked}; intervals hold on average over utilities drawn from the prior all the same."
        return [Finding("fit.chosen_by_answers", "note", message, count=sum(rules.values()))]
    message = f"{asked}, and no interval of a fit without a prior holds then: none is given."
    fix = "Fit with a prior that you mean, such as prior_sd=1.0. A fit to comparisons makes no use of propensities: "
    fix += "docs/elicitation.md says what does, and what else holds."
    return [Finding("intervals.chosen_by_answers", "warning", message, fix, sum(rules.values()))]


def critiques(number: int, silent: int) -> list[Finding]:
    """How many critiques were read, and in how many nothing was found."""
    if not number:
        return []
    message = f"{number - silent:,} of {number:,} critiques say something of a feature and are read as votes on it."
    fix = "Give critiques= an extractor that reads the others." if silent else ""
    return [Finding("fit.critiques", "note", message, fix, number)]


def silent(observations: Observations, likelihoods: Sequence[Likelihood]) -> list[Finding]:
    """Instruments all of whose votes say the same."""
    said = {likelihood.kind for likelihood in likelihoods}
    return [
        Finding(
            "fit.all_alike",
            "warning",
            f"All judgements of the sort {kind!r} say the same (all ties, or all one level), so they place nothing.",
            "Check how they were collected.",
            count=len(distinct([votes.row])),
        )
        for kind, votes in observations.instruments.items()
        if kind not in said
    ]


def in_common(observations: Observations, likelihoods: Sequence[Likelihood]) -> list[Finding]:
    """Instruments whose raters have no scales of their own, being too many with the items, or not all named."""
    n, found = len(observations.names), []
    for likelihood in likelihoods:
        votes = observations.instruments.get(likelihood.kind)
        if not isinstance(votes, Grades) or votes.rater is None or likelihood.kind in observations.judged:
            continue
        raters, nameless = len(np.unique(votes.rater[votes.rater >= 0])), int((votes.rater < 0).sum())
        if raters >= FEWEST and nameless:
            message = f"{nameless:,} of {len(votes.rater):,} votes of the sort {likelihood.kind!r} name no rater, "
            message += f"so that the {raters:,} raters who are named share one scale."
            fix = "Say who gave them, or leave them out, where some raters are more lenient than others."
            found.append(Finding(IN_COMMON, "note", message, fix, nameless))
        elif too_many(raters, n) or (told_apart(votes, n) and not widths_of(likelihood)):
            message = f"The {raters:,} raters who gave votes of the sort {likelihood.kind!r} share one scale: "
            message += f"with {n:,} items they are too many for a leniency and a stretch of each."
            fix = "Take a sample of raters or items, where some raters are more lenient than others."
            found.append(Finding(IN_COMMON, "note", message, fix, raters))
    return found


def unplaced(names: Sequence[str], notes: Sequence[str]) -> list[Finding]:
    """Items that are not identified, by reason; first of all, where none is."""
    found = []
    if all(notes):
        found.append(
            Finding(
                "ranking.nothing_identified",
                "problem",
                "The judgements place no two items relative to each other, so there is no ranking.",
                "Collect judgements in which items win and lose against each other.",
                count=len(names),
            )
        )
    for note, case in _CASES.items():
        items = [name for name, own in zip(names, notes, strict=True) if own == note]
        if items:
            message = f"{len(items):,} of {len(names):,} items {case.message}"
            found.append(Finding(case.code, "warning", message, case.fix, len(items), tuple(items[:_EXAMPLES])))
    return found


def few_clusters(notes: Iterable[str]) -> list[Finding]:
    """Dimensions held fixed."""
    return [
        Finding("intervals.few_clusters", "note", f"{note[:1].upper()}{note[1:]}.", "Collect from more of them.")
        for note in notes
    ]


def without_interval(names: Sequence[str]) -> list[Finding]:
    """Items that have a score, but whose variance the votes cannot tell."""
    if not names:
        return []
    message = f"{len(names):,} items get no interval: all that is known of them rests on one prompt or one rater."
    fix = "Collect judgements of them on more prompts, by more raters."
    return [Finding("intervals.one_cluster", "warning", message, fix, len(names), tuple(names[:_EXAMPLES]))]


def contradicting(kinds: Sequence[str]) -> list[Finding]:
    """Instruments that order the items otherwise than the rest."""
    return [
        Finding(
            "fit.contradicting",
            "warning",
            f"Judgements of the sort {kind!r} do not order the items as the others do; all are taken as equally sharp.",
            "Fit them as a criterion of their own.",
        )
        for kind in kinds
    ]


def unsettled() -> Finding:
    """No sharpness of instruments beside one another was found."""
    return Finding(
        "fit.sharpness_unsettled",
        "warning",
        "How sharp judgements of one sort are beside another could not be found; all are taken as equally sharp.",
        "Compare with fits to each sort alone.",
    )


def scales(readings: Iterable[Reading]) -> list[Finding]:
    """How far raters who graded use a scale in ways of their own."""
    found = []
    for reading in readings:
        if not reading.raters:
            continue
        strict = reading.strictness.mean(axis=0)
        order = np.argsort(strict)
        lenient, severe = (reading.raters[place] for place in (order[0], order[-1]))
        message = (
            f"The {len(strict):,} raters who gave votes of the sort {reading.kind!r} each have a scale of their own: "
            f"strictness varies by {reading.sds[0]:.2g} nats, from {lenient!r} ({strict.min():+.2f}, the most lenient) "
            f"to {severe!r} ({strict.max():+.2f})."
        )
        found.append(Finding(OWN_SCALES, "note", message, count=len(strict), examples=(severe, lenient)))
    return found


def blunt(kinds: Sequence[str]) -> list[Finding]:
    """Instruments that say hardly anything of the utilities that the others tell."""
    return [
        Finding(
            "fit.blunt",
            "warning",
            f"Judgements of the sort {kind!r} hardly follow what the others say, and count for next to nothing.",
            "Find out whether they were given with care, or fit them as a criterion of their own.",
        )
        for kind in kinds
    ]


def not_converged(iterations: int) -> Finding:
    return Finding(
        "fit.not_converged",
        "problem",
        f"The fit did not converge in {iterations} Newton steps: take its numbers as approximate.",
        "Report this with the data, if you can.",
    )
