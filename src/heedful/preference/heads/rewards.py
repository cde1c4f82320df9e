"""How the outputs of a network become a reward: a point, a Gaussian or quantiles; in NumPy, and in torch for training.

Functions take `xp`, the module of the arrays (numpy or torch): both give `exp`, `logaddexp`, `clip` and `asarray`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from heedful.core import Floats, UsageError
from heedful.preference.heads.base import hermite
from heedful.preference.heads.members import softmax

Kind = Literal["point", "gaussian", "quantiles", "bins"]

# A standard deviation is learnt around this many nats, and a Gaussian prior of this width on its log holds it there
# where votes say little.
START_SD, LOG_SD_WIDTH = 0.5, 1.0
# Bins lie evenly between −REACH and REACH; a rating is smeared by a Gaussian of SMEAR widths of a bin.
REACH, SMEAR = 3.0, 0.75
# How many equally likely values a distribution over bins is read as where rewards are compared.
_VALUES = 9
_TINY = 1e-30


@dataclass(frozen=True)
class Reward:
    """What a network puts out for an item: `kind` and, for quantiles and bins, how many.

    "point": the reward. "gaussian": mean and log standard deviation, as in Lou et al. 2024, "Uncertainty-aware reward
    model". "quantiles": the values at levels (j − ½) / q, j = 1..q, which rise by construction: a centre and positive
    steps (Dorka 2024, "Quantile regression for distributional reward models in RLHF", without its gating). "bins":
    probabilities of bins between −3 and 3, the outer ones open, trained by the cross-entropy to ratings smeared over
    bins (HL-Gauss; Farebrother et al. 2024, "Stop regressing"). The logit of a bin about z is its own output + z ·
    (the first output) / START_SD², which moves a Gaussian of that width by the first output. Their spread holds the
    smear of 0.75 widths of a bin, and no reward lies beyond the middles of the outer bins.
    """

    kind: Kind = "point"
    count: int = 9

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"{self.kind!r} is no reward", where="kind", fix=f"choose one of {get_args(Kind)}")
        if self.kind == "quantiles" and (self.count < 3 or self.count % 2 == 0):
            raise UsageError("quantiles need an odd number, 3 or more, with a median", where="count")
        if self.kind == "bins" and self.count < 3:
            raise UsageError("there are at least 3 bins", where="count")

    @property
    def name(self) -> str:
        """What an ensemble of such networks is called."""
        return {"point": "ensemble", "gaussian": "mean-variance"}.get(self.kind, self.kind)

    @property
    def size(self) -> int:
        """How many outputs [o]."""
        return {"point": 1, "gaussian": 2, "quantiles": self.count, "bins": self.count + 1}[self.kind]

    @property
    def levels(self) -> Floats:
        """The levels of the equally likely values of quantiles and bins [q]."""
        count = _VALUES if self.kind == "bins" else self.count
        return np.asarray((np.arange(count) + 0.5) / count)

    @property
    def width(self) -> float:
        """The width of a bin."""
        return 2 * REACH / self.count

    @property
    def middles(self) -> Floats:
        """The middles of the bins [b]."""
        return np.asarray(self.width * (np.arange(self.count) + 0.5) - REACH)

    @property
    def start(self) -> Floats:
        """The outputs' constants before training [o]: at them, spread is that of a Gaussian of `START_SD`."""
        if self.kind == "point":
            return np.zeros(1)
        if self.kind == "gaussian":
            return np.array([0.0, np.log(START_SD)])
        if self.kind == "bins":
            return np.concatenate([[0.0], -((self.middles / START_SD) ** 2) / 2])
        step = START_SD * np.diff(ndtri(self.levels))
        return np.concatenate([[0.0], np.log(np.expm1(step))])

    def values(self, outputs: Any, xp: Any) -> Any:
        """Equally likely values of the reward [q, ..., n] from outputs [..., n, o]; of a Gaussian, its mean alone.

        Those of bins are moved together, so that their mean is that of the bins.
        """
        if self.kind == "bins":
            found = self._inverse(outputs, self.levels, xp)
            return found + (self.mean(outputs, xp) - found.mean(0))
        if self.kind != "quantiles":
            return outputs[..., 0][None]
        steps = xp.logaddexp(outputs[..., 1:], outputs[..., 1:] * 0)
        half = (self.count - 1) // 2
        rising = [outputs[..., 0]]
        for step in range(half):
            rising.append(rising[-1] + steps[..., half + step])
            rising.insert(0, rising[0] - steps[..., half - 1 - step])
        return xp.stack(rising)

    def mean(self, outputs: Any, xp: Any) -> Any:
        """The expected reward [..., n]."""
        if self.kind == "bins":
            return (self.probabilities(outputs, xp) * xp.asarray(self.middles, dtype=outputs.dtype)).sum(-1)
        return self.values(outputs, xp).mean(0)

    def logits(self, outputs: Any, xp: Any) -> Any:
        """The logits of the bins [..., n, b]."""
        middles = xp.asarray(self.middles / START_SD**2, dtype=outputs.dtype)
        return outputs[..., 1:] + outputs[..., :1] * middles

    def probabilities(self, outputs: Any, xp: Any) -> Any:
        """The probabilities of the bins [..., n, b]."""
        return softmax(self.logits(outputs, xp))

    def smeared(self, value: Any, xp: Any) -> Any:
        """The target of ratings [..., n]: the probability of each bin [..., n, b] under a Gaussian about the rating.

        p_b = Φ((upper − value) / s) − Φ((lower − value) / s), s = SMEAR · width; the outer bins reach to ±∞.
        """
        inner = np.linspace(-REACH, REACH, self.count + 1)[1:-1]
        edges = xp.asarray(np.concatenate([[-np.inf], inner, [np.inf]]), dtype=value.dtype)
        scores = (edges - value[..., None]) / (SMEAR * self.width)
        below = ndtr(scores) if isinstance(scores, np.ndarray) else xp.special.ndtr(scores)
        return below[..., 1:] - below[..., :-1]

    def quantiles(self, outputs: Floats, levels: ArrayLike) -> Floats:
        """The reward's values at these levels of people's own spread: [l, ..., n] from outputs [..., n, o].

        Between quantiles that were learnt on a line, beyond the outermost no farther; a point has no spread.
        """
        wanted = np.atleast_1d(np.asarray(levels, np.float64))
        if self.kind == "bins":
            return np.asarray(self._inverse(outputs, wanted, np))
        if self.kind == "gaussian":
            score = ndtri(wanted).reshape(-1, *[1] * (outputs.ndim - 1))
            return np.asarray(outputs[..., 0] + score * np.exp(outputs[..., 1]))
        known = self.values(outputs, np)
        place = np.interp(wanted, self.levels, np.arange(self.count)) if len(known) > 1 else np.zeros(len(wanted))
        below = np.floor(place).astype(np.intp)
        part = (place - below).reshape(-1, *[1] * (known.ndim - 1))
        return np.asarray((1 - part) * known[below] + part * known[np.minimum(below + 1, len(known) - 1)])

    def _inverse(self, outputs: Any, levels: Floats, xp: Any) -> Any:
        """Quantiles of the histogram [l, ..., n]: as much of each bin's width as its probability lies below a level."""
        p = self.probabilities(outputs, xp)
        before = p.cumsum(-1) - p
        # A bin without probability is passed whole or not at all.
        passed = [xp.clip((float(level) - before) / (p + _TINY), 0, 1).sum(-1) for level in levels]
        return xp.stack(passed) * self.width - REACH

    def spread(self, outputs: Floats) -> Floats | None:
        """The standard deviation [..., n] of people's own disagreement; None for a point."""
        if self.kind == "point":
            return None
        if self.kind == "gaussian":
            return np.asarray(np.exp(outputs[..., 1]))
        if self.kind == "bins":
            square = (self.probabilities(outputs, np) * self.middles**2).sum(axis=-1)
            return np.asarray(np.sqrt(square - self.mean(outputs, np) ** 2))
        return np.asarray(self.values(outputs, np).std(axis=0))

    def differences(self, first: Any, second: Any, xp: Any) -> Any:
        """Values of first − second [q, ..., m] from outputs [..., m, o]; `weights` says how likely each is."""
        if self.kind in ("quantiles", "bins"):
            one, other = self.values(first, xp), self.values(second, xp)
            between = one[:, None] - other[None]
            return between.reshape((-1, *one.shape[1:]))
        gap = (first[..., 0] - second[..., 0])[None]
        if self.kind == "point":
            return gap
        sd = (xp.exp(2 * first[..., 1]) + xp.exp(2 * second[..., 1])) ** 0.5
        nodes = [float(node) for node in hermite()[0]]
        return xp.stack([gap[0] + node * sd for node in nodes])

    @property
    def weights(self) -> Floats:
        """The weights [q] of `differences`."""
        if self.kind == "gaussian":
            return hermite()[1]
        size = 1 if self.kind == "point" else len(self.levels) ** 2
        return np.full(size, 1 / size)
