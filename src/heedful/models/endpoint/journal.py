"""What calls were made, what they cost and what they answered, in a file that a kill at any moment leaves whole.

SQLite with a write-ahead log: each change is there whole or not at all once its commit returned, so a killed process
loses nothing that it had recorded, and a torn end is found by its checksum and left out. Lines of JSON would need all
of that written again, and be read whole at each start. Commits are not forced to the disk: the machine losing power may
lose the last of them, and what they cost, never the file.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from heedful.core import Budget, BudgetExceededError, HeedfulError, InputError, UsageError
from heedful.models.endpoint.requests import Answer

UNITS = ("calls", "tokens", "money")
_SCHEMA = """
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, outcome TEXT NOT NULL, metered INTEGER NOT NULL,
    calls REAL NOT NULL, tokens REAL NOT NULL, money REAL NOT NULL
);
CREATE TABLE answers (
    key BLOB PRIMARY KEY, text BLOB NOT NULL, tokens_in INTEGER, tokens_out INTEGER, cost REAL NOT NULL,
    finish_reason TEXT
) WITHOUT ROWID;
"""
_APPLICATION, _VERSION = 0x68656564, 1  # "heed"
_UNDER_WAY, _LOST = "under way", "lost when the process ended"
_DAMAGED = "give another path; a damaged one: restore a copy, or mend it by the .recover of SQLite's shell"


@dataclass(frozen=True, slots=True)
class Spending:
    """What a journal's calls have cost, in all processes: `charged` in calls, tokens and money, of which `reserved` are
    charged as reserved because what was spent is not known. `outcomes` counts all calls by what became of them, refused
    ones too; `recalled` are the answers taken from the journal since it was opened."""

    charged: Mapping[str, float]
    reserved: Mapping[str, float]
    outcomes: Mapping[str, int]
    recalled: int


class Journal:
    """Answers kept in a file, and what they cost counted on a budget of calls, tokens and money.

    Caps are on all that the file ever recorded: opening it counts the past on `budget`, so a run that was killed goes
    on under the same caps. Calls that were under way then stay charged as they were reserved. Without a path it is kept
    in memory. Several endpoints may share one, from several threads, but only one process may have it open; raises
    UsageError where another has it, InputError where the file is no journal or is damaged. `largest` is the most that
    one call reserved of each unit since it was opened, or since somebody cleared it.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, budget: Budget | None = None) -> None:
        self.budget = Budget() if budget is None else budget
        self.path = ":memory:" if path is None else os.fspath(path)
        self._process = os.getpid()
        self._begun: set[int] = set()
        self.largest: dict[str, float] = {}
        self._recalled = 0
        self._ahead: dict[bytes, dict[str, float]] = {}
        self._replaying = False
        self._one_at_a_time = threading.Lock()
        self._file = _opened(self.path)
        with self._turn():
            self._bought = self._charged()
        self.budget.settle({}, self._bought)

    @property
    def under_way(self) -> int:
        """How many calls are begun and not settled."""
        return len(self._begun)

    @contextlib.contextmanager
    def replayed(self) -> Iterator[None]:
        """Within, what is recorded is counted on the budget when it is recalled first, rather than from the start: who
        does again what was done before finds as much left at each step as there was then, and ends where that ended.
        Calls that are new are refused all the same where all that was ever recorded leaves nothing for them."""
        with self._turn():
            rows = self._file.execute("SELECT key, tokens_in, tokens_out, cost FROM answers").fetchall()
        self._ahead = {
            key: dict(zip(UNITS, (1.0, (tokens_in or 0.0) + (tokens_out or 0.0), cost), strict=True))
            for key, tokens_in, tokens_out, cost in rows
        }
        ahead = self._all_ahead()
        given = {unit: min(own, self.budget.spent.get(unit, 0.0)) for unit, own in ahead.items()}
        self.budget.release(**given)
        self._replaying = True
        try:
            yield
        finally:  # of what was given back, what was not counted again
            left = self._all_ahead()
            self.budget.settle({}, {unit: max(0.0, own - (ahead[unit] - left[unit])) for unit, own in given.items()})
            self._ahead, self._replaying = {}, False

    def _all_ahead(self) -> dict[str, float]:
        """What answers cost that may be recalled yet."""
        return {unit: sum(own[unit] for own in self._ahead.values()) for unit in UNITS}

    def recall(self, key: bytes, amounts: Mapping[str, float] | None = None) -> Answer | None:
        """The answer recorded under a key. Where it is counted now (`replayed`), so much must be left as was reserved
        for it then, `amounts`; raises BudgetExceededError where it is not."""
        with self._turn():
            row = self._file.execute("SELECT * FROM answers WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            self._recalled += 1
            if (cost_then := self._ahead.get(key)) is not None:
                self.budget.reserve(**(amounts or cost_then))
                self.budget.settle(amounts or cost_then, cost_then)
                self._largest(amounts or cost_then)
                del self._ahead[key]
        _, text, tokens_in, tokens_out, cost, reason = row
        return Answer(text.decode("utf-8", "surrogatepass"), tokens_in, tokens_out, cost, reason, cached=True)

    def begin(self, key: bytes, amounts: Mapping[str, float]) -> int:
        """Reserve a call and record it, before it is made; its number. Raises BudgetExceededError, UsageError."""
        if os.getpid() != self._process:
            raise UsageError("a journal belongs to the process that opened it, not to its forks", where=self.path)
        with self._turn() as undo:
            row = (key, _UNDER_WAY, *(amounts[unit] for unit in UNITS))
            sql = "INSERT INTO calls (key, outcome, metered, calls, tokens, money) VALUES (?, ?, 0, ?, ?, ?)"
            call = int(self._file.execute(sql, row).lastrowid or 0)
            self._fits(amounts)
            self.budget.reserve(**amounts)  # where it does not fit, the row goes again
            undo.callback(self.budget.release, **amounts)
            self._begun.add(call)
            undo.callback(self._begun.discard, call)
            self._largest(amounts)
            undo.callback(setattr, self, "_bought", self._bought)
            self._bought = {unit: own + amounts[unit] for unit, own in self._bought.items()}
        return call

    def _largest(self, amounts: Mapping[str, float]) -> None:
        self.largest = {unit: max(amounts[unit], self.largest.get(unit, 0.0)) for unit in UNITS}

    def _fits(self, amounts: Mapping[str, float]) -> None:
        """Raises BudgetExceededError where a cap leaves no room for this beside all that was ever recorded."""
        for unit, own in self._bought.items():
            if self._replaying and own + amounts[unit] > self.budget.caps.get(unit, math.inf):
                what = f"{amounts[unit]:g} {unit} needed, and {own:g} of {self.budget.caps[unit]:g} were spent before"
                raise BudgetExceededError(what, fix=f"raise the cap on {unit} or ask for less")

    def settle(
        self,
        call: int,
        key: bytes,
        outcome: str,
        spent: Mapping[str, float] | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Record what became of a call, with its answer, at once. `spent` None: not known, it stays as reserved.

        Where that cannot be recorded, the call stays charged as reserved, and is under way no more.
        """
        try:
            self._record(call, key, outcome, spent, answer)
        finally:  # once what it held is free
            self._begun.discard(call)

    def _record(
        self, call: int, key: bytes, outcome: str, spent: Mapping[str, float] | None, answer: Answer | None
    ) -> None:
        with self._turn() as undo:
            if answer is not None and answer.text is not None:
                text = answer.text.encode("utf-8", "surrogatepass")
                row = (key, text, answer.tokens_in, answer.tokens_out, answer.cost, answer.finish_reason)
                self._file.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
            if spent is None:
                self._file.execute("UPDATE calls SET outcome = ? WHERE id = ?", (outcome, call))
                return
            reserved = self._file.execute("SELECT calls, tokens, money FROM calls WHERE id = ?", (call,)).fetchone()
            sql = "UPDATE calls SET outcome = ?, metered = 1, calls = ?, tokens = ?, money = ? WHERE id = ?"
            self._file.execute(sql, (outcome, *(spent[unit] for unit in UNITS), call))
            held = dict(zip(UNITS, reserved, strict=True))
            self.budget.settle(held, spent)
            undo.callback(self.budget.settle, spent, held)
            undo.callback(setattr, self, "_bought", self._bought)
            self._bought = {unit: own + spent[unit] - held[unit] for unit, own in self._bought.items()}

    @contextlib.contextmanager
    def _turn(self) -> Iterator[contextlib.ExitStack]:
        """One thread's changes, all or none: what cannot be committed is undone, in memory by the stack."""
        try:
            with self._one_at_a_time, contextlib.ExitStack() as undo:
                with self._file:
                    yield undo
                undo.pop_all()
        except sqlite3.Error as error:
            raise HeedfulError(f"the journal cannot be used ({error})", where=self.path) from error

    def spending(self) -> Spending:
        """What calls have cost so far, those under way as reserved."""
        with self._turn():
            outcomes = self._file.execute("SELECT outcome, count(*) FROM calls GROUP BY outcome ORDER BY min(id)")
            return Spending(self._charged(), self._charged("WHERE metered = 0"), dict(outcomes), self._recalled)

    def _charged(self, where: str = "") -> dict[str, float]:
        sql = f"SELECT total(calls), total(tokens), total(money) FROM calls {where}"
        return dict(zip(UNITS, self._file.execute(sql).fetchone(), strict=True))

    def close(self) -> None:
        """Let another process open the file."""
        with self._one_at_a_time:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _opened(path: str) -> sqlite3.Connection:
    """The file with its tables, and a lock on it that a killed process loses. Calls it left under way are lost."""
    if not path:
        raise UsageError("the path of a journal is empty", where="Journal", fix="None keeps it in memory")
    file = None
    try:
        file = sqlite3.connect(path, timeout=0, check_same_thread=False)
        # Exclusive before the first read: the lock is then kept from it on, and the log needs no shared memory.
        file.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
        known = [file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        new = known == [0, 0] and not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not new and known != [_APPLICATION, _VERSION]:
            raise sqlite3.DatabaseError(f"its marks are {known}")
        file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        if new:
            marks = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};"
            file.executescript(f"BEGIN; {_SCHEMA} {marks} COMMIT;")
        if (found := file.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found.splitlines()[-1])
        with file:
            file.execute("UPDATE calls SET outcome = ? WHERE outcome = ?", (_LOST, _UNDER_WAY))
        return file
    except sqlite3.OperationalError as error:
        if file is not None:
            file.close()
        fix = "wait until it is done, or give another path" if "locked" in str(error) else None
        what = "this journal is open already, here or in another process" if fix else f"it cannot be opened ({error})"
        raise UsageError(what, where=path, fix=fix) from error
    except sqlite3.DatabaseError as error:
        if file is not None:
            file.close()
        what = f"this file is no journal of this version, or is damaged ({error})"
        raise InputError(what, where=path, fix=_DAMAGED) from error
