"""The best of the candidates given, context by context."""

from __future__ import annotations

from heedful.report.lanes import LaneTable, Row
from heedful.report.markup import Markup, join, tag
from heedful.report.numerals import PERCENT, SCORE, Unit, counted
from heedful.report.parts import Pick, PickCandidate
from heedful.report.scales import Scale, signed, spanning
from heedful.report.sections.common import (
    dot,
    estimate_cell,
    fold,
    missing,
    paragraph,
    passage,
    promise_legend,
    reach,
    section,
)
from heedful.report.summary import Summary

_OPEN = 3
_MOST = 40
_NONE = "No candidates were given, so none were picked. To pick among answers, run with --candidates FILE."


def picks(summary: Summary) -> Markup:
    """What was picked, how sure that is, and what it was picked from."""
    made = summary.picks
    if not made:
        return section("picks", "Picks among candidates", missing(summary, ("picks", "pick", "candidates"), _NONE))
    shown = [_card(at, pick) for at, pick in enumerate(made[:_MOST])]
    rest = len(made) - len(shown)
    return section(
        "picks",
        "Picks among candidates",
        paragraph(
            f"For {counted(len(made), 'context')} the candidate with the highest expected score, and the "
            f"probability that it "
            "truly is the best of those given. A probability near one in the number of candidates means that "
            "the pick is "
            "little better than a draw.",
            class_="standfirst",
        ),
        tag("ol", shown[:_OPEN], class_="cards"),
        fold(
            f"Show {counted(len(shown) - _OPEN, 'more pick')}",
            tag("ol", shown[_OPEN:], class_="cards", start=_OPEN + 1),
        )
        if len(shown) > _OPEN
        else None,
        paragraph(f"{counted(rest, 'further pick')} stand in summary.json.", class_="absent") if rest > 0 else None,
        promise_legend(candidate.interval for pick in made for candidate in pick.candidates),
    )


def _card(at: int, pick: Pick) -> Markup:
    return tag(
        "li",
        tag("h3", f"Pick {at + 1}"),
        paragraph(_certainty(pick), class_="meta"),
        tag("h4", "Context"),
        passage(pick.context, absent="No context was given."),
        tag("h4", "Picked"),
        passage(pick.best),
        _candidates(at, pick) if pick.candidates else paragraph("The candidates are not listed.", class_="absent"),
        class_="card",
    )


def _certainty(pick: Pick) -> str:
    among = f"among {counted(len(pick.candidates), 'candidate')}" if pick.candidates else "among the candidates"
    if pick.probability_best is None:
        return f"How likely this is the best {among} cannot be said."
    return f"Probability of being the best {among}: {PERCENT.show(pick.probability_best)}"


def _candidates(at: int, pick: Pick) -> Markup:
    unit = SCORE.uniform(candidate.interval for candidate in pick.candidates)
    drawn = LaneTable(
        key=f"pick-{at + 1}",
        caption="The candidates by score",
        name_head="Candidate",
        lane_head="Score with interval",
        cell_heads=("Score",),
        scale=_scale(pick),
        rows=[_row(place, candidate, pick, unit) for place, candidate in enumerate(pick.candidates)],
        noun="candidates",
        classes=("texts",),
    )
    return fold(f"All {counted(len(pick.candidates), 'candidate')} with scores", drawn.markup())


def _row(place: int, candidate: PickCandidate, pick: Pick, unit: Unit) -> Row:
    chosen = place == pick.best_index
    return Row(
        name=join(passage(candidate.output), tag("strong", "picked", class_="badge") if chosen else None),
        mark=dot(candidate.score, candidate.interval, hollow=not chosen),
        cells=(estimate_cell(candidate.score, candidate.interval, unit),),
    )


def _scale(pick: Pick) -> Scale:
    return signed(spanning(reach((c.score, c.interval) for c in pick.candidates), wanted=4, margin=0.04))
