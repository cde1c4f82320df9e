"""Fitting: likelihoods of the feedback kinds x a utility model x inference, jointly over kinds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from heedful.core import Finding, Floats
from heedful.feedback import Table
from heedful.feedback.choosing import chosen_by_answers
from heedful.models import Encoder, standardised
from heedful.preference import findings as say
from heedful.preference.choices import Choices
from heedful.preference.critiques import CRITIQUE, Extractor, votes_of_critiques, with_features
from heedful.preference.effects import widths
from heedful.preference.features import FeaturesFit, fit_features
from heedful.preference.identification import identify
from heedful.preference.inference import DENSE_LIMIT
from heedful.preference.instruments import (
    Comparisons,
    Indices,
    Instrument,
    Observations,
    Selections,
    distinct,
    judgements,
)
from heedful.preference.items import ItemsFit, fit_items
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import NO_LIKELIHOOD, judges_beside_people, observe
from heedful.preference.options import DRAWS, check, check_choices, check_numbers, features_of_head
from heedful.preference.own_scales import own_scales
from heedful.preference.pairs import Pairs
from heedful.preference.posterior import FittedPosterior
from heedful.preference.sandwich import Clusters
from heedful.preference.trust import promised
from heedful.preference.utilities import FreeItems, Linear, Utility
from heedful.preference.widths import FEWEST_CONTEXTS
from heedful.stats import Grouping

if TYPE_CHECKING:
    from heedful.preference.heads import Head, HeadPosterior

MANY_EFFECTS = "by a judge, of whom there would be more deviations from people than can be fitted"


@overload
def fit(
    table: Table,
    *,
    criterion: str = "overall",
    utility: Literal["items", "features"] = "items",
    features: Encoder | None = None,
    prior_sd: float | Literal["evidence", "held out"] | None = None,
    ties: Literal["free", "half"] = "free",
    clusters: Literal["auto", "none"] = "auto",
    judges: Literal["apart", "pooled"] = "apart",
    scales: Literal["own", "common"] = "own",
    pace: Literal["apart", "pooled"] = "pooled",
    critiques: Extractor | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> FittedPosterior: ...


@overload
def fit(
    table: Table,
    *,
    utility: Literal["features"],
    features: Encoder,
    head: Head,
    criterion: str = "overall",
    clusters: Literal["auto", "none"] = "auto",
    judges: Literal["apart", "pooled"] = "apart",
    seed: int = 0,
) -> HeadPosterior: ...


def fit(
    table: Table,
    *,
    criterion: str = "overall",
    utility: Literal["items", "features"] = "items",
    features: Encoder | None = None,
    head: Head | None = None,
    prior_sd: float | Literal["evidence", "held out"] | None = None,
    ties: Literal["free", "half"] = "free",
    clusters: Literal["auto", "none"] = "auto",
    judges: Literal["apart", "pooled"] = "apart",
    scales: Literal["own", "common"] = "own",
    pace: Literal["apart", "pooled"] = "pooled",
    critiques: Extractor | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> FittedPosterior | HeadPosterior:
    """Fit utilities to all votes of a table on one criterion, jointly over kinds of feedback.

    utility: "items", one free utility per item (a system, or an output where its system is not known); or "features",
    u = θ · features of the output. features: the encoder for "features"; it is fitted on the items judged and its
    columns are standardised. head: in place of θ, a reward on the features (`heedful.preference.heads`), which has its
    own prior, ties and number of draws, and common scales; judges beside people are then left out. prior_sd: standard
    deviation of a Gaussian prior on each utility, or on each of θ, around zero; "evidence" averages over widths by the
    Laplace approximation of their evidence; "held out" takes the width by which contexts held out are best predicted
    (features only); `math.inf` is no prior. None is no prior for items (maximum likelihood); for features "held out"
    where contexts recur, else "evidence". ties: "free" fits a tie term (Davidson), "half" counts a tie as half a win
    for each. clusters: "auto" lets votes that share a prompt or a rater be correlated; "none" takes them as
    independent. judges: "apart" reads models and rules that judged beside people as judges who may want something else,
    so that the utilities are people's; "pooled" takes their votes for people's. scales: "own" gives each rater who
    recurs a strictness and a stretch of the thresholds of ratings, labels and marks of steps, as random effects (where
    5 to 400 raters are known, and items are not too many beside them); "common" lets all share the thresholds. pace:
    "apart" lets comparisons that their rater answered in less than half, or more than twice, the usual time be more or
    less sharp than the others (by `seconds` of the record). critiques: for "features", what reads the features that a
    critique asks more or less of from its text, for example `heedful.preference.style_critiques`; None leaves critiques
    aside. seed, draws: of the posterior draws, rounded up to an even number.

    Where records say that a rule chose their questions by earlier answers, a fit without a prior promises nothing, so
    that no interval of it is shown (see `trusted`).

    Raises FitError where no vote has a likelihood, UsageError where the arguments do not go together.
    """
    check(utility, features, prior_sd, critiques)
    check_choices(ties=ties, clusters=clusters, judges=judges, scales=scales, pace=pace)
    check_numbers(draws, seed)
    if head is not None:
        from heedful.preference.heads.fitting import fit_head

        encoder = features_of_head(features, prior_sd=prior_sd, ties=ties, pace=pace, critiques=critiques, draws=draws)
        return fit_head(table, head, encoder, criterion=criterion, clusters=clusters, judges=judges, seed=seed)
    identity: Any = "system" if utility == "items" else "content"
    apart = judges_beside_people(table, criterion) if judges == "apart" else {}
    by_pace = pace == "apart"
    observations = observe(table, criterion, identity=identity, half_ties=ties == "half", apart=apart, by_pace=by_pace)
    if scales == "common":
        observations = observations.without_raters()
    if not observations.instruments:
        raise say.nothing_to_fit(observations, criterion)
    if critiques is not None:
        unread = {why: n for why, n in observations.excluded.items() if why != NO_LIKELIHOOD.format(CRITIQUE)}
        observations = replace(observations, excluded=unread)
    if observations.judged and features is None and _least(observations) > DENSE_LIMIT:
        observations = observations.without_judges(MANY_EFFECTS)
        if not observations.instruments:
            raise say.nothing_to_fit(observations, criterion)
    grouped = Clusters.of(table) if clusters == "auto" else Clusters({})
    facts = {"criterion": criterion, "utility": utility, "ties": ties, "judges": apart, "pace": pace, "seed": seed}
    facts |= {"chosen_by_answers": chosen_by_answers(table, observations.rows)}
    task = _Task(
        observations,
        criterion,
        None if isinstance(prior_sd, str) else prior_sd,
        replace(
            grouped.freed(observations.judged_rows),
            by_records=observations.by_records,
            weights=observations.weights,
        ),
        -(-draws // 2),
        np.random.default_rng(seed),
        facts,
    )
    if features is not None:
        context = task.contexts() if prior_sd in (None, "held out") else None
        if prior_sd == "held out" and context is None:  # each vote is a context of its own
            context = np.full(len(table), -1, np.intp)
        return task.by_features(features, table, critiques, context)
    return task.by_items() if prior_sd in (None, math.inf) else task.by_items_with_prior()


def _least(observations: Observations) -> int:
    """How many parameters a fit of free items has where raters share scales."""
    return _parameters(observations, build(observations.without_raters()))


@dataclass(frozen=True)
class _Task:
    """A fit to come: what was observed, and how it is to be fitted; 2 · `pairs` draws."""

    observations: Observations
    criterion: str
    prior_sd: float | None
    clusters: Clusters
    pairs: int
    rng: np.random.Generator
    facts: dict[str, Any]

    def by_items(self) -> FittedPosterior:
        likelihoods, counts = build(self.observations, DENSE_LIMIT), judgements(self.observations)
        fitted = fit_items(likelihoods, counts, self.clusters, self.pairs, self.rng, self.observations.judged)
        found = say.unplaced(self.observations.names, fitted.notes)
        if fitted.covariance is not None:
            lone = np.isnan(np.diag(fitted.covariance)) & np.array([not note for note in fitted.notes])
            found += say.without_interval([self.observations.names[i] for i in np.flatnonzero(lone)])
        return self._items(likelihoods, fitted, counts, fitted.notes, found)

    def by_items_with_prior(self) -> FittedPosterior:
        """Free items as weights of features that are the items themselves."""
        likelihoods, n = build(self.observations), len(self.observations.names)
        fitted = fit_features(
            likelihoods, np.eye(n), self.prior_sd, self.clusters, self.pairs, self.rng, self.observations.judged
        )
        notes = identify(likelihoods, n).notes
        found = say.unplaced(self.observations.names, notes)
        return self._items(likelihoods, fitted, judgements(self.observations), notes, found)

    def _items(
        self,
        likelihoods: tuple[Likelihood, ...],
        fitted: ItemsFit | FeaturesFit,
        counts: Floats,
        notes: tuple[str, ...],
        found: list[Finding],
    ) -> FittedPosterior:
        names = self.observations.names
        return self._posterior(FreeItems(names), names, likelihoods, fitted, counts, notes, found, None)

    def contexts(self) -> Indices | None:
        """Codes of contexts by table row, where they recur among the votes and are enough to hold some out."""
        codes = self.clusters.within(self.observations.rows).get("context")
        if codes is None or Grouping.of(codes).groups < FEWEST_CONTEXTS:
            return None
        return self.clusters.codes["context"]

    def by_features(
        self, features: Encoder, table: Table, extract: Extractor | None, context: Indices | None
    ) -> FittedPosterior:
        likelihoods, items = build(self.observations), self.observations.items()
        encoder = standardised(features).fit(items)
        names, design, found = encoder.names, encoder.encode(items), list[Finding]()
        if extract is not None:
            votes, number, silent = votes_of_critiques(table, self.criterion, extract, names, len(items))
            found = say.critiques(number, silent)
            if votes is not None:
                design = with_features(design)
                asked = _likelihood(CRITIQUE, votes, len(design))
                likelihoods += (asked,) if asked is not None else ()
        fitted = fit_features(
            likelihoods, design, self.prior_sd, self.clusters, self.pairs, self.rng, self.observations.judged, context
        )
        counts, notes = np.full(len(names), float(len(self.observations.rows))), ("",) * len(names)
        described = encoder.describe()
        return self._posterior(Linear(encoder), names, likelihoods, fitted, counts, notes, found, described)

    def _posterior(
        self,
        utility: Utility,
        names: tuple[str, ...],
        likelihoods: tuple[Likelihood, ...],
        fitted: ItemsFit | FeaturesFit,
        counts: Floats,
        notes: tuple[str, ...],
        found: list[Finding],
        features: Any,
    ) -> FittedPosterior:
        observations = self.observations
        read = say.read(observations) + say.silent(observations, likelihoods) + say.in_common(observations, likelihoods)
        kinds = [{"kind": kind, "n": len(distinct([votes.row]))} for kind, votes in observations.instruments.items()]
        rules, promise = self.facts["chosen_by_answers"], fitted.facts["promise"]
        promise = promised(promise, rules, prior=fitted.facts["prior"] is not None)
        return FittedPosterior(
            utility=utility,
            criterion=self.criterion,
            names=names,
            mean=fitted.mean,
            covariance=fitted.covariance,
            draws=fitted.draws,
            counts=counts,
            identified=np.array([not note for note in notes]),
            notes=notes,
            df=fitted.df,
            readings=fitted.readings,
            findings=tuple(read + say.chosen(rules, promise) + found + fitted.findings + say.scales(fitted.readings)),
            model={**self.facts, "likelihoods": kinds, "features": features, **fitted.facts, "promise": promise},
        )


def build(observations: Observations, most: float = math.inf) -> tuple[Likelihood, ...]:
    """One likelihood per instrument that says anything.

    Raters have no scales of their own where free items would then come to more than `most` parameters.
    """
    n = len(observations.names)
    raters = {kind: () if kind in observations.judged else observations.raters for kind in observations.instruments}
    built = (_likelihood(kind, votes, n, raters[kind]) for kind, votes in observations.instruments.items())
    likelihoods = tuple(likelihood for likelihood in built if likelihood is not None)
    if widths(likelihoods) and _parameters(observations, likelihoods) > most:
        return build(observations.without_raters())
    return likelihoods


def _parameters(observations: Observations, likelihoods: Iterable[Likelihood]) -> int:
    """How many parameters a fit of free items may have: utilities, judges' deviations, nuisances, discriminations."""
    free = len(observations.names) * (1 + len(observations.judged))
    return free + sum(len(likelihood.nuisances) + 1 for likelihood in likelihoods)


def _likelihood(kind: str, votes: Instrument, n: int, raters: tuple[str, ...] = ()) -> Likelihood | None:
    if isinstance(votes, Comparisons):
        return Pairs.of(kind, votes, n)
    if isinstance(votes, Selections):
        return Choices.of(kind, votes, n)
    return own_scales(kind, votes, n, raters)
