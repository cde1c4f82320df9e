"""Tables with a drawn column: one lane per row holds a dot and its interval, or a bar, above a shared axis.

Positions inside a lane are percentages, so a lane fits any width while its marks keep their size. The same row gives
every drawn number in words, so the drawing is hidden from screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from heedful.report.markup import Child, Markup, join, tag
from heedful.report.scales import Scale

_LEFT, _WIDTH = 5.0, 90.0
_EDGE = 1.6
OPEN_ROWS = 50
# Beyond this many rows an unfolded table scrolls within itself.
_TALL = 200


@dataclass(frozen=True)
class Mark:
    """What a lane shows: a dot with an interval around it, and an expected `band` behind."""

    value: float | None
    low: float | None = None
    high: float | None = None
    hollow: bool = False
    bar: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Row:
    """One row: the cells before the lane, the lane, the cells after it; `note` stands small under the name."""

    name: Child
    mark: Mark
    cells: Sequence[Child]
    before: Sequence[Child] = ()
    note: Child = None


@dataclass(frozen=True)
class LaneTable:
    """A table with a lane. `key` names it in ids; `caption` is read out and shown."""

    key: str
    caption: Child
    name_head: str
    lane_head: str
    cell_heads: Sequence[str]
    scale: Scale
    rows: Sequence[Row]
    before_heads: Sequence[str] = ()
    references: Sequence[float] = ()
    noun: str = "rows"
    classes: Sequence[str] = field(default_factory=tuple)

    def markup(self) -> Markup:
        """The table, folded beyond its first rows where it is long."""
        table = tag(
            "table",
            tag("caption", self.caption),
            tag("thead", self._head(), role="rowgroup"),
            tag("tbody", (self._row(at, row) for at, row in enumerate(self.rows)), role="rowgroup"),
            class_=" ".join(("lanes", *self.classes)),
            role="table",
        )
        return join(self._grid(), _folded(table, len(self.rows), self.noun, str(self.key)))

    def _head(self) -> Markup:
        return tag(
            "tr",
            (tag("th", head, scope="col", role="columnheader", class_="tight") for head in self.before_heads),
            tag("th", self.name_head, scope="col", role="columnheader", class_="name"),
            tag("th", tag("span", self.lane_head), self._axis(), scope="col", role="columnheader", class_="plot"),
            (tag("th", head, scope="col", role="columnheader", class_="number") for head in self.cell_heads),
            role="row",
        )

    def _row(self, at: int, row: Row) -> Markup:
        before = zip(self.before_heads, row.before, strict=True)
        after = zip(self.cell_heads, row.cells, strict=True)
        note = tag("span", row.note, class_="row-note") if row.note else None
        return tag(
            "tr",
            (tag("td", cell, role="cell", class_="tight", data_label=head) for head, cell in before),
            tag("th", row.name, note, scope="row", role="rowheader", class_="name"),
            tag("td", self._lane(row.mark), role="cell", class_="plot"),
            (tag("td", cell, role="cell", class_="number", data_label=head) for head, cell in after),
            role="row",
            class_="beyond" if at >= OPEN_ROWS else None,
        )

    def _at(self, value: float) -> float:
        return _LEFT + _WIDTH * self.scale.share(value)

    def _grid(self) -> Markup:
        """The grid lines, drawn once and used in every lane."""
        lines = (_vertical(self._at(tick), "grid") for tick in self.scale.ticks)
        references = (_vertical(self._at(value), "reference") for value in self.references)
        return tag(
            "svg",
            tag("defs", tag("g", lines, references, id=f"grid-{self.key}")),
            class_="defs",
            width=0,
            height=0,
            aria_hidden="true",
        )

    def _axis(self) -> Markup:
        labels = (
            tag("text", self.scale.label(tick), x=_percent(self._at(tick)), y="11", text_anchor="middle")
            for tick in self.scale.ticks
        )
        return tag("svg", labels, class_="axis", aria_hidden="true")

    def _lane(self, mark: Mark) -> Markup:
        return tag(
            "svg",
            tag("use", href=f"#grid-{self.key}"),
            self._band(mark),
            self._bar(mark) if mark.bar else join(self._interval(mark), self._dot(mark)),
            class_="lane",
            aria_hidden="true",
        )

    def _band(self, mark: Mark) -> Markup | None:
        if mark.band is None:
            return None
        left, right = (self._at(end) for end in mark.band)
        return tag("rect", x=_percent(left), width=_percent(right - left), y="15%", height="70%", class_="band")

    def _bar(self, mark: Mark) -> Markup | None:
        if mark.value is None:
            return None
        left, right = self._at(self.scale.low), self._at(mark.value)
        return tag("rect", x=_percent(left), width=_percent(right - left), y="25%", height="50%", class_="bar")

    def _interval(self, mark: Mark) -> Markup | None:
        if mark.low is None or mark.high is None:
            return None
        left, right = self._at(mark.low), self._at(mark.high)
        stop = 100.0 - _EDGE
        return join(
            tag(
                "line",
                x1=_percent(max(left, _EDGE)),
                x2=_percent(min(right, stop)),
                y1="50%",
                y2="50%",
                class_="interval",
            ),
            _arrow(_EDGE, "‹", "start") if left < _EDGE else None,
            _arrow(stop, "›", "end") if right > stop else None,
        )

    def _dot(self, mark: Mark) -> Markup | None:
        if mark.value is None:
            return None
        kind = "dot hollow" if mark.hollow else "dot"
        return tag("circle", cx=_percent(self._at(mark.value)), cy="50%", r=4.5, class_=kind)


def _percent(position: float) -> str:
    return f"{position:.2f}".rstrip("0").rstrip(".") + "%"


def _vertical(position: float, kind: str) -> Markup:
    return tag("line", x1=_percent(position), x2=_percent(position), y1="0", y2="100%", class_=kind)


def _arrow(position: float, sign: str, anchor: str) -> Markup:
    """An interval that runs past the edge of the lane."""
    return tag(
        "text", sign, x=_percent(position), y="50%", dominant_baseline="central", text_anchor=anchor, class_="arrow"
    )


def _folded(table: Markup, rows: int, noun: str, key: str) -> Markup:
    """The table as it is, or, where it is long, with a switch that unfolds it (CSS alone does the folding)."""
    if rows <= OPEN_ROWS:
        return tag("div", table, class_="table")
    switch = tag(
        "details",
        tag(
            "summary",
            tag("span", f"Show all {rows:,} {noun}", class_="when-closed"),
            tag("span", f"Show the first {OPEN_ROWS} {noun} only", class_="when-open"),
        ),
        class_="more",
    )
    scroll = tag("div", table, class_="scroll", role="region", aria_label=f"All {noun}", tabindex=0)
    kind = "table long tall" if rows > _TALL else "table long"
    return tag("div", scroll, switch, class_=kind, id=f"table-{key}")


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[Child]],
    *,
    numeric: Sequence[int] = (),
    prose: bool = False,
) -> Markup:
    """A plain table; `numeric` columns are set to the right. The first column names the row.

    The caption is for those who do not see the heading above the table. On a narrow page the cells of a row of `prose`
    stand one below the other.
    """

    def cell(at: int, child: Child) -> Markup:
        kind = "number" if at in numeric else None
        if at == 0:
            return tag("th", child, scope="row", role="rowheader", class_=kind)
        return tag("td", child, role="cell", class_=kind, data_label=heads[at])

    columns = (
        tag("th", text, scope="col", role="columnheader", class_="number" if at in numeric else None)
        for at, text in enumerate(heads)
    )
    body = (tag("tr", (cell(at, child) for at, child in enumerate(row)), role="row") for row in rows)
    made = tag(
        "table",
        tag("caption", caption, class_="unseen"),
        tag("thead", tag("tr", columns, role="row"), role="rowgroup"),
        tag("tbody", body, role="rowgroup"),
        class_="plain prose" if prose else "plain",
        role="table",
    )
    return tag("div", made, class_="table scroll-x", role="region", aria_label=caption, tabindex=0)
