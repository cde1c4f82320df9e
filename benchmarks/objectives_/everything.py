"""All the feedback there is on a world that is listed: records, weighted by how often they come."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.special import expit

from heedful.core import Floats
from objectives_.records import DEGREE, GROUP, Form

GROUPS, SETS = 20_000, 600


def everything(listed: Any, form: Form, flips: float, rng: np.random.Generator) -> tuple[Any, dict[str, Floats]]:
    """Outputs [r, k], numbers in the flat [6 · 72], and what is said of them, with a share of votes turned around.

    Scored and marked groups of four are 20,000 draws, scored without noise; rankings all orders of 600 sets.
    """
    utility, share = listed.utility.ravel(), listed.base.ravel()
    if form in ("pair", "soft", "margin", "chosen"):
        return _pairs(listed, form, flips)
    if form == "thumb":
        each = np.arange(len(utility))[:, None]
        return each, {"label": expit(utility)[each], "weight": share}
    if form == "beside":
        return _beside(listed, share, utility)
    if form == "ranking":
        return _orders(listed, utility, rng)
    flat = listed.drawn(listed.base, GROUPS, rng)
    score = utility[flat]
    if form == "advantages":
        score = score - score.mean(axis=1, keepdims=True)
    label = (rng.random(score.shape) < expit(score)).astype(float)
    return flat, {"score": label if form == "marks" else score, "label": label}


def _pairs(listed: Any, form: Form, flips: float) -> tuple[Any, dict[str, Floats]]:
    """Each pair of different outputs to a question; two alike tell nothing."""
    questions, size = listed.base.shape
    two = np.array(list(itertools.combinations(range(size), 2)))
    pairs = (two + size * np.arange(questions)[:, None, None]).reshape(-1, 2)
    both = listed.base.ravel()[pairs].prod(1)
    gap = -np.diff(listed.utility.ravel()[pairs])[:, 0]
    win = (1 - 2 * flips) * expit(gap) + flips
    if form == "margin":
        return _degrees(pairs, both, gap)
    if form == "chosen":
        return pairs.T.reshape(-1, 1), {"weight": np.concatenate([both * win, both * (1 - win)])}
    return pairs, {"prefer": win, "weight": both}


def _degrees(pairs: Any, both: Floats, gap: Floats) -> tuple[Any, dict[str, Floats]]:
    """Each pair with each vote and degree."""
    found = []
    for prefer in (1.0, 0.0):
        beyond = expit((2 * prefer - 1) * gap[:, None] - DEGREE * np.arange(4))
        beyond[:, 3] = 0.0
        for degree in (1, 2, 3):
            weight = both * (beyond[:, degree - 1] - beyond[:, degree])
            found.append((weight, np.full(len(gap), prefer), np.full(len(gap), (2 * prefer - 1) * degree / 3)))
    weight, prefer, margin = (np.concatenate(own) for own in zip(*found, strict=True))
    return np.tile(pairs, (6, 1)), {"weight": weight, "prefer": prefer, "margin": margin}


def _beside(listed: Any, share: Floats, utility: Floats) -> tuple[Any, dict[str, Floats]]:
    """Each output with each of another question's."""
    size = listed.base.shape[1]
    others = (listed.base.sum(0) - listed.base) / (len(listed.base) - 1)
    outputs = np.stack(np.meshgrid(np.arange(len(share)), np.arange(size), indexing="ij"), -1).reshape(-1, 2)
    question = outputs[:, 0] // size
    weight = share[outputs[:, 0]] * others[question, outputs[:, 1]]
    label = np.repeat(expit(utility[outputs[:, :1]]), 2, axis=1)
    return outputs + np.stack([0 * question, question * size], 1), {"label": label, "weight": weight}


def _orders(listed: Any, utility: Floats, rng: np.random.Generator) -> tuple[Any, dict[str, Floats]]:
    """All orders of sets of four different outputs, by how likely each is."""
    questions, size = listed.base.shape
    sets = np.stack([rng.choice(size, GROUP, replace=False) for _ in range(SETS)])
    sets += (np.arange(SETS) % questions)[:, None] * size
    outputs = sets[:, list(itertools.permutations(range(GROUP)))].reshape(-1, GROUP)
    worth = np.exp(utility[outputs])
    left = worth[:, ::-1].cumsum(1)[:, ::-1]
    score = np.broadcast_to(-np.arange(GROUP, dtype=float), outputs.shape)
    return outputs, {"score": score.copy(), "weight": (worth / left).prod(1)}
