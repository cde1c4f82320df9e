"""What to ask whom, in which way, for the most information per cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heedful.core import Floats, InputError, Item, Queries, UsageError
from heedful.elicitation.beliefs import Indices, distinct_questions, utility_draws
from heedful.elicitation.budgets import Asked, Limits
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
    networks"; with a batch or a capacity that binds, no such bound holds).

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
        deviant = next((rater for rater in self.raters if rater.deviation), None)
        if deviant is not None:
            what = f"what {deviant.id!r} wants deviates from what people want"
            raise UsageError(what, where="GainPerCost", fix="use elicitation.Routed")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return Queries((), (), np.zeros(0), np.zeros(0))
        search = _search(self, posterior, pool)
        limits = Limits(search.cost, search.rater, self.raters, self.budget, self.batch)
        asked = limits.greedy(lambda possible: search.step(possible, rng))
        return search.queries(limits.or_one(asked, search.alone))


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

    def __init__(self, rule: GainPerCost, draws: Floats, groups: Sequence[_Group]) -> None:
        self.draws, self.groups = draws, groups
        self.histories = Histories.none(len(draws), limit=rule.histories)
        lengths = [len(group.questions) for group in groups]
        self.start = np.concatenate([[0], np.cumsum(lengths)])
        self.group = np.repeat(np.arange(len(groups)), lengths)
        self.cost = np.array([group.cost for group in groups])[self.group]
        self.bounds = np.full(len(self.group), np.inf)
        self.rater = np.array([rule.raters.index(group.rater) for group in groups], dtype=np.intp)[self.group]
        self.look(np.arange(len(self.group)))
        self.alone = self.bounds.copy()

    def look(self, numbers: Indices) -> None:
        """Set the bounds of some questions to what their answers tell now."""
        for group in np.unique(self.group[numbers]).tolist():
            own = numbers[self.group[numbers] == group]
            for begin in range(0, len(own), _CHUNK):
                block = own[begin : begin + _CHUNK]
                self.bounds[block] = self.histories.gain(self.outcomes(group, block))

    def outcomes(self, group: int, numbers: Indices) -> Floats:
        own = self.groups[group]
        return own.law(self.draws[:, own.members[numbers - self.start[group]]])

    def best(self, possible: Indices) -> int:
        """The question of the greatest gain per cost; those whose bound is below what was found are not looked at."""
        order = possible[np.argsort(-self.bounds[possible] / self.cost[possible], kind="stable")]
        best, top = int(order[0]), -np.inf
        for begin in range(0, len(order), _CHUNK):
            block = order[begin : begin + _CHUNK]
            if self.bounds[block[0]] / self.cost[block[0]] <= top:
                break
            self.look(block)
            value = self.bounds[block] / self.cost[block]
            if value.max() > top:
                best, top = int(block[value.argmax()]), float(value.max())
        return best

    def step(self, possible: Indices, rng: np.random.Generator) -> tuple[int, float]:
        """Ask the best of the questions that may be asked."""
        best = self.best(possible)
        self.histories = self.histories.ask(self.outcomes(int(self.group[best]), np.array([best]))[:, :, 0], rng)
        return best, float(self.bounds[best])

    def queries(self, asked: Asked) -> Queries:
        numbers = [number for number, _ in asked]
        groups = [self.groups[self.group[number]] for number in numbers]
        return Queries(
            tuple(
                g.questions[number - self.start[self.group[number]]] for g, number in zip(groups, numbers, strict=True)
            ),
            tuple(group.rater.id for group in groups),
            np.array([gain for _, gain in asked], dtype=np.float64),
            self.cost[numbers] if numbers else np.zeros(0),
            kind=tuple(group.kind for group in groups),
        )


def _search(rule: GainPerCost, posterior: Any, pool: Sequence[tuple[Item, ...]]) -> _Search:
    for row, question in enumerate(pool):
        if not question or len(set(question)) != len(question):
            raise InputError("a question is about different items", where=f"pool, row {row}")
        if not any(_takes(kind, len(question)) for kind in rule.costs):
            what = f"none of {', '.join(rule.costs)} asks about {len(question)} items"
            raise UsageError(what, where=f"pool, row {row}", fix="give the cost of a kind that does")
    items, questions, members = distinct_questions(pool)
    draws = utility_draws(posterior, items)
    unknown = np.isnan(draws).any(axis=0)
    if unknown.any():
        item = items[int(unknown.argmax())]
        fix = "ask about it by ExpectedInformationGain first"
        raise InputError(f"nothing is known of {item.system or item.key!r}", where="GainPerCost", fix=fix)
    return _Search(rule, draws, list(_groups(rule, posterior, questions, members)))


def _groups(
    rule: GainPerCost, posterior: Any, questions: Sequence[tuple[Item, ...]], members: Indices
) -> Iterator[_Group]:
    lengths = (members >= 0).sum(axis=1)
    for size in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == size)
        own = tuple(questions[row] for row in rows.tolist())
        for kind, cost in rule.costs.items():
            for rater in rule.raters if _takes(kind, size) else ():
                law = rater.answering(answer_law(posterior, kind, rater.id))
                yield _Group(kind, rater, own, members[rows, :size], cost * rater.price, law)


def _takes(kind: str, size: int) -> bool:
    low, high = sizes(kind)
    return low <= size <= high
