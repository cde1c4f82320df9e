"""004-047: programs mended by what critics say of them, kept where they pass, and imitated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Programs
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner, Writer
from heedful.core import Floats

_ACTS, _VALUES, _LENGTH = 4, 12, 4
_TOLD, _REPAIRED, _TRIES, _MISLED = 100, 30, 4, 0.15


@dataclass(frozen=True, eq=False)
class _Critics:
    """People who read a program for a task, and know which goals can still be reached."""

    task: Programs

    @cached_property
    def reach(self) -> NDArray[np.bool_]:
        """Whether a value [., v] can be turned into another [., ., g] by so many acts."""
        found = np.empty((_LENGTH + 1, _VALUES, _VALUES), dtype=bool)
        found[0] = np.eye(_VALUES)
        for count in range(_LENGTH):
            found[count + 1] = found[count][self.task.machine.acts].any(0)
        return found

    def blame(self, prompts: Indices, outputs: Indices, misled: float, rng: np.random.Generator) -> Indices:
        """The first instruction [r] of wrong programs [r, length] after which the goal is out of reach; any, where they
        are misled."""
        values = self.task.machine.ran(self.task.start[prompts, 0], outputs)
        left = np.arange(_LENGTH)[::-1]
        lost = ~self.reach[left, values, self.task.goal[prompts]]
        return np.where(rng.random(len(prompts)) < misled, rng.integers(_LENGTH, size=len(prompts)), lost.argmax(1))

    def mended(self, prompts: Indices, outputs: Indices, places: Indices, rng: np.random.Generator) -> Indices:
        """Programs [r, length] that do as they should: the old ones up to these places, and from there any way."""
        acts, made = self.task.machine.acts, outputs.copy()
        value, goal = self.task.start[prompts, 0], self.task.goal[prompts, 0]
        for place in range(_LENGTH):
            able = self.reach[_LENGTH - 1 - place, acts[:, value], goal].T
            drawn = np.where(able, rng.random(able.shape), -1.0).argmax(1)
            made[:, place] = np.where(place < places, outputs[:, place], drawn)
            value = acts[made[:, place], value]
        return made

    def refiner(self) -> Writer:
        """Policies of programs told (problem, a program, a place [r, 1 + length + 1]): they see what a writer sees, and
        the old instruction, and whether it stands before the place, at it or behind."""
        writer = self.task.writer()

        def seen(told: Indices, before: Indices) -> Indices:
            place = before.shape[1]
            old = writer.rows + 3 * told[:, 1 + place] + np.sign(place - told[:, -1]) + 1
            return np.column_stack([self.task.seen(told[:, 0], before), old])

        return Writer(_ACTS, _LENGTH, writer.rows + 3 * _ACTS, seen)

    def base(self, rng: np.random.Generator) -> Floats:
        """Weights of a writer who half knows which acts keep the goal in reach."""
        left = np.arange(_LENGTH)[::-1]
        able = self.reach[left][:, self.task.machine.acts].transpose(0, 2, 3, 1)
        return (1.0 * able + rng.normal(size=able.shape)).ravel()


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([447, seed])
    machine = Machine.drawn(_ACTS, _VALUES, rng)
    pairs = rng.permutation(np.stack(np.divmod(np.arange(_VALUES**2), _VALUES), axis=1))
    task = Programs(machine, pairs[:, :1], pairs[:, 1:], _LENGTH)
    critics, writer = _Critics(task), task.writer()
    solvable = np.flatnonzero(critics.reach[_LENGTH, pairs[:, 0], pairs[:, 1]])
    known, fresh = np.array_split(solvable, 2)
    base = critics.base(rng)
    told = rng.choice(known, 4 * _TOLD)
    outputs = writer.write(base, told, 1, rng)
    wrong = np.flatnonzero(~task.solved(told, outputs)[:, 0])[: 40 if quick else _TOLD]
    told, outputs = told[wrong], outputs[wrong, 0]
    exact = critics.blame(told, outputs, 0.0, rng)
    repairs = critics.mended(told, outputs, exact, rng)
    gold = critics.mended(told, outputs, np.zeros_like(exact), rng)
    by_people = {"gold": gold, "repairs": repairs, "few repairs": repairs[:_REPAIRED]}
    found = {name: _imitated(writer, base, told[: len(own)], own) for name, own in by_people.items()} | {"base": base}
    for name, misled in {"ILF": _MISLED, "misled": 1.0}.items():
        places = critics.blame(told, outputs, misled, rng)
        found[name] = _learnt(critics, base, told, outputs, places, repairs, rng)
    tried = writer.write(base, told, _TRIES, rng)
    found["filtered"] = _kept(task, base, told, tried, rng)
    return {name: float(task.solved(fresh, writer.write(own, fresh, 32, rng)).mean()) for name, own in found.items()}


def _learnt(
    critics: _Critics,
    base: Floats,
    told: Indices,
    outputs: Indices,
    places: Indices,
    repairs: Indices,
    rng: np.random.Generator,
) -> Floats:
    """ILF: a refiner learns from the first repairs, refines every program, and what passes is imitated."""
    from heedful.training.examples import Example
    from heedful.training.objectives import refined

    rows = zip(told, outputs, places, repairs, strict=True)
    examples = [refined(Example((int(one),), (old,)), np.array([place]), new)[1] for one, old, place, new in rows]
    asked, writer = np.array([own.prompt for own in examples]), critics.refiner()
    start = np.concatenate([base, np.zeros(3 * _ACTS * _ACTS)])
    refiner = _imitated(writer, start, asked[:_REPAIRED], repairs[:_REPAIRED])
    return _kept(critics.task, base, told, writer.write(refiner, asked, _TRIES, rng), rng)


def _kept(task: Programs, base: Floats, told: Indices, tried: Indices, rng: np.random.Generator) -> Floats:
    """Weights fine-tuned on one program that passes of each of those tried [r, k, length], where one does."""
    from heedful.training.choosing import capped

    taken = capped(task.solved(told, tried), 1, rng)
    return _imitated(task.writer(), base, told[taken.any(1)], tried[taken])


def _imitated(writer: Writer, start: Floats, prompts: Indices, outputs: Indices) -> Floats:
    from heedful.training import Supervised

    learner = Learner(start, 0.05)
    learner.step(writer.loss(Supervised(), Records(prompts, outputs[:, None], {})), 40)
    return learner.weights


_NAMES = {
    "base": "the base",
    "ILF": "fine-tuned on refinements that pass, 30 repairs and 100 critiques",
    "misled": "the same where critics name any instruction",
    "gold": "fine-tuned on 100 programs by people",
    "repairs": "fine-tuned on 100 repairs by people",
    "few repairs": "fine-tuned on the 30 repairs that the refiner learns from",
    "filtered": "fine-tuned on those of its own programs that pass, 4 tries at each of the 100 problems",
}
ENTRY = Entry(
    id="004-047",
    title="Improving Code Generation by Training with Natural Language Feedback",
    area="training/feedback",
    citation="Chen et al. 2024",
    claim=(
        "Programs of four instructions, each a permutation of 12 values, that are to turn one value into another. "
        "Critics name the first wrong instruction of 100 wrong programs, any at 15 %; a refiner learns from 30 repairs "
        "by people, refines each program four times, and one that passes is imitated. That writer solves more fresh "
        "problems at one try than the base, by a tenth of what the base solves at least, than after imitation of 100 "
        "programs by people for the same problems, of 100 repairs by people, and of those of its own that pass among "
        "four more tries."
    ),
    configuration=(
        "training.objectives.refined and training.Supervised for refiner and writer; training.choosing.capped of "
        "refinements that pass."
    ),
    measures={name: f"share of fresh problems solved at one try, {what}" for name, what in _NAMES.items()},
    checks=(
        Check("ILF", "base", factor=1.1, above=0.0),
        Check("ILF", "gold", above=0.0),
        Check("ILF", "repairs", above=0.0),
        Check("ILF", "filtered", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The refiner begins as the writer, with weights for old instructions before, at and behind the place named. "
        "Programs and repairs by people are right, and drawn from all that are; that people's differ from what a model "
        "would write is the work's reason why imitating them helps less. A log-linear writer pays nothing for learning "
        "what it would not have written, so that right programs for all 100 problems teach it more than refinements "
        "for those of which one passes."
    ),
)
