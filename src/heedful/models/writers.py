"""Writers: whatever answers chat messages with texts, many at once. Judges, critics and editors speak to no other."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from heedful.core import Base, Budget, Floats, Item, UsageError
from heedful.models.endpoint.requests import Answer, Message, Request, Sampling
from heedful.models.messages import message_parts
from heedful.models.texts import joined
from heedful.models.token_models import TokenModel, complete

Value = TypeVar("Value")
_NONE = Answer(None)


@runtime_checkable
class Writer(Protocol):
    """Messages in, texts out: an answer to each request, in their order. `Endpoint` is one."""

    def complete(self, requests: Sequence[Request], /) -> Sequence[Answer]: ...


@runtime_checkable
class Metered(Writer, Protocol):
    """A writer that says beforehand how many tokens a request can take at most, read and written."""

    def most_tokens(self, request: Request, /) -> int: ...


@dataclass(frozen=True)
class FunctionWriter:
    """A function of messages and parameters as a writer, such as `worlds.ChatServer` serves.

    The parameters are those of the chat protocol; "seed" is the number of the sample.
    """

    answer: Callable[[Sequence[Message], Mapping[str, Any]], str]

    def complete(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        """Raises what the function raises."""
        return tuple(Answer(self.answer(own.messages, _fields(own)), finish_reason="stop") for own in requests)


@dataclass(frozen=True, eq=False)
class BaseWriter:
    """A base as a writer: a draw of it in the context of the messages, by a seed that the request alone decides.

    A base that writes token by token writes all at once. Its own law decides how texts are drawn: raises UsageError
    for a request with a `sampling` of its own.
    """

    base: Base
    seed: int = 0

    def complete(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        if any(own.sampling is not None for own in requests):
            fix = "leave out sampling, and set temperature and max_tokens of the base"
            raise UsageError("a base draws by its own law", where="BaseWriter", fix=fix)
        size = getattr(self.base, "batch_size", None) or max(len(requests), 1)
        portions = (requests[start : start + size] for start in range(0, len(requests), size))
        return tuple(answer for portion in portions for answer in self._portion(portion))

    def _portion(self, requests: Sequence[Request]) -> Iterator[Answer]:
        contexts = [message_parts(own.messages) for own in requests]
        streams = [np.random.default_rng([self.seed, *_key(own)]) for own in requests]
        if not isinstance(self.base, TokenModel):
            for context, stream in zip(contexts, streams, strict=True):
                yield Answer(_text(self.base.sample(context, 1, rng=stream)[0]), finish_reason="stop")
            return
        state, rows = self.base.begin(contexts), _Streams(streams)
        complete(state, rows)
        for item, tokens in zip(state.items(), state.tokens(), strict=True):
            ended = bool(tokens[-1] == self.base.end)
            yield Answer(_text(item), tokens_out=len(tokens), finish_reason="stop" if ended else "length")


@dataclass(frozen=True, eq=False)
class Remembering:
    """A writer that is asked for no text twice, while this object lasts. Answers that failed are asked for again."""

    writer: Writer
    _known: dict[bytes, Answer] = field(default_factory=dict, repr=False)

    def complete(self, requests: Sequence[Request]) -> tuple[Answer, ...]:
        keys = [_key(own) for own in requests]
        fresh = {key: own for key, own in zip(keys, requests, strict=True) if key not in self._known}
        bought = dict(zip(fresh, self.writer.complete(list(fresh.values())), strict=True))
        self._known.update(
            {key: replace(own, cost=0.0, cached=True) for key, own in bought.items() if own.text is not None}
        )
        new = dict(bought)  # one place of each text that was bought; others recall it
        return tuple(new.pop(key) if key in new else self._known.get(key, bought.get(key, _NONE)) for key in keys)


@dataclass(frozen=True, slots=True)
class Prompt(Generic[Value]):
    """A request, how its answer is read (None: it cannot be), and what is said to a writer whose answer cannot be."""

    request: Request
    read: Callable[[str], Value | None]
    repair: str

    def again(self, text: str) -> Request:
        """The request that asks for the answer once more, in the form wanted."""
        said = {"role": "assistant", "content": text}, {"role": "user", "content": self.repair}
        return Request((*self.request.messages, *said), self.request.sample, self.request.sampling)


@dataclass(frozen=True, slots=True)
class Replies(Generic[Value]):
    """What n prompts gave.

    `values` [n] are the answers as read, None where one is `missing`: there was no text, or it was cut or could not be
    read, and so was that of the one call to repair it. `texts` [n] are those that were read, "" where missing.
    `repaired` were read at the second call. `cost` is in calls and tokens, as charged to the budget.
    """

    values: tuple[Value | None, ...]
    texts: tuple[str, ...]
    repaired: int
    cost: Mapping[str, float]

    @property
    def missing(self) -> int:
        return sum(value is None for value in self.values)


def asked(writer: Writer, prompts: Sequence[Prompt[Value]], budget: Budget | None = None) -> Replies[Value]:
    """Answers to prompts, all asked for at once; those that cannot be read are asked for once more, at once too.

    Calls are reserved before they are made, and tokens where the writer says what a request can take at most. Raises
    BudgetExceededError where they do not fit, and what the writer raises; what was reserved for a call that raised
    stays so, since it may have been charged.
    """
    budget, cost = Budget() if budget is None else budget, Counter[str]()
    answers = list(_within(writer, [prompt.request for prompt in prompts], budget, cost))
    values = [_read(*pair) for pair in zip(prompts, answers, strict=True)]
    broken = [row for row, own in enumerate(answers) if own.text is not None and values[row] is None]
    again = _within(writer, [prompts[row].again(answers[row].text or "") for row in broken], budget, cost)
    for row, answer in zip(broken, again, strict=True):
        answers[row], values[row] = answer, _read(prompts[row], answer)
    texts = tuple("" if value is None else own.text or "" for value, own in zip(values, answers, strict=True))
    return Replies(tuple(values), texts, sum(values[row] is not None for row in broken), dict(cost))


def _read(prompt: Prompt[Value], answer: Answer) -> Value | None:
    """None too where the answer was cut: what is left of it may say something else."""
    return prompt.read(answer.text) if answer.whole and answer.text is not None else None


def _within(writer: Writer, requests: Sequence[Request], budget: Budget, cost: Counter[str]) -> Sequence[Answer]:
    """Answers within a budget. Those on record cost nothing; tokens that nobody counted stay as reserved."""
    most = [float(writer.most_tokens(own)) if isinstance(writer, Metered) else 0.0 for own in requests]
    reserved = {"calls": float(len(requests)), "tokens": sum(most)}
    budget.reserve(**reserved)
    answers = writer.complete(requests) if requests else ()
    if len(answers) != len(requests):
        raise UsageError(f"the writer gave {len(answers)} answers to {len(requests)} requests", where="Writer.complete")
    new = [(answer, tokens) for answer, tokens in zip(answers, most, strict=True) if not answer.cached]
    counted = [tokens if answer.tokens_out is None else _tokens(answer) for answer, tokens in new]
    spent = {"calls": float(len(new)), "tokens": float(sum(counted))}
    budget.settle(reserved, spent)
    cost.update(spent)
    return answers


def _tokens(answer: Answer) -> float:
    return float((answer.tokens_in or 0) + (answer.tokens_out or 0))


class _Streams:
    """A stream of random numbers for each row."""

    def __init__(self, streams: Sequence[np.random.Generator]) -> None:
        self.streams = streams

    def random(self, size: int) -> Floats:
        assert size == len(self.streams)
        return np.array([own.random() for own in self.streams])


def _fields(request: Request) -> Mapping[str, Any]:
    return (request.sampling or Sampling()).fields(request.sample)


def _key(request: Request) -> bytes:
    return hashlib.blake2b(request.key("", "", request.sampling or Sampling()), digest_size=16).digest()


def _text(item: Item) -> str:
    return joined(item.output)
