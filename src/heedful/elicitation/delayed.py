"""Search for the best of listed points where answers are noisy and come late: in phases, or by what is hopeful."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError, UsageError
from heedful.preference.gaussian import Gaussian


@dataclass(frozen=True, eq=False)
class PhasedExploration:
    """n points under a Gaussian process; `ask` gives the next to try, `tell` takes an answer whenever it comes.

    Vakili et al. 2023, "Delayed feedback in kernel bandits" (BPE-Delay; phases as in Li and Scarlett 2022, "Gaussian
    process bandit optimization with few batches"). Within a phase the next point is that of the greatest variance given
    the points tried in it, which needs no answer. When it ends, points go out whose mean + `width` · sd is below the
    greatest mean − `width` · sd, by its own answers that came so far: since none of them chose a point, these bounds
    need no allowance for choosing. Phase r has ⌈√(T t)⌉ tries, with T the `horizon` and t the tries of the one before
    (1 at first), and `patience` more to wait for answers; answers later than their phase are counted in `late`.

    left     who may still be the best [n]
    turn     how many tries there were; the number by which an answer is told
    """

    prior: Gaussian
    noise: float
    horizon: int
    patience: int
    width: float
    left: NDArray[np.bool_]
    size: int
    begun: int
    belief: Gaussian
    asked: tuple[int, ...] = ()
    told: tuple[tuple[int, float], ...] = ()
    late: int = 0

    @classmethod
    def start(
        cls, kernel: Floats, *, noise: float, horizon: int, patience: int = 0, width: float = 3.0
    ) -> PhasedExploration:
        """kernel [n, n]: covariances of what is looked for at the points; noise: standard deviation of an answer.

        Raises InputError where the kernel is none, UsageError for a number that is out of range.
        """
        if not (noise > 0 and horizon >= 1 and patience >= 0 and width > 0):
            what = f"noise {noise}, horizon {horizon}, patience {patience}, width {width}"
            raise UsageError(what, where="PhasedExploration", fix="all above 0; patience may be 0")
        prior = Gaussian.prior(kernel)
        everyone = np.ones(len(prior.mean), dtype=bool)
        return cls(prior, noise, horizon, patience, width, everyone, math.isqrt(horizon - 1) + 1, 0, prior)

    @property
    def turn(self) -> int:
        return self.begun + len(self.asked)

    def ask(self) -> tuple[int, PhasedExploration]:
        """The next point to try, and the search that follows."""
        now = self._next_phase() if len(self.asked) >= self.size + self.patience else self
        point = int(np.where(now.left, now.belief.sd, -1.0).argmax())
        # Variances do not depend on the answer, so that any will do until it comes.
        belief = now.belief.given(_at(point, now.prior), 0.0, now.noise)
        return point, replace(now, belief=belief, asked=(*now.asked, point))

    def tell(self, turn: int, value: float) -> PhasedExploration:
        """The search after the answer to a try. Raises InputError for a try that was not made or no finite answer."""
        _check(turn, self.turn, value)
        if turn < self.begun:
            return replace(self, late=self.late + 1)
        return replace(self, told=(*self.told, (self.asked[turn - self.begun], float(value))))

    def known(self) -> Gaussian:
        """What the answers of this phase tell of all points."""
        known = self.prior
        for point, value in self.told:
            known = known.given(_at(point, known), value, self.noise)
        return known

    def _next_phase(self) -> PhasedExploration:
        known = self.known()
        low, high = known.mean - self.width * known.sd, known.mean + self.width * known.sd
        return replace(
            self,
            left=self.left & (high >= low[self.left].max()),
            size=math.isqrt(self.horizon * self.size - 1) + 1,
            begun=self.turn,
            belief=self.prior,
            asked=(),
            told=(),
        )


@dataclass(frozen=True, eq=False)
class HopefulSearch:
    """n points under a Gaussian process, of which that with the greatest mean + `width` · sd is tried next.

    Srinivas et al. 2010, "Gaussian process optimization in the bandit setting" (GP-UCB), by the answers that came so
    far. With `wait` a point is tried again until the answer to its first try has come; without, nothing is made of
    tries that were not answered yet, so that one point may be tried often before anything is known of it.
    """

    belief: Gaussian
    noise: float
    width: float = 2.0
    wait: bool = False
    asked: tuple[int, ...] = ()
    awaited: int | None = None

    def ask(self) -> tuple[int, HopefulSearch]:
        """The next point to try, and the search that follows."""
        if self.wait and self.awaited is not None:
            return self.asked[-1], replace(self, asked=(*self.asked, self.asked[-1]))
        point = int((self.belief.mean + self.width * self.belief.sd).argmax())
        return point, replace(self, asked=(*self.asked, point), awaited=len(self.asked))

    def tell(self, turn: int, value: float) -> HopefulSearch:
        """The search after the answer to a try. Raises InputError for a try that was not made or no finite answer."""
        _check(turn, len(self.asked), value)
        belief = self.belief.given(_at(self.asked[turn], self.belief), value, self.noise)
        return replace(self, belief=belief, awaited=None if turn == self.awaited else self.awaited)


def _at(point: int, belief: Gaussian) -> Floats:
    along = np.zeros(len(belief.mean))
    along[point] = 1.0
    return along


def _check(turn: int, turns: int, value: float) -> None:
    if not 0 <= turn < turns or not np.isfinite(value):
        raise InputError(f"answer {value} to try {turn} of {turns}", where="tell")
