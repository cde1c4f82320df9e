"""Sums of looked-up values: plans that choose a sub-goal, carry it out, and may skip the look-up or botch the sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, Item, Part, Parts
from heedful.models import StepModel
from heedful.worlds.effects import normal_effect
from heedful.worlds.raters import Whole

QUERY, REASON, ANSWER = Part("query"), Part("reason"), Part("answer")
SUBGOALS = {QUERY: 0.4, REASON: 0.4, ANSWER: 0.2}
"""What a plan may do next, and how often the writer chooses it."""
LOOKUP_FEATURES = (
    "hops left",
    "doubt",
    "trouble",
    *(f"{goal.text}, {what}" for goal in (QUERY, REASON) for what in ("nothing", "the key", "another key")),
    "answer, all added",
    "answer, too early",
    "found the key",
    "found another key",
    "one",
)
_KEYS, _MODULUS, _HOPS, _ACTIONS = 8, 7, 2, 6
_FOUND, _SLIP, _RECALLED, _LOOK = 0.6, 0.2, 0.3, 1.5
_STORE_STREAM, _LOOK_STREAM = 41, 42

Ways = tuple[tuple[Part, ...], Sequence[float]]


class State(NamedTuple):
    """How far a plan has come: sums made, their total, the key looked up for the next, the sub-goal not yet carried
    out, sub-goals chosen; Σ −log P(right | look) of its sums, and sums made without the right key."""

    hop: int = 0
    total: int = 0
    key: int | None = None
    opened: Part | None = None
    actions: int = 0
    doubt: float = 0.0
    trouble: int = 0


@dataclass(frozen=True)
class LookupWorld:
    """Questions "add keys i, j" for the sum, modulo 7, of the values of two of the eight keys of a store.

    A plan chooses sub-goals, each a step, and carries each out in the next. A query finds the next key's value with
    probability 0.6, and else another's. A sum adds the value found, and slips one time in five; without one it recalls
    a value, rightly three times in ten. To answer is the end, and all that is left to do after both sums or five
    sub-goals. Sums look right or wrong (±0.75 and noise of standard deviation 1, fixed for each that can be made).
    """

    questions: int = 60
    seed: int = 0

    @cached_property
    def values(self) -> Whole:
        """Of each key [8]."""
        return np.random.default_rng([_STORE_STREAM, self.seed]).integers(_MODULUS, size=_KEYS)

    @cached_property
    def asked(self) -> Whole:
        """The keys of each question [questions, 2], in the order in which they are added."""
        rng = np.random.default_rng([_STORE_STREAM, self.seed, 1])
        return rng.random((self.questions, _KEYS)).argsort(axis=1)[:, :_HOPS]

    @cached_property
    def contexts(self) -> tuple[Parts, ...]:
        rows = enumerate(self.asked.tolist())
        return tuple(Item.of(f"Question {n}: add keys {one}, {two}.").context for n, (one, two) in rows)

    def writer(self, *, fixed: bool = False) -> StepModel:
        """The writer of plans; `fixed`: sub-goals are to query and to reason, hop by hop, and then to answer."""

        def following(context: Parts, steps: Parts) -> Ways:
            now = self.state(context, steps)
            return _subgoals(now, fixed) if now.opened is None else self._carried_out(self._number(context), now)

        return StepModel(following)

    def state(self, context: Parts, steps: Parts) -> State:
        """What the steps have come to."""
        key = context, steps
        if key not in self._states:
            self._states[key] = self._stepped(context, self.state(context, steps[:-1]), steps[-1]) if steps else State()
        return self._states[key]

    def _stepped(self, context: Parts, now: State, part: Part) -> State:
        if part in SUBGOALS:
            return now._replace(opened=part, actions=now.actions + 1)
        number = int(part.text.split()[1])
        if now.opened == QUERY:
            return now._replace(opened=None, key=number)
        return self._added(self._number(context), now, number)

    def right(self, items: Sequence[Item]) -> NDArray[np.bool_]:
        """Whether what a finished plan answers is the sum asked for [n]."""
        sums = self.values[self.asked].sum(axis=1) % _MODULUS
        found = [(self.state(item.context, item.output), sums[self._number(item.context)]) for item in items]
        return np.array([now.hop == _HOPS and now.total == total for now, total in found], dtype=np.bool_)

    def features(self, items: Sequence[Item]) -> Floats:
        """What is seen of each prefix [n, 14], in the order of `LOOKUP_FEATURES`.

        `doubt` and `trouble` are those of `State`; a sub-goal just chosen is told by what was looked up before it.
        """
        rows = np.zeros((len(items), len(LOOKUP_FEATURES)))
        for row, item in enumerate(items):
            now = self.state(item.context, item.output)
            looked = 0 if now.key is None else 1 if now.key == self._needed(self._number(item.context), now) else 2
            rows[row, :3] = _HOPS - now.hop, now.doubt, now.trouble
            if now.opened == ANSWER:
                rows[row, 9 + (now.hop < _HOPS)] = 1
            elif now.opened is not None:
                rows[row, 3 + 3 * (now.opened == REASON) + looked] = 1
            elif looked:
                rows[row, 10 + looked] = 1
        rows[:, -1] = 1
        return rows

    def _carried_out(self, number: int, now: State) -> Ways:
        """In which ways, and how often, a sub-goal is carried out."""
        if now.opened == ANSWER:
            return (), ()
        needed = self._needed(number, now)
        if now.opened == QUERY:
            share = np.where(np.arange(_KEYS) == needed, _FOUND, (1 - _FOUND) / (_KEYS - 1))
            return tuple(Part(f"key {key} is {self.values[key]}") for key in range(_KEYS)), share.tolist()
        right = _RECALLED if now.key is None else 1 - _SLIP
        share = np.full(_MODULUS, (1 - right) / (_MODULUS - 1))
        share[self._sum(needed, now)] = right
        return tuple(Part(f"total {total}") for total in range(_MODULUS)), share.tolist()

    def _added(self, number: int, now: State, total: int) -> State:
        needed = self._needed(number, now)
        code = 0 if now.key is None else now.key + 1
        side = 0.5 if total == self._sum(needed, now) else -0.5
        look = side * _LOOK + self._looks[number, now.hop, now.total, code, total]
        doubt = now.doubt + float(np.logaddexp(0, -_LOOK * look))
        trouble = now.trouble + (now.key != needed)
        return now._replace(hop=now.hop + 1, total=total, key=None, opened=None, doubt=doubt, trouble=trouble)

    def _needed(self, number: int, now: State) -> int:
        return int(self.asked[number, now.hop])

    def _sum(self, needed: int, now: State) -> int:
        """The total that adds the value found, or rightly recalled."""
        return int((now.total + self.values[needed if now.key is None else now.key]) % _MODULUS)

    @cached_property
    def _looks(self) -> Floats:
        """Noise of the look of each sum that can be made, by question, hop, total before, key and total after."""
        cells = np.ogrid[: self.questions, :_HOPS, :_MODULUS, : _KEYS + 1, :_MODULUS]
        return normal_effect(self.seed, _LOOK_STREAM, *cells)

    @cached_property
    def _states(self) -> dict[tuple[Parts, Parts], State]:
        return {}

    @cached_property
    def _numbers(self) -> dict[Parts, int]:
        return {context: number for number, context in enumerate(self.contexts)}

    def _number(self, context: Parts) -> int:
        if context not in self._numbers:
            raise InputError("this context is no question of this world", where="LookupWorld")
        return self._numbers[context]


def _subgoals(now: State, fixed: bool) -> Ways:
    if now.hop == _HOPS or now.actions == _ACTIONS - 1:
        return (ANSWER,), (1.0,)
    if fixed:
        return (QUERY if now.key is None else REASON,), (1.0,)
    return tuple(SUBGOALS), tuple(SUBGOALS.values())
