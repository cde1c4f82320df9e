"""Fitting: likelihoods of the feedback kinds x a utility model x inference, jointly over kinds."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from heedful.core import FitError, Floats, UsageError
from heedful.feedback import Table
from heedful.models import Encoder, Standardised
from heedful.preference import findings as say
from heedful.preference.choices import Choices
from heedful.preference.features import fit_features
from heedful.preference.grades import Scale
from heedful.preference.identification import identify
from heedful.preference.items import fit_items
from heedful.preference.likelihoods import Likelihood
from heedful.preference.observations import (
    FITTED_KINDS,
    Comparisons,
    Instrument,
    Observations,
    Selections,
    distinct,
    judges_beside_people,
    observe,
)
from heedful.preference.pairs import Pairs
from heedful.preference.posterior import FittedPosterior
from heedful.preference.sandwich import Clusters
from heedful.preference.utilities import FreeItems, Linear


def fit(
    table: Table,
    *,
    criterion: str = "overall",
    utility: Literal["items", "features"] = "items",
    features: Encoder | None = None,
    prior_sd: float | Literal["evidence"] | None = None,
    ties: Literal["free", "half"] = "free",
    clusters: Literal["auto", "none"] = "auto",
    judges: Literal["apart", "pooled"] = "apart",
    seed: int = 0,
    draws: int = 256,
) -> FittedPosterior:
    """Fit utilities to all votes of a table on one criterion, jointly over kinds of feedback.

    utility: "items", one free utility per item (a system, or an output where its system is not known); or "features",
    u = θ · features of the output. features: the encoder for "features"; it is fitted on the items judged and its
    columns are standardised. prior_sd: standard deviation of a Gaussian prior on each utility, or on each of θ, around
    zero; "evidence" averages over widths by the Laplace approximation of their evidence; `math.inf` is no prior. None
    is no prior for items (maximum likelihood), and "evidence" for features. ties: "free" fits a tie term (Davidson),
    "half" counts a tie as half a win for each. clusters: "auto" lets votes that share a prompt or a rater be
    correlated; "none" takes them as independent. judges: "apart" reads models and rules that judged beside people as
    judges who may want something else, so that the utilities are people's; "pooled" takes their votes for people's.
    seed, draws: of the posterior draws, rounded up to an even number.

    Raises FitError where no vote has a likelihood, UsageError where the arguments do not go together.
    """
    _check(utility, features, prior_sd)
    identity: Any = "system" if utility == "items" else "content"
    apart = judges_beside_people(table, criterion) if judges == "apart" else ()
    observations = observe(table, criterion, identity=identity, half_ties=ties == "half", apart=apart)
    if not observations.instruments:
        raise _nothing_to_fit(observations, criterion)
    grouped = Clusters.of(table) if clusters == "auto" else Clusters({})
    grouped = replace(grouped, by_records=observations.by_records)
    pairs, rng = -(-draws // 2), np.random.default_rng(seed)
    facts = {
        "criterion": criterion,
        "utility": utility,
        "ties": ties,
        "judges": list(apart),
        "seed": seed,
        "likelihoods": [
            {"kind": kind, "n": len(distinct([votes.row]))} for kind, votes in observations.instruments.items()
        ],
    }
    sd = None if prior_sd == "evidence" else prior_sd
    if features is not None:
        return _by_features(observations, criterion, features, sd, grouped, pairs, rng, facts)
    if prior_sd not in (None, math.inf):
        return _by_items_with_prior(observations, criterion, sd, grouped, pairs, rng, facts)
    return _by_items(observations, criterion, grouped, pairs, rng, facts)


def _by_items(
    observations: Observations,
    criterion: str,
    clusters: Clusters,
    pairs: int,
    rng: np.random.Generator,
    facts: dict[str, Any],
) -> FittedPosterior:
    likelihoods, names = build(observations), observations.names
    counts = judgements(observations)
    fitted = fit_items(likelihoods, counts, clusters, pairs, rng, observations.judged)
    found = say.read(observations) + say.silent(observations, likelihoods) + say.unplaced(names, fitted.notes)
    if fitted.covariance is not None:
        lone = np.isnan(np.diag(fitted.covariance)) & np.array([not note for note in fitted.notes])
        found += say.without_interval([names[i] for i in np.flatnonzero(lone)])
    return FittedPosterior(
        utility=FreeItems(names),
        criterion=criterion,
        names=names,
        mean=fitted.mean,
        covariance=fitted.covariance,
        draws=fitted.draws,
        counts=counts,
        identified=np.array([not note for note in fitted.notes]),
        notes=fitted.notes,
        df=fitted.df,
        readings=fitted.readings,
        findings=tuple(found + fitted.findings),
        model={**facts, "features": None, **fitted.facts},
    )


def _by_items_with_prior(
    observations: Observations,
    criterion: str,
    prior_sd: float | None,
    clusters: Clusters,
    pairs: int,
    rng: np.random.Generator,
    facts: dict[str, Any],
) -> FittedPosterior:
    """Free items as weights of features that are the items themselves."""
    likelihoods, names = build(observations), observations.names
    n = len(names)
    fitted = fit_features(likelihoods, np.eye(n), prior_sd, clusters, pairs, rng, observations.judged)
    notes = identify(likelihoods, n).notes
    found = say.read(observations) + say.silent(observations, likelihoods) + say.unplaced(names, notes)
    return FittedPosterior(
        utility=FreeItems(names),
        criterion=criterion,
        names=names,
        mean=fitted.mean,
        covariance=fitted.covariance,
        draws=fitted.draws,
        counts=judgements(observations),
        identified=np.array([not note for note in notes]),
        notes=notes,
        df=fitted.df,
        readings=fitted.readings,
        findings=tuple(found + fitted.findings),
        model={**facts, "features": None, **fitted.facts},
    )


def _by_features(
    observations: Observations,
    criterion: str,
    features: Encoder,
    prior_sd: float | None,
    clusters: Clusters,
    pairs: int,
    rng: np.random.Generator,
    facts: dict[str, Any],
) -> FittedPosterior:
    likelihoods, items = build(observations), observations.items()
    encoder = (features if isinstance(features, Standardised) else Standardised(features)).fit(items)
    fitted = fit_features(likelihoods, encoder.encode(items), prior_sd, clusters, pairs, rng, observations.judged)
    found = say.read(observations) + say.silent(observations, likelihoods) + fitted.findings
    d = len(encoder.names)
    return FittedPosterior(
        utility=Linear(encoder),
        criterion=criterion,
        names=encoder.names,
        mean=fitted.mean,
        covariance=fitted.covariance,
        draws=fitted.draws,
        counts=np.full(d, float(len(observations.rows))),
        identified=np.ones(d, bool),
        notes=("",) * d,
        df=fitted.df,
        readings=fitted.readings,
        findings=tuple(found),
        model={**facts, "features": encoder.describe(), **fitted.facts},
    )


def build(observations: Observations) -> tuple[Likelihood, ...]:
    """One likelihood per instrument that says anything."""
    n = len(observations.names)
    built = (_likelihood(kind, votes, n) for kind, votes in observations.instruments.items())
    return tuple(likelihood for likelihood in built if likelihood is not None)


def _likelihood(kind: str, votes: Instrument, n: int) -> Likelihood | None:
    if isinstance(votes, Comparisons):
        return Pairs.of(kind, votes, n)
    if isinstance(votes, Selections):
        return Choices.of(kind, votes, n)
    return Scale.of(kind, votes, n)


def judgements(observations: Observations) -> Floats:
    """How many judgements each item is in [n]."""
    n = len(observations.names)
    total = np.zeros(n)
    for votes in observations.instruments.values():
        if isinstance(votes, Comparisons):
            total += np.bincount(votes.first, votes.weight, n) + np.bincount(votes.second, votes.weight, n)
        elif isinstance(votes, Selections):
            row, member = np.repeat(votes.row, votes.members.shape[1]), votes.members.ravel()
            _, item = np.unique(np.stack([row, member])[:, member >= 0], axis=1)
            total += np.bincount(item, minlength=n)
        else:
            total += np.bincount(votes.item, minlength=n)
    return total


def _check(utility: str, features: Encoder | None, prior_sd: float | str | None) -> None:
    if utility not in ("items", "features"):
        raise UsageError(f"{utility!r} is no utility", where="utility", fix="choose 'items' or 'features'")
    if utility == "features" and features is None:
        raise UsageError("a utility of features needs an encoder", where="features", fix="give features=encoder")
    if utility == "items" and features is not None:
        raise UsageError("free items have no features", where="utility", fix="use utility='features'")
    if isinstance(prior_sd, str) and prior_sd != "evidence":
        raise UsageError(f"{prior_sd!r} is no width of a prior", where="prior_sd", fix="give a number, or 'evidence'")
    if isinstance(prior_sd, float | int) and not prior_sd > 0:
        raise UsageError(f"a standard deviation is above 0, not {prior_sd}", where="prior_sd")


def _nothing_to_fit(observations: Observations, criterion: str) -> FitError:
    counted = "; ".join(f"{count} {reason}" for reason, count in observations.excluded.items())
    return FitError(
        f"no judgement on the criterion {criterion!r} has a likelihood ({counted or 'the table is empty'})",
        fix=f"give feedback of one of these kinds: {', '.join(FITTED_KINDS)}",
    )
