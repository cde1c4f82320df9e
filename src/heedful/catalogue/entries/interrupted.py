"""002-063: a policy of skills that people interrupt with the word of a better one, obeyed at once and learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Records, minimised
from heedful.catalogue.settings import Whole, without_torch
from heedful.catalogue.verdicts import Check
from heedful.catalogue.writers import Writer
from heedful.core import Floats
from heedful.models import DecisionProcess
from heedful.worlds import GridWorld

_SIZE, _KINDS, _MOVES = 5, 5, 4
_WORTH = np.array([-1.0, -0.3, 0.0, 0.0, 1.0])  # of what is entered; the last is the goal
_WALL = _KINDS
_NEAR = (_KINDS + 1) * _MOVES  # rows of weights for what lies in each direction; nine more for where the goal is
_STEPS, _DEMONSTRATED, _GRIDS, _ROUNDS, _FRESH, _WALKS = 15, 6, 8, 4, 10, 2
_MINDED, _ATTENTIVE, _TOLD, _RIDGE = 0.05, 0.7, 12, 1e-2
_WRITER = Writer(_MOVES, 1, _NEAR + 9, lambda prompts, before: prompts)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2063, seed])
    fresh, rounds = (3, 1) if quick else (_FRESH, _ROUNDS)
    grounds = [_Ground.numbered(1000 * seed + own) for own in range(fresh + _DEMONSTRATED + rounds * _GRIDS)]
    tests, rest = grounds[:fresh], grounds[fresh:]
    shown = _joined([own.demonstrated(rng) for own in rest[:_DEMONSTRATED]])
    start, visited = _fitted(shown), rest[_DEMONSTRATED:]
    figures = {"regret, none": _regret(start, tests)}
    for name, interrupted in (("alone", 0.0), ("interrupted", _ATTENTIVE)):
        figures[f"earned, {name}"] = float(np.mean([own.walked(start, rng, interrupted)[1] for own in visited]))
    for name in ("aggregated", "last round", "unheeded", "demonstrated"):
        held, weights = shown, start
        for number in range(rounds):
            met = _WALKS * visited[number * _GRIDS : (number + 1) * _GRIDS]
            if name == "demonstrated":
                told = [own.demonstrated(rng) for own in met]
            else:
                told = [own.walked(weights, rng, _ATTENTIVE, heeded=name != "unheeded")[0] for own in met]
            said = _joined(told).some(_TOLD, rng)
            held = _joined([shown if name == "last round" else held, said])
            weights = _fitted(held)
        figures[f"regret, {name}"] = _regret(weights, tests)
        figures[f"told, {name}"] = float(len(held.skill) - len(shown.skill))
    return figures


@dataclass(frozen=True, eq=False)
class _Pairs:
    """What was seen [n, 5], and the skill that should be used there [n]."""

    seen: Whole
    skill: Whole

    def some(self, most: int, rng: np.random.Generator) -> _Pairs:
        kept = rng.permutation(len(self.skill))[:most]
        return _Pairs(self.seen[kept], self.skill[kept])


@dataclass(frozen=True, eq=False)
class _Ground:
    """A grid, and what somebody who knows it thinks of each skill (a move that may slip) in each cell."""

    world: GridWorld

    @classmethod
    def numbered(cls, number: int) -> _Ground:
        return cls(GridWorld(_SIZE, _KINDS, slip=0.1, discount=0.9, seed=number))

    @cached_property
    def process(self) -> DecisionProcess:
        return self.world.process()

    @cached_property
    def best(self) -> Whole:
        return self.process.best(_WORTH)

    @cached_property
    def highest(self) -> float:
        return self.worth(self.best)

    def worth(self, skills: Whole) -> float:
        """Of a policy, on average over cells where no walk ends."""
        return float((self.process.successor_features(skills) @ _WORTH)[~self.world.ends].mean())

    @cached_property
    def advantage(self) -> Floats:
        """By how much the best policy loses when a skill comes first [s, 4]; 0 for the best."""
        return np.asarray(self.process.advantages(self.best) @ _WORTH)

    @cached_property
    def seen(self) -> Whole:
        """What lies in each direction of a cell, a wall or a symbol, and where the goal is: rows of weights [s, 5]."""
        size = self.world.size
        walled = np.pad(self.world.symbol.reshape(size, size), 1, constant_values=_WALL)
        near = [walled[:-2, 1:-1], walled[2:, 1:-1], walled[1:-1, :-2], walled[1:-1, 2:]]
        place = np.stack(np.divmod(np.arange(size**2), size), axis=1)
        goal = np.sign(place[self.world.ends.argmax()] - place) + 1
        rows = [(_KINDS + 1) * way + own.ravel() for way, own in enumerate(near)]
        return np.stack([*rows, _NEAR + 3 * goal[:, 0] + goal[:, 1]], axis=1)

    def demonstrated(self, rng: np.random.Generator) -> _Pairs:
        """A walk of somebody who knows the grid."""
        cells = [cell for cell, _ in self._steps(self.best, rng)]
        return _Pairs(self.seen[cells], self.best[cells])

    def walked(
        self, weights: Floats, rng: np.random.Generator, interrupted: float, *, heeded: bool = True
    ) -> tuple[_Pairs, float]:
        """The words with which somebody interrupts a walk where a skill loses too much, as often as they are attentive,
        and what the walk earned; where they are not `heeded`, the walk goes on as it would have."""
        own = _policy(weights, self)
        bad = self.advantage[np.arange(len(own)), own] < -_MINDED
        said = bad & (rng.random(len(own)) < interrupted)
        steps = self._steps(np.where(said & heeded, self.best, own), rng)
        told = [cell for cell, _ in steps if said[cell]]
        return _Pairs(self.seen[told], self.best[told]), sum(earned for _, earned in steps)

    def _steps(self, skills: Whole, rng: np.random.Generator) -> list[tuple[int, float]]:
        """The cells in which a walk was up to its end, with what each step from there earned, discounted."""
        start = int(rng.choice(np.flatnonzero(~self.world.ends)))
        path = self.world.paths(skills[None], start, _STEPS, rng=rng)[0]
        worth = _WORTH[self.world.symbol[path[1:]]] * self.world.discount ** np.arange(_STEPS)
        return [(int(cell), float(own)) for cell, own in zip(path, worth, strict=False) if not self.world.ends[cell]]


def _policy(weights: Floats, ground: _Ground) -> Whole:
    """The likeliest skill in each cell [s]."""
    return np.asarray(weights.reshape(-1, _MOVES)[ground.seen].sum(1).argmax(1))


def _joined(parts: Sequence[_Pairs]) -> _Pairs:
    return _Pairs(np.concatenate([own.seen for own in parts]), np.concatenate([own.skill for own in parts]))


def _fitted(pairs: _Pairs) -> Floats:
    from heedful.training import Supervised

    records = Records(pairs.seen, pairs.skill[:, None, None], {})
    return minimised(_WRITER.loss(Supervised(), records), _WRITER.start, ridge=_RIDGE)


def _regret(weights: Floats, grounds: Sequence[_Ground]) -> float:
    """By how much a policy is worth less than the best, on average over cells and grids."""
    return float(np.mean([own.highest - own.worth(_policy(weights, own)) for own in grounds]))


_ARMS = {
    "aggregated": "all corrections, which were obeyed",
    "last round": "the corrections of the last round alone",
    "unheeded": "all corrections, which were not obeyed in the walk",
    "demonstrated": "more walks of somebody who knows",
}

ENTRY = Entry(
    id="002-063",
    title="Yell At Your Robot: Improving On-the-Fly from Language Corrections",
    area="feedback/control",
    citation="Shi et al. 2024",
    claim=(
        "A policy names a skill (a move) by what lies around a cell of a grid, imitated from six walks. Somebody names "
        "a better skill in seven of ten cells where its own loses more than 0.05. Obeyed, these words let the same "
        "policy earn more at once, by 0.5. After four rounds, fitted to them and the six walks, it is worth less than "
        "the best on fresh grids by less than 0.7 of what it was, by 0.1 less than fitted to at least as many skills "
        "of further walks, and by less than where only the last round's words were added."
    ),
    configuration=(
        "training.Supervised on skills named, in the states in which they were; worlds.GridWorld and "
        "models.DecisionProcess.advantages for who interrupts."
    ),
    measures={
        "regret, none": "how much less the policy is worth than the best, fresh grids, from six walks alone",
        **{f"regret, {name}": f"the same, with {what}" for name, what in _ARMS.items()},
        **{f"told, {name}": f"skills named beside the six walks, {what}" for name, what in _ARMS.items()},
        "earned, alone": "discounted reward of a walk of the policy from six walks",
        "earned, interrupted": "the same where it obeys who interrupts",
    },
    checks=(
        Check("earned, interrupted", "earned, alone", above=0.5),
        Check("regret, aggregated", "regret, none", factor=0.7, below=0.0),
        Check("regret, aggregated", "regret, demonstrated", below=-0.1),
        Check("regret, aggregated", "regret, last round", below=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=tuple(range(30)),
    beyond=(
        "Skills are moves, so that the low level has nothing to learn, and words are skills: no small movements, no "
        "speech. Each round keeps at most 12 skills of each arm. In trials with a walk a grid, corrections were half "
        "as many as skills demonstrated, and demonstrations did better (0.57 for 0.81). Corrections that were not "
        "obeyed taught no less than those that were, and more in the trials: the walk went on where the policy errs."
    ),
)
