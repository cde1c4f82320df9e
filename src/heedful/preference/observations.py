"""Feedback tables as integer arrays over item indices: what the likelihoods are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from heedful.core import Floats, Item, decode_parts
from heedful.feedback import CHOICES, KINDS, Table
from heedful.feedback.record import Kind
from heedful.preference.instruments import (
    STEPS,
    Comparisons,
    Grades,
    Indices,
    Instrument,
    Observations,
    Selections,
    distinct,
    item_arrays,
    judged_kind,
    paced_kind,
    renumbered,
    taken,
)
from heedful.preference.signals import signals_by_position
from heedful.preference.stages import ABSENT, UNRANKED, pick_stages, ranking_stages

__all__ = [
    "FITTED_KINDS", "Comparisons", "Grades", "Identity", "Indices", "Instrument", "Observations", "Selections",
    "distinct", "judges_beside_people", "observe",
]  # fmt: skip

FITTED_KINDS = ("comparison", "ranking", "best_of", "rating", "label", "edit", "steps", "implicit")
"""The record kinds that have a likelihood. Others are kept in the table and not used by the fit."""

_COLUMNS = (
    "kind", "context", "outputs", "systems", "criterion", "address", "choice", "degree", "share", "ranks", "best",
    "worst", "rating", "scale_low", "scale_high", "label", "steps", "signal", "amount", "propensity", "position",
    "protocol", "source", "rater", "rater_kind", "seconds",
)  # fmt: skip

Identity = Literal["system", "content"]

# A rating scale with more distinct values than this is cut into bins of about equal counts: the cumulative logit uses
# only the order of the values, and ten bins keep about 99 % of what the order tells (Agresti 2010, section 3.3).
MAX_LEVELS = 12
BINS = 10
# Comparisons with more distinct degrees than this are read by their choice alone: each degree has a parameter.
MAX_DEGREES = 7
# Comparisons answered in less than half, or more than twice, the median time of their rater are instruments apart.
PACES = {"fast": (0.0, 0.5), "slowly": (2.0, np.inf)}
# Each judge read apart has as many deviations as there are items or features.
MOST_JUDGES = 5
OTHER_JUDGES, UNNAMED_JUDGE = "other judges", "judges without a name"
SEVERAL_SORTS = "by a judge of whom more judgements of another sort are used"
NO_LIKELIHOOD = "of kind {}, which has no likelihood of its own"
TOO_MANY_DEGREES = f"more than {MAX_DEGREES} distinct degrees"
UNKNOWN_OUTPUT = "the output is not known"
MISSING_DEGREES = "other votes under the same protocol have none"


def observe(
    table: Table,
    criterion: str,
    *,
    identity: Identity = "system",
    half_ties: bool = False,
    soft_votes: bool = True,
    apart: Mapping[str, str] | None = None,
    by_pace: bool = False,
) -> Observations:
    """The votes of a table on one criterion.

    `identity` says what an item is: "system", the system that wrote the output where it is known and else the content;
    or "content", the output in its context. `half_ties` counts a tie as half a win for each; `soft_votes` counts a
    comparison with a share as that fraction of a win for the first, instead of by its choice. Models and rules in
    `apart` get instruments of their own, named after the judge that `apart` takes them for; of each judge the sort with
    most votes is used. `by_pace` makes instruments of their own of the other comparisons that were answered fast or
    slowly, beside the median time of the same rater. Judgements that contradict no model but say nothing about
    utilities (both bad, incomparable), of parts of outputs, of candidates that are not known, or of an item against
    itself are excluded and counted.

    Degrees are read where all decided votes of one source under one protocol have one: whether a question asked for a
    degree must not depend on how it was answered, and a tie never has one.
    """
    return _Compilation(table, criterion, identity, half_ties, soft_votes).result(apart or {}, by_pace)


def judges_beside_people(table: Table, criterion: str) -> dict[str, str]:
    """The models and rules that judged on a criterion, where people (or raters of unknown kind) did too.

    Each rater with the judge it is taken for: itself, or, where there are many, all but the most frequent as one.
    """
    if not table.has("rater_kind"):
        return {}
    frame = table.frame.filter((pl.col("criterion") == criterion) & pl.col("kind").cast(pl.String).is_in(FITTED_KINDS))
    judge = _judge(frame)
    if not judge.null_count():
        return {}
    counted = judge.drop_nulls().value_counts().sort("count", "rater", descending=[True, False])
    judges = counted["rater"].to_list()
    kept = judges if len(judges) <= MOST_JUDGES else judges[: MOST_JUDGES - 1]
    return {judge: judge for judge in kept} | dict.fromkeys(judges[len(kept) :], OTHER_JUDGES)


def _judge(frame: pl.DataFrame) -> pl.Series:
    """The model or rule that gave each judgement, null for people and raters of unknown kind."""
    machine = pl.col("rater_kind").cast(pl.String).is_in(("model", "rule")).fill_null(False)
    rater = pl.col("rater") if "rater" in frame.columns else pl.lit(None, pl.String)
    return frame.select(rater=pl.when(machine).then(rater.fill_null(UNNAMED_JUDGE))).to_series()


class _Compilation:
    """One pass over a table; holds the flat candidate list while the instruments are built."""

    def __init__(self, table: Table, criterion: str, identity: Identity, half_ties: bool, soft_votes: bool) -> None:
        self.excluded: dict[str, int] = {}
        self.by_choice: dict[str, int] = {}
        self.half_ties, self.soft_votes = half_ties, soft_votes
        self.identity = identity
        frame = table.frame.select(name for name in table.frame.columns if name in _COLUMNS).with_row_index("row")
        for reason, keep in _row_filters(table, criterion):
            passed = int(frame.select(keep.sum()).item())
            self._count(reason, frame.height - passed)
            frame = frame if passed == frame.height else frame.filter(keep)
        self.names, self.contents, codes = _item_codes(frame, identity)
        self.frame, self.codes = self._known(frame, codes)
        lengths = self.frame["systems"].list.len().to_numpy().astype(np.intp)
        self.start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        self.kind = self.frame["kind"].to_physical().to_numpy()
        self.table_row = self.frame["row"].to_numpy().astype(np.intp)
        self.raters, self.rater = _codes(self._raters())

    def result(self, apart: Mapping[str, str], by_pace: bool) -> Observations:
        built: dict[str, Instrument] = {
            **self._comparisons(),
            **self._rankings(),
            **self._best_of(),
            **self._edits(),
            **self._ratings(),
            **self._labels(),
            **self._steps(),
            **self._implicit(),
        }
        used = {name: instrument for name, instrument in built.items() if len(instrument.row)}
        people, judged = self._by_judge(used, apart)
        if by_pace and "seconds" in self.frame.columns:
            people = self._by_pace(people)
        return self._compact(people, judged)

    def _by_pace(self, instruments: dict[str, Instrument]) -> dict[str, Instrument]:
        """Comparisons answered fast or slowly apart from the others, and from those whose time is not known.

        Those of judges read apart stay together: of each judge one sort of votes is used.
        """
        votes = instruments.get("comparison")
        if votes is None:
            return instruments
        usual = pl.col("seconds").median()
        usual = usual.over(pl.col("rater").fill_null("")) if "rater" in self.frame.columns else usual
        timed = self.frame.filter(pl.col("kind") == "comparison").select("row", pace=pl.col("seconds") / usual)
        pace = np.full(int(self.table_row.max(initial=-1)) + 1, 1.0)
        pace[timed["row"].to_numpy()] = timed["pace"].fill_null(1.0).fill_nan(1.0).to_numpy()
        own = pace[votes.row]
        found = {name: (low <= own) & (own < high) & (own != 1.0) for name, (low, high) in PACES.items()}
        parts = {paced_kind("comparison", name): taken(votes, mine) for name, mine in found.items()}
        told = {**instruments, "comparison": taken(votes, ~np.any(list(found.values()), axis=0)), **parts}
        return {name: own for name, own in told.items() if len(own.row)}

    def _by_judge(
        self, instruments: dict[str, Instrument], apart: Mapping[str, str]
    ) -> tuple[dict[str, Instrument], dict[str, str]]:
        """Each instrument in parts: the votes of people and, in instruments of their own, of the judges `apart`."""
        if not apart or "rater_kind" not in self.frame.columns:
            return instruments, {}
        judges = sorted(set(apart.values()))
        number = {rater: judges.index(judge) for rater, judge in apart.items()}
        judge = np.full(int(self.table_row.max(initial=-1)) + 1, -1)
        told = _judge(self.frame).replace_strict(number, default=-1, return_dtype=pl.Int64)
        judge[self.table_row] = told.fill_null(-1).to_numpy()
        people: dict[str, Instrument] = {}
        by_judge: dict[int, dict[str, Instrument]] = {}
        for name, votes in instruments.items():
            codes = judge[votes.row]
            for code in np.unique(codes).tolist():
                own = people if code < 0 else by_judge.setdefault(code, {})
                own[name] = taken(votes, codes == code)
        judged = {}
        for code, sorts in sorted(by_judge.items()):
            # One judge has one set of deviations, which votes of several sorts would each count for themselves.
            chosen = max(sorts, key=lambda name: len(sorts[name].row))
            self._count(SEVERAL_SORTS, sum(len(distinct([v.row])) for name, v in sorts.items() if name != chosen))
            people[kind := judged_kind(chosen, judges[code])] = sorts[chosen]
            judged[kind] = judges[code]
        return people, judged

    def _compact(self, instruments: dict[str, Instrument], judged: dict[str, str]) -> Observations:
        """Only the items that some vote is about, renumbered."""
        seen = np.zeros(len(self.names), bool)
        for instrument in instruments.values():
            for index in item_arrays(instrument).values():
                seen[index[index >= 0]] = True
        new = np.where(seen, np.cumsum(seen) - 1, -1)
        kept = np.flatnonzero(seen)
        names = tuple(self.names[i] for i in kept)
        contents = None if self.contents is None else tuple(self.contents[i] for i in kept)
        moved = {name: renumbered(instrument, new) for name, instrument in instruments.items()}
        raters = tuple(self.raters)
        return Observations(names, contents, moved, self.excluded, self.by_choice, judged, raters)

    def _count(self, reason: str, number: int) -> None:
        if number:
            self.excluded[reason] = self.excluded.get(reason, 0) + int(number)

    def _known(self, frame: pl.DataFrame, codes: Indices) -> tuple[pl.DataFrame, Indices]:
        """Without the rows in which a candidate is not known."""
        if not (codes < 0).any():
            return frame, codes
        lengths = frame["systems"].list.len().to_numpy()
        owner = np.repeat(np.arange(frame.height), lengths)
        known = np.bincount(owner[codes < 0], minlength=frame.height) == 0
        what = "neither system nor output is known" if self.identity == "system" else UNKNOWN_OUTPUT
        self._count(f"a candidate of which {what}", int((~known).sum()))
        return frame.filter(pl.Series(known)), codes[known[owner]]

    def _raters(self) -> pl.Series:
        if "rater" in self.frame.columns:
            return self.frame["rater"]
        return pl.repeat(None, self.frame.height, eager=True, dtype=pl.String)

    def _grades(self, rows: Indices, value: Floats, weight: Floats | None = None) -> Grades:
        """What raters said of the only candidate of each of these rows."""
        return Grades(self.table_row[rows], self.codes[self.start[rows]], value, weight, self.rater[rows])

    def _rows_of(self, kind: Kind) -> Indices:
        return np.flatnonzero(self.kind == KINDS.index(kind))

    def _floats(self, column: str, rows: Indices) -> Floats:
        if column not in self.frame.columns:
            return np.full(len(rows), np.nan)
        return self.frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()[rows]

    def _pairs(self, rows: Indices) -> tuple[Indices, Indices, Indices]:
        """Rows, first and second items of records on two candidates, without items against themselves."""
        first, second = self.codes[self.start[rows]], self.codes[self.start[rows] + 1]
        distinct = first != second
        self._count("an item against itself", int((~distinct).sum()))
        return rows[distinct], first[distinct], second[distinct]

    def _comparisons(self) -> dict[str, Instrument]:
        rows = self._rows_of("comparison")
        if not len(rows):
            return {}
        choice = self.frame["choice"].to_physical().to_numpy()
        for code in (3, 4):
            self._count(f"a comparison answered {CHOICES[code].replace('_', ' ')}", int((choice[rows] == code).sum()))
        rows, first, second = self._pairs(rows[choice[rows] < 3])
        share, degree = self._floats("share", rows), self._floats("degree", rows)
        sign = np.array([1.0, -1.0, 0.0])[choice[rows].astype(np.intp)]
        graded = self._graded(rows, np.isnan(share), sign, degree)
        if not self.soft_votes:
            share = np.full(len(rows), np.nan)
        share = np.where(np.isnan(share) & (sign == 0) & self.half_ties, 0.5, share)
        outcome, where = np.where(sign == 0, 0.0, sign * degree), self.table_row[rows]
        return {
            "comparison": _comparisons(where, first, second, sign, share, ~graded),
            "comparison with degree": _comparisons(where, first, second, outcome, share, graded),
        }

    def _graded(self, rows: Indices, hard: NDArray[np.bool_], sign: Floats, degree: Floats) -> NDArray[np.bool_]:
        """Which votes answer a question that asked for a degree."""
        given = hard & (sign != 0) & ~np.isnan(degree)
        if not given.any():
            return np.zeros(len(rows), bool)
        asked = [name for name in ("source", "protocol") if name in self.frame.columns]
        groups = np.zeros(len(rows), np.intp)
        if asked:
            groups = self.frame.select(pl.struct(asked).rank("dense").cast(pl.Int64)).to_series().to_numpy()[rows]
        some = np.bincount(groups, given) > 0
        lacking = np.bincount(groups, hard & (sign != 0) & np.isnan(degree)) > 0
        self._by_choice(MISSING_DEGREES, given & lacking[groups])
        given &= ~lacking[groups]
        if len(np.unique(degree[given])) > MAX_DEGREES:
            self._by_choice(TOO_MANY_DEGREES, given)
            return np.zeros(len(rows), bool)
        return np.asarray(hard & (some & ~lacking)[groups])

    def _by_choice(self, reason: str, votes: NDArray[np.bool_]) -> None:
        if votes.any():
            self.by_choice[reason] = int(votes.sum())

    def _edits(self) -> dict[str, Instrument]:
        rows, original, edited = self._pairs(self._rows_of("edit"))
        members = np.stack([original, edited], axis=1)
        chosen = np.broadcast_to([False, True], members.shape)
        return {"edit": Selections(self.table_row[rows], members, chosen)}

    def _best_of(self) -> dict[str, Instrument]:
        rows = self._distinct(self._rows_of("best_of"))
        if not len(rows):
            return {}
        members, _ = self._padded(rows)
        best, worst = (np.nan_to_num(self._floats(name, rows), nan=-1).astype(np.intp) for name in ("best", "worst"))
        return {"best of": pick_stages(self.table_row[rows], members, best, worst)}

    def _rankings(self) -> dict[str, Instrument]:
        rows = self._distinct(self._rows_of("ranking"))
        if not len(rows):
            return {}
        members, present = self._padded(rows)
        ranks = np.full(members.shape, ABSENT)
        ranks[present] = self.frame["ranks"].gather(rows).explode().cast(pl.Int64).fill_null(UNRANKED).to_numpy()
        return {"ranking": ranking_stages(self.table_row[rows], members, ranks)}

    def _distinct(self, rows: Indices) -> Indices:
        """Without records in which an item stands twice."""
        if not len(rows):
            return rows
        members, _ = self._padded(rows)
        ordered = np.sort(members, axis=1)
        twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
        self._count("an item against itself", int(twice.sum()))
        return np.asarray(rows[~twice])

    def _padded(self, rows: Indices) -> tuple[Indices, NDArray[np.bool_]]:
        """Candidates of each row [r, k], -1 beyond its own, and where there are candidates."""
        lengths = self.start[rows + 1] - self.start[rows]
        column = np.arange(lengths.max(initial=0))
        present = column < lengths[:, None]
        members = np.full(present.shape, -1, np.intp)
        members[present] = self.codes[(self.start[rows, None] + column)[present]]
        return members, present

    def _ratings(self) -> dict[str, Instrument]:
        rows = self._rows_of("rating")
        low, high = self._floats("scale_low", rows), self._floats("scale_high", rows)
        grades: dict[str, Instrument] = {}
        scales, which = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
        for number, (bottom, top) in enumerate(scales):
            chosen = rows[which.ravel() == number]
            grades[f"rating {bottom:g} to {top:g}"] = self._grades(chosen, self._floats("rating", chosen))
        return grades

    def _labels(self) -> dict[str, Instrument]:
        rows = self._rows_of("label")
        if not len(rows):
            return {}
        return {"label": self._grades(rows, self._floats("label", rows))}

    def _steps(self) -> dict[str, Instrument]:
        """Each mark of a step as a grade of the output that takes it."""
        rows = self._rows_of("steps")
        if not len(rows):
            return {}
        marks = self.frame["steps"].gather(rows)
        owner = np.repeat(rows, marks.list.len().fill_null(0).to_numpy())
        value = marks.explode(empty_as_null=False).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        marked = ~np.isnan(value)
        return {STEPS: self._grades(owner[marked], value[marked])}

    def _implicit(self) -> dict[str, Instrument]:
        rows = self._rows_of("implicit")
        if not len(rows):
            return {}
        told = (self._floats(name, rows) for name in ("amount", "propensity", "position"))
        items, signal = self.codes[self.start[rows]], self.frame["signal"].gather(rows)
        found, unused = signals_by_position(self.table_row[rows], items, signal, *told)
        for reason, number in unused.items():
            self._count(reason, number)
        return found


def _row_filters(table: Table, criterion: str) -> Iterable[tuple[str, pl.Expr]]:
    """Reasons for which records are not used, each with the rows that pass."""
    kind = pl.col("kind").cast(pl.String)
    yield "of another criterion", pl.col("criterion") == criterion
    present = sorted(table.frame["kind"].unique().cast(pl.String).to_list())
    for other in present:
        if other not in FITTED_KINDS:
            yield NO_LIKELIHOOD.format(other), kind != other
    if table.has("address"):
        yield "about a part of an output or a scope", pl.col("address").is_null()


def _item_codes(frame: pl.DataFrame, identity: Identity) -> tuple[list[str], list[tuple[str, str]] | None, Indices]:
    """Names, contents (None where items are told apart by system), the code of each candidate in turn, -1 unknown."""
    systems = frame["systems"].explode() if identity == "system" else None
    if systems is not None and systems.null_count() == 0:
        names, codes = _codes(systems)
        return names, None, codes
    contexts = frame["context"] if "context" in frame.columns else pl.Series("context", [""] * frame.height)
    candidates = pl.DataFrame({"context": contexts.fill_null(""), "output": frame["outputs"]}).explode("output")
    known = candidates["output"].is_not_null()
    named = pl.Series([None] * candidates.height, dtype=pl.String) if systems is None else systems
    by_content = named.is_null() & known
    contents, content_codes = _content_codes(candidates.filter(by_content))
    if systems is None:
        codes = np.full(candidates.height, -1, np.intp)
        codes[by_content.to_numpy()] = content_codes
        keys = [_key(context, output) for context, output in contents]
        order = np.argsort(np.array(keys, dtype=object)) if keys else np.zeros(0, np.intp)
        rank = np.empty(len(keys) + 1, np.intp)
        rank[order], rank[-1] = np.arange(len(keys)), -1
        return [keys[i] for i in order], [contents[i] for i in order], rank[codes]
    key_column = np.array([_key(*content) for content in contents], dtype=object)
    full = named.to_numpy().astype(object)
    full[by_content.to_numpy()] = key_column[content_codes] if len(contents) else full[by_content.to_numpy()]
    names, codes = _codes(pl.Series(full.tolist(), dtype=pl.String))
    return names, None, codes


def _codes(names: pl.Series) -> tuple[list[str], Indices]:
    """Distinct names, sorted, and the index of each entry among them (-1 for null)."""
    distinct = names.drop_nulls().unique().sort()
    physical = names.cast(pl.Enum(distinct)).to_physical()
    return distinct.to_list(), physical.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.intp)


def _content_codes(candidates: pl.DataFrame) -> tuple[list[tuple[str, str]], Indices]:
    """Distinct (context, output), in order of appearance, and the index of each row among them."""
    distinct = candidates.unique(maintain_order=True).with_row_index("code")
    joined = candidates.join(distinct, on=["context", "output"], how="left", maintain_order="left")
    return list(distinct.select("context", "output").iter_rows()), joined["code"].to_numpy().astype(np.intp)


def _key(context: str, output: str) -> str:
    return Item(decode_parts(context, "world"), decode_parts(output, "system")).key


def _comparisons(
    row: Indices, first: Indices, second: Indices, outcome: Floats, share: Floats, keep: NDArray[np.bool_]
) -> Comparisons:
    """The votes kept; one with a share becomes a win of that weight for the first, and of the rest for the second."""
    hard, soft = keep & np.isnan(share), keep & ~np.isnan(share)
    index = np.concatenate([np.flatnonzero(hard), np.flatnonzero(soft), np.flatnonzero(soft)])
    ones = np.ones(int(soft.sum()))
    outcomes = np.concatenate([outcome[hard], ones, -ones])
    weights = np.concatenate([np.ones(int(hard.sum())), share[soft], 1 - share[soft]])
    used = weights > 0
    index = index[used]
    return Comparisons(row[index], first[index], second[index], outcomes[used], weights[used])
