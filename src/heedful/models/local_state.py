"""Outputs that a local language model is writing, with the network's cache of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, Item, Parts, UsageError
from heedful.models.reading import Reading
from heedful.models.token_models import WAIT, Tokens, Uniforms, checked_rows, checked_tokens, drawn, greatest


class Writer(Protocol):
    """What the state asks of its model."""

    @property
    def end(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    def law(self, logits: Any) -> Any: ...
    def write(self, contexts: Sequence[Parts], tokens: Sequence[Tokens]) -> tuple[Item, ...]: ...


@dataclass(slots=True, eq=False)
class LocalContinuations:
    """The state of `LocalModel.begin`.

    `written` [rows, columns] holds tokens, or `WAIT` where a row has none in a column. Rows not finished are rows of
    `reading`, in order, and of `ahead`, the network's law [rows not finished, vocabulary] of what follows.
    """

    model: Writer
    contexts: tuple[Parts, ...]
    written: NDArray[np.intp]
    finished: NDArray[np.bool_]
    log_prob: Floats
    positions: int
    reading: Reading | None
    ahead: Any
    _law: Floats | None = None

    def __len__(self) -> int:
        return len(self.contexts)

    @property
    def logprobs(self) -> Floats:
        if self._law is None:
            self._law = np.full((len(self), self.model.size), -np.inf)
            self._law[self.finished, self.model.end] = 0.0
            if self.ahead is not None:
                self._law[~self.finished] = self.ahead.cpu().numpy()
            self._law.flags.writeable = False
        return self._law

    def draw(self, rng: Uniforms) -> Tokens:
        """By NumPy, in double precision. On a GPU by torch, as precisely: a law of 100,000 tokens a row stays there."""
        if self.ahead is None or self.ahead.device.type == "cpu":
            return drawn(self.logprobs, rng)
        tokens = np.full(len(self), self.model.end)
        tokens[~self.finished] = drawn_there(self.ahead, rng.random(len(self))[~self.finished])
        return tokens

    def append(self, tokens: Tokens) -> None:
        given = checked_tokens(tokens, self.finished, self.model.size, self.model.end)
        on = given != WAIT
        if self.reading is not None and not on[~self.finished].all() and not self.reading.looks_back:
            fix = "append a token to each row, or write the rows in states of their own"
            raise UsageError("rows of this network cannot wait for others", where="append", fix=fix)
        self.log_prob[on] += self._told(on, given)
        self.written = np.column_stack([self.written, given])
        open_before = ~self.finished
        full = (self.written != WAIT).sum(axis=1) >= self.model.max_tokens
        self.finished = self.finished | (on & ((given == self.model.end) | full))
        self._read_on(given[~self.finished], ~self.finished[open_before])
        self.positions += int((on & ~self.finished).sum())
        self._law = None

    def keep(self, rows: Sequence[int] | NDArray[np.intp]) -> LocalContinuations:
        chosen = checked_rows(rows, len(self))
        place = (np.cumsum(~self.finished) - 1)[chosen[~self.finished[chosen]]]
        contexts = tuple(self.contexts[row] for row in chosen)
        reading, ahead = self._places(place)
        own = self.written[chosen], self.finished[chosen], self.log_prob[chosen], self.positions
        return LocalContinuations(self.model, contexts, *own, reading, ahead)

    def tokens(self) -> tuple[Tokens, ...]:
        return tuple(own[own != WAIT] for own in self.written)

    def items(self) -> tuple[Item, ...]:
        return self.model.write(self.contexts, self.tokens())

    def _told(self, on: NDArray[np.bool_], tokens: Tokens) -> Floats:
        """Log-probability of the token given on each row that is `on`."""
        if not on.any():
            return np.zeros(0)
        import torch

        place = np.cumsum(~self.finished)[on] - 1
        rows, columns = (torch.from_numpy(own).to(self.ahead.device) for own in (place, tokens[on]))
        return np.asarray(self.ahead[rows, columns].double().cpu().numpy())

    def _read_on(self, tokens: Tokens, still: NDArray[np.bool_]) -> None:
        """Read one token on each row that is not finished; `still` [rows open before] tells which of them these are."""
        if not still.all():
            self.reading, self.ahead = self._places(np.flatnonzero(still))
        read = tokens != WAIT
        if self.reading is None or not read.any():
            return
        import torch

        given = torch.from_numpy(np.where(read, tokens, 0)[:, None]).to(self.ahead.device)
        real = None if read.all() else torch.from_numpy(read[:, None]).to(self.ahead.device)
        law = self.model.law(self.reading.read(given, real)[:, -1])
        self.ahead = law if real is None else law.where(real, self.ahead)

    def _places(self, place: NDArray[np.intp]) -> tuple[Reading | None, Any]:
        """The reading and the law of some of the rows not finished."""
        if self.reading is None or not len(place):
            return None, None
        import torch

        rows = torch.from_numpy(place).to(self.ahead.device)
        return self.reading.keep(rows), self.ahead[rows]


def drawn_there(law: Any, uniform: Floats) -> Tokens:
    """What `drawn` gives for uniform numbers [rows], on the device of a normalised law [rows, vocabulary]."""
    import torch

    below = law.double().exp().cumsum(1)
    total = below[:, -1:]
    sought = torch.from_numpy(uniform[:, None]).to(total) * total
    sought = sought.minimum(total.nextafter(total.new_zeros(1)))
    place = torch.searchsorted(below, sought, right=True).clamp(max=law.shape[1] - 1)
    # Sums that run side by side may err by a rounding, and so name a token of no probability; the likeliest is given.
    place = torch.where(law.gather(1, place) > -torch.inf, place, law.argmax(1, keepdim=True))
    place = torch.where(total.isfinite() & (total > 0), place, WAIT)
    tokens = np.asarray(place[:, 0].cpu().numpy(), dtype=np.intp)
    if (tokens == WAIT).any():
        greatest(law.cpu().numpy())  # says which row, and what it has
    return tokens
