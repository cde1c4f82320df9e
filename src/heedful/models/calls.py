"""Calls of models one after another, as one base over all that they gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Base, EnumerableBase, Floats, InputError, Item, Part, Parts, UsageError
from heedful.models.stepwise import StepModel, drawn

Call = Callable[[Parts, Parts], tuple[Base, Parts] | None]


@dataclass(frozen=True, slots=True, eq=False)
class CallModel:
    """Outputs of one part per call: the program of calls as a distribution over all that is given on the way.

        log p(parts | context) = Σ_t log p_t(part t | what call t is asked)

    `call(context, parts)` says of what was given so far which base is asked next, and in which context; None where the
    program ends, which it must. So calls may hang on what came before: a chain of thought, a tool, a verifier asked
    until it is content. Every engine of bases serves such a program, and where all that it asks can be listed, so can
    it (Dohan et al. 2022, "Language model cascades").
    """

    call: Call
    system: str | None = None
    most_outputs: int = 1_000_000

    def ended(self, item: Item) -> bool:
        """Whether nothing more is asked."""
        return self.call(item.context, item.output) is None

    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[Item, ...]:
        """Each item with what one more call gave; one that has ended stays as it is. Those that ask the same of the
        same base ask at once. Raises InputError where a call gives more than one part."""
        found = list(items)
        for base, rows, asked in self._asked(items):
            places: dict[Parts, list[int]] = {}
            for row, context in zip(rows, asked, strict=True):
                places.setdefault(context, []).append(row)
            for context, own in places.items():
                for row, item in zip(own, base.sample(context, len(own), rng=rng), strict=True):
                    found[row] = Item(items[row].context, (*items[row].output, _part(item)), self.system)
        return tuple(found)

    def sample(self, context: Parts, n: int, *, rng: np.random.Generator) -> tuple[Item, ...]:
        """`n` independent draws."""
        return drawn(self, (Item(context, (), self.system),) * n, rng)

    def support(self, context: Parts) -> tuple[Item, ...]:
        """Every output of positive probability. Raises UsageError where a base that is asked cannot be listed,
        InputError where there are more than `most_outputs`."""
        return StepModel(self._following, self.system, self.most_outputs).support(context)

    def log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] of each output in its context, -inf where it is unfinished or cannot be given."""
        begun = self.prefix_log_prob(items)
        whole = [bool(own > -np.inf) and self.ended(item) for own, item in zip(begun, items, strict=True)]
        return np.where(whole, begun, -np.inf)

    def prefix_log_prob(self, items: Sequence[Item]) -> Floats:
        """Log-probability [n] that an output begins with these parts."""
        total = np.zeros(len(items))
        for place in range(max((len(item.output) for item in items), default=0)):
            left = [row for row, own in enumerate(items) if len(own.output) > place and total[row] > -np.inf]
            begun = [Item(items[row].context, items[row].output[:place]) for row in left]
            found = np.full(len(left), -np.inf)  # where nothing is asked any more
            for base, rows, asked in self._asked(begun):
                parts = [items[left[row]].output[place] for row in rows]
                found[rows] = base.log_prob([Item(own, _output(part)) for own, part in zip(asked, parts, strict=True)])
            total[left] += found
        return total

    def _asked(self, items: Sequence[Item]) -> Iterator[tuple[Base, list[int], list[Parts]]]:
        """The bases that are asked next, for which items, and what."""
        by_base: dict[int, tuple[Base, list[int], list[Parts]]] = {}
        for row, item in enumerate(items):
            call = self.call(item.context, item.output)
            if call is not None:
                _, rows, asked = by_base.setdefault(id(call[0]), (call[0], [], []))
                rows.append(row)
                asked.append(call[1])
        yield from by_base.values()

    def _following(self, context: Parts, parts: Parts) -> tuple[tuple[Part, ...], Sequence[float]]:
        call = self.call(context, parts)
        if call is None:
            return (), ()
        base, asked = call
        if not isinstance(base, EnumerableBase):
            what = f"{type(base).__name__}, which is asked after {len(parts)} parts, cannot be listed"
            raise UsageError(what, where="CallModel.support", fix="use an engine that does not list")
        items = base.support(asked)
        return tuple(map(_part, items)), np.exp(base.log_prob(items)).tolist()


def _part(item: Item) -> Part:
    """What a call gave, as one part."""
    if len(item.output) > 1:
        what = f"a call gave {len(item.output)} parts where one is needed"
        raise InputError(
            what, where="CallModel", fix="ask a base that gives one text, or make each of its steps a call"
        )
    return item.output[0] if item.output else Part()


def _output(part: Part) -> Parts:
    return () if part == Part() else (part,)
