"""What to ask whom, in which way, for the most information per cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.beliefs import Indices, utility_draws
from heedful.elicitation.information import Histories
from heedful.elicitation.kinds import AnswerLaw, answer_law, sizes
from heedful.elicitation.respondents import Respondent

# Questions looked at in one go.
_CHUNK = 256


@dataclass(frozen=True)
class GainPerCost:
    """Questions of several kinds to several raters, by what their answers tell of people's utilities per cost.

    costs: what a question of each kind costs (seconds, money); a question of the pool may be asked in every kind that
    takes as many items, and costs a rater's `price` times that. Chosen greedily, each by its information in nats
    *given* the answers to those before it, over its cost, until `batch` questions are asked or the `budget` is spent;
    where a single question within the budget tells more than all of these, it alone is asked. That is at least
    (1 − 1/e)/2 of the most that the budget can buy (Leskovec et al. 2007, "Cost-effective outbreak detection in
    networks", theorem 2; with a batch or a capacity that binds, no such bound holds).

    Answers are independent given the utilities: right for attention and sharpness, an approximation where several
    answers share a rater's own use of a scale. Model judges, who share their deviation from people over all they say,
    are for `Routed`. Gains are over the posterior's draws, k of which carry at most ln k nats. Raises InputError for an
    item that the posterior knows nothing of, UsageError for a question that no kind can ask.
    """

    costs: Mapping[str, float] = field(default_factory=lambda: {"comparison": 1.0})
    budget: float = np.inf
    batch: int = 10
    raters: tuple[Respondent, ...] = (Respondent(),)
    histories: int = 128

    def __post_init__(self) -> None:
        if self.batch < 1 or self.histories < 1:
            raise UsageError(f"batch and histories are at least 1, not {self.batch} and {self.histories}")
        if not self.costs or not self.raters or not all(0 < cost < np.inf for cost in self.costs.values()):
            raise UsageError(
                "every kind of question has a cost above 0, and somebody can be asked", where="GainPerCost"
            )
        if not self.budget >= 0:
            raise UsageError(f"a budget is 0 or more, not {self.budget}", where="GainPerCost")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return Queries((), (), np.zeros(0), np.zeros(0))
        search = _search(self, posterior, pool)
        asked = search.greedy(self, rng)
        single = search.single(self) if np.isfinite(self.budget) else []
        told, alone = (sum(gain for _, gain in found) for found in (asked, single))
        return search.queries(single if alone > told else asked)


@dataclass(frozen=True)
class _Group:
    """Questions of one kind and size to one rater: `members` [n, s] number the items of each."""

    kind: str
    rater: Respondent
    questions: tuple[tuple[Item, ...], ...]
    members: Indices
    cost: float
    law: AnswerLaw


class _Search:
    """All that could be asked, numbered group after group, with an upper bound on what the answer to each tells."""

    def __init__(self, draws: Floats, groups: Sequence[_Group]) -> None:
        self.draws, self.groups = draws, groups
        lengths = [len(group.questions) for group in groups]
        self.start = np.concatenate([[0], np.cumsum(lengths)])
        self.group = np.repeat(np.arange(len(groups)), lengths)
        self.cost = np.array([group.cost for group in groups])[self.group]
        self.bounds = np.full(len(self.group), np.inf)
        self.gain(np.arange(len(self.group)), Histories.none(len(draws), limit=1))
        self.alone = self.bounds.copy()

    def gain(self, numbers: Indices, histories: Histories) -> None:
        """Set the bounds of some questions to what their answers tell now."""
        for group in np.unique(self.group[numbers]).tolist():
            own = numbers[self.group[numbers] == group]
            for begin in range(0, len(own), _CHUNK):
                block = own[begin : begin + _CHUNK]
                self.bounds[block] = histories.gain(self.outcomes(group, block))

    def outcomes(self, group: int, numbers: Indices) -> Floats:
        own = self.groups[group]
        return own.law(self.draws[:, own.members[numbers - self.start[group]]])

    def best(self, possible: Indices, histories: Histories) -> int:
        """The question of the greatest gain per cost; those whose bound is below what was found are not looked at."""
        order = possible[np.argsort(-self.bounds[possible] / self.cost[possible], kind="stable")]
        best, top = int(order[0]), -np.inf
        for begin in range(0, len(order), _CHUNK):
            block = order[begin : begin + _CHUNK]
            if self.bounds[block[0]] / self.cost[block[0]] <= top:
                break
            self.gain(block, histories)
            value = self.bounds[block] / self.cost[block]
            if value.max() > top:
                best, top = int(block[value.argmax()]), float(value.max())
        return best

    def greedy(self, rule: GainPerCost, rng: np.random.Generator) -> list[tuple[int, float]]:
        """What is asked, in order, with what each tells given the answers to those before it."""
        histories = Histories.none(len(self.draws), limit=rule.histories)
        left, room = rule.budget, {rater: rater.capacity for rater in rule.raters}
        waiting, found = np.ones(len(self.bounds), bool), list[tuple[int, float]]()
        while len(found) < rule.batch:
            free = np.array([room[group.rater] != 0 for group in self.groups])[self.group]
            possible = np.flatnonzero(waiting & free & (self.cost <= left))
            if not len(possible):
                break
            best = self.best(possible, histories)
            found.append((best, float(self.bounds[best])))
            waiting[best], left = False, left - float(self.cost[best])
            group = int(self.group[best])
            rater = self.groups[group].rater
            room[rater] = None if rater.capacity is None else (room[rater] or 0) - 1
            histories = histories.ask(self.outcomes(group, np.array([best]))[:, :, 0], rng)
        return found

    def single(self, rule: GainPerCost) -> list[tuple[int, float]]:
        """The one question that tells most of those within the budget."""
        room = np.array([group.rater.capacity != 0 for group in self.groups])[self.group]
        possible = np.flatnonzero(room & (self.cost <= rule.budget))
        best = possible[self.alone[possible].argmax()] if len(possible) else 0
        return [(int(best), float(self.alone[best]))] if len(possible) else []

    def queries(self, asked: Sequence[tuple[int, float]]) -> Queries:
        numbers = [number for number, _ in asked]
        groups = [self.groups[self.group[number]] for number in numbers]
        return Queries(
            tuple(
                g.questions[number - self.start[self.group[number]]] for g, number in zip(groups, numbers, strict=True)
            ),
            tuple(group.rater.id for group in groups),
            np.array([gain for _, gain in asked], dtype=np.float64),
            self.cost[numbers] if numbers else np.zeros(0),
            tuple(group.kind for group in groups),
        )


def _search(rule: GainPerCost, posterior: Any, pool: Sequence[tuple[Item, ...]]) -> _Search:
    for row, question in enumerate(pool):
        if not question or len(set(question)) != len(question):
            raise InputError("a question is about different items", where=f"pool, row {row}")
        if not any(_takes(kind, len(question)) for kind in rule.costs):
            what = f"none of {', '.join(rule.costs)} asks about {len(question)} items"
            raise UsageError(what, where=f"pool, row {row}", fix="give the cost of a kind that does")
    distinct: dict[frozenset[Item], tuple[Item, ...]] = {}
    for question in pool:
        distinct.setdefault(frozenset(question), question)
    questions = tuple(distinct.values())
    items = tuple(dict.fromkeys(item for question in questions for item in question))
    draws = utility_draws(posterior, items)
    unknown = np.isnan(draws).any(axis=0)
    if unknown.any():
        item = items[int(unknown.argmax())]
        fix = "ask about it by ExpectedInformationGain first"
        raise InputError(f"nothing is known of {item.system or item.key!r}", where="GainPerCost", fix=fix)
    number = {item: place for place, item in enumerate(items)}
    return _Search(draws, list(_groups(rule, posterior, questions, number)))


def _groups(
    rule: GainPerCost, posterior: Any, questions: Sequence[tuple[Item, ...]], number: Mapping[Item, int]
) -> Iterator[_Group]:
    for size in dict.fromkeys(map(len, questions)):
        own = tuple(question for question in questions if len(question) == size)
        members = np.array([[number[item] for item in question] for question in own], dtype=np.intp)
        for kind, cost in rule.costs.items():
            for rater in rule.raters if _takes(kind, size) else ():
                law = rater.answering(answer_law(posterior, kind, rater.id))
                yield _Group(kind, rater, own, members, cost * rater.price, law)


def _takes(kind: str, size: int) -> bool:
    low, high = sizes(kind)
    return low <= size <= high
