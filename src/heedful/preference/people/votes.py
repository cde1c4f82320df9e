"""Comparisons counted per rater, pair and outcome: what models of people who differ are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from scipy import sparse

from heedful.core import FitError, Floats, InputError, UsageError
from heedful.feedback import Table
from heedful.models import Encoder, standardised
from heedful.preference.observations import Comparisons, Indices, Observations, observe
from heedful.preference.pair_models import PairModel
from heedful.preference.pairs import Pairs
from heedful.preference.people import checks
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

    def __post_init__(self) -> None:
        design = self.design
        if design is not None and (design.ndim != 2 or len(design) != self.items or not np.isfinite(design).all()):
            raise InputError(f"features are finite and one row for each of {self.items} items", where="PairVotes")

    @classmethod
    def of(
        cls,
        table: Table,
        criterion: str | None = None,
        *,
        features: Encoder | None = None,
        like: PairVotes | None = None,
        by: Literal["rater", "context"] = "rater",
    ) -> Self:
        """The comparisons of a table whose rater is known; items are systems, or texts where there are `features`.

        `like` reads new votes as those fitted were read: the same items (or encoder, as fitted), outcomes and
        criterion. `by` "context" takes prompts for raters: the same models then say whether prompts differ. Degrees are
        read by their choice alone. `criterion` is "overall" where nothing says otherwise. Raises FitError where nothing
        remains, InputError for items that `like` does not know.
        """
        if like is not None and features is not None:
            raise UsageError("features are those of the votes fitted", where="PairVotes", fix="leave out features")
        criterion = criterion or (like.criterion if like else "overall")
        texts = features is not None if like is None else like.design is not None
        seen = observe(table, criterion, identity="content" if texts else "system", soft_votes=False)
        row, first, second, sign, excluded = _comparisons(seen)
        column = table.column(by).cast(str)
        known = (column.is_not_null() & (column != "")).fill_null(False).to_numpy()[row]
        if (~known).any():
            excluded[f"of a {by} that is not known"] = int((~known).sum())
        if not known.any():
            raise FitError(f"no comparison has a known {by}", where="PairVotes", fix=f"give the {by} of each vote")
        names, rater = np.unique(column.to_numpy()[row[known]].astype(str), return_inverse=True)
        utility, code, design = _as_fitted(seen, like) if like else _anew(seen, features)
        votes = cls.from_arrays(
            rater,
            code[first[known]],
            code[second[known]],
            sign[known],
            items=len(utility.names) if isinstance(utility, FreeItems) else len(seen.names),
            raters=names.tolist(),
            ties=like.model.ties if like else None,
        )
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
        first, second = checks.two_items(first, second, items, "PairVotes")
        outcome = checks.among(outcome, (1, 0, -1), len(first), "PairVotes")
        rater = checks.ids(rater, np.iinfo(np.intp).max if raters is None else len(raters), "raters", "PairVotes")
        if len(rater) != len(first):
            raise InputError(f"{len(rater)} raters cannot have given {len(first)} votes", where="PairVotes")
        model = PairModel(np.ones(1), bool((outcome == 0).any()) if ties is None else ties)
        if (outcome == 0).any() and not model.ties:
            fix = "leave out the ties, or fit votes with ties=True"
            raise InputError("there are ties, but ties=False", where="PairVotes", fix=fix)
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

    def matched(self, fitted: PairVotes, where: str) -> Self:
        """These votes, which are on the items or features and have the outcomes of those fitted; else InputError."""
        alike = self.model == fitted.model and self.parameters == fitted.parameters
        if fitted.design is None:
            alike &= self.design is None and parameter_names(self) == parameter_names(fitted)
        elif isinstance(self.utility, Linear) and isinstance(fitted.utility, Linear):
            alike &= _same_encoder(self.utility.encoder, fitted.utility.encoder)
        if alike:
            return self
        raise InputError(
            "these votes are not on the items, features and outcomes fitted",
            where=where,
            fix="read them with PairVotes.of(table, like=...), or give from_arrays the items and ties of those fitted",
        )

    @property
    def parameters(self) -> int:
        """Of one person's utilities: d."""
        return self.items if self.design is None else self.design.shape[1]

    @property
    def votes(self) -> int:
        return int(self.counts.sum())

    @property
    def facts(self) -> dict[str, Any]:
        """What a model fitted to these votes says of them."""
        utility = "items" if self.design is None else "features"
        kinds = [{"kind": KIND, "n": self.votes}]
        return {"criterion": self.criterion, "utility": utility, "likelihoods": kinds, "excluded": self.excluded}

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


def pair_votes(votes: PairVotes | Table) -> PairVotes:
    """The votes themselves, or the comparisons between systems in a table, as `PairVotes.of` reads them."""
    return PairVotes.of(votes) if isinstance(votes, Table) else votes


def votes_like(votes: PairVotes | Table, fitted: PairVotes, where: str) -> PairVotes:
    """Votes on the items or features that were fitted, a table read accordingly; else InputError."""
    return PairVotes.of(votes, like=fitted) if isinstance(votes, Table) else votes.matched(fitted, where)


def _comparisons(seen: Observations) -> tuple[Indices, Indices, Indices, Floats, dict[str, int]]:
    """Row, first and second item and choice of every comparison, and what was left out."""
    parts = [votes for votes in seen.instruments.values() if isinstance(votes, Comparisons)]
    excluded = dict(seen.excluded)
    others = sum(len(v.row) for v in seen.instruments.values() if not isinstance(v, Comparisons))
    if others:
        excluded["of another kind than comparisons"] = others
    row, first, second = (
        np.concatenate([np.zeros(0, np.intp)] + [getattr(p, name) for p in parts])
        for name in ("row", "first", "second")
    )
    return row, first, second, np.sign(np.concatenate([np.zeros(0)] + [p.outcome for p in parts])), excluded


def _anew(seen: Observations, features: Encoder | None) -> tuple[Utility, Indices, Floats | None]:
    """The utility of the items seen, each one's code and their features."""
    code = np.arange(len(seen.names))
    if features is None:
        return FreeItems(tuple(seen.names)), code, None
    encoder = standardised(features).fit(seen.items())
    return Linear(encoder), code, encoder.encode(seen.items())


def _as_fitted(seen: Observations, like: PairVotes) -> tuple[Utility, Indices, Floats | None]:
    """As `_anew`, with the items or the encoder of votes that were fitted."""
    utility = like.utility
    if isinstance(utility, Linear):
        return utility, np.arange(len(seen.names)), utility.encoder.encode(seen.items())
    if like.design is not None or not isinstance(utility, FreeItems):
        raise UsageError(
            "the votes fitted have features, but no encoder to read new texts with",
            where="PairVotes(like)",
            fix="give from_arrays the features of the new items as design",
        )
    code = utility.locate(seen.names)
    if (code < 0).any():
        unknown = [name for name, at in zip(seen.names, code, strict=True) if at < 0]
        raise InputError(
            f"{len(unknown)} items are not among the {like.items} fitted: {', '.join(map(repr, unknown[:5]))}",
            where="PairVotes(like)",
            fix="leave out votes on them, or fit anew with them",
        )
    return utility, code, None


def _same_encoder(one: Encoder, other: Encoder) -> bool:
    if one is other:
        return True
    (arrays, state), (others, other_state) = one.state(), other.state()
    same = state == other_state and arrays.keys() == others.keys()
    return same and all(np.array_equal(array, others[name]) for name, array in arrays.items())


def parameter_names(votes: PairVotes) -> tuple[str, ...]:
    """Of θ [d]: items or features; numbers where features came without names."""
    if isinstance(votes.utility, Linear):
        return votes.utility.encoder.names
    if isinstance(votes.utility, FreeItems) and votes.design is None:
        return votes.utility.names
    return tuple(str(i) for i in range(votes.parameters))
