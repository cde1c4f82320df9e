"""Win rates against a baseline: counted, not modelled."""

from __future__ import annotations

from heedful.report.lanes import LaneTable, Row
from heedful.report.markup import Markup, join, name_of
from heedful.report.numerals import PERCENT, Unit, count, counted
from heedful.report.parts import WinRate
from heedful.report.scales import fractions
from heedful.report.sections.common import dot, estimate_cell, missing, names, paragraph, promise_legend, section
from heedful.report.summary import Summary


def win_rates(summary: Summary) -> Markup:
    """How often each item won against its baseline."""
    rates = summary.win_rates
    if not rates:
        return section("win-rates", "Win rates", missing(summary, ("win_rates", "win_rate", "winrates"), _NONE))
    baselines = list(dict.fromkeys(rate.baseline for rate in rates))
    return section(
        "win-rates",
        "Win rates",
        paragraph(
            "The share of its comparisons with the baseline that a system won, a tie counting half. "
            "This is a plain count, with no model behind it; 50% means even with the baseline. ",
            join("The baseline is ", names(baselines), ".") if len(baselines) == 1 else None,
            class_="standfirst",
        ),
        _drawn(rates, several=len(baselines) > 1).markup(),
        promise_legend(rate.interval for rate in rates),
    )


_NONE = "No win rates are given. They need systems that were compared with one common baseline again and again."


def _drawn(rates: list[WinRate], *, several: bool) -> LaneTable:
    unit = PERCENT.uniform(rate.interval for rate in rates)
    return LaneTable(
        key="win-rates",
        caption=f"{counted(len(rates), 'win rate')} with intervals",
        name_head="System",
        lane_head="Share won",
        cell_heads=("Win rate", "Standard error", "Comparisons"),
        scale=fractions(),
        rows=[_row(rate, unit, several=several) for rate in rates],
        references=(0.5,),
        noun="win rates",
    )


def _row(rate: WinRate, unit: Unit, *, several: bool) -> Row:
    error = rate.standard_error
    return Row(
        name=name_of(rate.item or "(no name)"),
        note=join("against ", name_of(rate.baseline)) if several else None,
        mark=dot(rate.win_rate, rate.interval),
        cells=(
            estimate_cell(rate.win_rate, rate.interval, unit),
            "not known" if error is None else PERCENT.show(error, error),
            count(rate.n),
        ),
    )
