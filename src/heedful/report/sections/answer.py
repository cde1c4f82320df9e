"""The first thing a reader sees: the answer, how far to trust it, what to do next."""

from __future__ import annotations

from heedful.report.markup import Child, Markup, join, name_of, sentence, tag
from heedful.report.numerals import PERCENT, POINTS, SCORE, SIGNED_POINTS, count, counted, with_interval
from heedful.report.parts import FindingPart, HeldOut, Ranked
from heedful.report.sections.common import ended, finding_link, names, paragraph, section
from heedful.report.sections.ranking import rank_range
from heedful.report.sections.verdicts import against, alpha_words, calibration, could_be_best, noun, versus
from heedful.report.summary import Summary

_MOST_STEPS = 4


def answer(summary: Summary) -> Markup:
    """The opening of the report."""
    headline, lead = _headline(summary)
    return section(
        "answer",
        "What the feedback says",
        paragraph(headline, class_="headline"),
        paragraph(lead, class_="lead") if lead else None,
        tag(
            "div",
            tag("div", tag("h3", "How far to trust it"), _bullets(_trust(summary))),
            tag("div", tag("h3", "What to do next"), tag("ol", (tag("li", step) for step in _steps(summary)))),
            class_="columns",
        ),
    )


def _bullets(children: list[Child]) -> Markup:
    return tag("ul", (tag("li", child) for child in children))


# The answer


def _headline(summary: Summary) -> tuple[Child, Child]:
    ranked = summary.ranked()
    unbeaten = [row for row in summary.ranking if not row.identified and row.note.startswith("undefeated")]
    if unbeaten and ranked:
        return _unbeaten_headline(unbeaten, ranked, noun(summary))
    if len(ranked) > 1:
        return _ranking_headline(ranked, noun(summary))
    if summary.held_out is not None and summary.held_out.accuracy is not None:
        return _prediction_headline(summary, summary.held_out)
    return _no_headline(summary)


def _unbeaten_headline(unbeaten: list[Ranked], ranked: list[Ranked], what: str) -> tuple[Child, Child]:
    """An item that never lost may be the best by any margin; the ranking is of the others only."""
    never = join(names([row.item for row in unbeaten]), " never lost, so how good ")
    lead = join(
        never,
        "it is cannot be said" if len(unbeaten) == 1 else "they are cannot be said",
        f": ask for comparisons with the strongest others. Of the {counted(len(ranked), what)} that can be ranked, ",
        name_of(ranked[0].item, class_="item"),
        f" has the highest score: {with_interval(ranked[0].score, ranked[0].interval, SCORE)}. Ranks below are among "
        "these only.",
    )
    shown = name_of(unbeaten[0].item) if len(unbeaten) == 1 else counted(len(unbeaten), what)
    return join(shown, " was never beaten" if len(unbeaten) == 1 else " were never beaten"), lead


def _ranking_headline(ranked: list[Ranked], what: str) -> tuple[Child, Child]:
    best, leader = could_be_best(ranked), ranked[0]
    name = name_of(leader.item)
    among = f"Of {counted(len(ranked), what)} that can be ranked, "
    figures = join(
        among,
        name_of(leader.item, class_="item"),
        f" has the highest score: {with_interval(leader.score, leader.interval, SCORE)}, where 0 is the average. ",
    )
    if leader.rank_interval is None:
        return join(name, " has the highest score, but its rank is not certain"), join(
            figures, "No range can be given for its rank."
        )
    if len(best) < 2:
        lead = join(figures, f"The judgements leave no other {what} a chance of being the best.")
        return join(name, " is the best"), lead
    others = [item.item for item in best if item is not leader]
    more = f"{counted(len(others), 'other')} cannot be told apart from the best"
    open_ranks = f"Its rank is anywhere from {rank_range(leader)}. " if leader.rank_interval[1] > 1 else ""
    rivals = join("The best could also be ", names(others), ".")
    return join(name, f" leads, but {more}"), join(figures, open_ranks, rivals)


def _prediction_headline(summary: Summary, held_out: HeldOut) -> tuple[Child, Child]:
    length = versus(summary.controls.length_only)
    predicted = (
        f"The fitted preferences predict {with_interval(held_out.accuracy, held_out.accuracy_interval, PERCENT)} of "
    )
    lead = join(predicted, f"{counted(held_out.n_decided, 'vote')} they had not seen; a coin toss predicts 50%.")
    if against(held_out.accuracy_interval, 0.5) != "better":
        return "It is not shown that this feedback holds anything that can be learned", lead
    if length == "better":
        return "People’s choices follow a pattern that can be learned, and it is more than length", lead
    if summary.controls.length_only is None:
        return "People’s choices follow a pattern that can be learned", lead
    return "People’s choices can be predicted, but not demonstrably better than by length alone", lead


def _no_headline(summary: Summary) -> tuple[Child, Child]:
    first = next(iter(summary.findings_by_severity()), None)
    if first is None:
        return "This feedback gives no answer yet", "The summary holds no results and gives no reason."
    return "This feedback gives no answer yet", join(ended(first.message), " (", finding_link(summary, first), ")")


# How far to trust it


def _trust(summary: Summary) -> list[Child]:
    told = [
        _trust_prediction(summary),
        _trust_length(summary),
        _trust_calibration(summary),
        _trust_raters(summary),
        _trust_unranked(summary),
        _trust_findings(summary),
    ]
    return [child for child in told if child is not None]


def _trust_prediction(summary: Summary) -> Child:
    held_out = summary.held_out
    if held_out is not None and held_out.accuracy is not None:
        shown = with_interval(held_out.accuracy, held_out.accuracy_interval, PERCENT)
        return f"The fitted preferences predict {shown} of votes they had not seen."
    if summary.ranking or summary.model:
        return "The fitted preferences were not tested on votes they had not seen."
    return "Nothing was fitted."


def _trust_length(summary: Summary) -> Child:
    control = summary.controls.length_only
    if control is None:
        return None
    verdict = versus(control)
    unit = POINTS if verdict == "better" else SIGNED_POINTS
    found = with_interval(control.difference, control.difference_interval, unit)
    return {
        "better": f"They beat “the longer answer wins” by {found}.",
        "worse": f"They do worse than “the longer answer wins”: {found}.",
        "unclear": f"They are not shown to beat “the longer answer wins”: {found}.",
    }[verdict]


def _trust_calibration(summary: Summary) -> Child:
    if summary.held_out is None:
        return None
    return {
        "good": "No fault was found in their probabilities.",
        "off": "Their probabilities are off by more than chance explains; trust their order more than their size.",
        "unknown": None,
    }[calibration(summary.held_out)]


def _trust_raters(summary: Summary) -> Child:
    between = summary.agreement.between_raters
    if between is None or between.alpha is None:
        return None
    shown = with_interval(between.alpha, between.alpha_interval, SCORE)
    return f"Agreement between raters, corrected for chance, is {alpha_words(between.alpha)}: {shown}."


def _trust_unranked(summary: Summary) -> Child:
    unranked = summary.unranked()
    if not unranked:
        return None
    return sentence(
        "{count} cannot be placed and {verb} left out: {names}.",
        count=counted(len(unranked), noun(summary)),
        verb="is" if len(unranked) == 1 else "are",
        names=names([item.item for item in unranked], most=3),
    )


def _trust_findings(summary: Summary) -> Child:
    of = {kind: sum(finding.severity == kind for finding in summary.findings) for kind in ("problem", "warning")}
    said = [counted(n, kind) for kind, n in of.items() if n]
    if not said:
        return "No problems were found in the feedback."
    verb = "limits" if sum(of.values()) == 1 else "limit"
    return join(tag("a", " and ".join(said), href="#findings"), f" {verb} what this means.")


# What to do next


def _steps(summary: Summary) -> list[Child]:
    mending = [f for f in summary.findings_by_severity() if f.fix and f.severity != "note"]
    steps: list[Child] = [_mend(summary, finding) for finding in mending[: _MOST_STEPS - 1]]
    if summary.ask:
        steps.append(
            join(
                "Ask ",
                tag("a", f"the {counted(len(summary.ask), 'question')} below", href="#ask"),
                "; they were chosen because their answers should tell the most.",
            )
        )
    if summary.picks:
        words = f"Look at the {counted(len(summary.picks), 'pick')} made among your candidates"
        steps.append(join(tag("a", words, href="#picks"), ", and at how sure each one is."))
    return steps or ["Nothing is urgent. Four times as many judgements halve the intervals."]


def _mend(summary: Summary, finding: FindingPart) -> Child:
    link = finding_link(summary, finding)
    return join(ended(finding.message), " ", tag("strong", ended(finding.fix)), " (", link, ")")


def figures(summary: Summary) -> str:
    """The line under the title: how much feedback this rests on."""
    feedback = summary.feedback
    if feedback.accepted is None:
        return "How much feedback this rests on is not known"
    known = [counted(feedback.accepted, "judgement")]
    if feedback.raters:
        known.append(f"{count(feedback.raters)} raters" if feedback.raters != 1 else "one rater")
    if feedback.systems:
        known.append(counted(feedback.systems, "system"))
    if feedback.contexts:
        known.append(counted(feedback.contexts, "context"))
    return " · ".join(known)
