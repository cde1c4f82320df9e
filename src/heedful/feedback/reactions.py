"""What users say next as feedback on what they were answered.

Some of what users write in a chat is feedback: praise, a complaint, the same request again. Each such turn is read as
a yes or a no about the response before it (kinds after Don-Yehiya et al. 2024, "Learning from naturally occurring
feedback"). Who reads the turns is a function; `by_rule` is one without a model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any, Literal, get_args

from heedful.core import InputError, UsageError
from heedful.feedback.formats.base import name_of
from heedful.feedback.formats.conversation import Turn, context_of, is_messages, output_of, turns_of
from heedful.feedback.record import Record
from heedful.feedback.table import Table

Reaction = Literal["positive", "rephrase", "corrected", "unhappy", "unclear"]
"""Praise or thanks; the same request again, or in other words; an error named with what is right; a complaint without;
a question what was meant. All but the first say no."""

REACTIONS: tuple[Reaction, ...] = get_args(Reaction)
Reading = Reaction | Literal["unread"] | None
"""How a turn was read: None where it is no reaction, `UNREAD` where it could not be read."""

UNREAD: Literal["unread"] = "unread"
PROTOCOL = "what the user said next"

# Turns may begin with some of these before what they say.
_BEFORE = r"^\W*(?:(?:oh|ok|okay|ah|hm+|well|but|so|and|yes|yeah|wow|sorry|alright|right)\W+)*"
_NO = r"(?:no|nope)"
_OPENINGS: Mapping[Reaction, tuple[str, ...]] = {
    "unclear": (
        r"what (?:do|did) you mean", r"huh\b", r"what\?", r"i (?:don'?t|didn'?t) (?:understand|get) (?:it|th|what|you)",
        r"(?:i'?m )?not sure what (?:that|this|you)", r"(?:can|could) you (?:clarify|be clearer)",
        r"i'?m (?:confused|lost)",
    ),
    "corrected": (
        rf"{_NO}\W+(?:i|it|that|the|there|you|we|they|not|what)\b", r"actually\W", r"i (?:meant|said|asked|told you)",
        r"i'?m asking", r"that'?s (?:not )?what i", r"not \w+\W+but\b", r"it should",
        r"you (?:forgot|missed|left out|ignored|mis\w+)",
    ),
    "positive": (
        r"(?:many )?thanks\b", r"(?:thank you|thx)\b", r"(?:perfect|awesome|excellent|amazing|brilliant|wonderful)\b",
        r"great(?:\W|$)", r"nice\W", r"well done", r"good (?:job|idea|answer|one|point|advice)", r"exactly what i",
        r"(?:makes sense|sounds (?:good|great))", r"i (?:like|liked|love|loved) (?:it|that|this|your)",
        r"(?:that|this|it)(?:'?s| is| was| sounds?| looks?)? (?:really |very |so |a |just |some )*"
        r"(?:perfect|great|good|helpful|awesome|amazing|excellent|works?|worked|helps?|helped|makes sense)",
    ),
}  # fmt: skip
_COMPLAINTS = (
    r"(?:that|this|it|you)(?:'s| is|'re| are) (?:just |simply |totally |completely |still )?"
    r"(?:wrong|incorrect|not (?:right|correct|true|helpful|what i)|useless|unhelpful|nonsense|bullshit)",
    r"(?:doesn'?t|didn'?t|won'?t) (?:work|help|answer)", r"(?:bad|terrible|stupid) (?:answer|bot|story)", r"you suck",
)  # fmt: skip
_DENIAL = re.compile(rf"{_BEFORE}{_NO}\b\W*", re.IGNORECASE)
_PATTERNS: tuple[tuple[Reaction, re.Pattern[str]], ...] = (
    *(
        (name, re.compile(rf"{_BEFORE}(?:{'|'.join(_OPENINGS[name])})", re.IGNORECASE))
        for name in ("unclear", "corrected")
    ),
    ("unhappy", re.compile(rf"\b(?:{'|'.join(_COMPLAINTS)})", re.IGNORECASE)),
    ("positive", re.compile(rf"{_BEFORE}(?:{'|'.join(_OPENINGS['positive'])})|\bthank(?:s| you)\W*$", re.IGNORECASE)),
)
# At least this share of the words that carry the shorter of two requests stand in the other too.
_SAME = 0.6
_SMALL = re.compile(
    r"(?:an?|and|are|as|at|be|but|by|can|could|do|does|for|from|have|how|i|if|in|is|it|me|my|of|on|or|please|some|tell|"
    r"that|the|then|there|this|to|was|what|when|where|which|who|why|will|with|would|your?)"
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a user asked, was answered, and said then, as plain texts."""

    asked: str
    answered: str
    said: str


Classifier = Callable[[Sequence[Exchange]], Sequence[Reading]]
"""How the last turn of each exchange is read: `by_rule`, or a model (`heedful.evidence.ReactionReader`)."""


def by_rule(exchanges: Sequence[Exchange]) -> tuple[Reaction | None, ...]:
    """Reactions by the words that English turns open with, and by requests that return.

    Blunt: docs/benchmarks.md has its precision and recall on turns of HH-RLHF. Before its shares are believed, have
    some turns labelled by people, and mend them (`heedful.stats.corrected_proportion`).
    """
    return tuple(map(_by_rule, exchanges))


def _by_rule(exchange: Exchange) -> Reaction | None:
    said = exchange.said.replace("’", "'")
    if asking := exchange.answered.rstrip().endswith("?"):  # what follows is an answer, and may well begin with no
        said = _DENIAL.sub("", said)
    for reaction, pattern in _PATTERNS:
        if pattern.search(said):
            return reaction
    return "rephrase" if not asking and _returns(exchange) else None


def _returns(exchange: Exchange) -> bool:
    """Whether the turn asks what was asked before."""
    before, after = _carrying(exchange.asked), _carrying(exchange.said)
    fewer = min(len(before), len(after))
    return fewer > 1 and len(before & after) >= _SAME * fewer


def _carrying(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9']+", text.lower()) if not _SMALL.fullmatch(word)}


@dataclass(frozen=True)
class Mined:
    """The labels in `table`; how many turns followed a response; how many of them were which reaction or `UNREAD`."""

    table: Table
    turns: int
    reactions: Mapping[str, int]


def mined(chats: Iterable[Mapping[str, Any]], classify: Classifier = by_rule) -> Mined:
    """Labels of responses, by what users said next, of chats {"messages": [{"role", "content"}, ...]}.

    A response is all that stands between two turns of the user; its context is what came before. It is labelled yes by
    a positive reaction and no by any other; which, and the words, are in `extra`, beside what else the chat holds. The
    chat's "user" is the rater, its "model" the system that wrote, its "id" names its labels. Turns that are no
    reaction, and what nobody reacted to, give nothing: who is silent may be pleased or gone.

    Raises InputError where a chat has no messages or two have one id, UsageError where the classifier does not give one
    reading for each exchange.
    """
    labels, turns, reactions = labelled(chats, classify)
    return Mined(Table.of(map(Record.model_validate, labels), source="chats"), turns, reactions)


def labelled(
    chats: Iterable[Mapping[str, Any]], classify: Classifier = by_rule
) -> tuple[list[dict[str, Any]], int, Counter[str]]:
    """`mined`, with its labels as they are written down."""
    found = [own for number, chat in enumerate(chats, 1) for own in _exchanges(chat, number)]
    names = Counter(response["id"] for _, response in found)
    if twice := [name for name, times in names.items() if times > 1]:
        raise InputError(f"two chats give the label {twice[0]}", where="chats", fix="give each chat an id of its own")
    readings = tuple(classify([exchange for exchange, _ in found]))
    if len(readings) != len(found) or not set(readings) <= {*REACTIONS, UNREAD, None}:
        what = f"{len(readings)} readings of {len(found)} exchanges, or one that is none"
        raise UsageError(what, where="classify", fix=f"give one of {', '.join(REACTIONS)}, unread or None for each")
    labels = [
        {
            **response,
            "value": {"label": own == "positive"},
            "extra": {**response["extra"], "reaction": own, "said": exchange.said},
        }
        for (exchange, response), own in zip(found, readings, strict=True)
        if own in REACTIONS
    ]
    return labels, len(found), Counter(filter(None, readings))


def _exchanges(chat: Mapping[str, Any], number: int) -> Iterator[tuple[Exchange, dict[str, Any]]]:
    """Every exchange of a chat, with its response as a judgement, whose label is yet to come."""
    messages: Any = chat.get("messages")
    if not is_messages(messages):
        fix = 'give {"messages": [{"role": "user", "content": "..."}, ...]}'
        raise InputError("a chat has messages with a role and a content", where=f"chat {number}", fix=fix)
    turns = turns_of(messages)
    runs = [list(own) for _, own in groupby(turns, _by_user)]
    begins = accumulate(map(len, runs))
    for begin, before, response, said in zip(begins, runs, runs[1:], runs[2:], strict=False):
        if _by_user(before[0]) and any(turn["by"] == "system" for turn in response):
            exchange = Exchange(*map(_text, (before, response, said)))
            yield exchange, _response(chat, turns[:begin], response, f"{name_of(chat.get('id')) or number}/{begin}")


def _response(chat: Mapping[str, Any], context: list[Turn], response: list[Turn], name: str) -> dict[str, Any]:
    user, system = name_of(chat.get("user")), name_of(chat.get("model"))
    return {
        "id": f"chat-{name}",
        "kind": "label",
        "context": context_of(context),
        "candidates": [{"output": output_of(response), **({} if system is None else {"system": system})}],
        "protocol": PROTOCOL,
        "extra": {key: own for key, own in chat.items() if key not in ("messages", "user", "model", "id")},
        **({} if user is None else {"rater": {"id": user}}),
    }


def _by_user(turn: Turn) -> bool:
    return turn["by"] == "world" and turn.get("role") not in ("system", "developer", "tool", "function")


def _text(turns: Sequence[Turn]) -> str:
    return "\n".join(turn["text"] for turn in turns if turn.get("text"))
