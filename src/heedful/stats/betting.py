"""Capital of many bettors at once: evidence against many means that can be watched, stopped and resumed at will.

Who bets the share λm of the capital on values above m multiplies it by 1 + λ(x − m). Where no value's mean, given all
before, is above m, this does not grow on average, whatever is chosen by what was seen before: which stream to look at
next, and when to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from heedful.core import Floats, InputError

# Bets that a capital is divided over. With 32, the capital of 2,000 coins is within 3 % of that of endlessly many.
_BETS = 32
# e^300 is beyond every threshold, and sums of it are finite.
_MOST = 300.0


@dataclass(frozen=True, eq=False)
class Capital:
    """Evidence against "the mean is at most `mean`" in streams of values in [0, 1], of any shape [...].

    The capital is divided over bets λ m between 0 and 1 as a uniform density would, so that no size of effect need be
    guessed: on coins (m = 1/2) it is 2^(n+1) times the integral of θ^wins (1 − θ)^losses over θ in [1/2, 1] (a mixture
    as in Robbins 1970; bets as in Waudby-Smith and Ramdas 2024). The order of a stream does not matter.
    `log` [bets, ...] are the logs of each bet's own capital.
    """

    log: Floats
    mean: float = 0.5

    @classmethod
    def start(cls, *shape: int, mean: float = 0.5) -> Capital:
        """No value seen yet in streams of this shape. Raises InputError unless 0 < mean < 1."""
        if not 0 < mean < 1:
            raise InputError(f"the mean under test lies in (0, 1), not {mean}", where="mean")
        return cls(np.zeros((_BETS, *shape)), mean)

    def after(self, values: ArrayLike) -> Capital:
        """The capital after one more value of each stream [...], NaN where there is none.

        Raises InputError where values lie outside [0, 1].
        """
        array = np.asarray(values, dtype=np.float64)
        seen = np.isfinite(array)
        if np.isinf(array).any() or not ((array[seen] >= 0) & (array[seen] <= 1)).all():
            raise InputError("values lie in [0, 1]", where="values", fix="rescale them by known bounds")
        log = self.log.copy()
        log[:, seen] += np.log1p(np.multiply.outer(_nodes()[0] / self.mean, array[seen] - self.mean))
        return Capital(log, self.mean)

    def after_all(self, values: ArrayLike) -> Capital:
        """The capital after m more values of each stream [m, ...], as if one by one but not looked at in between."""
        array = np.asarray(values, dtype=np.float64)
        told = Capital.start(*array.shape, mean=self.mean).after(array)
        return Capital(self.log + told.log.sum(axis=1), self.mean)

    @property
    def log_e(self) -> Floats:
        """The log of the evidence [...]: its exponential has expectation at most 1 at any stopping time, if no mean is
        above `mean`, and so exceeds 1/α ever with probability at most α (Ville's inequality)."""
        most = self.log.max(axis=0)
        return np.asarray(most + np.log(np.tensordot(_nodes()[1], np.exp(self.log - most), axes=1)))


@cache
def _nodes() -> tuple[Floats, Floats]:
    """Shares of the capital that are bet [bets] and how much capital bets each (Gauss-Legendre on [0, 1])."""
    nodes, weights = np.polynomial.legendre.leggauss(_BETS)
    return (nodes + 1) / 2, weights / 2


def coin_capital(wins: ArrayLike, losses: ArrayLike) -> Floats:
    """The log of the evidence [...] that so many wins and losses leave against "no more wins than losses are expected".

    That of `Capital` with endlessly many bets, in closed form: 2^(n+1) B(w + 1, l + 1) P(Beta(w + 1, l + 1) > 1/2).
    """
    won, lost = np.asarray(wins, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    with np.errstate(divide="ignore"):
        above = np.log(special.betainc(lost + 1, won + 1, 0.5))
    return np.asarray((won + lost + 1) * np.log(2) + special.betaln(won + 1, lost + 1) + above)


def closed_rejections(log_e: Floats, alpha: float) -> NDArray[np.bool_]:
    """Which of k hypotheses [..., k] are rejected, all false rejections together with probability at most `alpha`.

    Closed testing with the mean of e-values (Vovk & Wang 2021, "E-values: calibration, combination and applications"):
    a hypothesis is rejected where every set that it belongs to has a mean of 1/alpha or more. It holds for
    e-values of any dependence and, of e-processes in one filtration, at all times at once. Raises InputError unless
    0 < alpha < 1.
    """
    if not 0 < alpha < 1:
        raise InputError(f"an error rate lies between 0 and 1, not {alpha}", where="alpha")
    value = np.exp(np.minimum(log_e, _MOST))
    rising = np.sort(value, axis=-1)
    # The set that speaks least for i holds i and the m smallest others, for some m.
    smaller = np.cumsum(rising, axis=-1) - rising  # of the m smallest, m = 0, 1, ...
    size = np.arange(1, value.shape[-1] + 1)
    mean = (value[..., :, None] + smaller[..., None, :]) / size
    others = rising[..., None, :] <= value[..., :, None]  # the m smallest do not hold i itself
    return np.asarray(np.where(others, mean, np.inf).min(axis=-1) >= 1 / alpha)
