"""Which records ask the same question, whether they give the same answer, and what else follows from that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from heedful.feedback.table import Feedback, Table

DECIDED = ("first", "second")

_ASKED = ("kind", "criterion", "context", "address")
_ANSWERS = ("ranks", "best", "worst", "rating", "label", "steps", "signal", "amount")
_MIRRORED = {"first": "second", "second": "first"}


def asked(table: Table) -> pl.DataFrame:
    """One row per record: `question` and `answer` as 64-bit hashes, and `first`, `second` for the first candidates.

    Records ask the same question where kind, criterion, context, address and candidates are the same; the order of the
    candidates of a comparison does not matter, and its answer is the candidate preferred. `first` and `second` are
    hashes of a candidate in its context. Hashes hold within this process only.
    """
    frame = table.frame
    compares = pl.col("kind") == "comparison"
    outputs, systems = (pl.col(name).list.eval(pl.element().hash(n)) for n, name in enumerate(("outputs", "systems")))
    found = frame.select(
        *(pl.col(name) for name in (*_ASKED, *_ANSWERS, "choice", "text") if name in frame.columns),
        candidates=outputs + systems,
        where=pl.col("context").hash(3) if "context" in frame.columns else pl.lit(0, pl.UInt64),
    ).with_columns(
        first=pl.col("candidates").list.get(0, null_on_oob=True).hash(4) + pl.col("where"),
        second=pl.col("candidates").list.get(1, null_on_oob=True).hash(4) + pl.col("where"),
    )
    # A sum of hashes does not depend on the order, which is what a comparison asks for and nothing else.
    listed = pl.when(compares).then(pl.col("first") + pl.col("second")).otherwise(pl.col("candidates").hash(5))
    question = sum(
        (pl.col(name).hash(10 + n) for n, name in enumerate(_ASKED) if name in frame.columns), listed.hash(5)
    )
    return found.select(question=question, answer=_answer(frame.columns), first="first", second="second")


def _answer(columns: list[str]) -> pl.Expr:
    answers = {name: pl.col(name) for name in _ANSWERS if name in columns}
    if "ranks" in columns:  # they say an order; which numbers stand for it does not matter
        answers["ranks"] = pl.col("ranks").list.eval(pl.element().rank("dense"))
    if "choice" in columns:
        turned = (pl.col("kind") == "comparison") & (pl.col("first") > pl.col("second"))
        choice = pl.col("choice").cast(pl.String)
        answers["choice"] = pl.when(turned).then(choice.replace(_MIRRORED)).otherwise(choice)
    if "text" in columns:  # beside a rating it is a remark, on its own it is the answer
        answers["text"] = pl.when(pl.col("kind") == "critique").then(pl.col("text"))
    return sum((answer.hash(20 + n) for n, answer in enumerate(answers.values())), pl.lit(0, pl.UInt64))


@dataclass(frozen=True)
class Facts:
    """What is asked of feedback more than once, worked out once."""

    feedback: Feedback

    @property
    def table(self) -> Table:
        return self.feedback.table

    @property
    def n(self) -> int:
        return len(self.table)

    @cached_property
    def asked(self) -> pl.DataFrame:
        return asked(self.table)

    @cached_property
    def has_texts(self) -> bool:
        """Whether any output is known as a text."""
        outputs = self.table.column("outputs").explode()
        return outputs.null_count() < len(outputs)

    @cached_property
    def comparisons(self) -> pl.DataFrame:
        """The comparisons, with what is known of them."""
        names = ("kind", "choice", "shown", "outputs", "systems")
        frame = pl.DataFrame([self.table.column(name) for name in names]).hstack(self.asked)
        compares = frame["kind"] == "comparison"
        return frame if compares.all() else frame.filter(compares)

    @cached_property
    def decided(self) -> pl.DataFrame:
        """The comparisons that one candidate won; `lean` is +1 where it was the first, else -1."""
        won = self.comparisons.filter(pl.col("choice").is_in(DECIDED))
        return won.with_columns(lean=pl.when(pl.col("choice") == "first").then(1.0).otherwise(-1.0))

    @property
    def displayed(self) -> pl.DataFrame:
        """The decided comparisons whose order of display is known."""
        return self.decided.filter(pl.col("shown"))
