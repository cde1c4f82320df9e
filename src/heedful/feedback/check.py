"""What is wrong with feedback, or what one should know of it before trusting what is learned from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from heedful.core import Finding
from heedful.feedback.counts import percent, reasons, records
from heedful.feedback.exposure import unknown_exposure
from heedful.feedback.judges import own_family
from heedful.feedback.leans import LEANS
from heedful.feedback.questions import DECIDED, Facts
from heedful.feedback.table import Feedback

_MANY_TIES = 0.5
_FAST_SECONDS = 1.0
# Silent reading is about 25 characters a second (Brysbaert 2019, 238 words a minute); at four times that nobody skims.
_FAST_CHARACTERS = 100.0
_FEW = 10
_SHOWN = 5  # examples in a finding


def check(feedback: Feedback) -> tuple[Finding, ...]:
    """Everything found, problems first, then warnings, then notes.

    Findings that rest on a test (position, length, drift, constant raters) are raised by chance in at most one of a
    thousand data sets that have no such lean; the others state what is there.
    """
    return findings_of(Facts(feedback))


def findings_of(facts: Facts) -> tuple[Finding, ...]:
    """As `check`, of facts that others may use too."""
    found = [finding for examine in _EXAMINATIONS for finding in examine(facts)]
    order = ("problem", "warning", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


# Rejects, identities, consent


def _rejected(facts: Facts) -> Iterator[Finding]:
    rejects, accepted = facts.feedback.rejects, facts.n
    if not facts.feedback.read:
        yield Finding("feedback.empty", "problem", "There is no feedback in the input.", "Check the files given.")
    if not rejects:
        return
    told = [
        f"{one['count']} x {one['reason']}"
        + (f" (first: {one['source']}, line {one['line']})" if one["source"] else "")
        for one in reasons(facts.feedback)[:_SHOWN]
    ]
    share = len(rejects) / facts.feedback.read
    yield Finding(
        "feedback.rejected",
        "problem" if share > 0.5 else "warning" if share > 0.01 else "note",
        f"{len(rejects):,} of {facts.feedback.read:,} judgements could not be read ({percent(share)}); "
        f"{accepted:,} were.",
        "Look at the reasons; `heedful run` and `heedful check --rejects FILE` keep each with its line.",
        len(rejects),
        tuple(told),
    )


def _repeated_ids(facts: Facts) -> Iterator[Finding]:
    ids = facts.table.column("id")
    if ids.hash().n_unique() == len(ids):  # a third of the time it takes to compare the texts
        return
    count = len(ids) - ids.n_unique()
    if count:
        yield Finding(
            "feedback.repeated_ids",
            "problem",
            f"{records(count)} share their id with another one.",
            "Give every record its own id.",
            count,
            _some(ids.filter(ids.is_duplicated()).unique(maintain_order=True)),
        )


def _some(values: pl.Series) -> tuple[str, ...]:
    return tuple(str(value) for value in values.head(_SHOWN))


def _personal(facts: Facts) -> Iterator[Finding]:
    marked = int(facts.table.column("personal").sum() or 0)
    if marked:
        yield Finding(
            "feedback.personal",
            "note",
            f"{records(marked)} are marked as holding personal data.",
            "Share models and reports made from them with care.",
            marked,
        )
    refused = int((~facts.table.column("consent")).sum() or 0)
    if refused:
        yield Finding(
            "feedback.no_consent",
            "warning",
            f"{records(refused)} are marked as given without consent to their use.",
            "Leave them out, or ask the people concerned.",
            refused,
        )


# Raters


def _raters(facts: Facts) -> Iterator[Finding]:
    raters = facts.table.column("rater")
    unknown = raters.null_count()
    if facts.n and unknown == facts.n:
        yield Finding(
            "feedback.no_raters",
            "note",
            "No record says who judged, so agreement between raters cannot be measured, and votes of one person cannot "
            "be told from votes of many.",
            "Record an id for each rater; it need not be a name.",
            unknown,
        )
    elif unknown:
        yield Finding(
            "feedback.some_raters_unknown",
            "note",
            f"{records(unknown)} of {facts.n:,} do not say who judged.",
            "Record an id for each rater.",
            unknown,
        )
    if raters.drop_nulls().n_unique() == 1 and not unknown:
        yield Finding(
            "feedback.one_rater",
            "warning",
            f"All {records(facts.n)} are by one rater: what is learned is this rater's taste, not that of others.",
            "Ask further raters some of the same questions.",
            facts.n,
            _some(raters.head(1)),
        )


def _repeats(facts: Facts) -> Iterator[Finding]:
    """One rater asked one question more than once.

    Two systems are no question: where neither prompts nor outputs are known, votes on the same pair may be on others.
    """
    if not facts.table.has("context") and facts.table.column("outputs").explode().null_count() > 0:
        return
    known = facts.asked.with_columns(rater=facts.table.column("rater")).filter(pl.col("rater").is_not_null())
    groups = known.group_by("rater", "question").agg(n=pl.len(), answers=pl.col("answer").n_unique())
    again = groups.filter(pl.col("n") > 1).sort("n", "rater", descending=[True, False])
    same = int(again.filter(pl.col("answers") == 1).select((pl.col("n") - 1).sum()).item() or 0)
    if same:
        yield Finding(
            "feedback.duplicates",
            "warning" if same > 0.1 * facts.n else "note",
            f"{records(same)} repeat an answer that the same rater had already given to the same question.",
            "If the file holds them by mistake, remove them; if the rater was asked again, all is well.",
            same,
            _some(again.filter(pl.col("answers") == 1)["rater"].unique(maintain_order=True)),
        )
    contrary = again.filter(pl.col("answers") > 1)
    if contrary.height:
        share = contrary.height / again.height
        yield Finding(
            "feedback.contradictions",
            "warning" if share > 0.2 else "note",
            f"Asked the same question again, raters gave another answer in {contrary.height:,} of {again.height:,} "
            f"cases ({percent(share)}).",
            "This is how far raters agree with themselves; no model can agree with them more.",
            contrary.height,
            _some(contrary["rater"].unique(maintain_order=True)),
        )


def _fast(facts: Facts) -> Iterator[Finding]:
    """Judgements given faster than what was shown can be read."""
    timed = pl.DataFrame([facts.table.column(name) for name in ("rater", "seconds", "outputs")]).drop_nulls("seconds")
    characters = pl.col("outputs").list.eval(pl.element().str.len_chars()).list.sum().fill_null(0)
    needed = pl.max_horizontal(pl.lit(_FAST_SECONDS), characters / _FAST_CHARACTERS)
    fast = timed.filter(pl.col("seconds") < needed)
    if fast.height >= max(_FEW, 0.01 * timed.height):
        yield Finding(
            "feedback.fast",
            "warning",
            f"{fast.height:,} of {timed.height:,} timed judgements ({percent(fast.height / timed.height)}) took less "
            f"than {_FAST_SECONDS:g} second, or than one for each {_FAST_CHARACTERS:g} characters shown: too short to "
            "read them.",
            "Look at these raters' votes, or check that times are in seconds; fit(pace='apart') lets hasty votes tell "
            "less.",
            fast.height,
            _some(fast["rater"].drop_nulls().value_counts(sort=True)["rater"]),
        )


# Answers


def _ties(facts: Facts) -> Iterator[Finding]:
    total = facts.comparisons.height
    undecided = total - int(facts.comparisons["choice"].is_in(DECIDED).sum())
    if not undecided:
        return
    if undecided == total:
        yield Finding(
            "feedback.all_ties",
            "problem",
            f"None of the {total:,} comparisons was decided: all are ties, so nothing can be ranked.",
            "Ask for a decision, or compare outputs that differ more.",
            total,
        )
    elif undecided >= _MANY_TIES * total:
        yield Finding(
            "feedback.many_ties",
            "note",
            f"{undecided:,} of {total:,} comparisons were not decided ({percent(undecided / total)}).",
            "Outputs may be too alike, or the question unclear.",
            undecided,
        )


def _one_answer(facts: Facts) -> Iterator[Finding]:
    """Labels or ratings that are all the same."""
    for kind in ("label", "rating"):
        frame = pl.DataFrame([facts.table.column(name) for name in ("kind", "criterion", kind)])
        groups = frame.filter(pl.col("kind") == kind).group_by("criterion", maintain_order=True)
        found = groups.agg(n=pl.len(), values=pl.col(kind).n_unique(), said=pl.col(kind).first())
        for row in found.filter((pl.col("values") == 1) & (pl.col("n") >= _FEW)).iter_rows(named=True):
            said = ("yes" if row["said"] else "no") if kind == "label" else f"{row['said']:g}"
            yield Finding(
                "feedback.one_answer",
                "problem",
                f"All {row['n']:,} {kind}s of {row['criterion']!r} are {said}: nothing can be learned from them.",
                "Judge outputs of other quality too.",
                row["n"],
            )


def _mixed_scales(facts: Facts) -> Iterator[Finding]:
    frame = pl.DataFrame([facts.table.column(name) for name in ("kind", "criterion", "scale_low", "scale_high")])
    scales = frame.filter(pl.col("kind") == "rating").select(pl.exclude("kind")).unique()
    mixed = scales.filter(pl.len().over("criterion") > 1).sort("criterion", "scale_low", "scale_high")
    if mixed.height:
        told = [f"{row[0]}: {row[1]:g} to {row[2]:g}" for row in mixed.head(_SHOWN).iter_rows()]
        yield Finding(
            "feedback.mixed_scales",
            "warning",
            "Ratings of one criterion were given on different scales.",
            "Give each scale a criterion of its own, or rate on one scale.",
            mixed.height,
            tuple(told),
        )


def _empty_outputs(facts: Facts) -> Iterator[Finding]:
    flat = facts.table.frame.select("outputs", "systems").explode("outputs", "systems")
    empty = int((flat["outputs"] == "").sum())
    if empty:
        share = empty / flat.height
        yield Finding(
            "feedback.empty_outputs",
            "warning" if share > 0.05 else "note",
            f"{empty:,} of {flat.height:,} outputs judged are empty texts.",
            "They are kept: an empty answer is an answer. Check that no text was lost on the way.",
            empty,
        )
    unknown = flat.filter(pl.all_horizontal(pl.all().is_null())).height
    if unknown:
        yield Finding(
            "feedback.unknown_outputs",
            "problem",
            f"{unknown:,} outputs judged are not given, and neither is the system that wrote them.",
            "Join the judgements with their outputs.",
            unknown,
        )


def _identical(facts: Facts) -> Iterator[Finding]:
    if not facts.has_texts:
        return
    first, second = (pl.col("outputs").list.get(place) for place in (0, 1))
    same = facts.decided.filter(first == second).height
    if same:
        yield Finding(
            "feedback.identical",
            "warning",
            f"{same:,} comparisons between two identical texts were decided for one of them.",
            "Such votes are noise, or show that position decided; look at who gave them.",
            same,
        )


_EXAMINATIONS: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _rejected, _repeated_ids, _personal, _raters, _repeats, _fast, _ties, _one_answer, _mixed_scales, _empty_outputs,
    _identical, own_family, unknown_exposure, *LEANS,
)  # fmt: skip
