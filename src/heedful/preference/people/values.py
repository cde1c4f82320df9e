"""Which values bear on a situation, and whether they support or oppose it: plural values that contrast.

Of each named value (a value, right or duty) two things are learnt from labels: whether it is relevant to a situation,
and whether it supports it where it is. After Sorensen et al. 2024, "Value Kaleidoscope: engaging AI with pluralistic
human values, rights, and duties": values of contrasting valence say where people's decisions will vary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from heedful.core import FitError, Floats, InputError
from heedful.preference.heads.base import FittedHead, Head
from heedful.preference.heads.votes import Votes


@dataclass(frozen=True)
class Values:
    """A fitted reward of relevance and one of support for each value [v]: above 0 where more likely than not."""

    relevance: tuple[FittedHead, ...]
    support: tuple[FittedHead, ...]

    def relevant(self, features: Floats) -> Floats:
        """P(each value is relevant to each situation) [m, v], features [m, d]."""
        return _probabilities(self.relevance, features)

    def supporting(self, features: Floats) -> Floats:
        """P(each value supports each situation | it is relevant) [m, v]."""
        return _probabilities(self.support, features)


def fit_values(
    design: Floats, relevant: ArrayLike, supports: ArrayLike, head: Head, *, rng: np.random.Generator
) -> Values:
    """Fit both rewards of every value to labels of n situations, each against a situation of no features.

    design: [n, d], with a constant column, since values are relevant more or less often. relevant: [n, v], 1 or 0, NaN
    where it is not labelled. supports: [n, v], 1 or 0, NaN where the value is not relevant or not labelled.
    Raises InputError where labels do not fit the design, FitError for a value without any label.
    """
    columns = [_labels(own, design, name) for own, name in ((relevant, "relevant"), (supports, "supports"))]
    one, other = (tuple(_against_nothing(design, own, head, rng) for own in labels.T) for labels in columns)
    return Values(one, other)


def contrast(relevance: ArrayLike, support: ArrayLike, *, least: float = 0.0) -> Floats:
    """4 P (1 − P) [m] with P the share of support among values: 0 where all agree, 1 where they are evenly split.

    P weights the P(support) [m, v] of each value by its relevance [m, v], of values that are relevant with probability
    `least` or more; 0 where there is none. Raises InputError where these are no probabilities of one shape.
    """
    weight, share = np.asarray(relevance, np.float64), np.asarray(support, np.float64)
    if weight.ndim != 2 or weight.shape != share.shape:
        raise InputError(f"relevance and support are [situations, values], not {weight.shape}, {share.shape}")
    if not all(((own >= 0) & (own <= 1)).all() for own in (weight, share)):
        raise InputError("relevance and support are probabilities", where="contrast")
    weight = np.where(weight >= least, weight, 0.0)
    total = weight.sum(axis=1)
    mean = np.divide((weight * share).sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
    return np.asarray(4 * mean * (1 - mean))


def _labels(labels: ArrayLike, design: Floats, name: str) -> Floats:
    given = np.asarray(labels, np.float64)
    if given.ndim != 2 or len(given) != len(design) or not (np.isnan(given) | np.isin(given, (0.0, 1.0))).all():
        raise InputError(f"labels are 0, 1 or NaN, a row for each of {len(design)} situations", where=name)
    if np.isnan(given).all(axis=0).any():
        none = int(np.isnan(given).all(axis=0).argmax())
        raise FitError(f"value {none} has no label", where=name, fix="leave it out, or label it")
    return given


def _against_nothing(design: Floats, label: Floats, head: Head, rng: np.random.Generator) -> FittedHead:
    rows = np.flatnonzero(~np.isnan(label))
    both = np.vstack([design, np.zeros(design.shape[1])])
    return head.fit(both, Votes.of(rows, np.full(len(rows), len(design)), label[rows]), rng=rng)


def _probabilities(heads: Sequence[FittedHead], features: Floats) -> Floats:
    return np.stack([expit(head.mean(features)) for head in heads], axis=1)
