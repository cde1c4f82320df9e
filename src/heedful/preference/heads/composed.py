"""Heads made of heads: a reward in two stages, by way of named attributes, and one head for each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, UsageError
from heedful.models.encoders import Arrays
from heedful.preference.heads.base import ByGap, FittedHead, Head, prefixed, under
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.saved import load_head
from heedful.preference.heads.votes import Votes
from heedful.preference.observations import Indices


@dataclass(frozen=True)
class Staged:
    """u(x) = g(a_1(x), ..., a_A(x)): named attributes first, then the reward from what they are predicted to be.

    `first` is fitted to the ratings of each scale named in `attributes`, `then` to the other votes on the means of
    these fits, in units of their standard deviation over the design. The critique-then-score of Zhang et al. 2025,
    "MM-RLHF", with ratings of attributes for a written critique; and, with `then` a network, the experts of
    capabilities and their fusion in Quan 2024, "DMoERM". What the attributes do not say is not in the reward.
    """

    attributes: tuple[str, ...]
    first: Head = field(default_factory=Linear)
    then: Head = field(default_factory=Linear)

    def __post_init__(self) -> None:
        if not self.attributes:
            raise UsageError("a reward in two stages has at least one attribute", where="Staged")

    @property
    def name(self) -> str:
        return f"{self.then.name} on {self.first.name} attributes"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedStaged:
        """Raises InputError where an attribute has no ratings, and what the heads raise."""
        votes.check(design)
        unrated = sorted(set(self.attributes) - set(votes.ratings))
        if unrated:
            fix = f"give ratings under this name; there are {sorted(votes.ratings) or 'none'}"
            raise InputError(f"no ratings of {', '.join(unrated)}", where="Staged.attributes", fix=fix)
        fits = tuple(
            self.first.fit(design, Votes.rated(**{own: votes.ratings[own]}), rng=rng) for own in self.attributes
        )
        scores = np.stack([own.mean(design) for own in fits], axis=1)
        unit = np.where(scores.std(axis=0) > 0, scores.std(axis=0), 1.0)
        others = {name: own for name, own in votes.ratings.items() if name not in self.attributes}
        last = self.then.fit(scores / unit, replace(votes, ratings=others), rng=rng)
        return FittedStaged(self.attributes, fits, unit, last, self.name)


@dataclass(frozen=True, eq=False)
class FittedStaged(ByGap):
    """Fits of the attributes, their units [A], and the fit on them."""

    attributes: tuple[str, ...]
    first: tuple[FittedHead, ...]
    unit: Floats
    then: FittedHead
    name: str

    @property
    def facts(self) -> dict[str, Any]:
        return {"attributes": list(self.attributes), "then": self.then.facts}

    def scores(self, features: Floats) -> Floats:
        """What the attributes are predicted to be [m, A], in their units."""
        return np.stack([own.mean(features) for own in self.first], axis=1) / self.unit

    def mean(self, features: Floats) -> Floats:
        return self.then.mean(self.scores(features))

    def draws(self, features: Floats) -> Floats:
        """[2 k, m]: draw i of the second stage at draw i of the first, shorter ones over again, and mirror images."""
        drawn = [own.draws(features) for own in self.first]
        count = max(map(len, drawn))
        scores = np.stack([own[np.arange(count) % len(own)] for own in drawn], axis=2) / self.unit
        values = []
        for number, own in enumerate(scores):
            last = self.then.draws(own)
            values.append(last[number % len(last)])
        return np.concatenate([values, 2 * self.mean(features) - values])

    def aleatoric(self, features: Floats) -> Floats | None:
        """People's spread in the attributes, taken for independent, through the second stage's slopes, and its own.

        The slopes are of chords one standard deviation long: exact where the second stage is linear.
        """
        centre, own = self.scores(features), self.then.aleatoric(self.scores(features))
        variance, known = (0.0, False) if own is None else (own**2, True)
        for place, head in enumerate(self.first):
            spread = head.aleatoric(features)
            if spread is not None:
                half = np.zeros_like(centre)
                half[:, place] = spread / self.unit[place] / 2
                variance = variance + (self.then.mean(centre + half) - self.then.mean(centre - half)) ** 2
                known = True
        return np.asarray(np.sqrt(variance)) if known else None

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, states = _packed((*self.first, self.then))
        state = {"head": "staged", "name": self.name, "attributes": list(self.attributes), "of": states}
        return {"unit": self.unit, **arrays}, state

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        *first, last = _unpacked(arrays, state["of"])
        return cls(tuple(state["attributes"]), tuple(first), arrays["unit"], last, state["name"])


@dataclass(frozen=True)
class Routed:
    """One fit of `head` for each task, on the other features; the outer layer of Quan 2024, "DMoERM".

    `tasks` are the columns of the design that mark the task: the greatest of them says which. From comparisons alone,
    rewards of different tasks have no common zero.
    """

    head: Head
    tasks: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(set(self.tasks)) < 2 or len(set(self.tasks)) < len(self.tasks) or min(self.tasks) < 0:
            raise UsageError("tasks are two or more different columns, numbered from 0", where="Routed.tasks")

    @property
    def name(self) -> str:
        return f"{self.head.name} by task"

    def fit(self, design: Floats, votes: Votes, *, rng: np.random.Generator) -> FittedRouted:
        """Raises InputError where a vote compares two tasks or a task has no votes, and what the head raises."""
        votes.check(design)
        if max(self.tasks) >= design.shape[1]:
            what = f"column {max(self.tasks)} marks a task, and the design has {design.shape[1]} columns"
            raise InputError(what, where="Routed.tasks", fix="name columns of the design, numbered from 0")
        task, rest = _parted(design, self.tasks)
        across = int((task[votes.first] != task[votes.second]).sum())
        if across:
            raise InputError(
                f"{across:,} votes compare outputs of different tasks", where="votes", fix="leave them out"
            )
        of_vote = task[np.concatenate([votes.first, *(own.item for own in votes.ratings.values())])]
        fits = []
        for number, column in enumerate(self.tasks):
            if not (of_vote == number).any():
                raise InputError(f"no votes on the task of column {column}", where="votes", fix="leave the column out")
            fits.append(self.head.fit(*votes.take(of_vote == number).compact(rest), rng=rng))
        return FittedRouted(tuple(fits), self.tasks, self.name)


@dataclass(frozen=True, eq=False)
class FittedRouted(ByGap):
    """One fit for each task."""

    heads: tuple[FittedHead, ...]
    tasks: tuple[int, ...]
    name: str

    @property
    def facts(self) -> dict[str, Any]:
        return {"tasks": [own.facts for own in self.heads]}

    def mean(self, features: Floats) -> Floats:
        return self._each(features, [own.mean for own in self.heads])

    def draws(self, features: Floats) -> Floats:
        return self._each(features, [own.draws for own in self.heads])

    def aleatoric(self, features: Floats) -> Floats | None:
        _, nobody = _parted(features[:0], self.tasks)
        if any(own.aleatoric(nobody) is None for own in self.heads):
            return None
        return self._each(features, [own.aleatoric for own in self.heads])

    def _each(self, features: Floats, what: Sequence[Any]) -> Floats:
        """What each task's head gives for its own rows, put together in the order of the rows."""
        task, rest = _parted(features, self.tasks)
        found = [own(rest[task == number]) for number, own in enumerate(what)]
        together = np.empty((*found[0].shape[:-1], len(features)))
        for number, own in enumerate(found):
            together[..., task == number] = own
        return together

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, states = _packed(self.heads)
        return arrays, {"head": "routed", "name": self.name, "tasks": list(self.tasks), "of": states}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], state: Mapping[str, Any]) -> Self:
        return cls(_unpacked(arrays, state["of"]), tuple(state["tasks"]), state["name"])


def _parted(features: Floats, tasks: Sequence[int]) -> tuple[Indices, Floats]:
    """The number of the task of each row [m], and the features that mark none [m, d − T]."""
    return np.asarray(features[:, list(tasks)].argmax(axis=1)), np.delete(features, list(tasks), axis=1)


def _packed(heads: Sequence[FittedHead]) -> tuple[Arrays, list[dict[str, Any]]]:
    """Arrays and states of several heads, the arrays under the number of their head."""
    arrays: Arrays = {}
    states = []
    for number, own in enumerate(heads):
        mine, state = own.state()
        arrays |= prefixed(f"{number}.", mine)
        states.append(state)
    return arrays, states


def _unpacked(arrays: Mapping[str, NDArray[Any]], states: Sequence[Mapping[str, Any]]) -> tuple[FittedHead, ...]:
    return tuple(load_head(under(f"{number}.", arrays), state) for number, state in enumerate(states))
