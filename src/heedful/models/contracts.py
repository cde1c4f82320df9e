"""The contract tests of models that write token by token: subclass, give the model and contexts, run with pytest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedful.core import Parts, UsageError
from heedful.core.contracts import BaseContract
from heedful.models.token_models import WAIT, Continuations, TokenModel, complete, drawn


class TokenModelContract(BaseContract):
    """States written, forked and reordered tell what each row alone would, and what the model says of whole outputs."""

    tolerance = 1e-12
    """How far (nats) the same number may be from itself in another batch."""

    waits = True
    """Whether rows can wait for others; a model whose rows cannot refuses it."""

    def contexts(self) -> Sequence[Parts]:
        """Two contexts or more; those of different lengths try most."""
        return (self.context(), self.context())

    def test_is_a_token_model(self) -> None:
        made = self.make()
        assert isinstance(made, TokenModel)
        assert isinstance(made.begin(self.contexts()), Continuations)
        assert 0 <= made.end < len(made.vocabulary)
        assert made.begin(()).items() == ()
        assert made.begin(self.contexts()).positions == made.reading(self.contexts())

    def test_next_tokens_sum_to_one_and_the_end_is_certain_at_the_end(self) -> None:
        made, state, rng = self.make(), self._begun(), np.random.default_rng(0)
        for _ in range(made.max_tokens + 1):
            logprobs, finished = state.logprobs, state.finished
            assert logprobs.shape == (len(state), len(made.vocabulary))
            np.testing.assert_allclose(np.exp(logprobs).sum(axis=1), 1.0, atol=max(1e-9, self.tolerance))
            assert (logprobs[finished, made.end] == 0).all()
            state.append(drawn(logprobs, rng))
        assert state.finished.all()

    def test_tokens_are_drawn_by_the_law(self) -> None:
        state = self._begun()
        for step in range(3):
            one, other = np.random.default_rng(step), np.random.default_rng(step)
            tokens = state.draw(one)
            np.testing.assert_array_equal(tokens, drawn(state.logprobs, other))
            assert one.random() == other.random()
            state.append(tokens)

    def test_what_is_written_has_the_log_probability_the_model_gives_it(self) -> None:
        made, state = self.make(), self._begun()
        complete(state, np.random.default_rng(1))
        given = made.encode(state.items())
        same = np.array([np.array_equal(own, other) for own, other in zip(state.tokens(), given, strict=True)])
        assert same.any(), "no output drawn is encoded as it was written"
        log_prob = made.log_prob([item for item, kept in zip(state.items(), same, strict=True) if kept])
        np.testing.assert_allclose(state.log_prob[same], log_prob, atol=self.tolerance * made.max_tokens)

    def test_the_same_words_after_different_contexts_are_told_apart(self) -> None:
        state = self._begun()
        assert [item.context for item in state.items()] == [*self.contexts()] * 3
        for _ in range(2):
            self._same(self._told(state), self._alone(state))
            state.append(np.where(state.finished, WAIT, state.logprobs[0].argmax()))

    def test_rows_kept_go_on_as_if_alone(self) -> None:
        """Forks, repeats and waits: at every step each row's law is that of a state holding this row only."""
        made, rng = self.make(), np.random.default_rng(2)
        state = self._begun()
        for step in range(min(made.max_tokens, 6)):
            tokens = drawn(state.logprobs, rng)
            if self.waits:
                tokens = np.where(rng.random(len(state)) < 0.3, WAIT, tokens)
            state.append(tokens)
            if step % 2:
                before = self._told(state)
                rows = rng.integers(len(state), size=len(state))
                fork = state.keep(rows)
                self._same(tuple(told[rows] for told in before), self._told(fork))
                fork.append(drawn(fork.logprobs, rng))
                self._same(before, self._told(state))
                state = fork
            self._same(self._told(state), self._alone(state))

    def test_what_would_grow_is_told_without_reading(self) -> None:
        state, rng = self._begun(), np.random.default_rng(5)
        for _ in range(min(self.make().max_tokens, 4) + 1):
            rows = rng.integers(len(state), size=2 * len(state))
            tokens = drawn(state.logprobs[rows], rng)
            before, read = self._told(state), state.positions
            items, finished = state.grown(rows, tokens)
            self._same(before, self._told(state))
            assert state.positions == read
            fork = state.keep(rows)
            self._same(tuple(told[rows] for told in before), self._told(fork))
            fork.append(tokens)
            assert items == fork.items()
            np.testing.assert_array_equal(finished, fork.finished)
            state.append(state.draw(rng))

    def test_a_context_is_read_once_and_what_is_written_once(self) -> None:
        made, rng = self.make(), np.random.default_rng(3)
        context = self.context()
        state, single = made.begin([context] * 5), made.begin([context])
        assert state.positions == single.positions > 0
        read = state.positions
        while not state.finished.all():
            state.append(state.draw(rng))
            state = state.keep(np.arange(5))
            read += int((~state.finished).sum())
            assert state.positions == read

    def test_finished_rows_take_nothing_but_the_end(self) -> None:
        made, state = self.make(), self._begun()
        complete(state, np.random.default_rng(4))
        told = self._told(state)
        state.append(np.full(len(state), made.end))
        state.append(np.full(len(state), WAIT))
        self._same(told, self._told(state))
        for tokens in (np.full(len(state), (made.end + 1) % len(made.vocabulary)), np.zeros(len(state) + 1, np.intp)):
            try:
                state.append(tokens)
            except UsageError:
                continue
            raise AssertionError("tokens that cannot be appended were taken")

    def _begun(self) -> Any:
        """Three rows a context, mixed."""
        return self.make().begin([context for _ in range(3) for context in self.contexts()])

    def _told(self, state: Any) -> tuple[NDArray[Any], ...]:
        items = np.array([item.key for item in state.items()])
        return items, state.finished.copy(), state.log_prob.copy(), state.logprobs.copy()

    def _alone(self, state: Any) -> tuple[NDArray[Any], ...]:
        made, rows = self.make(), []
        for item, tokens in zip(state.items(), state.tokens(), strict=True):
            single = made.begin([item.context])
            for token in tokens:
                single.append(np.array([token]))
            rows.append(self._told(single))
        return tuple(np.concatenate(columns) for columns in zip(*rows, strict=True))

    def _same(self, told: tuple[NDArray[Any], ...], other: tuple[NDArray[Any], ...]) -> None:
        for own, its in zip(told[:2], other[:2], strict=True):
            np.testing.assert_array_equal(own, its)
        for own, its in zip(told[2:], other[2:], strict=True):
            np.testing.assert_allclose(own, its, atol=self.tolerance * 10, rtol=0)
