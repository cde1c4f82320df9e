"""Checks of what heads are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import InputError, UsageError
from heedful.preference.observations import Indices

# Whole numbers beyond are no longer told from their neighbours as floats.
_MOST = 2.0**53


def whole(values: ArrayLike, where: str) -> Indices:
    """Raises InputError where numbers are not whole."""
    given = np.asarray(values)
    real = given.dtype.kind in "iuf"
    if not real or not (np.isfinite(given) & (given == np.trunc(given)) & (np.abs(given) < _MOST)).all():
        raise InputError("these are whole numbers", where=where, fix="number outputs and groups 0, 1, 2, ...")
    return np.asarray(given, dtype=np.intp)


def rows_of(values: ArrayLike, where: str) -> Indices:
    """Rows of a design. Raises InputError where they are no whole numbers from 0."""
    rows = whole(values, where)
    if (rows < 0).any():
        raise InputError("rows of the design are numbered from 0", where=where, fix="give no negative row")
    return rows


def check_positive(value: float | None, where: str, *, infinite: bool = False) -> None:
    """Raises UsageError where a width is given that is not above 0, or not finite unless it may be `infinite`."""
    if value is not None and not (0 < value < np.inf or (infinite and value == np.inf)):
        raise UsageError(f"{where} is above 0, not {value}", where=where, fix="None leaves it to the votes")
