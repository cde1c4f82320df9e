"""Charts in two dimensions, as inline SVG: a frame with axes and what is drawn into it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from heedful.report import palette
from heedful.report.markup import Child, Markup, join, tag
from heedful.report.scales import Scale

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 10, 46
# The rules of the page's style sheet that charts need where they stand alone.
_DRAWN = ("svg text", "svg .a", ".grid", ".reference", ".axis-line", ".interval", ".dot", ".course")


@dataclass(frozen=True)
class Frame:
    """Two scales on a canvas WIDTH units wide."""

    x: Scale
    y: Scale
    height: int = 300

    @classmethod
    def square(cls, x: Scale, y: Scale) -> Frame:
        """A frame whose axes are equally long, as two scales of one kind need."""
        return cls(x, y, WIDTH - _LEFT - _RIGHT + _TOP + _BOTTOM)

    @property
    def floor(self) -> int:
        return self.height - _BOTTOM

    def across(self, value: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * self.x.share(value)

    def up(self, value: float) -> float:
        return self.floor - (self.floor - _TOP) * self.y.share(value)


@dataclass(frozen=True)
class Point:
    """A measured point with its interval in y; `size` is its radius."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    size: float = 4.5


def chart(key: str, frame: Frame, *layers: Child, title: str, description: str, x_title: str, y_title: str) -> Markup:
    """The SVG element, titled and described for those who do not see it."""
    return tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-description"),
        _axes(frame, x_title, y_title),
        layers,
        viewBox=f"0 0 {WIDTH} {frame.height}",
        class_="chart",
        role="img",
        aria_labelledby=f"{key}-title {key}-description",
    )


def _axes(frame: Frame, x_title: str, y_title: str) -> Markup:
    floor, left = frame.floor, _LEFT
    middle = (floor + _TOP) / 2
    return join(
        (
            tag("line", x1=left, x2=WIDTH - _RIGHT, y1=frame.up(tick), y2=frame.up(tick), class_="grid")
            for tick in frame.y.ticks
        ),
        (
            tag(
                "text",
                frame.y.label(tick),
                x=left - 7,
                y=frame.up(tick),
                text_anchor="end",
                dominant_baseline="central",
            )
            for tick in frame.y.ticks
        ),
        (
            tag("line", x1=frame.across(t), x2=frame.across(t), y1=floor, y2=floor + 4, class_="axis-line")
            for t in frame.x.ticks
        ),
        (tag("text", frame.x.label(t), x=frame.across(t), y=floor + 17, text_anchor="middle") for t in frame.x.ticks),
        tag("line", x1=left, x2=WIDTH - _RIGHT, y1=floor, y2=floor, class_="axis-line"),
        tag(
            "text",
            x_title,
            x=(left + WIDTH - _RIGHT) / 2,
            y=frame.height - 9,
            text_anchor="middle",
            class_="axis-title",
        ),
        tag(
            "text",
            y_title,
            transform=f"translate(11 {middle:g}) rotate(-90)",
            text_anchor="middle",
            class_="axis-title",
        ),
    )


def points(frame: Frame, measured: Sequence[Point], *, joined: bool) -> Markup:
    """Dots with their intervals, joined by a line where they form a course."""
    path = " ".join(f"{frame.across(p.x):.2f},{frame.up(p.y):.2f}" for p in measured)
    return join(
        tag("polyline", points=path, class_="course") if joined and len(measured) > 1 else None,
        (_whisker(frame, point) for point in measured),
        (tag("circle", cx=frame.across(p.x), cy=frame.up(p.y), r=p.size, class_="dot") for p in measured),
    )


def _whisker(frame: Frame, point: Point) -> Markup | None:
    if point.low is None or point.high is None:
        return None
    x = frame.across(point.x)
    return tag("line", x1=x, x2=x, y1=frame.up(point.low), y2=frame.up(point.high), class_="interval")


def straight(frame: Frame, start: tuple[float, float], end: tuple[float, float], words: str) -> Markup:
    """A dashed line of reference, named below its right end."""
    x1, y1, x2, y2 = frame.across(start[0]), frame.up(start[1]), frame.across(end[0]), frame.up(end[1])
    level = abs(y2 - y1) < 1e-9
    return join(
        tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="reference"),
        tag("text", words, x=x2 - 4, y=(y2 + 14 if level else frame.floor - 8), text_anchor="end", class_="aside"),
    )


def to_file(charts: Sequence[Markup], path: str | os.PathLike[str], *, height: int = 300) -> None:
    """Write charts, each `height` units high, side by side as one SVG file that needs no style sheet."""
    sheet = resources.files("heedful.report").joinpath("style.css").read_text(encoding="utf-8")
    rules = [":root{--sans:system-ui,sans-serif}", *(line for line in sheet.splitlines() if line.startswith(_DRAWN))]
    width = len(charts) * WIDTH
    drawn = tag(
        "svg",
        tag("style", Markup("\n".join([palette.style(), *rules]))),
        tag("rect", width=width, height=height, fill="var(--paper)"),
        (tag("svg", one, x=place * WIDTH, width=WIDTH, height=height) for place, one in enumerate(charts)),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )
    Path(path).write_text(drawn + "\n", encoding="utf-8")
