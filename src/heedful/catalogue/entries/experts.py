"""001-075: a reward routed to its task, and there made of experts for capabilities."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logsumexp

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole, misordered, small_networks, without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Aspects, Head, Linear, Ratings, Routed, Schedule, Staged, Votes

_TASKS, _FEATURES, _CAPABILITIES = 3, 6, ("correct", "deep", "clear")
_COLUMNS = tuple(range(_TASKS))
_CANDIDATES, _PROMPTS = 64, 60


def heads(quick: bool) -> dict[str, Head]:
    networks, line = small_networks(quick=quick), Linear(prior_sd=1.0, pairs=8)
    aspects = Aspects(len(_CAPABILITIES), members=4, folds=4, schedule=Schedule(2e-2, epochs=8 if quick else 40))
    return {
        "single": line,
        "ensemble": networks,
        "routed": Routed(aspects, _COLUMNS),
        "experts": Routed(Staged(_CAPABILITIES, line, networks), _COLUMNS),
    }


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1075, seed])
    weights = rng.normal(0, 2 / np.sqrt(_FEATURES), (_TASKS, _FEATURES, len(_CAPABILITIES)))
    n = 30 if quick else 80
    task = np.tile(np.repeat(np.arange(_TASKS), n), 2)
    x = rng.normal(size=(len(task), _FEATURES))
    able = capabilities(x, task, weights)
    first, second = np.arange(_TASKS * n), np.arange(_TASKS * n, 2 * _TASKS * n)
    won = rng.random(len(first)) < expit(worth(able)[first] - worth(able)[second])
    rows = np.arange(len(x))
    marks = np.clip(np.round(3 + able + 0.5 * rng.normal(size=able.shape)), 1, 5)
    ratings = {name: Ratings(rows, marks[:, place], rows % len(first)) for place, name in enumerate(_CAPABILITIES)}
    fresh_task = np.repeat(rng.integers(_TASKS, size=_PROMPTS), _CANDIDATES)
    fresh = rng.normal(size=(len(fresh_task), _FEATURES))
    true = worth(capabilities(fresh, fresh_task, weights))
    figures = {}
    for name, head in heads(quick).items():
        votes = Votes.of(first, second, won, group=first, ratings=ratings if name == "experts" else None)
        mean = head.fit(_design(x, task), votes, rng=rng).mean(_design(fresh, fresh_task))
        figures[f"errors, {name}"] = misordered(expit(true[::2] - true[1::2]), expit(mean[::2] - mean[1::2]))
        best = mean.reshape(_PROMPTS, _CANDIDATES).argmax(axis=1)
        figures[f"gold, {name}"] = float(true.reshape(_PROMPTS, _CANDIDATES)[np.arange(_PROMPTS), best].mean())
    return figures


def capabilities(x: Floats, task: Whole, weights: Floats) -> Floats:
    """How capable each answer [n, 3] is; what shows it differs by task."""
    return np.asarray(np.einsum("nd,ndc->nc", x, weights[task]))


def worth(able: Floats) -> Floats:
    """True utility [n]: a soft minimum of the capabilities, as an answer is as good as its weakest side."""
    return np.asarray(-logsumexp(-able, axis=1))


def _design(x: Floats, task: Whole) -> Floats:
    """The features, behind a column for each task that is 1 for its answers."""
    return np.column_stack([np.eye(_TASKS)[task], x])


ENTRY = Entry(
    id="001-075",
    title="DMoERM: Recipes of Mixture-of-Experts for Effective Reward Modeling",
    area="preference",
    citation="Quan 2024",
    claim=(
        "Three tasks in which different features show three capabilities, whose soft minimum is the utility, and 80 "
        "comparisons of each. On fresh answers a reward routed to its task and there made of experts for capabilities, "
        "fused by a network, puts fewer pairs in the wrong order than an ensemble of networks that sees the task as a "
        "feature, and its best of 64 answers are worth more; and routing alone, to a dense mixture of linear experts "
        "without labels of capabilities, has fewer in the wrong order than the ensemble."
    ),
    configuration=(
        "preference.heads.Routed over Staged (Linear experts on ratings of each capability, Networks over their "
        "means); Routed over Aspects; Networks and Linear on features with the task among them."
    ),
    measures={
        f"{measure}, {name}": f"{what}, {head}"
        for name, head in {
            "single": "one linear head",
            "ensemble": "an ensemble of networks",
            "routed": "routed by task to a mixture of linear experts",
            "experts": "routed by task to experts for capabilities",
        }.items()
        for measure, what in {
            "errors": "fresh pairs in the wrong order, per cent",
            "gold": f"true utility of the best of {_CANDIDATES}, nats",
        }.items()
    },
    checks=(
        Check("errors, ensemble", "errors, experts", above=0.0),
        Check("gold, experts", "gold, ensemble", above=0.0),
        Check("errors, ensemble", "errors, routed", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The work buys preferences for each capability from a model and adapts a language model for each; here each "
        "answer has a mark from 1 to 5 for each capability, 1440 marks that the other arms do not have, and experts "
        "are linear. The task is given, where the work classifies prompts."
    ),
    missing=without_torch,
)
