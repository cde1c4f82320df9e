"""Models that write token by token: what a particle engine or a guided decoder needs of any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Floats, InputError, Item, Parts, UsageError
from heedful.core.items import text_parts

Tokens = NDArray[np.intp]
Finished = NDArray[np.bool_]

WAIT = -1
"""In place of a token: nothing is written on this row now, as where it waits at the end of a step for the others."""


class Uniforms(Protocol):
    """Uniform numbers in [0, 1): a random generator, or a stream for each row."""

    def random(self, size: int, /) -> Floats: ...


@runtime_checkable
class Continuations(Protocol):
    """Outputs being written, one a row, all by one model.

    A row is finished once its end is written or it holds `max_tokens` tokens. Nothing but the end can follow then, with
    log-probability 0 and at no cost, so that rows of different lengths go through one loop:

        while not state.finished.all():
            state.append(state.draw(rng))
    """

    def __len__(self) -> int:
        """The number of rows."""
        ...

    @property
    def logprobs(self) -> Floats:
        """Log-probability [rows, vocabulary] of each next token (nats), -inf where it cannot follow.

        These are of the distribution sampled from: temperature and cuts are in them, and each row sums to one. The
        array is not to be written into.
        """
        ...

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Whether nothing more can be written [rows]."""
        ...

    @property
    def log_prob(self) -> Floats:
        """Log-probability [rows] of what has been written, its end included, given the context."""
        ...

    @property
    def positions(self) -> int:
        """Tokens read so far by the model for this state, and before it for the states it was kept from.

        A context counts once, however many rows it has; a token written counts where more can follow. What a fork
        costs is the difference to its origin.
        """
        ...

    def draw(self, rng: Uniforms) -> Tokens:
        """A next token [rows] of each row by its law, as `drawn(state.logprobs, rng)` would, computed where it lies."""
        ...

    def append(self, tokens: Tokens) -> None:
        """Write one token [rows] on each row, in place, but on rows given `WAIT`.

        Raises UsageError where a token is unknown, a finished row gets anything but the end or `WAIT`, or another gets
        `WAIT` from a model that cannot wait (networks with sliding windows or recurrent layers).
        """
        ...

    def keep(self, rows: Sequence[int] | NDArray[np.intp]) -> Self:
        """Another state of these rows, in this order, repeated where they repeat. This one stays as it is."""
        ...

    def grown(self, rows: Sequence[int] | NDArray[np.intp], tokens: Tokens) -> tuple[tuple[Item, ...], Finished]:
        """Items and `finished` of `keep(rows)` after `append(tokens)`, which the model does not read."""
        ...

    def tokens(self) -> tuple[Tokens, ...]:
        """What has been written on each row, its end included."""
        ...

    def items(self) -> tuple[Item, ...]:
        """Each row as an item: its context and its text so far."""
        ...


@runtime_checkable
class TokenModel(Base, Protocol):
    """A base that writes token by token.

    `vocabulary` holds the text of each token alone, `end` is the token that ends an output, and an output ends by
    itself at `max_tokens` tokens, its end not counted.
    """

    @property
    def vocabulary(self) -> tuple[str, ...]: ...
    @property
    def end(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...

    def begin(self, contexts: Sequence[Parts]) -> Continuations:
        """Empty outputs, one a row. Contexts may repeat: each different one is read once."""
        ...

    def reading(self, contexts: Sequence[Parts]) -> int:
        """Tokens that `begin` of these contexts would read: its `positions`. Raises InputError where `begin` would."""
        ...

    def encode(self, items: Sequence[Item]) -> tuple[Tokens, ...]:
        """The tokens that write each output, its end included but at `max_tokens`. Raises InputError where none do."""
        ...


def drawn(logprobs: Floats, rng: Uniforms) -> Tokens:
    """A token [rows] of each row of log-probabilities [rows, vocabulary], which need not be normalised.

    By inversion, with one uniform number a row. Raises InputError where a row has NaN, +inf, or nothing but -inf.
    """
    return drawn_at(logprobs, rng.random(len(logprobs)))


def drawn_at(logprobs: Floats, uniform: Floats) -> Tokens:
    """The tokens [rows] that these uniform numbers [rows] in [0, 1) draw. Raises InputError as `drawn`."""
    below = logprobs - greatest(logprobs)
    np.exp(below, out=below)
    np.cumsum(below, axis=1, out=below)
    total = below[:, -1]
    # Rounding must not reach the total: the token found is then always one of positive probability.
    sought = np.minimum(uniform * total, np.nextafter(total, 0.0))
    return np.array([row.searchsorted(x, "right") for row, x in zip(below, sought, strict=True)], dtype=np.intp)


def greatest(logprobs: Floats) -> Floats:
    """The greatest [rows, 1] of each row. Raises InputError where a row has NaN, +inf, or nothing but -inf."""
    top = np.asarray(logprobs.max(axis=1, keepdims=True))
    if not np.isfinite(top).all():
        row = int(np.flatnonzero(~np.isfinite(top[:, 0]))[0])
        raise InputError(
            f"the log-probabilities of a row have {top[row, 0]} as their greatest, so no token can be drawn",
            where=f"logprobs[{row}]",
            fix="a row needs a token that may follow, and no NaN",
        )
    return top


def complete(state: Continuations, rng: Uniforms) -> None:
    """Draw every row to its end, in place."""
    while not state.finished.all():
        state.append(state.draw(rng))


def append_all(state: Continuations, outputs: Sequence[Tokens]) -> None:
    """Write given tokens [rows][tokens of the row] on each row, in place; rows given fewer wait for the others."""
    for place in range(max(map(len, outputs), default=0)):
        state.append(tokens_at(outputs, place))


def tokens_at(outputs: Sequence[Tokens], place: int) -> Tokens:
    """The token [rows] at one place of each output, `WAIT` beyond its end."""
    return np.array([own[place] if place < len(own) else WAIT for own in outputs], dtype=np.intp)


def begun_with(model: TokenModel, items: Sequence[Item]) -> Continuations:
    """A state of unfinished outputs, one a row, each different one read once, as the model encodes its text.

    Parts of an output are read together as one text. Raises InputError where the model cannot write it.
    """
    number = {item: place for place, item in enumerate(dict.fromkeys(items))}
    state = model.begin([item.context for item in number])
    append_all(state, [begun_tokens(own, model.end) for own in model.encode([whole(item) for item in number])])
    return state.keep([number[item] for item in items])


def begun_tokens(tokens: Tokens, end: int) -> Tokens:
    """The tokens of an unfinished output, without the end that encoding adds."""
    return tokens[:-1] if len(tokens) and tokens[-1] == end else tokens


def whole(item: Item) -> Item:
    """The parts of an output, which are pieces of one text, as that text."""
    return Item(item.context, text_parts("".join(part.text for part in item.output), "system"), item.system)


def checked_tokens(tokens: Tokens, finished: NDArray[np.bool_], vocabulary: int, end: int) -> Tokens:
    """Tokens [rows] to append, `WAIT` on all finished rows. Raises UsageError as `Continuations.append`."""
    given = np.asarray(tokens)
    if given.shape != finished.shape or given.dtype.kind not in "iu":
        what = f"one token number for each of {len(finished)} rows is needed, not {given.dtype} {list(given.shape)}"
        raise UsageError(what, where="append")
    if ((given < WAIT) | (given >= vocabulary)).any():
        what = f"tokens are numbers from 0 to {vocabulary - 1}, or {WAIT} to wait, not {given.min()} to {given.max()}"
        raise UsageError(what, where="append")
    if not np.isin(given[finished], (end, WAIT)).all():
        fix = f"append {end} to it, or leave it out with keep"
        raise UsageError("a finished row can take nothing but the end", where="append", fix=fix)
    return np.where(finished, WAIT, given).astype(np.intp)


def checked_rows(rows: Sequence[int] | NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Rows to keep. Raises UsageError where one is none of the state's."""
    chosen = np.asarray(rows, dtype=np.intp).reshape(-1)
    if ((chosen < 0) | (chosen >= size)).any():
        raise UsageError(f"rows are numbers from 0 to {size - 1}, not {chosen.min()} to {chosen.max()}", where="keep")
    return chosen
