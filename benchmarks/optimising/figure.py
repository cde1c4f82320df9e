"""The figure: true reward gained against divergence from the base, a panel a reward, a course an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from heedful.report.charts import WIDTH, Frame, Point, chart, points, straight
from heedful.report.markup import Markup, join, tag
from heedful.report.scales import Scale, spanning

PANEL, LEGEND, MOST = 300, 118, 3.0
HEIGHT = 2 * PANEL + LEGEND
# By how an answer is come by: a colour of the palette, and a letter an engine.
FAMILIES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "the best of whole outputs": (
        "accent",
        {"best-of-N": "B", "stopped early": "E", "cascade": "C", "refining": "R"},
    ),
    "draws of the tilted base": (
        "note",
        {
            "soft best-of-N": "S",
            "rejection": "J",
            "particles": "P",
            "tempered": "T",
            "Metropolis, draws": "M",
            "Metropolis, edits": "X",
            "particle Gibbs": "G",
        },
    ),
    "searches over lines and tokens": (
        "problem",
        {
            "step beam": "b",
            "step search": "s",
            "step tree": "t",
            "tree search": "u",
            "hill climb": "h",
            "token beam": "k",
            "guided": "g",
        },
    ),
    "votes": ("warning", {"votes": "V", "weighted votes": "W"}),
}
PANELS = (
    ("true", "the true reward"),
    ("fitted", "the fitted reward"),
    ("fitted, lowered", "the fitted reward, lowered"),
    ("wrong", "length"),
)


def drawn_charts(result: Mapping[str, Any]) -> list[Markup]:
    """Two columns of two panels, and beneath each the marks of half of the engines."""
    rows = result["rows"]
    shown = [row for row in rows if row["kl"] <= MOST]
    panels = [_panel(number, shown, *own, _frame(shown, own[0])) for number, own in enumerate(PANELS)]
    families = list(FAMILIES)
    halves = [(panels[0], panels[2], families[:2]), (panels[1], panels[3], families[2:])]
    return [
        join(_at(upper, 0, PANEL), _at(lower, PANEL, PANEL), _at(_legend(own), 2 * PANEL, LEGEND))
        for upper, lower, own in halves
    ]


def _frame(rows: Sequence[Any], reward: str) -> Frame:
    """Divergences by their square roots; the first panel by itself, the others on common scales."""
    first = PANELS[0][0]
    own = [row for row in rows if (row["reward"] == first) == (reward == first)]
    highest = 1.1 * max(row["kl"] for row in own)
    ticks = tuple(math.sqrt(tick) for tick in (0.0, 0.1, 0.5, 1.0, 2.0, 3.0) if tick <= highest)
    x = Scale(0.0, math.sqrt(highest), ticks, lambda tick: f"{tick**2:.2g}")
    return Frame(x, spanning([0.0, *(end for row in own for end in _ends(row))], margin=0.05))


def _ends(row: Mapping[str, Any]) -> Sequence[float]:
    """The gain, of best-of-N with its interval."""
    return row["true"] if row["engine"] == "best-of-N" else row["true"][:1]


def _panel(number: int, rows: Sequence[Any], reward: str, name: str, frame: Frame) -> Markup:
    courses = (
        _course(
            frame,
            [row for row in rows if (row["engine"], row["reward"]) in ((engine, reward), (engine, ""))],
            mark,
            colour,
        )
        for colour, engines in FAMILIES.values()
        for engine, mark in engines.items()
    )
    best = [row["true"][0] for row in rows if (row["engine"], row["reward"]) == ("best-of-N", reward)]
    told = f"The best of 2 by {name} gains {best[0]:+.2f} of the true reward, the best of 64 {best[-1]:+.2f}."
    words = {
        "title": f"Answers chosen by {name}",
        "description": told,
        "x_title": "KL to the base, nats (square roots)",
    }
    y_title = f"Gained by {name}"
    even = straight(frame, (frame.x.low, 0.0), (frame.x.high, 0.0), "the base")
    return chart(f"reward-{number}", frame, even, *courses, y_title=y_title, **words)


def _course(frame: Frame, rows: Sequence[Any], mark: str, colour: str) -> Markup | None:
    """Larger dots where more tokens were written; intervals of best-of-N alone."""
    if not rows:
        return None
    dots = [Point(math.sqrt(max(0.0, row["kl"])), *_ends(row), size=_size(row["tokens"])) for row in rows]
    last = dots[-1]
    place = {"x": frame.across(last.x) + 1 + last.size, "y": frame.up(last.y), "dominant_baseline": "central"}
    letter = tag("text", mark, **place, style=f"fill:var(--{colour});fill-opacity:1")
    return tag("g", points(frame, dots, joined=True), letter, style=f"--mark:var(--{colour});fill-opacity:0.5")


def _size(tokens: float) -> float:
    """2 for 16 tokens an answer, one more for each doubling."""
    return 2.0 + 0.8 * max(0.0, math.log2(tokens / 16))


def _legend(families: Sequence[str]) -> Markup:
    lines = []
    for family in families:
        colour, engines = FAMILIES[family]
        named = [f"{mark} {name}" for name, mark in engines.items()]
        for words in (f"{family}:", *(", ".join(named[start : start + 3]) for start in range(0, len(named), 3))):
            place = 16 * (len(lines) + 1)
            lines.append(tag("text", words, x=14, y=place, style=f"fill:var(--{colour})"))
    return join(*lines)


def _at(one: Markup, y: int, height: int) -> Markup:
    return tag("svg", one, y=y, width=WIDTH, height=height)
