"""From candidates, questions or feedback to the votes of a model judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from heedful.core import Budget, InputError, Item, UsageError
from heedful.evidence import OVERALL, Criterion, ListJudge, PairJudge, ScoreJudge
from heedful.feedback import Table, read, read_candidates
from heedful.feedback.formats.asked import items_asked
from heedful.feedback.source import rows_of
from heedful.models import Writer

JudgedKind = Literal["pairs", "lists", "scores"]
Groups = tuple[tuple[Item, ...], ...]
JUDGED: tuple[JudgedKind, ...] = ("pairs", "lists", "scores")


@dataclass(frozen=True)
class Judging:
    """How a model judges: pairs in both orders, `votes` samples of each; lists in `votes` orders; scores, `votes` each.

    Of pairs, at most `most` chosen at random; scores by all criteria in one call where `at_once`.
    """

    kind: JudgedKind = "pairs"
    criteria: tuple[Criterion, ...] = (OVERALL,)
    votes: int = 1
    most: int | None = None
    at_once: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in JUDGED:
            raise UsageError(f"no kind {self.kind!r}", where="kind", fix=f"one of {', '.join(JUDGED)}")
        if self.most is not None and (self.kind != "pairs" or self.most < 1):
            raise UsageError("a number of pairs is 1 or more, and of pairs alone", where="most")
        if self.at_once and self.kind != "scores":
            raise UsageError("all criteria at once are of scores alone", where="at_once")

    def chosen(self, groups: Groups) -> Groups:
        """What is judged of these groups: their pairs, they themselves where they hold two, or each item once."""
        if self.kind == "scores":
            return tuple((item,) for item in dict.fromkeys(item for group in groups for item in group))
        if self.kind == "lists":
            return tuple(group for group in groups if len(group) > 1)
        pairs = {frozenset(pair): pair for group in groups for pair in combinations(group, 2) if pair[0] != pair[1]}
        found = tuple(pairs.values())
        if self.most is None or len(found) <= self.most:
            return found
        rows = np.random.default_rng(self.seed).permutation(len(found))[: self.most]
        return tuple(found[row] for row in sorted(rows.tolist()))

    def most_calls(self, chosen: Groups) -> int:
        """The most calls that judging can take: each answer may be asked for twice."""
        per_group = self.votes * (2 if self.kind == "pairs" else 1) * (1 if self.at_once else len(self.criteria))
        return 2 * per_group * len(chosen)


def groups_to_judge(path: str) -> Groups:
    """Groups of candidates from a file of candidates, of questions (`heedful ask --out`) or of any feedback.

    Each different group once. Raises InputError where the file is none of these.
    """
    rows = list(rows_of(path))
    try:
        asked = [items_asked(row) for _, row in rows]
    except ValueError as error:
        raise InputError(str(error), where=path) from error
    if rows and all(asked):
        return _different(own for own in asked if own is not None)
    try:
        return _different(read_candidates(path))
    except InputError:
        found = read(path).table
        if not len(found):
            raise
        return _different(record.items() for record in found.records())


def judge(
    writer: Writer, name: str, chosen: Groups, how: Judging, *, budget: Budget | None = None
) -> tuple[Table, Any]:
    """The votes of a judge of this name, and an account of them as JSON values.

    The account has `votes`, `missing` and `repaired` answers, the `position_bias` (and `flips`, of pairs) by criterion,
    and what was spent. Raises UsageError where there is nothing to judge, and what the judges of `heedful.evidence` do.
    """
    if not chosen:
        raise UsageError("there is nothing to judge", where="judge", fix="give contexts with two or more outputs each")
    found = list(_verdicts(writer, name, chosen, how, budget))
    table = Table.concat([own.table() for own in found])
    cost: Counter[str] = Counter()
    for own in found:
        cost.update(own.cost)
    account = {
        "judge": name,
        "kind": how.kind,
        "judged": len(chosen),
        "votes": len(table),
        "missing": sum(own.missing for own in found),
        "repaired": sum(own.repaired for own in found),
        "criteria": [_account(own) for own in found if how.kind != "scores"],
        "cost": dict(cost),
    }
    return table, account


def _verdicts(writer: Writer, name: str, chosen: Groups, how: Judging, budget: Budget | None) -> Iterator[Any]:
    if how.kind == "scores":
        items = [group[0] for group in chosen]
        for criteria in [how.criteria] if how.at_once else [(own,) for own in how.criteria]:
            yield ScoreJudge(writer, name, criteria, how.votes).judge(items, budget=budget)
        return
    for criterion in how.criteria:
        if how.kind == "lists":
            yield ListJudge(writer, name, criterion, how.votes, seed=how.seed).judge(chosen, budget=budget)
        else:
            first, second = zip(*chosen, strict=True)
            yield PairJudge(writer, name, criterion, how.votes).judge(first, second, budget=budget)


def _account(verdicts: Any) -> dict[str, Any]:
    names = ("position_bias", "flips") if hasattr(verdicts, "flips") else ("position_bias",)
    return {"criterion": verdicts.criterion} | {name: asdict(getattr(verdicts, name)) for name in names}


def _different(groups: Sequence[tuple[Item, ...]] | Iterator[tuple[Item, ...]]) -> Groups:
    return tuple({frozenset(group): group for group in groups}.values())
