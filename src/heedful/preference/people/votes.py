"""Comparisons counted per rater, pair and outcome: what models of people who differ are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse

from heedful.core import FitError, Floats, InputError
from heedful.feedback import Table
from heedful.models import Encoder, Standardised
from heedful.preference.observations import Comparisons, Indices, observe
from heedful.preference.pair_models import PairModel
from heedful.preference.pairs import Pairs
from heedful.preference.utilities import FreeItems, Linear, Utility

KIND = "comparison"


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Votes of R raters on P pairs (`first` [P], `second` [P], item indices) with the o outcomes of `model`.

    `counts` is a sparse matrix [R, o · P]: column outcome · P + pair holds how often that rater gave that outcome.
    Utilities of the n items are design @ θ: `design` [n, d] holds features, or is None for free items (d = n).
    `excluded` counts judgements left out, by reason.
    """

    utility: Utility
    model: PairModel
    raters: tuple[str, ...]
    first: Indices
    second: Indices
    counts: Any
    items: int
    design: Floats | None = None
    excluded: dict[str, int] = field(default_factory=dict)
    criterion: str = "overall"

    @classmethod
    def of(
        cls,
        table: Table,
        criterion: str = "overall",
        *,
        features: Encoder | None = None,
        by: Literal["rater", "context"] = "rater",
    ) -> Self:
        """The comparisons of a table whose rater is known; items are systems, or texts where there are `features`.

        `by` "context" takes prompts for raters: the same models then say whether prompts differ. Degrees are read by
        their choice alone. Raises FitError where nothing remains.
        """
        seen = observe(table, criterion, identity="system" if features is None else "content", soft_votes=False)
        parts = [votes for votes in seen.instruments.values() if isinstance(votes, Comparisons)]
        excluded = dict(seen.excluded)
        others = sum(len(v.row) for v in seen.instruments.values() if not isinstance(v, Comparisons))
        if others:
            excluded["of another kind than comparisons"] = others
        row, first, second = (
            np.concatenate([np.zeros(0, np.intp)] + [getattr(p, name) for p in parts])
            for name in ("row", "first", "second")
        )
        sign = np.sign(np.concatenate([np.zeros(0)] + [p.outcome for p in parts]))
        column = table.column(by).cast(str)
        known = (column.is_not_null() & (column != "")).fill_null(False).to_numpy()[row]
        if (~known).any():
            excluded[f"of a {by} that is not known"] = int((~known).sum())
        if not known.any():
            raise FitError(f"no comparison has a known {by}", where="PairVotes", fix=f"give the {by} of each vote")
        names, rater = np.unique(column.to_numpy()[row[known]].astype(str), return_inverse=True)
        votes = cls.from_arrays(
            rater, first[known], second[known], sign[known], items=len(seen.names), raters=names.tolist()
        )
        utility: Utility = FreeItems(seen.names)
        design = None
        if features is not None:
            encoder = (features if isinstance(features, Standardised) else Standardised(features)).fit(seen.items())
            utility, design = Linear(encoder), encoder.encode(seen.items())
        return replace(votes, utility=utility, design=design, excluded=excluded, criterion=criterion)

    @classmethod
    def from_arrays(
        cls,
        rater: Indices,
        first: Indices,
        second: Indices,
        outcome: Floats,
        *,
        items: int,
        raters: Sequence[str] | None = None,
        design: Floats | None = None,
        ties: bool | None = None,
    ) -> Self:
        """From codes [v]: `outcome` is 1 where the first won, −1 where the second did, 0 for a tie.

        `ties` says whether ties can occur (None: whether any did). Raises InputError for codes that do not fit.
        """
        if not len(first) or (first == second).any() or not np.isin(outcome, [-1, 0, 1]).all():
            raise InputError("votes are on two distinct items, with outcomes 1, 0 or -1", where="PairVotes")
        if max(first.max(), second.max()) >= items or min(first.min(), second.min(), rater.min()) < 0:
            raise InputError(f"items are 0 to {items - 1}, raters 0 and above", where="PairVotes")
        model = PairModel(np.ones(1), bool((outcome == 0).any()) if ties is None else ties)
        if (outcome == 0).any() and not model.ties:
            raise InputError("there are ties, but ties=False", where="PairVotes")
        swapped = first > second
        low, high = np.minimum(first, second), np.maximum(first, second)
        place = np.searchsorted(model.scores, np.where(swapped, -outcome, outcome))
        distinct, cell = np.unique(low * items + high, return_inverse=True)
        names = tuple(raters) if raters is not None else tuple(str(r) for r in range(int(rater.max()) + 1))
        width = len(model.scores) * len(distinct)
        counts = sparse.coo_array(
            (np.ones(len(cell)), (rater, place * len(distinct) + cell)), shape=(len(names), width)
        ).tocsr()
        utility = FreeItems(tuple(str(i) for i in range(items)))
        return cls(utility, model, names, distinct // items, distinct % items, counts, items, design)

    @property
    def parameters(self) -> int:
        """Of one person's utilities: d."""
        return self.items if self.design is None else self.design.shape[1]

    @property
    def votes(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def differences(self) -> Any:
        """How Δ of each pair depends on θ [P, d]: sparse for free items."""
        if self.design is not None:
            return self.design[self.first] - self.design[self.second]
        pairs = np.arange(len(self.first))
        ones = np.ones(len(pairs))
        entries = np.concatenate([ones, -ones]), (np.tile(pairs, 2), np.concatenate([self.first, self.second]))
        return sparse.coo_array(entries, shape=(len(pairs), self.items)).tocsr()

    @cached_property
    def dense_differences(self) -> Floats:
        """`differences` as a dense matrix."""
        return np.asarray(self.differences.toarray() if self.design is None else self.differences)

    @cached_property
    def by_outcome(self) -> Any:
        """`counts` turned round [o · P, R]."""
        return self.counts.T.tocsr()

    def weighted(self, weight: Floats) -> Pairs:
        """The votes of all raters, each rater's by its weight [R], as a likelihood."""
        counts = np.asarray(self.by_outcome @ weight).reshape(-1, len(self.first))
        return Pairs(KIND, self.model, self.first, self.second, counts)

    def log_likelihood(self, log_prob: Floats) -> Floats:
        """Each rater's log-likelihood [R, ...] given log P of every outcome of every pair [o, P, ...]."""
        flat = log_prob.reshape(-1, *log_prob.shape[2:])
        return np.asarray(self.counts @ flat)

    def scores(self, gradient: Floats) -> Floats:
        """Each rater's gradient [R, d + p], given that of log P by Δ and the nuisance parameters [o, 1 + p, P]."""
        pairs = len(self.first)
        by_rater = self.counts.tocoo()
        outcome, pair = by_rater.col // pairs, by_rater.col % pairs
        slope = sparse.coo_array(
            (by_rater.data * gradient[outcome, 0, pair], (by_rater.row, pair)), shape=(len(self.raters), pairs)
        ).tocsr()
        own = slope @ self.differences
        own = own.toarray() if sparse.issparse(own) else np.asarray(own)
        levels = np.swapaxes(gradient[:, 1:], 1, 2).reshape(len(gradient) * pairs, gradient.shape[1] - 1)
        return np.concatenate([own, np.asarray(self.counts @ levels)], axis=1)

    def of_raters(self, chosen: Indices) -> Self:
        """Some raters' votes alone, on the same pairs."""
        return replace(self, raters=tuple(self.raters[i] for i in chosen), counts=self.counts[chosen])

    def resampled(self, probability: Floats, rng: np.random.Generator) -> Self:
        """New outcomes for every vote, drawn from P(outcome) [o, P] of its pair: the same questions, asked again."""
        pairs = len(self.first)
        held = self.counts.tocoo()
        pair, rater = held.col % pairs, held.row
        many = held.data.astype(np.intp)
        pair, rater = np.repeat(pair, many), np.repeat(rater, many)
        edges = probability[:, pair].cumsum(axis=0)
        outcome = (rng.random(len(pair)) * edges[-1] > edges).sum(axis=0)
        entries = np.ones(len(pair)), (rater, outcome * pairs + pair)
        return replace(self, counts=sparse.coo_array(entries, shape=self.counts.shape).tocsr())


def parameter_names(votes: PairVotes) -> tuple[str, ...]:
    """Of θ [d]: items or features; numbers where features came without names."""
    if isinstance(votes.utility, Linear):
        return votes.utility.encoder.names
    if isinstance(votes.utility, FreeItems) and votes.design is None:
        return votes.utility.names
    return tuple(str(i) for i in range(votes.parameters))
