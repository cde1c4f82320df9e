"""The journal: answers kept, spending counted, one process at a time, whole after a kill."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.core import Budget, BudgetExceededError, HeedfulError, InputError, UsageError
from heedful.models import Answer, Journal

MOST = {"calls": 1.0, "tokens": 100.0, "money": 0.5}
SPENT = {"calls": 1.0, "tokens": 30.0, "money": 0.25}
NOTHING = {"calls": 0.0, "tokens": 0.0, "money": 0.0}


def test_a_call_is_reserved_then_settled() -> None:
    journal = Journal(budget=Budget(calls=2, tokens=130))
    call = journal.begin(b"k", MOST)
    assert journal.budget.spent == journal.spending().charged == journal.spending().reserved == MOST
    with pytest.raises(BudgetExceededError, match="100 tokens needed, 30 of 130 left"):
        journal.begin(b"l", MOST)
    assert journal.under_way == 1
    journal.settle(call, b"k", "answered", SPENT, Answer("four"))
    assert journal.under_way == 0
    assert journal.budget.spent == journal.spending().charged == SPENT
    assert journal.spending().reserved == NOTHING
    journal.begin(b"l", MOST)


def test_what_is_not_known_stays_as_reserved() -> None:
    journal = Journal()
    journal.settle(journal.begin(b"k", MOST), b"k", "timeout", None, None)
    journal.settle(journal.begin(b"k", MOST), b"k", "status 429", NOTHING, None)
    spending = journal.spending()
    assert spending.charged == spending.reserved == journal.budget.spent == MOST
    assert spending.outcomes == {"timeout": 1, "status 429": 1}


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.text(st.characters(exclude_categories=())), st.none() | st.integers(0, 2**53 - 1))
def test_answers_come_back_as_they_were(text, tokens) -> None:
    with Journal() as journal:
        answer = Answer(text, tokens, tokens, 0.125, "stop")
        journal.settle(journal.begin(b"k", MOST), b"k", "answered", SPENT, answer)
        assert journal.recall(b"k") == Answer(text, tokens, tokens, 0.125, "stop", cached=True)
        assert journal.recall(b"l") is None
        assert journal.spending().recalled == 1


def test_an_answer_without_text_is_not_kept() -> None:
    journal = Journal()
    journal.settle(journal.begin(b"k", MOST), b"k", "no content", SPENT, Answer(None, fault="no content"))
    assert journal.recall(b"k") is None


def test_the_past_counts_and_calls_under_way_stay_charged(tmp_path) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.settle(journal.begin(b"k", MOST), b"k", "answered", SPENT, Answer("four"))
        journal.begin(b"l", MOST)
    budget = Budget(calls=3, tokens=10)
    budget.reserve(calls=1)
    with Journal(path, budget) as journal:
        charged = {"calls": 2.0, "tokens": 130.0, "money": 0.75}
        assert journal.spending().charged == charged
        assert journal.spending().reserved == MOST
        assert journal.spending().outcomes == {"answered": 1, "lost when the process ended": 1}
        assert budget.spent == {**charged, "calls": 3}
        assert budget.left("tokens") == -120
        with pytest.raises(BudgetExceededError):
            journal.begin(b"m", NOTHING | {"calls": 1.0})


class Full:
    """A file on a full disk: nothing can be committed."""

    def __init__(self, file) -> None:
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self) -> None:
        self.file.__enter__()

    def __exit__(self, *_) -> None:
        self.file.rollback()
        raise sqlite3.OperationalError("disk I/O error")


def test_what_cannot_be_committed_holds_nothing(tmp_path) -> None:
    path = tmp_path / "j"
    journal = Journal(path, Budget(calls=2))
    first, file = journal.begin(b"k", MOST), journal._file
    journal._file = Full(file)
    with pytest.raises(HeedfulError, match="disk I/O error"):
        journal.begin(b"l", MOST)
    assert (journal.under_way, journal.budget.spent) == (1, MOST)
    with pytest.raises(HeedfulError, match="disk I/O error"):
        journal.settle(first, b"k", "answered", SPENT, Answer("four"))
    assert (journal.under_way, journal.budget.spent) == (0, MOST)
    journal._file = file
    assert journal.spending().charged == MOST
    journal.settle(journal.begin(b"l", MOST), b"l", "answered", SPENT, Answer("five"))
    assert journal.spending().charged == journal.budget.spent
    journal.close()
    with Journal(path) as journal:
        assert journal.recall(b"k") is None
        assert journal.recall(b"l") is not None
        assert journal.spending().reserved == MOST


def test_one_process_at_a_time(tmp_path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(UsageError, match="open already, here or in another process"):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").close()


def test_a_closed_journal_says_so() -> None:
    journal = Journal()
    journal.close()
    for use in (lambda: journal.recall(b"k"), lambda: journal.begin(b"k", MOST), journal.spending):
        with pytest.raises(HeedfulError, match="the journal cannot be used"):
            use()
    assert journal.budget.spent == NOTHING


def test_a_torn_end_is_left_out(tmp_path) -> None:
    """A write-ahead log cut at any byte, as by a kill in the middle of a write, loses its last changes only."""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    journal = Journal(whole)
    for number in range(6):
        key = bytes([number])
        journal.settle(journal.begin(key, MOST), key, "answered", SPENT, Answer(str(number)))
    main, log = whole.read_bytes(), (tmp_path / "whole-wal").read_bytes()
    kept = []
    for size in range(len(log), len(log) // 2, -997):
        torn.write_bytes(main)
        (tmp_path / "torn-wal").write_bytes(log[:size])
        with Journal(torn) as read:
            answers = [read.recall(bytes([number])) for number in range(6)]
            known = [answer for answer in answers if answer is not None]
            assert [answer.text for answer in known] == [str(number) for number in range(len(known))]
            spending = read.spending()
            assert spending.charged["calls"] - len(known) == spending.reserved["calls"] <= 1
        kept.append(len(known))
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == 6 > kept[-1] > 0


def test_a_damaged_journal_is_refused_when_it_is_opened(tmp_path) -> None:
    path, noise = tmp_path / "j", np.random.default_rng(0)
    with Journal(path) as journal:
        for number in range(120):
            key = bytes([number]) * 32
            journal.settle(journal.begin(key, MOST), key, "answered", SPENT, Answer("word " * 20))
    whole = path.read_bytes()
    pages = range(4096, len(whole), 4096)
    assert len(pages) > 3
    damaged = [whole[:page] + noise.bytes(4096) + whole[page + 4096 :] for page in pages]
    for raw in (*damaged, whole[:4096], whole[: 3 * 4096], whole[:2000]):
        path.write_bytes(raw)
        with pytest.raises(InputError, match=r"damaged .* restore a copy"):
            Journal(path)
        assert path.read_bytes() == raw
    path.write_bytes(whole)
    Journal(path).close()


def test_other_files_are_left_alone(tmp_path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b"not a journal, but somebody's notes" * 40)
    with pytest.raises(InputError, match="no journal"):
        Journal(path)
    assert path.read_bytes().startswith(b"not a journal")
    other = tmp_path / "other"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE mine (a)")
    file.close()
    before = other.read_bytes()
    with pytest.raises(InputError, match="no journal"):
        Journal(other)
    assert other.read_bytes() == before
    with pytest.raises(UsageError, match="cannot be opened"):
        Journal(tmp_path / "nowhere" / "j")
    with pytest.raises(UsageError, match="is empty"):
        Journal("")


def test_who_does_again_what_was_done_finds_as_much_left_as_then(tmp_path) -> None:
    """Three calls of 30 tokens, on a cap of 200: each is counted as it is recalled, a new one beside all of them."""
    with Journal(tmp_path / "j") as journal:
        for key in (b"a", b"b", b"c"):
            journal.settle(journal.begin(key, MOST), key, "answered", SPENT, Answer("four", 20, 10, 0.25))
    budget = Budget(tokens=200)
    with Journal(tmp_path / "j", budget) as journal:
        with journal.replayed():
            left = [budget.left("tokens")]
            for key in (b"a", b"b", b"a"):
                journal.recall(key)
                left.append(budget.left("tokens"))
            assert left == [200, 170, 140, 140]
            journal.settle(journal.begin(b"d", MOST), b"d", "answered", SPENT, Answer("five", 20, 10, 0.25))
            with pytest.raises(BudgetExceededError, match="100 tokens needed, and 120 of 200 were spent before"):
                journal.begin(b"e", MOST)
            assert budget.left("tokens") == 110
        assert budget.left("tokens") == 80
        with journal.replayed():  # nothing of it is done again
            pass
        assert budget.left("tokens") == 80
        assert budget.spent["tokens"] == journal.spending().charged["tokens"]
