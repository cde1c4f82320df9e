"""Choosing what to fit, and fitting splits and samples of a table alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import polars as pl

from heedful.core import FitError, Floats, UsageError
from heedful.evaluation import hold_out
from heedful.models import Encoder
from heedful.models.defaults import default_encoder
from heedful.models.remembered import Remembered
from heedful.preference import FITTED_KINDS, FittedPosterior, fit
from heedful.preference.features import HELD_OUT
from heedful.preference.observations import observe
from heedful.preference.people import Groups, PairVotes, fit_groups

if TYPE_CHECKING:
    from heedful.feedback import Table
    from heedful.preference.heads import Head, HeadPosterior

Utility = Literal["items", "features"]
PriorSd = float | Literal["evidence"] | None
UTILITIES = ("auto", "items", "features")
HEADS = {"linear": "Linear", "process": "GaussianProcess", "networks": "Networks"}
# Judged less often than this on average, items are too many for a free utility each to predict well.
_RECURRENCE = 3.0
# Where both utilities are possible, they are compared on this share of the training votes.
_VALIDATION = 0.25
# The evidence of a prior on more free items than this costs more than it saves.
_MOST_HELD = 300


@dataclass(frozen=True)
class Fitter:
    """How to fit any part of a table: the same criterion, utility, encoder, prior and seed for all.

    `prior_sd`: None is the default of `fit`; of weights, a number is the width that `settled` found.
    """

    criterion: str
    utility: Utility
    encoder: Encoder
    seed: int = 0
    prior_sd: PriorSd = None

    def __call__(self, table: Table) -> FittedPosterior:
        features = self.encoder if self.utility == "features" else None
        fitted = fit(
            table,
            criterion=self.criterion,
            utility=self.utility,
            features=features,
            prior_sd=self.prior_sd,
            seed=self.seed,
        )
        if isinstance(self.prior_sd, float) and self.utility == "features":  # which `settled` found, and no user gave
            fitted.model["prior"]["sd_was"] = HELD_OUT
        return fitted

    def settled(self, table: Table) -> Fitter:
        """With the prior that contexts held out from this table choose, where they do, for all fits to come."""
        if self.utility != "features" or self.prior_sd is not None:
            return self
        try:
            prior = self(table).model["prior"]
        except FitError:
            return self
        return replace(self, prior_sd=prior["sd"]) if prior["sd_was"] == HELD_OUT else self


def fit_table(
    table: Table,
    *,
    features: str | None = None,
    utility: str = "auto",
    criterion: str | None = None,
    head: str | None = None,
    groups: int | None = None,
    seed: int = 0,
) -> FittedPosterior | HeadPosterior | Groups:
    """Fit all of a table, choosing criterion and utility where they are not given; a head by name, or groups of raters.

    Raises FitError, UsageError.
    """
    chosen = choose_criterion(table, criterion)
    if head is None and groups is None:
        return choose_fitter(table, criterion=chosen, utility=utility, features=features, seed=seed)(table)
    if head is not None and groups is not None:
        raise UsageError("groups of raters are fitted without a head", where="groups", fix="give one of the two")
    check_utility(utility)
    encoder = Remembered(default_encoder(features, seed=seed))
    if groups is not None:
        name = possible_utilities(table)[0] if utility == "auto" else utility
        votes = PairVotes.of(table, chosen, features=encoder if name == "features" else None)
        return fit_groups(votes, groups, seed=seed)
    if utility == "items":
        raise UsageError("a head is a reward on texts", where="utility", fix="choose 'features'")
    made = _made(str(head))
    return fit(table, criterion=chosen, utility="features", features=encoder, head=made, seed=seed)


def _made(head: str) -> Head:
    from heedful.preference import heads

    if head not in HEADS:
        raise UsageError(f"{head!r} is no head", where="head", fix=f"choose one of {', '.join(HEADS)}")
    made: Head = getattr(heads, HEADS[head])()
    return made


def fit_to_ask(
    table: Table,
    *,
    features: str | None = None,
    utility: str = "auto",
    criterion: str | None = None,
    seed: int = 0,
) -> FittedPosterior:
    """As `fit_table`, but free items, if not too many, are held by a prior as wide as the evidence says.

    What to ask rests on how far utilities are known. Of an item with few votes, maximum likelihood knows nothing or too
    much; see docs/elicitation.md for what the prior saves.
    """
    chosen = choose_criterion(table, criterion)
    fitter = choose_fitter(table, criterion=chosen, utility=utility, features=features, seed=seed)
    if fitter.utility == "items" and len(observe(table, chosen).names) <= _MOST_HELD:
        fitter = replace(fitter, prior_sd="evidence")
    return fitter(table)


def choose_criterion(table: Table, criterion: str | None = None) -> str:
    """The criterion given, else the one with most judgements that can be fitted. Raises FitError, UsageError."""
    counts = criteria(table)
    if criterion is None:
        if not counts:
            raise FitError(
                "no likelihood can be fitted: there are no comparisons, rankings, choices, ratings, labels or edits",
                fix=f"give feedback of one of these kinds: {', '.join(FITTED_KINDS)}",
            )
        return next(iter(counts))
    if criterion not in counts:
        raise UsageError(
            f"no judgement that can be fitted has the criterion {criterion!r}",
            where="criterion",
            fix=f"choose one of {', '.join(counts) or '(there is none)'}",
        )
    return criterion


def criteria(table: Table) -> dict[str, int]:
    """Judgements that can be fitted, by criterion, the most frequent first (ties by name)."""
    counted = table.frame.lazy().filter(pl.col("kind").is_in(FITTED_KINDS)).group_by("criterion").len()
    return dict(counted.sort("len", "criterion", descending=[True, False]).collect().iter_rows())


def choose_fitter(table: Table, *, criterion: str, utility: str, features: str | None = None, seed: int = 0) -> Fitter:
    """A fitter; utility "auto" takes what the data allow, and where both are possible the one that predicts better.

    The comparison uses a part of this table (split by context), so votes held out from it stay unseen.
    """
    check_utility(utility)
    encoder = Remembered(default_encoder(features, seed=seed))
    names = possible_utilities(table) if utility == "auto" else (cast("Utility", utility),)
    fitters = [Fitter(criterion, name, encoder, seed) for name in names]
    if len(fitters) == 1:
        return fitters[0]
    part, rest = hold_out(table, fraction=_VALIDATION, seed=seed + 1)
    if len(rest) == 0:
        return fitters[0]
    return _best_on([(fitter, _log_prob(fitter, part, rest)) for fitter in fitters])


def prior_of(given: str | None) -> PriorSd:
    """The width of a prior as a user writes it: a number of nats above 0, or "evidence". Raises UsageError."""
    if given is None:
        return None
    if given == "evidence":
        return "evidence"
    fix = "give a number of nats such as 1.0, or evidence"
    try:
        width = float(given)
    except ValueError as error:
        raise UsageError(f"{given!r} is no width of a prior", where="prior_sd", fix=fix) from error
    if not 0 < width < float("inf"):
        raise UsageError(f"the width of a prior is above 0, not {given}", where="prior_sd", fix=fix)
    return width


def check_utility(utility: str) -> None:
    """Raises UsageError for a utility there is not."""
    if utility not in UTILITIES:
        raise UsageError(f"{utility!r} is no utility", where="utility", fix=f"choose one of {', '.join(UTILITIES)}")


def possible_utilities(table: Table) -> tuple[Utility, ...]:
    """Which utilities the table allows: "items" where systems or outputs recur, "features" where there are texts."""
    items: tuple[Utility, ...] = ("items",) if items_recur(table, _RECURRENCE) else ()
    features: tuple[Utility, ...] = ("features",) if has_texts(table) else ()
    return items + features or ("items",)


def items_recur(table: Table, times: float = 1.0) -> bool:
    """Whether systems are judged more than `times` times on average; where none is named, outputs at least three."""
    for name, least in (("systems", times), ("outputs", max(times, _RECURRENCE))):
        judged = table.column(name).explode().drop_nulls()
        if len(judged) > 0:
            return len(judged) > least * judged.n_unique()
    return False


def has_texts(table: Table) -> bool:
    """Whether at least two different outputs are known as texts."""
    return table.column("outputs").explode().drop_nulls().n_unique() >= 2


def _log_prob(fitter: Fitter, part: Table, rest: Table) -> Floats:
    """Log-probability of each outcome in `rest` by a fit to `part`; NaN where there is no prediction."""
    try:
        return fitter(part).predict(rest).log_prob
    except FitError:
        return np.full(len(rest), np.nan)


def _best_on(tried: Sequence[tuple[Fitter, Floats]]) -> Fitter:
    """The fitter that predicts best the rows that all of them can; where there is none, the one that predicts most."""
    common = np.all([np.isfinite(log_prob) for _, log_prob in tried], axis=0)
    if not common.any():
        return max(tried, key=lambda one: int(np.isfinite(one[1]).sum()))[0]
    return max(tried, key=lambda one: float(one[1][common].mean()))[0]


def described(fitted: FittedPosterior | HeadPosterior | Groups) -> dict[str, Any]:
    """The model of a posterior as a report prints it: the prior in words, and the shares of groups."""
    prior, told = fitted.model["prior"], dict[str, Any]()
    if isinstance(fitted, Groups):
        told = {"shares": [asdict(share) for share in fitted.shares]}
    if prior is None:
        prior = "none (maximum likelihood)"
    elif not isinstance(prior, str):
        unit = " per standard deviation of a feature" if fitted.model["utility"] == "features" else ""
        prior = f"Gaussian, mean 0, standard deviation {prior['sd']:.3g} nats{unit}, {prior['sd_was']}"
    return fitted.model | {"prior": prior} | told
