"""How the outputs of a network become a reward: a point, a Gaussian or quantiles; in NumPy, and in torch for training.

Functions take `xp`, the module of the arrays (numpy or torch): both give `exp`, `logaddexp`, `cumsum` and `where`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from heedful.core import Floats, UsageError
from heedful.preference.heads.base import hermite

Kind = Literal["point", "gaussian", "quantiles"]

# A standard deviation is learnt around this many nats, and a Gaussian prior of this width on its log holds it there
# where votes say little.
START_SD, LOG_SD_WIDTH = 0.5, 1.0


@dataclass(frozen=True)
class Reward:
    """What a network puts out for an item: `kind` and, for quantiles, how many.

    "point": the reward. "gaussian": mean and log standard deviation, as in Lou et al. 2024, "Uncertainty-aware reward
    model". "quantiles": the values at levels (j − ½) / q, j = 1..q, which rise by construction: a centre and positive
    steps (Dorka 2024, "Quantile regression for distributional reward models in RLHF", without its gating).
    """

    kind: Kind = "point"
    count: int = 9

    def __post_init__(self) -> None:
        if self.kind not in ("point", "gaussian", "quantiles"):
            raise UsageError(f"{self.kind!r} is no reward", where="kind", fix="choose 'point', 'gaussian', 'quantiles'")
        if self.kind == "quantiles" and (self.count < 3 or self.count % 2 == 0):
            raise UsageError("quantiles need an odd number, 3 or more, with a median", where="count")

    @property
    def size(self) -> int:
        """How many outputs [o]."""
        return {"point": 1, "gaussian": 2, "quantiles": self.count}[self.kind]

    @property
    def levels(self) -> Floats:
        """The levels of the quantiles [q]."""
        return (np.arange(self.count) + 0.5) / self.count

    @property
    def start(self) -> Floats:
        """The outputs' constants before training [o]: at them, spread is that of a Gaussian of `START_SD`."""
        if self.kind == "point":
            return np.zeros(1)
        if self.kind == "gaussian":
            return np.array([0.0, np.log(START_SD)])
        from scipy.special import ndtri

        step = START_SD * np.diff(ndtri(self.levels))
        return np.concatenate([[0.0], np.log(np.expm1(step))])

    def values(self, outputs: Any, xp: Any) -> Any:
        """Equally likely values of the reward [q, ..., n] from outputs [..., n, o]; of a Gaussian, its mean alone."""
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
        return self.values(outputs, xp).mean(0)

    def spread(self, outputs: Floats) -> Floats | None:
        """The standard deviation [..., n] of people's own disagreement; None for a point."""
        if self.kind == "point":
            return None
        if self.kind == "gaussian":
            return np.asarray(np.exp(outputs[..., 1]))
        return np.asarray(self.values(outputs, np).std(axis=0))

    def differences(self, first: Any, second: Any, xp: Any) -> Any:
        """Values of first − second [q, ..., m] from outputs [..., m, o]; `weights` says how likely each is."""
        if self.kind == "quantiles":
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
        size = 1 if self.kind == "point" else self.count**2
        return np.full(size, 1 / size)
