"""Votes by rater: comparisons counted per rater and answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from heedful.core import FitError, Floats
from heedful.feedback import Table
from heedful.models import Encoder
from heedful.preference.likelihoods import summed
from heedful.preference.observations import Comparisons, Indices, Observations, observe

_OTHER = "of a sort of which the reliability of raters is not modelled"


@dataclass(frozen=True)
class RaterVotes:
    """Comparisons as distinct answers e and how often each rater gave each.

    `names` [n] items, `raters` [r] ids; `style` [d] names of covariates. Of an answer: `first`, `second` [e] items,
    `outcome` [e] 1 (first), 0 (tie) or −1, `shown` [e] 1.0 where the order shown is known, `covariates` [e, d]
    differences (first less second) in units of their standard deviation, which `scale` holds for all covariates
    measured. `counts` [r + singles, e], sparse: votes without a rater's id are raters of one answer, after those named;
    `multiplicity` [r + singles] says how many.
    Of each vote: its table `row`, `answer`, whether the answer has the candidates `turned` round, `rater` (−1: none)
    and `weight` [v]. `degrees` counts the votes whose degree is not read, only who won.
    """

    names: tuple[str, ...]
    raters: tuple[str, ...]
    style: tuple[str, ...]
    first: Indices
    second: Indices
    outcome: Floats
    shown: Floats
    covariates: Floats
    scale: Floats
    counts: Any
    multiplicity: Floats
    row: Indices
    answer: Indices
    turned: NDArray[np.bool_]
    rater: Indices
    weight: Floats
    excluded: dict[str, int] = field(default_factory=dict)
    degrees: int = 0

    @property
    def ties(self) -> bool:
        return bool((self.outcome == 0).any())

    @property
    def ordered(self) -> bool:
        """Whether the order shown is known of any vote."""
        return bool(self.shown.any())

    @property
    def design(self) -> Any:
        """Δ [e] = design [e, n + d] @ (utilities, coefficients of style), sparse."""
        e, ones = len(self.first), np.ones(len(self.first))
        rows = np.concatenate([np.arange(e), np.arange(e)])
        columns = np.concatenate([self.first, self.second])
        items = sparse.coo_array((np.concatenate([ones, -ones]), (rows, columns)), shape=(e, len(self.names)))
        return sparse.hstack([items, sparse.csr_array(self.covariates)]).tocsr() if self.style else items.tocsr()

    @property
    def votes(self) -> Floats:
        """Number of votes of each rater named [r]."""
        known = self.rater >= 0
        return summed(self.rater[known], self.weight[known], len(self.raters))


def rater_votes(table: Table, criterion: str, style: Encoder | None, scale: Floats | None = None) -> RaterVotes:
    """The comparisons of a table on one criterion. Raises FitError where none is usable.

    `scale` is the unit of each covariate, as a fit found it (0: constant there, left out); None: found here.
    """
    observations = observe(table, criterion)
    votes, excluded = _merged(observations)
    if votes is None:
        raise FitError(
            f"no comparison on the criterion {criterion!r}",
            fix="give comparisons, or use `heedful.fit` for the scales of raters who graded",
        )
    raters, rater = _raters(table, votes.row)
    shown = table.column("shown").fill_null(False).to_numpy()[votes.row].astype(np.intp)
    outcome = np.sign(votes.outcome).astype(np.intp)
    covariates, names, scale = _style(table, votes.row, style, scale)
    # Where the order shown is not known, the winner (of a tie the lower item) is the first: fewer distinct answers.
    turned = (shown == 0) & ((outcome < 0) | ((outcome == 0) & (votes.first > votes.second)))
    first, second = np.where(turned, votes.second, votes.first), np.where(turned, votes.first, votes.second)
    outcome, covariates = np.where(turned, -outcome, outcome), np.where(turned[:, None], -covariates, covariates)
    columns = [first, second, outcome + 1, shown]
    # With covariates of the very outputs every row is an answer of its own.
    code = _distinct_codes([*columns, votes.row] if names else columns)
    _, one, answer = np.unique(code, return_index=True, return_inverse=True)
    counts, multiplicity = _counts(rater, answer, votes.weight, len(raters), len(one))
    return RaterVotes(
        observations.names, raters, names, first[one], second[one], outcome[one].astype(np.float64),
        shown[one].astype(np.float64), covariates[one], scale, counts, multiplicity, votes.row, answer, turned, rater,
        votes.weight, excluded, _degrees(observations),
    )  # fmt: skip


def _merged(observations: Observations) -> tuple[Comparisons | None, dict[str, int]]:
    """All comparisons by their choice, and what is left out."""
    excluded = dict(observations.excluded)
    kept = []
    for kind, votes in observations.instruments.items():
        if not isinstance(votes, Comparisons):
            excluded[f"{_OTHER} ({kind})"] = len(np.unique(votes.row))
            continue
        kept.append(votes)
    if not kept:
        return None, excluded
    names = ("row", "first", "second", "outcome", "weight")
    return Comparisons(*(np.concatenate([getattr(votes, name) for votes in kept]) for name in names)), excluded


def _degrees(observations: Observations) -> int:
    """How many comparisons have a degree, of which raters' types read the choice alone."""
    graded = [
        len(np.unique(votes.row[votes.outcome != 0]))
        for kind, votes in observations.instruments.items()
        if isinstance(votes, Comparisons) and kind != "comparison"
    ]
    return sum(graded) + sum(observations.by_choice.values())


def _raters(table: Table, rows: Indices) -> tuple[tuple[str, ...], Indices]:
    """Ids of the raters of some rows, sorted, and the rater of each row (−1: none)."""
    ids = table.column("rater")[rows]
    known = (ids.is_not_null() & (ids != "")).fill_null(False)
    names = ids.filter(known).unique().sort()
    place = {name: number for number, name in enumerate(names)}
    codes = ids.replace_strict(place, default=-1, return_dtype=pl.Int64) if place else None
    return tuple(names), np.full(len(rows), -1) if codes is None else codes.to_numpy().astype(np.intp)


def _style(
    table: Table, rows: Indices, encoder: Encoder | None, scale: Floats | None
) -> tuple[Floats, tuple[str, ...], Floats]:
    """Differences of covariates between the outputs of each row, in standard deviations, without constant columns."""
    if encoder is None:
        return np.zeros((len(rows), 0)), (), np.zeros(0)
    from heedful.core import Item, decode_parts

    pairs = table.column("outputs").gather(rows).to_list()
    missing = sum(None in pair for pair in pairs)
    if missing:
        raise FitError(
            f"{missing} of {len(rows)} comparisons are without the text of an output",
            fix="give the texts, or fit without style",
        )
    texts = sorted({text for pair in pairs for text in pair})
    items = [Item((), decode_parts(text, "system")) for text in texts]
    features = (encoder.fit(items) if scale is None else encoder).encode(items)
    place = {text: row for row, text in enumerate(texts)}
    where = np.array([[place[text] for text in pair] for pair in pairs])
    difference = features[where[:, 0]] - features[where[:, 1]]
    scale = np.sqrt((difference**2).mean(axis=0)) if scale is None else scale
    kept = scale > 0
    names = tuple(name for name, keep in zip(encoder.names, kept, strict=True) if keep)
    return difference[:, kept] / scale[kept], names, scale


def _distinct_codes(columns: list[Indices]) -> Indices:
    """One integer per distinct combination."""
    code = np.zeros(len(columns[0]), np.intp)
    for column in columns:
        code = code * (int(column.max()) + 1) + column
    return code


def _counts(rater: Indices, answer: Indices, weight: Floats, raters: int, answers: int) -> tuple[Any, Floats]:
    """How much of each answer each rater gave; the votes of no known rater as one rater for each distinct answer."""
    lone = rater < 0
    single, place = np.unique(answer[lone], return_inverse=True)
    multiplicity = np.concatenate([np.ones(raters), np.bincount(place, weight[lone], len(single))])
    rows = np.concatenate([rater[~lone], raters + np.arange(len(single))])
    columns = np.concatenate([answer[~lone], single])
    values = np.concatenate([weight[~lone], np.ones(len(single))])
    shape = (raters + len(single), answers)
    return sparse.coo_array((values, (rows, columns)), shape=shape).tocsr(), multiplicity
