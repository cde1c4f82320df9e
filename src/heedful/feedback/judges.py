"""Model judges that judge models of their own family."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from heedful.core import Finding
from heedful.feedback.questions import Facts

_SHOWN = 5


def family(name: str) -> str:
    """The family that a model's name tells: the first run of letters after the provider, in lower case.

    "openai/gpt-4-turbo" and "GPT-3.5" are both of "gpt". Names whose first run of letters has fewer than three tell
    none.
    """
    letters = re.match(r"[^\W\d_]*", name.rsplit("/", 1)[-1].strip())
    own = letters.group().lower() if letters else ""
    return own if len(own) >= 3 else ""


def own_family(facts: Facts) -> Iterator[Finding]:
    """Judges that judge systems of their family beside others."""
    table = facts.table
    if not (table.has("rater_kind") and table.has("systems")):
        return
    judged = pl.DataFrame([table.column(name) for name in ("rater", "rater_kind", "systems")])
    judged = judged.filter((pl.col("rater_kind") == "model") & pl.col("rater").is_not_null())
    pairs = judged.select("rater", "systems").explode("systems").drop_nulls().unique()
    systems = pairs.group_by("rater", maintain_order=True).agg(pl.col("systems"))
    found = []
    for judge, names in sorted(systems.iter_rows()):
        kin = sorted(name for name in names if family(judge) and family(name) == family(judge))
        if 0 < len(kin) < len(names):
            listed = ", ".join(kin[:_SHOWN]) + (", ..." if len(kin) > _SHOWN else "")
            found.append(f"{judge}: {listed}")
    if found:
        yield Finding(
            "feedback.own_family",
            "warning",
            f"By their names, {len(found)} of the model judges judge systems of their own family beside others; judges "
            "tend to favour their own.",
            "Have people judge some of the same outputs, or add judges of other families.",
            len(found),
            tuple(found[:_SHOWN]),
        )
