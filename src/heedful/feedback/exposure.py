"""Whether it is known how outputs came to be seen, where judgements are by-products of use."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from heedful.core import Finding
from heedful.feedback.questions import Facts


def unknown_exposure(facts: Facts) -> Iterator[Finding]:
    """Implicit signals of which neither position nor propensity is known."""
    frame = pl.DataFrame([facts.table.column(name) for name in ("kind", "position", "propensity")])
    signals = frame.filter(pl.col("kind") == "implicit").select("position", "propensity")
    unknown = signals.filter(pl.all_horizontal(pl.all().is_null())).height
    if unknown:
        yield Finding(
            "feedback.unknown_exposure",
            "note",
            f"{unknown:,} of {signals.height:,} implicit signals say neither at which position the output was shown "
            "nor with which propensity they would be recorded: outputs shown first may look better than they are.",
            "Record the position of every output shown, whether or not anything was done with it.",
            unknown,
        )
