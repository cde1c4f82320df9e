"""Leans that a test finds in feedback: to a position, to length, over time, and of raters to one answer.

Each is raised by chance in at most one of a thousand data sets that lean nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

from heedful.core import PARTS_MARK, Finding, Floats, render
from heedful.feedback import chance
from heedful.feedback.questions import DECIDED, Facts

_CONSTANT_VOTES = 10
_STRONG = 0.6  # a share from which a lean is a warning
_SHOWN = 5  # examples in a finding


def _constant_raters(facts: Facts) -> Iterator[Finding]:
    """Raters who always answer alike, where the answers of all the others make that very unlikely."""
    question = ["kind", "criterion"]
    answers = _plain_answers(facts)
    by_rater = answers.group_by("rater", *question).agg(pl.col("n").sum(), kinds=pl.len(), said=pl.col("said").first())
    often = by_rater.filter(pl.col("n") >= _CONSTANT_VOTES)
    if not often.height:
        return
    whole = answers.group_by(question).agg(total=pl.col("n").sum())
    each = answers.group_by(*question, "said").agg(alike=pl.col("n").sum())
    # Answers counted under null are each another: a rater who has given ten of them is not constant.
    joined = often.filter((pl.col("kinds") == 1) & pl.col("said").is_not_null()).join(whole, on=question)
    joined = joined.join(each, on=[*question, "said"])
    # How often the others gave this answer, with one more vote on either side.
    share = (pl.col("alike") - pl.col("n") + 1) / (pl.col("total") - pl.col("n") + 2)
    unlikely = joined.filter(pl.col("n") * share.log() < math.log(chance.ALARM / often.height))
    unlikely = unlikely.sort("rater", *question)
    if unlikely.height:
        told = [f"{row['rater']}: {row['n']} x {row['said']}" for row in unlikely.head(_SHOWN).iter_rows(named=True)]
        yield Finding(
            "feedback.constant_raters",
            "warning",
            f"{unlikely.height:,} rater{'' if unlikely.height == 1 else 's'} gave the same answer every time, at least "
            f"{_CONSTANT_VOTES} times, unlike the others.",
            "Look at their votes; leave them out if they did not read the questions.",
            int(unlikely["n"].sum()),
            tuple(told),
        )


def _plain_answers(facts: Facts) -> pl.DataFrame:
    """How often (`n`) each rater gave each answer that can be compared across questions (`said`).

    These are labels, ratings, choices by position and undecided choices. Where the order of display is unknown, "first"
    means nothing: such an answer is always another than any before, and all of them are counted under null.
    """
    names = ("rater", "kind", "criterion", "context", "label", "rating", "choice", "shown")
    frame = pl.DataFrame([facts.table.column(name) for name in names])
    said = (
        pl.when(pl.col("kind") == "label").then(pl.col("label").cast(pl.String))
        .when(pl.col("kind") == "rating").then(pl.col("rating").cast(pl.String))
        .when(pl.col("kind") == "comparison").then(pl.col("choice").cast(pl.String))
    )  # fmt: skip
    placed = pl.col("shown").fill_null(False) | ~(pl.col("kind") == "comparison") | ~pl.col("choice").is_in(DECIDED)
    answers = frame.select("rater", "kind", "criterion", "context", said=said, placed=placed)
    answers = answers.filter(pl.col("said").is_not_null() & pl.col("rater").is_not_null())
    answers = answers.with_columns(said=pl.when("placed").then("said"))
    keys = ["rater", "kind", "criterion", "said"]
    if not facts.table.has("context"):
        return answers.group_by(keys).agg(n=pl.len())
    # An easy prompt gets the same answer many times for its own reasons: what a rater says of one prompt counts once.
    once = pl.col("context").drop_nulls().n_unique() + pl.col("context").null_count()
    return answers.group_by(keys).agg(n=pl.when(pl.col("placed").first()).then(once).otherwise(pl.len()))


def _position(facts: Facts) -> Iterator[Finding]:
    """Order is a coin of its own for every question, if it was drawn at random: then the first wins half the time."""
    if facts.comparisons.height and not facts.comparisons["shown"].any():
        yield Finding(
            "feedback.order_unknown",
            "note",
            "No comparison says in which order its outputs were shown, so favour for a position cannot be looked for.",
            "Record the order shown, drawn at random.",
            facts.comparisons.height,
        )
        return
    votes = facts.displayed
    if not votes.height:
        return
    leans = votes["lean"].to_numpy()
    if chance.p_of_signs(leans, chance.codes(votes["question"].to_numpy())) < chance.ALARM:
        share = float((leans > 0).mean())
        yield Finding(
            "feedback.position",
            _strength(share),
            f"The output shown first won {share:.0%} of {votes.height:,} decided comparisons; chance would give "
            "50%. Raters favour a position, or better outputs were shown in one place more often.",
            "Show outputs in random order.",
            votes.height,
        )


def _strength(share: float) -> Any:
    return "warning" if max(share, 1 - share) >= _STRONG else "note"


def _length(facts: Facts) -> Iterator[Finding]:
    """Whether length goes with winning, within the same pair of systems where systems recur."""
    votes = _with_lengths(facts.decided) if facts.has_texts else None
    if votes is None or not votes.height:
        return
    won, longer, known = (votes[name].to_numpy() for name in ("lean", "longer", "known"))
    groups = chance.codes(votes["matched"].to_numpy())
    # Without systems there is no main effect to take out: the two outputs are exchangeable.
    leans: Floats = np.where(known, chance.centred(won, groups) * chance.centred(longer, groups), won * longer)
    both = chance.codes(np.concatenate([votes["first"].to_numpy(), votes["second"].to_numpy()]))
    pairs = chance.codes(votes["question"].to_numpy())
    if chance.p_of_pairs(leans, pairs, both[: votes.height], both[votes.height :]) >= chance.ALARM:
        return
    share = float((won * longer > 0).mean())
    yield Finding(
        "feedback.length",
        _strength(share),
        f"Length goes with winning: {'between the same two systems ' if known.all() else ''}the "
        f"{'longer' if leans.sum() > 0 else 'shorter'} output is preferred more often than chance allows. Over all, "
        f"the longer one won {share:.0%} of {votes.height:,} decided comparisons.",
        "Compare the model with one that knows only length (the length-only control).",
        votes.height,
    )


def _with_lengths(decided: pl.DataFrame) -> pl.DataFrame:
    """Decided votes between texts of different lengths, turned so that the same systems stand the same way round.

    `longer` is +1 where the first is longer; `matched` names the pair of systems, where both are known and differ.
    """
    texts = [pl.col("outputs").list.get(place) for place in (0, 1)]
    systems = [pl.col("systems").list.get(place) for place in (0, 1)]
    lengths = [_characters(text).alias(f"length{place}") for place, text in enumerate(texts)]
    frame = decided.select("lean", "question", "first", "second", *lengths, s0=systems[0], s1=systems[1])
    frame = frame.filter(pl.col("length0") != pl.col("length1"))
    known = pl.col("s0").is_not_null() & pl.col("s1").is_not_null() & (pl.col("s0") != pl.col("s1"))
    turn = pl.when(pl.col("s0") > pl.col("s1")).then(-1.0).otherwise(1.0)
    longer = pl.when(pl.col("length0") > pl.col("length1")).then(1.0).otherwise(-1.0)
    low, high = pl.min_horizontal("s0", "s1"), pl.max_horizontal("s0", "s1")
    return frame.select(
        "question", "first", "second",
        known=known.fill_null(False),
        lean=pl.col("lean") * turn.fill_null(1.0),
        longer=longer * turn.fill_null(1.0),
        matched=pl.struct(low.alias("low"), high.alias("high")).hash(),
    )  # fmt: skip


def _characters(text: pl.Expr) -> pl.Expr:
    """The length of encoded content in characters; content in parts is rendered first."""
    rendered = text.map_elements(_rendered_length, return_dtype=pl.UInt32)
    return pl.when(text.str.starts_with(PARTS_MARK)).then(rendered).otherwise(text.str.len_chars())


def _rendered_length(content: str) -> int:
    return len(render(content))


def _drift(facts: Facts) -> Iterator[Finding]:
    """Whether answers change over time, each rater's later half against the earlier one."""
    if facts.n and not facts.table.has("time"):
        yield Finding(
            "feedback.no_times",
            "note",
            "No record says when it was given, so change over time cannot be looked for.",
            "Record the time of each judgement.",
            facts.n,
        )
        return
    answers = _timed(facts)
    decided = pl.col("choice").is_in(DECIDED)
    series = {
        "the share of comparisons won by the output shown first": pl.when(decided & pl.col("shown")).then(
            pl.col("choice") == "first"
        ),
        "the share of ties": pl.when(pl.col("kind") == "comparison").then(~decided),
        "the share of yes among labels": pl.when(pl.col("kind") == "label").then(pl.col("label")),
        "the mean rating": pl.when(pl.col("kind") == "rating").then(pl.col("rating")),
    }
    moved = [name for name, value in series.items() if _moves(answers, value, chance.ALARM / len(series))]
    if moved:
        yield Finding(
            "feedback.drift",
            "warning",
            f"Answers change over time: {', and '.join(moved)} differ{'s' if len(moved) == 1 else ''} between the "
            "earlier and the later half of the judgements by more than chance.",
            "Find out what changed: instructions, raters getting tired, or the systems judged.",
            len(moved),
            tuple(moved),
        )


def _timed(facts: Facts) -> pl.DataFrame:
    """Records with a time. `who` numbers rater and criterion; `later` is +1 in the later half of a rater's records."""
    names = ("kind", "criterion", "rater", "time", "choice", "shown", "label", "rating")
    frame = pl.DataFrame([facts.table.column(name) for name in names]).with_columns(question=facts.asked["question"])
    frame = frame.drop_nulls("time")
    rater = chance.codes(frame["rater"].hash().to_numpy())
    who = chance.codes((frame["rater"].hash() + frame["criterion"].hash(1)).to_numpy())
    return frame.with_columns(who=who, later=chance.halves(frame["time"].to_physical().to_numpy(), rater))


def _moves(answers: pl.DataFrame, value: pl.Expr, alarm: float) -> bool:
    votes = answers.select("question", "who", "later", value=value.cast(pl.Float64)).drop_nulls("value")
    if votes.height < 2 * _CONSTANT_VOTES:
        return False
    leans = chance.centred(votes["value"].to_numpy(), votes["who"].to_numpy()) * votes["later"].to_numpy()
    return chance.p_of_signs(leans, chance.codes(votes["question"].to_numpy())) < alarm


LEANS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (_position, _length, _drift, _constant_raters)
