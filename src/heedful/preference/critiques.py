"""Critiques as evidence about features: "too long" says that the same output, shorter, would be better.

An extractor turns the text of a critique into the features it asks more of (+1) or less of (−1). Each is read as a vote
between the output and one that has one standard deviation more of the feature: P(more) = σ(θ_f). The critic's words
say nothing of how the output ranks against others, so they enter utilities of features only. Sharpness is that of a
plain comparison, by assumption: nothing in a critique tells it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from heedful.core import Floats, UsageError
from heedful.feedback import Table
from heedful.preference.instruments import Comparisons

Extractor = Callable[[str], Mapping[str, int]]
"""From the text of a critique to the names of features it asks more (+1) or less (-1) of."""

CRITIQUE = "critique"
_MORE, _LESS = 1, -1
# What English critiques of style say most plainly, as patterns; each asks more or less of some style covariates.
_PHRASES: tuple[tuple[str, dict[str, int]], ...] = (
    (r"too long|too verbose|wordy|long-?winded|rambl\w+|shorter|more concise|bloated", {"log_characters": _LESS}),
    (r"too short|too brief|too terse|more detail\w*|not enough detail|longer|elaborate", {"log_characters": _MORE}),
    (r"too many (?:lists?|bullets?|bullet points)|less list\w*", {"log_list_items": _LESS}),
    (r"(?:use|add|needs?) (?:a list|lists|bullets|bullet points)", {"log_list_items": _MORE}),
    (r"too many head(?:er|ing)s", {"log_headers": _LESS}),
    (r"too much bold|too much formatting", {"log_bold": _LESS}),
    (r"(?:needs?|add|missing|no) (?:a )?(?:code|example code|code example)", {"log_code": _MORE}),
    (r"hedg\w+|wishy-?washy|too cautious|be more direct|vague", {"hedges": _LESS}),
    (r"refus\w+|should have answered|did ?n[o']t answer|won't answer", {"refusals": _LESS}),
    (r"apologi[sz]\w+ too|too apologetic|stop apologi[sz]ing", {"apologies": _LESS}),
    (r"too many exclamation\w*|too excited", {"log_exclamations": _LESS}),
    (r"repetitive|repeats itself|redundant", {"distinct_words": _MORE}),
    (r"cut off|unfinished|incomplete sentence|stops? mid", {"ends_unfinished": _LESS}),
)


def style_critiques(text: str) -> dict[str, int]:
    """What an English critique says of style covariates, by plain phrases; nothing where it says both more and less."""
    found: dict[str, set[int]] = {}
    for pattern, asked in _PHRASES:
        if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            for name, sign in asked.items():
                found.setdefault(name, set()).add(sign)
    return {name: signs.pop() for name, signs in found.items() if len(signs) == 1}


def votes_of_critiques(
    table: Table, criterion: str, extract: Extractor, names: Sequence[str], items: int
) -> tuple[Comparisons | None, int, int]:
    """The votes of people's critiques of whole outputs, how many these are, and in how many nothing was found.

    Item `items` is no feature at all, item `items` + 1 + f one standard deviation of feature f (see `with_features`).
    Raises UsageError where the extractor names a feature that there is not, or a sign other than +1 and -1.
    """
    rows = table.frame.with_row_index("row").filter((pl.col("kind") == CRITIQUE) & (pl.col("criterion") == criterion))
    if "address" in rows.columns:
        rows = rows.filter(pl.col("address").is_null())
    if "rater_kind" in rows.columns:
        rows = rows.filter(~pl.col("rater_kind").cast(pl.String).is_in(("model", "rule")).fill_null(False))
    if not rows.height or "text" not in rows.columns:
        return None, rows.height, rows.height
    number = {name: place for place, name in enumerate(names)}
    voted: list[tuple[int, int, int]] = []
    silent = 0
    for row, text in rows.select("row", "text").iter_rows():
        asked = extract(text)
        _check(asked, number)
        silent += not asked
        voted += [(row, number[name], sign) for name, sign in asked.items()]
    if not voted:
        return None, rows.height, silent
    row, feature, sign = np.array(voted, dtype=np.intp).T
    none = np.full(len(row), items, np.intp)
    votes = Comparisons(row, items + 1 + feature, none, sign.astype(np.float64), np.ones(len(row)))
    return votes, rows.height, silent


def with_features(design: Floats) -> Floats:
    """Features [n + 1 + d, d] of n items, of no feature at all, and of one standard deviation of each feature."""
    d = design.shape[1]
    return np.vstack([design, np.zeros((1, d)), np.eye(d)])


def _check(asked: Mapping[str, int], number: Mapping[str, int]) -> None:
    unknown = sorted(set(asked) - set(number))
    if unknown:
        raise UsageError(
            f"the extractor names {', '.join(map(repr, unknown))}, which are no features of the encoder",
            where="critiques",
            fix=f"use names of the encoder's features, such as {', '.join(list(number)[:3])}",
        )
    wrong = {name: sign for name, sign in asked.items() if sign not in (_MORE, _LESS)}
    if wrong:
        raise UsageError(f"a critique asks for more (1) or less (-1) of a feature, not {wrong}", where="critiques")
