"""How far people agree with one another, and with the fitted preferences."""

from __future__ import annotations

from heedful.report.lanes import LaneTable, Row
from heedful.report.markup import Markup, join, name_of, tag
from heedful.report.numerals import PERCENT, SCORE, count, counted, with_interval
from heedful.report.parts import BetweenRaters, IntervalPart, RaterAgreement, Reliability, ReliabilityPart, WithModel
from heedful.report.scales import fractions, spanning
from heedful.report.sections.common import dot, estimate_cell, missing, paragraph, promise_legend, reach, section
from heedful.report.sections.verdicts import alpha_words
from heedful.report.summary import Summary


def agreement(summary: Summary) -> Markup:
    """Agreement between raters, with the model, and rater by rater."""
    part = summary.agreement
    nothing_between = part.between_raters is None and not part.raters
    return section(
        "agreement",
        "Do people agree?",
        _between(summary, part.between_raters),
        _with_model(summary, part.with_model),
        None if nothing_between else _raters(summary, part.raters),
        None if summary.reliability is None else _reliability(summary.reliability),
        promise_legend(_intervals(summary)),
    )


def _intervals(summary: Summary) -> list[IntervalPart | None]:
    part = summary.agreement
    found = [rater.interval for rater in part.raters]
    if part.between_raters is not None:
        found += [part.between_raters.percent_interval, part.between_raters.alpha_interval]
    if summary.reliability is not None:
        found += [rater.interval for rater in summary.reliability.raters]
    return [*found, part.with_model.accuracy_interval] if part.with_model is not None else found


def _between(summary: Summary, between: BetweenRaters | None) -> Markup:
    if between is None:
        return missing(
            summary,
            ("agreement", "raters", "rater"),
            "Agreement between raters cannot be measured: it needs the same question answered by two or more "
            "known raters.",
        )
    over = f" Measured on {counted(between.n, 'question')} with several answers." if between.n is not None else ""
    alpha = (
        f" Corrected for chance (Krippendorff’s alpha, 0 is chance, 1 is perfect) their agreement is "
        f"{with_interval(between.alpha, between.alpha_interval, SCORE)}: {alpha_words(between.alpha)}."
        if between.alpha is not None
        else " No agreement corrected for chance can be given."
    )
    return paragraph(
        "Two raters who answered the same question gave the same answer in "
        f"{with_interval(between.percent, between.percent_interval, PERCENT)} of cases.{alpha}{over}"
    )


def _with_model(summary: Summary, with_model: WithModel | None) -> Markup:
    if with_model is None:
        return missing(summary, ("held_out", "evaluation"), "Agreement with the fitted preferences was not measured.")
    return paragraph(
        "The fitted preferences agree with a single rater in "
        f"{with_interval(with_model.accuracy, with_model.accuracy_interval, PERCENT)} of "
        f"{counted(with_model.n, 'decided vote')}. Where raters disagree with one another, no model can agree "
        f"with all of them."
    )


def _raters(summary: Summary, raters: list[RaterAgreement]) -> Markup | None:
    if not raters:
        none = "Raters are not listed one by one: the feedback does not name them, or each answered too few questions."
        return missing(summary, ("raters", "rater", "agreement"), none)
    unit = PERCENT.uniform(rater.interval for rater in raters)
    drawn = LaneTable(
        key="raters",
        caption=f"{counted(len(raters), 'rater')}: share of answers that match the other raters",
        name_head="Rater",
        lane_head="Agreement",
        cell_heads=("Agreement", "Answers"),
        scale=fractions(),
        rows=[
            Row(
                name=name_of(rater.rater),
                mark=dot(rater.agreement, rater.interval),
                cells=(estimate_cell(rater.agreement, rater.interval, unit), count(rater.n)),
            )
            for rater in raters
        ],
        references=(0.5,),
        noun="raters",
    )
    return join(tag("h3", "Rater by rater"), drawn.markup())


_MEANING = {
    "lapse": "the share of questions that a rater attends to, answering the others blindly",
    "sharpness": "how sharply a rater tells items apart, as a multiple of the mean of all",
}


def _reliability(part: ReliabilityPart) -> Markup | None:
    """Raters as a joint fit of items and raters sees them, least reliable first."""
    if not part.raters:
        return None
    reach_of = reach((rater.reliability, rater.interval) for rater in part.raters)
    unit = SCORE.uniform(rater.interval for rater in part.raters)
    drawn = LaneTable(
        key="reliability",
        caption=f"{counted(len(part.raters), 'rater')}, least reliable first",
        name_head="Rater",
        lane_head="Reliability",
        cell_heads=("Reliability", "Votes"),
        scale=spanning([*reach_of, 0.0, 1.0]),
        rows=[
            Row(
                name=name_of(rater.rater),
                mark=dot(rater.reliability, rater.interval),
                cells=(estimate_cell(rater.reliability, rater.interval, unit), count(rater.n)),
                note=_suspicion(rater) or rater.note or None,
            )
            for rater in part.raters
        ],
        references=(0.0, 1.0),
        noun="raters",
    )
    words = (
        f"Fitted with the items, so that a rater who disagrees with careless ones is not blamed for it: "
        f"{_MEANING.get(part.model, 'reliability')}. Below zero a rater answers against the others."
    )
    return join(tag("h3", "Who can be relied on"), paragraph(words), drawn.markup())


def _suspicion(rater: Reliability) -> str:
    for chance, word in ((rater.adversarial, "adversarial"), (rater.careless, "careless")):
        if chance is not None and chance > 0.5:
            return f"{word} with probability {chance:.0%}"
    return ""
