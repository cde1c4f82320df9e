"""Tasks for miniatures of reasoning: steps worked out or programs written, every one of them checked exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.learning import Indices
from heedful.catalogue.writers import Writer
from heedful.core import Floats


@dataclass(frozen=True, eq=False)
class Machine:
    """`acts` [a, m]: the value, of m, to which each act takes each value."""

    acts: Indices

    @classmethod
    def drawn(cls, acts: int, values: int, rng: np.random.Generator) -> Machine:
        """Of random permutations."""
        return cls(rng.permuted(np.tile(np.arange(values), (acts, 1)), axis=1))

    def ran(self, start: Indices, acts: Indices) -> Indices:
        """The values [..., t] after each of the acts [..., t], from the value to start at [...]."""
        values, now = [], np.broadcast_to(start, acts.shape[:-1])
        for place in range(acts.shape[-1]):
            now = self.acts[acts[..., place], now]
            values.append(now)
        return np.stack(values, axis=-1)


@dataclass(frozen=True, eq=False)
class Sums:
    """Problems "from this value do these acts", to be worked out: an output is the value after each act.

    start [c], acts [c, length]. A step is right that follows from the one before it as it stands, so that errors may
    cancel; an output is `solved` whose last value is the true one. A policy sees the act with the value before it
    and, with `memory`, which problem and step it is.
    """

    machine: Machine
    start: Indices
    acts: Indices
    memory: bool = False

    @classmethod
    def drawn(cls, machine: Machine, problems: int, length: int, rng: np.random.Generator, **more: Any) -> Sums:
        """Random ones."""
        a, m = machine.acts.shape
        return cls(machine, rng.integers(m, size=problems), rng.integers(a, size=(problems, length)), **more)

    @property
    def true(self) -> Indices:
        """The right values [c, length]."""
        return self.machine.ran(self.start, self.acts)

    def writer(self) -> Writer:
        """Policies of solutions."""
        a, m = self.machine.acts.shape
        return Writer(m, self.acts.shape[1], a * m + (self.acts.size if self.memory else 0), self.seen)

    def knowing(self, lead: Floats) -> Floats:
        """Weights of a policy by which the right value of each act at each value leads any other by so much [a, m], in
        nats."""
        weights = self.writer().start.reshape(-1, lead.shape[1])
        weights[np.arange(lead.size), self.machine.acts.ravel()] = lead.ravel()
        return weights.ravel()

    def seen(self, prompts: Indices, before: Indices) -> Indices:
        """What stands before the next step: see `Seen`."""
        a, m = self.machine.acts.shape
        place = before.shape[1]
        value = before[:, -1] if place else self.start[prompts]
        step = self.acts[prompts, place] * m + value
        own = a * m + prompts * self.acts.shape[1] + place
        return np.column_stack([step, own] if self.memory else [step])

    def right(self, prompts: Indices, outputs: Indices) -> NDArray[np.bool_]:
        """Which steps are right [r, k, length]."""
        first = np.broadcast_to(self.start[prompts][:, None, None], (*outputs.shape[:2], 1))
        before = np.concatenate([first, outputs[..., :-1]], axis=2)
        return np.asarray(self.machine.acts[self.acts[prompts][:, None], before] == outputs)

    def solved(self, prompts: Indices, outputs: Indices) -> NDArray[np.bool_]:
        """Which outputs [r, k] end right, whatever leads there."""
        return np.asarray(outputs[..., -1] == self.true[prompts, -1][:, None])


@dataclass(frozen=True, eq=False)
class Programs:
    """Problems "take these values to those": an output is acts, run on every input of a test.

    start, goal [c, tests]. A policy sees the value now and the goal of the first test, with how many acts are left and,
    with `memory`, which problem and step it is.
    """

    machine: Machine
    start: Indices
    goal: Indices
    length: int
    memory: bool = False

    @classmethod
    def drawn(cls, machine: Machine, problems: int, length: int, rng: np.random.Generator, *, tests: int = 1,
              **more: Any) -> Programs:  # fmt: skip
        """Random ones, each solved by some program."""
        a, m = machine.acts.shape
        start = rng.permuted(np.tile(np.arange(m), (problems, 1)), axis=1)[:, :tests]
        hidden = rng.integers(a, size=(problems, 1, length))
        goal = machine.ran(start, np.broadcast_to(hidden, (problems, tests, length)))[..., -1]
        return cls(machine, start, goal, length, **more)

    def writer(self) -> Writer:
        """Policies of programs."""
        a, m = self.machine.acts.shape
        own = len(self.start) * self.length if self.memory else 0
        return Writer(a, self.length, self.length * m * m + own, self.seen)

    def seen(self, prompts: Indices, before: Indices) -> Indices:
        """What stands before the next act: see `Seen`."""
        m, place = self.machine.acts.shape[1], before.shape[1]
        value = self.machine.ran(self.start[prompts, 0], before)[:, -1] if place else self.start[prompts, 0]
        step = (place * m + value) * m + self.goal[prompts, 0]
        own = self.length * m * m + prompts * self.length + place
        return np.column_stack([step, own] if self.memory else [step])

    def passed(self, prompts: Indices, outputs: Indices) -> NDArray[np.bool_]:
        """Which tests the outputs pass [r, k, tests]."""
        tests = self.start.shape[1]
        each = np.broadcast_to(outputs[:, :, None], (*outputs.shape[:2], tests, self.length))
        ended = self.machine.ran(self.start[prompts][:, None], each)[..., -1]
        return np.asarray(ended == self.goal[prompts][:, None])

    def solved(self, prompts: Indices, outputs: Indices) -> NDArray[np.bool_]:
        """Which outputs [r, k] pass every test."""
        return np.asarray(self.passed(prompts, outputs).all(2))
