"""What flowed where in a run: which calls' results, and which parameters, went into which calls.

A result is seen where a text or number of it stands in what a later call was given: as a whole, or as a part with no
letter or digit next to it. One that is seen nowhere went somewhere in another form (upper case, a slice): it may have
gone into every later call of the stage that made it, and into that stage's own result. So no path of feedback is lost
that Python between the stages may have hidden; a path too many costs words. What is later is told by places in the
program (`heedful.rewriting.places`), not by which call answered first: tasks begun at once are taken to give one
another nothing, and what goes between them by a queue, to go into the result of the stage that began them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

from heedful.rewriting.parameters import Parameter, Text
from heedful.rewriting.places import before, end, within
from heedful.rewriting.recording import Call
from heedful.rewriting.tracing import Run

_ADDRESS = re.compile(" at 0x[0-9A-Fa-f]+")
_LONG = 8  # characters from which a text is seen in another whatever stands beside it


@dataclass(frozen=True, eq=False)
class Graph:
    """The flow of a run.

    `sources[c]` are the calls whose results went into call c: of a stage that calls no other into its inputs, else into
    its result. `reads[c]` are the names of parameters that went into it. `order` are the calls, each after all that it
    went into: the way feedback goes.
    """

    run: Run
    sources: Sequence[tuple[int, ...]]
    reads: Sequence[tuple[str, ...]]
    order: tuple[int, ...]

    @classmethod
    def of(cls, run: Run) -> Graph:
        calls = run.calls
        sources: list[list[int]] = [[] for _ in calls]
        for call in calls:
            for taker in _takers(call, calls):
                sources[taker].append(call.number)
        reads: list[list[str]] = [[] for _ in calls]
        for call in calls:
            for name, parameter in call.reads.items():
                for taker in _readers(call, parameter, run.value(name), calls):
                    if name not in reads[taker]:
                        reads[taker].append(name)
        order = sorted(range(len(calls)), key=lambda number: end(calls[number].place), reverse=True)
        return cls(run, [tuple(own) for own in sources], [tuple(own) for own in reads], tuple(order))

    def leading(self, names: Collection[str]) -> frozenset[int]:
        """The calls that a parameter of these names went into, by whatever way."""
        found: set[int] = set()
        for number in reversed(self.order):
            if found.intersection(self.sources[number]) or set(self.reads[number]) & set(names):
                found.add(number)
        return frozenset(found)

    def end(self) -> int:
        """Where feedback on the program begins: the program's own call, or the innermost one that raised its error."""
        end, calls = 0, self.run.calls
        for call in calls[1:] if self.run.error else ():
            if call.within == end and call.error == self.run.error:
                end = call.number
        return end


def _takers(call: Call, calls: Sequence[Call]) -> list[int]:
    """The calls that its result went into."""
    if call.within is None or not call.ended:
        return []
    later = [other for other in calls[call.number + 1 :] if before(call.place, other.place)]
    around = list(_around(call, calls))
    outer = next((other for other in around if holds(other.gave, call.gave)), None)  # what comes after it has its own
    inside = [other for other in later if outer is None or within(other.place, outer.place)]
    seen = _seen(call.gave, inside, calls)
    if outer is not None and not any(holds(calls[number].gave, call.gave) for number in seen):  # else they passed it on
        seen.append(outer.number)
    if seen or call.error:
        return seen or [around[0].number]
    return [other.number for other in later if other.within == call.within] + [around[0].number]


def _readers(call: Call, parameter: Parameter[Any], value: Any, calls: Sequence[Call]) -> list[int]:
    """The calls within this one that were given the parameter's value; else the call that read it."""
    pieces = _pieces(parameter, value)
    inside = [other for other in calls[call.number + 1 :] if within(other.place, call.place)]
    found = [_seen({piece}, inside, calls) for piece in pieces]
    given = set(found[0]).intersection(*found[1:]) if found else ()
    return sorted(given) or [call.number]


def _seen(parts: Collection[str | float], later: Sequence[Call], calls: Sequence[Call]) -> list[int]:
    """Numbers of the calls that were given one of the parts: not those that were given it by another of them, in what
    that one gave, nor those that only gave it on to a call that they made."""
    seen: list[Call] = []
    givers: list[Call] = []  # those of them that gave it on
    for other in later:
        if holds(other.given, parts) and not any(_passed_on(own, other) for own in givers):
            seen.append(other)
            givers += [other] if other.ended and holds(other.gave, parts) else []
    outer = {own.number for other in seen for own in _around(other, calls)}
    return [own.number for own in seen if own.number not in outer]


def _passed_on(one: Call, other: Call) -> bool:
    return before(one.place, other.place) and holds(other.given, one.gave)


def _around(call: Call, calls: Sequence[Call]) -> Iterator[Call]:
    """The calls that made this one, the nearest first."""
    while call.within is not None:
        call = calls[call.within]
        yield call


def _pieces(parameter: Parameter[Any], value: Any) -> list[str | float]:
    """What of a value stands as it is in a text that it was put into: of a form, what stands between its fields."""
    if isinstance(parameter, Text) and parameter.fields:
        return [own.strip() for own, *_ in Formatter().parse(value) if len(own.strip()) >= _LONG]
    return [value]


def holds(given: frozenset[str | float], parts: Collection[str | float]) -> bool:
    """Whether one of the parts is among what was given, or stands in a text of it."""
    if not given.isdisjoint(parts):
        return True
    texts = [text for text in given if isinstance(text, str)]
    return any(_stands_in(str(part), text) for part in parts for text in texts)


def _stands_in(part: str, text: str) -> bool:
    start = text.find(part)
    while start >= 0:
        if len(part) >= _LONG or not (
            _joined(text, start - 1, start) or _joined(text, start + len(part) - 1, start + len(part))
        ):
            return True
        start = text.find(part, start + 1)
    return False


def _joined(text: str, left: int, right: int) -> bool:
    """Whether two neighbouring characters are of one word or number."""
    return left >= 0 and right < len(text) and text[left].isalnum() and text[right].isalnum()


def shown(values: Mapping[str, Any]) -> str:
    """Inputs as a reader sees them: each on a line of its own behind its name."""
    return "\n".join(f"{name}: {text_of(value)}" for name, value in values.items())


def text_of(value: Any) -> str:
    """A value as it is shown, the same in every process: without addresses, and sets in order."""
    if isinstance(value, str):
        return value
    if isinstance(value, set | frozenset) and value:
        return f"{{{', '.join(sorted(_ADDRESS.sub('', repr(own)) for own in value))}}}"
    return _ADDRESS.sub("", str(value))
