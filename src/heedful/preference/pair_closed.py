"""Derivatives of the logistic models of three outcomes at most, in closed form: one exponential a difference or two.

They say the same as the general sums over outcomes of `pair_models`, at a fraction of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.core import Floats


@dataclass(frozen=True)
class Derivatives:
    """A weighted sum over outcomes of log P, for m differences and p nuisance parameters.

    `value` is summed over differences too. By Δ and then the nuisance parameters: `gradient` [1 + p, m] and
    `information` [1 + p, 1 + p, m], the negative second derivatives.
    """

    value: float
    gradient: Floats
    information: Floats


def davidson(counts: Floats, difference: Floats, nuisance: Floats) -> Derivatives:
    """Davidson's model, or Bradley and Terry's where there is no nuisance parameter; counts [2 + p, m].

    With E = exp(−|Δ| / 2), the winner expected, a tie and the other have P ∝ 1, ν E and E².
    """
    net, far = counts[-1] - counts[0], np.abs(difference)
    total = counts[0] + counts[-1]
    if not len(nuisance):
        e2 = np.exp(-far)
        whole = 1 + e2
        lean = np.copysign((1 - e2) / whole, difference)
        value = (net @ difference - total @ far) / 2 - total @ np.log(whole)
        return Derivatives(float(value), (net - total * lean)[None] / 2, (total * e2 / whole**2)[None, None])
    total += counts[1]
    e = np.exp(far / -2)
    e2, tie = e * e, np.exp(nuisance[0]) * e
    sides = 1 + e2
    whole = sides + tie
    value = (net @ difference - total @ far) / 2 + counts[1].sum() * nuisance[0] - total @ np.log(whole)
    lean = np.copysign((1 - e2) / whole, difference)
    bend = total * (4 * e2 + tie * sides) / (4 * whole * whole)
    tie /= whole
    expected = total * tie
    mixed = lean * expected / -2
    information = np.stack([bend, mixed, mixed, expected * (1 - tie)]).reshape(2, 2, -1)
    return Derivatives(float(value), np.stack([(net - total * lean) / 2, counts[1] - expected]), information)


def rao_kupper(counts: Floats, difference: Floats, nuisance: Floats) -> Derivatives:
    """Rao and Kupper's model: P(first) = σ(Δ − τ), P(second) = σ(−Δ − τ); counts [3, m].

    P(tie) = (1 − P(first)) (1 − P(second)) (1 − e^{−2τ}), so a tie is a loss to each threshold.
    """
    (threshold,) = nuisance
    ties, won = counts[1], (counts[2], counts[0])
    value, slopes, bends = 0.0, [], []
    for side, x in zip(won, (difference - threshold, -difference - threshold), strict=True):
        e, total = np.exp(-np.abs(x)), side + ties
        part = 1 / (1 + e)
        value += side @ x - total @ (np.maximum(x, 0.0) - np.log(part))
        slopes.append(side - total * np.where(x > 0, part, e * part))
        bends.append(total * e * part * part)
    apart = np.expm1(2 * threshold)
    value += ties.sum() * np.log(apart / (apart + 1))
    mixed = bends[1] - bends[0]
    own = bends[0] + bends[1]
    information = np.stack([own, mixed, mixed, own + ties * (4 * (apart + 1) / apart**2)]).reshape(2, 2, -1)
    gradient = np.stack([slopes[0] - slopes[1], ties * (2 / apart) - slopes[0] - slopes[1]])
    return Derivatives(float(value), gradient, information)
