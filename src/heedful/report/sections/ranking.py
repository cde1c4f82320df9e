"""Which systems are best, and how sure that is."""

from __future__ import annotations

from collections import Counter

from heedful.report.lanes import LaneTable, Mark, Row, table
from heedful.report.markup import Markup, join, name_of, tag
from heedful.report.numerals import SCORE, count, counted, level
from heedful.report.parts import Ranked
from heedful.report.scales import Scale, signed, spanning
from heedful.report.sections.common import dot, estimate_cell, full_legend, missing, paragraph, reach, section
from heedful.report.sections.verdicts import could_be_best, noun
from heedful.report.summary import Summary

# Intervals may run this much further than the scores themselves before they are cut at the edge, with an arrow.
_OVERHANG = 0.2


def ranking(summary: Summary) -> Markup:
    """The ranking with its intervals, and apart from it what cannot be ranked."""
    ranked, unranked = summary.ranked(), summary.unranked()
    if not ranked and not unranked:
        return section("ranking", "Ranking", missing(summary, ("ranking", "rank", "fit"), _no_ranking(summary)))
    return section(
        "ranking",
        "Ranking",
        _ranked(summary, ranked)
        if ranked
        else missing(summary, ("ranking", "rank", "fit"), _nothing_identified(summary)),
        _unranked(summary, unranked),
    )


def _no_ranking(summary: Summary) -> str:
    if summary.feedback.systems == 0:
        return "There is no ranking: the feedback names no systems that recur, so there is nothing to put in order."
    return "There is no ranking. It needs named systems that are judged again and again."


def _nothing_identified(summary: Summary) -> str:
    return f"No {noun(summary)} can be placed: the feedback does not connect them well enough to compare."


def _ranked(summary: Summary, ranked: list[Ranked]) -> Markup:
    what = noun(summary)
    drawn = LaneTable(
        key="ranking",
        caption=f"{counted(len(ranked), what)} by score, best first",
        before_heads=("Rank",),
        name_head=what.capitalize(),
        lane_head="Score with interval",
        cell_heads=("Score", "Rank range", "Judgements"),
        scale=_scale(ranked),
        rows=_rows(ranked),
        references=(0.0,),
        noun=f"{what}s",
        classes=("ranking",),
    )
    return join(_standfirst(ranked, what), _key(ranked, what), drawn.markup(), _legend(ranked, what))


def _standfirst(ranked: list[Ranked], what: str) -> Markup:
    best = could_be_best(ranked)
    told = f" As far as these judgements tell, {counted(len(best), what)} could be the best." if best else None
    return paragraph(
        f"The score says how often a {what} is preferred. Scores are differences: a {what} that lies 1 above "
        f"another is "
        "preferred to it in about 73 of 100 decided comparisons, one that lies 2 above in about 88; "
        "the average is 0.",
        told,
        class_="standfirst",
    )


def _key(ranked: list[Ranked], what: str) -> Markup | None:
    """What the dots mean."""
    if not could_be_best(ranked):
        return None
    filled = tag("span", _sample(hollow=False), f" could be the best {what}", class_="key")
    return paragraph(filled, " ", tag("span", _sample(hollow=True), " could not", class_="key"), class_="legend")


def _sample(*, hollow: bool) -> Markup:
    kind = "dot hollow" if hollow else "dot"
    line = tag("line", x1=1, x2=31, y1=8, y2=8, class_="interval")
    return tag(
        "svg",
        line,
        tag("circle", cx=16, cy=8, r=4.5, class_=kind),
        viewBox="0 0 32 16",
        class_="sample",
        aria_hidden="true",
    )


def _rows(ranked: list[Ranked]) -> list[Row]:
    shared = Counter(item.rank for item in ranked)
    unit = SCORE.uniform(item.interval for item in ranked)
    return [
        Row(
            before=(_rank(item, tied=shared[item.rank] > 1),),
            name=name_of(item.item or "(no name)"),
            note=tag("span", item.note, dir="auto") if item.note else None,
            mark=_mark(item),
            cells=(estimate_cell(item.score, item.interval, unit), rank_range(item), count(item.n)),
        )
        for item in ranked
    ]


def _mark(item: Ranked) -> Mark:
    first = item.rank_interval is not None and item.rank_interval[0] <= 1
    return dot(item.score, item.interval, hollow=not first)


def _rank(item: Ranked, *, tied: bool) -> str:
    if item.rank is None:
        return "?"
    return count(item.rank) + ("=" if tied else "")


def rank_range(item: Ranked) -> str:
    """'3', '1 to 4', or that none can be given."""
    if item.rank_interval is None:
        return "no range"
    low, high = item.rank_interval
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _scale(ranked: list[Ranked]) -> Scale:
    scores = [item.score for item in ranked if item.score is not None]
    low, high = min(scores), max(scores)
    values = reach((item.score, item.interval) for item in ranked)
    if high > low:
        room = _OVERHANG * (high - low)
        values = [min(max(value, low - room), high + room) for value in values]
    return signed(spanning([*values, 0.0], wanted=6, margin=0.02))


def _legend(ranked: list[Ranked], what: str) -> Markup:
    with_rank = [item for item in ranked if item.rank_interval is not None]
    share = next((level(item.interval.level) for item in ranked if item.interval), "95%")
    rank_words = (
        f"The rank range of a {what} holds its true rank at least {share} of the time, whatever the others do; "
        f"two {what}s whose ranges overlap may still differ, but these judgements alone do not settle it."
        if with_rank
        else "No rank ranges can be given."
    )
    tied = any(shared > 1 for shared in Counter(item.rank for item in ranked).values())
    return join(
        full_legend(item.interval for item in ranked),
        paragraph(rank_words, class_="legend"),
        paragraph(
            "A sign ‹ or › means that the interval goes on beyond the edge. "
            f"Judgements are those that the {what} took part in.",
            " The sign = after a rank marks a tie." if tied else None,
            class_="legend",
        ),
    )


def _unranked(summary: Summary, unranked: list[Ranked]) -> Markup | None:
    if not unranked:
        return None
    what = noun(summary)
    rows = [
        (name_of(item.item or "(no name)"), tag("span", item.note or _no_note(summary), dir="auto"), count(item.n))
        for item in unranked
    ]
    heads = (what.capitalize(), "Why it has no place", "Judgements")
    return join(
        tag("h3", "Not ranked"),
        paragraph(
            f"These judgements cannot place {counted(len(unranked), what)}. Any number for "
            f"{'it' if len(unranked) == 1 else 'them'} would be invented, so none is given."
        ),
        table(f"{what.capitalize()}s without a place in the ranking", heads, rows, numeric=(2,), prose=True),
    )


def _no_note(summary: Summary) -> str:
    about = [finding for finding in summary.findings if finding.code.startswith(("ranking.", "fit."))]
    return about[0].message if about else "The feedback does not determine its score."
