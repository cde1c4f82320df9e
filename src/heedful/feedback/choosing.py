"""How the questions that a table answers came to be asked."""

from __future__ import annotations

from typing import Any

from heedful.feedback.asked import ASKED
from heedful.feedback.table import Table

# The rule that does not go by answers: what it asked is as good as fixed beforehand.
BLIND = "random"


def chosen_by_answers(table: Table, rows: Any = None) -> dict[str, int]:
    """How many records (of some `rows`) answer questions that a rule chose by earlier answers, by the rule's name.

    It stands in a record's `extra` as `asked.rule`. Records without it are taken to be asked regardless of answers.
    """
    if not table.has("extra"):
        return {}
    extra = table.column("extra") if rows is None else table.column("extra").gather(rows)
    rule = extra.str.json_path_match(f"$.{ASKED}.rule").drop_nulls()
    counted = rule.filter(rule != BLIND).value_counts(name="n").sort(rule.name)
    return dict(counted.iter_rows())
