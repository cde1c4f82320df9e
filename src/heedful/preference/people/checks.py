"""What arguments of models of people must be: said before anything is computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.core import Floats, InputError, UsageError
from heedful.preference.observations import Indices

_WIDEST = 1e100  # 1 / sd² is then a number above 0


def ids(values: Any, below: int, what: str, where: str) -> Indices:
    """Whole numbers 0 to `below` − 1 [v], whatever their type: products of ids overflow in narrow ones."""
    given = np.asarray(values)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise InputError(f"{what} are one whole number a vote", where=where)
    bad = ~((given >= 0) & (given < below) & (given == np.floor(given)))
    if bad.any():
        raise InputError(f"{what} are 0 to {below - 1}, not {given[bad][0]}", where=where, fix=f"renumber the {what}")
    return given.astype(np.intp)


def two_items(first: Any, second: Any, items: int, where: str) -> tuple[Indices, Indices]:
    """The items of every vote, as ids; InputError where there is none, or an item is against itself."""
    one, two = ids(first, items, "items", where), ids(second, items, "items", where)
    if len(one) != len(two):
        raise InputError(f"{len(one)} first and {len(two)} second items cannot be paired", where=where)
    if not len(one):
        raise InputError("there are no votes", where=where, fix="give at least one")
    if (one == two).any():
        same = int((one == two).sum())
        raise InputError(f"{same} votes are on an item against itself", where=where, fix="leave them out")
    return one, two


def among(values: Any, allowed: Any, votes: int, where: str) -> Floats:
    """Outcomes [v], each one of `allowed`."""
    outcome = np.asarray(values, dtype=np.float64)
    if outcome.shape != (votes,) or not np.isin(outcome, allowed).all():
        raise InputError(f"an outcome a vote is wanted, one of {', '.join(map(str, allowed))}", where=where)
    return outcome


def width(sd: float | None, name: str) -> None:
    """Raises UsageError unless it is a standard deviation, or None."""
    if sd is not None and not 1 / _WIDEST <= sd <= _WIDEST:
        raise UsageError(f"a standard deviation is above 0 and finite, not {sd}", where=name)


def at_least(least: int, **numbers: int) -> None:
    """Raises UsageError for the first number that is below `least`."""
    for name, number in numbers.items():
        if number < least:
            raise UsageError(f"at least {least} is wanted, not {number}", where=name)
