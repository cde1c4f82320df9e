"""What an answer may do or leave undone, with the rules of a prompt that ask for either."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from heedful.core import InputError


@dataclass(frozen=True, slots=True)
class Aspect:
    """Something that an answer does or does not do.

    asks, forbids  the rules of a prompt that want it done, or not; "" where there is none
    done, undone   the lines by which an answer shows which it did
    lacks, has     what is said of an answer that should have done it, or should not
    worth          nats by which a done one is better; below 0 it is better left undone, at 0 it matters nothing
    topics         those in which it matters; none named: all
    chance         probability that it is done by a prompt without either rule
    step           the step of a program whose prompt decides it
    """

    asks: str
    forbids: str
    done: str
    undone: str
    lacks: str
    has: str
    worth: float = 1.0
    topics: tuple[str, ...] = ()
    chance: float = 0.2
    step: str = "draft"

    def __post_init__(self) -> None:
        lines = self.asks, self.forbids, self.done, self.undone, self.lacks, self.has
        if not (self.done and self.undone) or any("\n" in line for line in lines) or not 0 <= self.chance <= 1:
            what = f"the aspect {self.asks or self.done!r} cannot be shown"
            raise InputError(
                what, where="Aspect", fix="sentences of one line, done and undone not empty, 0 ≤ chance ≤ 1"
            )

    def rule(self, wants: bool) -> str:
        """That which wants it done, or not."""
        return self.asks if wants else self.forbids

    def line(self, done: bool) -> str:
        """What an answer says where it is done, or not."""
        return self.done if done else self.undone

    def complaint(self, wants: bool) -> str:
        """What is said where it should have been done, or not."""
        return self.lacks if wants else self.has


def checked_aspects(aspects: Sequence[Aspect], where: str) -> tuple[Aspect, ...]:
    """The aspects. Raises InputError where a sentence that is looked for in texts stands in another one, too."""
    found = [
        (own, line) for own in aspects for line in (own.asks, own.forbids, own.done, own.undone, own.lacks, own.has)
    ]
    for (own, line), (other, whole) in itertools.permutations([(own, line) for own, line in found if line], 2):
        if line in whole and not (own is other and (line, whole) == (own.undone, own.done)):
            raise InputError(f"{line!r} stands in {whole!r}", where=where, fix="word each so that it can be told")
    return tuple(aspects)


ASPECTS = (
    Aspect(
        "Name the year.", "Name no year.", "It was in 1969.", "It was some time ago.",
        "It does not name the year.", "It names a year.", topics=("history",), step="retrieve",
    ),
    Aspect(
        "Give a source.", "Give no source.", "(Source: the city archive.)", "(Heard somewhere.)",
        "It gives no source.", "It gives a source.", worth=1.5, step="retrieve",
    ),
    Aspect(
        "State the units.", "State no units.", "It weighs 5 kg.", "It weighs about 5.",
        "It does not state the units.", "It states units.", topics=("science",), step="retrieve",
    ),
    Aspect(
        "Tell the price.", "Tell no price.", "It costs 12 euros.", "It is not free.",
        "It does not tell the price.", "It tells a price.", topics=("travel",), chance=0.1, step="retrieve",
    ),
    Aspect(
        "Give an example.", "Give no example.", "Take a stone, for example.", "So it is in general.",
        "It gives no example.", "It gives an example.",
    ),
    Aspect(
        "Use a list.", "Use no list.", "* one * two", "One, and then two.",
        "It uses no list.", "It uses a list.", worth=-1.0, chance=0.6,
    ),
    Aspect(
        "Tell a joke.", "Tell no joke.", "A stone walks into a bar.", "This is serious.",
        "It tells no joke.", "It tells a joke.", worth=-1.0, topics=("history", "science"), chance=0.1,
    ),
    Aspect(
        "Be brief.", "Go into detail.", "In short.", "At length.",
        "It is too long.", "It is too short.", worth=0.5, chance=0.5,
    ),
    Aspect(
        "Apologise first.", "Do not apologise.", "I am sorry.", "Gladly.",
        "It does not apologise.", "It apologises.", worth=-1.0, chance=0.3, step="check",
    ),
    Aspect(
        "Greet the reader.", "Do not greet.", "Hello!", "Well.",
        "It does not greet the reader.", "It greets the reader.", worth=0.0, step="check",
    ),
    Aspect(
        "End with a full stop.", "End without a full stop.", "That is all.", "That is all",
        "It does not end with a full stop.", "It ends with a full stop.", worth=0.5, chance=0.5, step="check",
    ),
)  # fmt: skip
"""Three that matter in one topic each, some that do everywhere, harmful ones, and one that matters nothing."""
LUCK = Aspect("", "", "It is right.", "It is wrong.", "", "", chance=0.5)
"""A fair coin that no rule moves."""
