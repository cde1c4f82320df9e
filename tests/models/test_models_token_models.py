"""Models that write token by token: what is drawn, written, forked and reordered, on a language that can be listed."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import InputError, Item, UsageError
from heedful.models import END, WAIT, SequenceTable, complete, drawn
from heedful.models.contracts import TokenModelContract
from heedful.models.table_tokens import TableContinuations

CONTEXT = Item.of("tell me").context
LANGUAGE = {
    (): {"sun": 0.5, "rain": 0.3, END: 0.2},
    ("sun",): {"sun": 0.1, "rain": 0.6, END: 0.3},
    ("sun", "rain"): {"sun": 0.9, END: 0.1},
    ("me",): {"sun": 0.25, "rain": 0.75},
}


class TestSequenceTable(TokenModelContract):
    def make(self):
        return SequenceTable(LANGUAGE, max_tokens=3, system="table")

    def context(self):
        return CONTEXT

    def contexts(self):
        return CONTEXT, Item.of("").context

    def failures(self):
        """Names of the contract's tests that fail."""
        names = [name for name in dir(self) if name.startswith("test_")]
        return [name for name in names if not self.passes(name)]

    def passes(self, name):
        try:
            getattr(self, name)()
        except AssertionError:
            return False
        return True


def test_the_law_of_each_next_token_is_the_tables():
    table = TestSequenceTable().make()
    state = table.begin([CONTEXT, ()])
    assert table.vocabulary == (END, "rain", "sun")
    np.testing.assert_allclose(np.exp(state.logprobs), [[0, 0.75, 0.25], [0.2, 0.3, 0.5]])
    state.append(np.array([2, WAIT]))
    np.testing.assert_allclose(np.exp(state.logprobs), [[0.3, 0.6, 0.1], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(np.exp(state.log_prob), [0.25, 1.0])
    assert [item.output[0].text if item.output else "" for item in state.items()] == ["sun", ""]
    assert state.positions == 2 + 1 + 1  # "tell me", the empty context as one, and one token


def test_completed_states_are_distributed_as_the_table_says():
    table = TestSequenceTable().make()
    state = table.begin([CONTEXT] * 4000)
    complete(state, np.random.default_rng(0))
    support = table.support(CONTEXT)
    place = {item: row for row, item in enumerate(support)}
    counts = np.bincount([place[item] for item in state.items()], minlength=len(support))
    expected = 4000 * np.exp(table.log_prob(support))
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected) + 1).all()


def test_tokens_are_drawn_by_their_probability_and_never_without_any():
    probability = np.array([0.0, 0.2, 0.0, 0.8, 0.0])
    with np.errstate(divide="ignore"):
        logprobs = np.tile(np.log(probability) - 700.0, (20_000, 1))
    share = np.bincount(drawn(logprobs, np.random.default_rng(0)), minlength=5) / 20_000
    assert share[[0, 2, 4]].sum() == 0
    assert abs(share[1] - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 20_000)

    class Highest:
        def random(self, n):
            return np.full(n, np.nextafter(1.0, 0.0))

    assert drawn(logprobs[:1], Highest()).tolist() == [3]


@pytest.mark.parametrize("bad", [[-np.inf, -np.inf], [np.nan, 0.0], [np.inf, 0.0]])
def test_a_row_from_which_nothing_can_be_drawn_is_refused(bad):
    with pytest.raises(InputError, match=r"logprobs\[1\]"):
        drawn(np.array([[0.0, 0.0], bad]), np.random.default_rng(0))


def test_outputs_are_encoded_as_they_are_written():
    table = TestSequenceTable().make()
    texts = ["", "sun", "rain sun rain"]
    encoded = table.encode([Item.of("tell me", text) for text in texts])
    assert [own.tolist() for own in encoded] == [[0], [2, 0], [1, 2, 1]]
    with pytest.raises(InputError, match="cannot write 'hail'"):
        table.encode([Item.of("", "hail")])
    with pytest.raises(InputError, match="more than 3"):
        table.encode([Item.of("", "sun sun sun sun")])


def test_unknown_tokens_and_rows_are_refused():
    state = TestSequenceTable().make().begin([CONTEXT])
    for tokens in ([3], [-2], [0.0]):
        with pytest.raises(UsageError):
            state.append(np.array(tokens))
    with pytest.raises(UsageError, match="rows are numbers from 0 to 0"):
        state.keep([1])


def test_an_impossible_token_makes_its_row_impossible():
    state = TestSequenceTable().make().begin([CONTEXT])
    state.append(np.array([0]))
    assert state.log_prob.tolist() == [-np.inf]


class Merged(TableContinuations):
    """A planted fault: contexts that end in other words are told apart, what follows them is not."""

    __slots__ = ()

    @property
    def logprobs(self):
        law = super().logprobs
        written = [tuple(own.tolist()) for own in self.tokens()]
        first = {own: row for row, own in reversed(list(enumerate(written)))}
        return law[[first[own] for own in written]]


class Shared(TableContinuations):
    """A planted fault: a fork writes into the numbers of its origin."""

    __slots__ = ()

    def keep(self, rows):
        fork = super().keep(rows)
        fork.log_prob = self.log_prob
        return fork


class Unordered(TableContinuations):
    """A planted fault: rows come back in another order than asked."""

    __slots__ = ()

    def keep(self, rows):
        return super().keep(np.sort(rows)[::-1])


class Dear(TableContinuations):
    """A planted fault: each row reads its context anew."""

    __slots__ = ()

    @property
    def finished(self):
        self.positions += 1
        return super().finished


class Careless(TableContinuations):
    """A planted fault: what would grow is written on the state itself."""

    __slots__ = ()

    def grown(self, rows, tokens):
        self.append(tokens[: len(self)])
        return super().grown(rows, np.full(len(rows), WAIT))


@pytest.mark.parametrize("fault", [Merged, Shared, Unordered, Dear, Careless])
def test_the_contract_finds_planted_faults(fault):
    class Faulty(SequenceTable):
        def begin(self, contexts):
            state = super().begin(contexts)
            return fault(state.met, state.number, state.log_prob, state.positions)

    class OfFaulty(TestSequenceTable):
        def make(self):
            return Faulty(LANGUAGE, 3)

    assert TestSequenceTable().failures() == []
    assert OfFaulty().failures()
