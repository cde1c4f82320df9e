"""What is in feedback, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from heedful.feedback.questions import Facts
from heedful.feedback.table import Feedback

_LISTED = 50  # reasons told one by one in the summary


def summarise(feedback: Feedback) -> dict[str, Any]:
    """Counts for the part "feedback" of a summary. `replicates`: records that ask a question asked before."""
    return summary_of(Facts(feedback))


def summary_of(facts: Facts) -> dict[str, Any]:
    """As `summarise`, of facts that others may use too."""
    feedback, table = facts.feedback, facts.table
    raters = pl.DataFrame([table.column("rater"), table.column("rater_kind")]).drop_nulls("rater").unique("rater")
    return {
        "read": feedback.read,
        "accepted": len(table),
        "rejected": len(feedback.rejects),
        "by_kind": _counts(table.column("kind")),
        "by_criterion": _counts(table.column("criterion")),
        "raters": raters.height,
        "rater_kinds": _counts(raters["rater_kind"].fill_null("person")),
        "replicates": len(table) - facts.asked["question"].n_unique(),
        "contexts": table.column("context").drop_nulls().n_unique(),
        "systems": table.column("systems").explode(empty_as_null=False).drop_nulls().n_unique(),
        "sources": [
            {"path": one.path, "format": one.format, "read": one.read, "accepted": one.accepted}
            for one in feedback.sources
        ],
        "reject_reasons": reasons(feedback),
    }


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.drop_nulls().value_counts(sort=True)
    return dict(counted.iter_rows())


def reasons(feedback: Feedback) -> list[dict[str, Any]]:
    """Why records were rejected, most frequent first, each with its first place; rare ones past 50 together."""
    counts = Counter(reject.reason for reject in feedback.rejects)
    first = {reject.reason: reject for reject in reversed(feedback.rejects)}
    listed: list[dict[str, Any]] = [
        {"reason": reason, "count": count, "source": first[reason].source, "line": first[reason].line}
        for reason, count in counts.most_common(_LISTED)
    ]
    rest = len(feedback.rejects) - sum(one["count"] for one in listed)
    return listed + ([{"reason": "other reasons", "count": rest, "source": None, "line": None}] if rest else [])


def percent(share: float) -> str:
    return f"{100 * share:.0f}%"


def records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"
