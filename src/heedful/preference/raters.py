"""Raters and items at once: who can be relied on, and what the items are worth given that.

Item utilities are free with a normal prior of fitted width; each rater is of a type (see `raters_types`) whose
distribution is fitted too, so that a rater of few votes is taken as one of the population, whatever its shape.
Conventions: utilities are centred, in nats of a rater who attends to every question (lapse model) or of mean absolute
sharpness (sharpness model), and signed so that raters are reliable on average.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from heedful.core import Estimate, Finding, FitError, Floats, UsageError
from heedful.feedback import Table
from heedful.models import Encoder
from heedful.preference.likelihoods import summed
from heedful.preference.noise import mirrored
from heedful.preference.options import check_choices, check_numbers, check_table
from heedful.preference.pairs import PairModel
from heedful.preference.posterior import FittedPosterior
from heedful.preference.raters_estimates import estimates, findings, known, majority
from heedful.preference.raters_inference import Mode, maximise
from heedful.preference.raters_likelihood import LEAN_PRIOR, STYLE_SD, TIE_PRIOR, Marginal
from heedful.preference.raters_posterior import RaterPosterior
from heedful.preference.raters_types import RaterModel, Types
from heedful.preference.raters_votes import RaterVotes, rater_votes
from heedful.preference.reading import Reading
from heedful.preference.sandwich import Clusters
from heedful.preference.utilities import FreeItems
from heedful.stats import clustered_meat

# Dense matrices of items x items and of items x types are held.
MOST_ITEMS = 3000
_FEWEST_POINTS, _MOST_POINTS = 23, 121
_FEWEST_LEANS, _MOST_LEANS = 7, 15
_ISLAND = "connected to the other items by no chain of votes"
# In simulation intervals from the covariance covered 0.56 to 0.96 at the 95 % level: how far apart the items are on the
# whole trades off against how attentive the raters are, and the mode puts them too near to one another.
_NO_INTERVAL = "no interval: votes hardly tell attentive raters of near items from careless raters of far ones"


def fit_raters(
    table: Table,
    *,
    criterion: str = "overall",
    model: RaterModel | Literal["auto"] = "auto",
    style: Encoder | None = None,
    clusters: Literal["auto", "none"] = "auto",
    seed: int = 0,
    draws: int = 256,
) -> RaterPosterior:
    """Fit utilities of items and the reliability of raters jointly, to all comparisons of a table on one criterion.

    model: "lapse", raters attend to a share of the questions and answer the others blindly; "sharpness", they differ in
    how sharply they tell items apart; "auto", the one of greater evidence. style: an encoder whose differences between
    the outputs shift every vote, so that utilities are what remains at equal style. clusters: "auto" widens the draws
    by the design effect of prompts and raters. seed, draws: of the posterior draws, which are approximate: items get no
    intervals.

    Raises FitError where no comparison is usable or none names its rater, UsageError where an argument is wrong.
    """
    check_table(table)
    check_choices(clusters=clusters)
    check_numbers(draws, seed)
    if model not in ("lapse", "sharpness", "auto"):
        raise UsageError(f"{model!r} is no model of raters", where="model", fix="choose 'lapse', 'sharpness' or 'auto'")
    votes = rater_votes(table, criterion, style)
    _check(votes)
    names: tuple[RaterModel, ...] = ("lapse", "sharpness") if model == "auto" else (model,)
    fitted = {name: maximise(Marginal(votes, types_for(votes, name), 1.0)) for name in names}
    mode = _with_leans(max(fitted.values(), key=lambda one: one.evidence))
    rng = np.random.default_rng(seed)
    effect, df, counted = _design_effect(mode, table) if clusters == "auto" else (1.0, np.inf, {})
    items = _items(mode, criterion, effect, df, -(-draws // 2), rng)
    found = known(mode, rng)
    raters = estimates(mode.model, found, _comparable(votes))
    said = findings(raters) + majority(raters) + _unconverged(mode) + _without_intervals(votes) + _unused(votes)
    facts = {
        **items.model,
        "seed": seed,
        "clusters": counted,
        "design_effect": effect,
        "rater_model": mode.model.types.model,
        "evidence": {name: one.evidence for name, one in fitted.items()},
        **_hyperparameters(mode),
    }
    items = replace(items, model=facts, findings=tuple(said))
    return RaterPosterior(items, raters, _styled(mode, effect), mode, style)


def _check(votes: RaterVotes) -> None:
    if not (votes.outcome != 0).any():
        raise FitError("all comparisons are ties, which place no item", fix="give comparisons that are decided")
    if not votes.raters:
        raise FitError("no vote names its rater", fix="give records with a rater's id, or use heedful.fit")
    if len(votes.names) > MOST_ITEMS:
        raise FitError(
            f"{len(votes.names):,} items, and the raters' fit holds a dense matrix of at most {MOST_ITEMS:,}",
            fix="name the systems that wrote the outputs, so that items recur, or use heedful.fit",
        )


def _with_leans(mode: Mode) -> Mode:
    """The fit with raters who differ in their lean to the first shown too, where the order shown is known."""
    before = mode.model
    if not before.votes.ordered:
        return mode
    types = types_for(before.votes, before.types.model, leans=True)
    more = len(types.sd) - len(before.types.sd)
    tilt = None if before.tilt is None else np.append(before.tilt, np.zeros(more))
    model = replace(before, types=types, tilt=tilt)
    own = model.width + len(model.shared)
    return maximise(model, np.concatenate([mode.x[:own], types.from_even(mode.x[own:])]), settled=True)


def types_for(votes: RaterVotes, name: RaterModel, *, leans: bool = False) -> Types:
    """A grid fine enough for the rater of most votes: steps about the standard error of their reliability."""
    most = float(votes.votes.max(initial=1.0))
    points = int(np.clip(2.5 * np.sqrt(most), _FEWEST_POINTS, _MOST_POINTS)) // 2 * 2 + 1
    sides = int(np.clip(0.9 * np.sqrt(most), _FEWEST_LEANS, _MOST_LEANS)) // 2 * 2 + 1 if leans else 1
    return Types.grid(name, points, sides)


def _design_effect(mode: Mode, table: Table) -> tuple[float, float, dict[str, int]]:
    """By how much votes that share a prompt or a rater vary more than the fit takes them to (at least 1).

    tr(V M) / tr(V J) with V the posterior covariance, J the information of the votes and M the clustered covariance of
    their scores, raters' types averaged over.
    """
    model, d = mode.model, mode.model.width
    ways = Clusters.of(table).within(model.votes.row)
    ways = {name: codes for name, codes in ways.items() if len(np.unique(codes)) >= 5}
    if not ways:
        return 1.0, np.inf, {}
    information = np.linalg.inv(mode.covariance[:d, :d])
    meat, df = clustered_meat(model.rater_scores(mode.x), list(ways.values()))
    votes = information - np.diag(model.prior[1][:d])
    covariance = mode.covariance[:d, :d]
    effect = float(np.vdot(covariance, meat) / np.vdot(covariance, votes))
    return max(effect, 1.0), df, {name: len(np.unique(codes)) for name, codes in ways.items()}


def _widened(mode: Mode, effect: float) -> Floats:
    """The covariance of Δ's parameters with the votes' part of the noise multiplied: V + (φ − 1) V J V."""
    d = mode.model.width
    covariance = mode.covariance[:d, :d]
    prior = mode.model.prior[1][:d]
    return np.asarray(covariance + (effect - 1) * (covariance - (covariance * prior) @ covariance))


def _items(
    mode: Mode, criterion: str, effect: float, df: float, pairs: int, rng: np.random.Generator
) -> FittedPosterior:
    model, n = mode.model, mode.model.items
    utility = mode.x[:n] - mode.x[:n].mean()
    away = np.eye(n) - 1 / n
    covariance = away @ _widened(mode, effect)[:n, :n] @ away
    size = 1e-10 * float(np.diag(covariance).mean())
    noise = rng.standard_normal((pairs, n)) @ np.linalg.cholesky(covariance + size * np.eye(n)).T
    noise -= noise.mean(axis=1, keepdims=True)
    votes = model.votes
    joined = _joined(votes)
    _, (_, log_tie, _), _ = model.parts(mode.x)
    nuisance = np.array([log_tie]) if votes.ties else np.zeros(0)
    reading = Reading(
        "comparison", PairModel(np.ones(1), votes.ties), nuisance, np.tile(nuisance, (2 * pairs, 1)), np.ones(2 * pairs)
    )
    answer, weight = votes.answer, votes.weight
    counts = summed(votes.first[answer], weight, n) + summed(votes.second[answer], weight, n)
    facts: dict[str, Any] = {
        "criterion": criterion,
        "utility": "items",
        "ties": "free",
        "likelihoods": [{"kind": "comparison", "n": len(np.unique(votes.row))}],
        "features": None,
        "prior": f"utilities N(0, {model.spread:.4g}²)",
        "parameters": model.size,
        "log_likelihood": float(votes.multiplicity @ model.posterior_types(mode.x)[1]),
        "converged": mode.converged,
        "iterations": mode.evaluations,
        "covariance": "clustered" if effect > 1 else "model",
        "promise": "credible",
        "discrimination": {"comparison": 1.0},
    }
    return FittedPosterior(
        FreeItems(votes.names), criterion, votes.names, utility, np.full((n, n), np.nan), mirrored(utility, noise),
        counts, joined,
        tuple("" if own else _ISLAND for own in joined), np.inf if effect == 1 else df, (reading,), (), facts,
    )  # fmt: skip


def _joined(votes: RaterVotes) -> np.ndarray:
    """Which items belong to the largest group connected by votes [n]."""
    n = len(votes.names)
    graph = sparse.coo_array((np.ones(len(votes.first)), (votes.first, votes.second)), shape=(n, n))
    _, label = csgraph.connected_components(graph, directed=False)
    return np.asarray(label == np.bincount(label).argmax())


def _comparable(votes: RaterVotes) -> np.ndarray:
    """Which raters are of the largest group that shares pairs of items, directly or by a chain [r].

    A rater's votes say how reliable they are as far as others' votes place the items: a rater counts as joined by the
    items that another judged too, if they are two or more.
    """
    r, n = len(votes.raters), len(votes.names)
    known = votes.rater >= 0
    rater = np.concatenate([votes.rater[known]] * 2)
    item = np.concatenate([votes.first[votes.answer[known]], votes.second[votes.answer[known]]])
    seen = sparse.coo_array((np.ones(len(rater)), (rater, item)), shape=(r, n)).tocsr()
    seen.data[:] = 1.0
    shared = seen[:, np.asarray(seen.sum(axis=0)).ravel() > 1]
    _, label = csgraph.connected_components(sparse.block_array([[None, shared], [shared.T, None]]), directed=False)
    label = label[:r]
    return np.asarray((label == np.bincount(label).argmax()) & (shared.sum(axis=1) > 1) & (r > 1))


def _styled(mode: Mode, effect: float) -> dict[str, Estimate]:
    """What style is worth to the raters in nats per standard deviation of its difference, by covariate."""
    model, n = mode.model, mode.model.items
    variance = np.diag(_widened(mode, effect))
    number = len(np.unique(model.votes.row))
    return {
        name: Estimate(float(mode.x[place]), number, float(variance[place]), note=_NO_INTERVAL)
        for place, name in enumerate(model.votes.style, n)
    }


def _hyperparameters(mode: Mode) -> dict[str, Any]:
    """What was fitted of all raters, and under which priors."""
    model = mode.model
    _, (lean, log_tie, log_blind), alpha = model.parts(mode.x)
    types = model.types
    prior = np.exp(types.log_prior(alpha))
    return {
        "lean": lean if model.votes.ordered else None,
        "log_tie": log_tie if model.votes.ties else None,
        "log_blind_tie": log_blind if model.votes.ties else None,
        "population": {
            "coordinate": types.points.tolist(),
            "probability": [float(prior[types.coordinate == point].sum()) for point in types.points],
        },
        "priors": {"lean": LEAN_PRIOR, "log_tie": TIE_PRIOR, "style_sd": STYLE_SD, "utilities_sd": model.spread},
        "decrement": mode.decrement,
    }


def _unconverged(mode: Mode) -> list[Finding]:
    if mode.converged:
        return []
    message = f"The raters' fit did not converge in {mode.evaluations} evaluations: take its numbers as approximate."
    return [Finding("fit.not_converged", "problem", message, "Collect more votes of each rater.")]


def _without_intervals(votes: RaterVotes) -> list[Finding]:
    message = f"The {len(votes.names):,} items get scores but no intervals from the raters' fit ({_NO_INTERVAL})."
    fix = "Take the order of items from here, and intervals from heedful.fit."
    return [Finding("intervals.raters_fit", "note", message, fix, len(votes.names))]


def _unused(votes: RaterVotes) -> list[Finding]:
    found = [
        Finding("fit.not_used", "note", f"{count:,} judgements are not used by the raters' fit: {reason}.", count=count)
        for reason, count in votes.excluded.items()
    ]
    if votes.degrees:
        message = f"{votes.degrees:,} comparisons have a degree that the raters' fit does not use, only who won."
        found.append(Finding("raters.degrees_unread", "note", message, count=votes.degrees))
    return found
