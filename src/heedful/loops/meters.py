"""Health of a policy while it learns from its own outputs, and alarms that stop it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Floats, Item, Scores, UsageError
from heedful.stats import paired_difference

Told = Mapping[str, float]
SURE = 0.9  # a judgement is unsure where less of the posterior than this agrees with its mean


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Outputs of a policy, n for each of c prompts, one prompt after the other.

    log_prob   [c n]  of each output under the policy that drew it (nats)
    reference  [c n]  under the policy as it was at first
    length     [c n]  tokens
    scores            the evidence on each, with draws where it knows its own uncertainty
    gold       [c n]  what each is really worth, where that is known
    ruled_out         the share of outputs that the evidence rules out, which count as `scores` has them
    """

    items: tuple[Item, ...]
    n: int
    log_prob: Floats
    reference: Floats
    length: Floats
    scores: Scores
    gold: Floats | None = None
    ruled_out: float = 0.0

    def meters(self) -> dict[str, float]:
        """Numbers of one round.

        score, score_se  mean evidence, and its standard error, prompts being independent
        kl               an unbiased estimate of KL(policy ‖ first policy) an output, in nats; kl_root its square root,
                         against which a score should be read (Gao et al. 2023, "Scaling laws for reward model
                         overoptimization", section 3.3)
        entropy          mean −log policy a token (nats)
        length           mean tokens an output
        different        mean share of a prompt's outputs that no other of them equals
        unsure           share of pairs of a prompt's outputs whose order by mean score has less than SURE of the
                         posterior behind it; where scores have draws
        gold             mean worth, and `pass`, the share of prompts of which some output has a worth above 0; where
                         worth is known
        ruled_out        as given, where it is above 0
        """
        kl = float((self.log_prob - self.reference).mean())
        told = {
            "score": float(self.scores.mean.mean()),
            "score_se": self._error(self.scores.mean),
            "kl": kl,
            "kl_root": math.sqrt(max(kl, 0.0)),
            "entropy": float(-self.log_prob.sum() / self.length.sum()),
            "length": float(self.length.mean()),
            "different": self._different(),
        }
        if self.scores.draws is not None:
            told["unsure"] = self._unsure(self.scores.draws)
        if self.ruled_out:
            told["ruled_out"] = self.ruled_out
        if self.gold is not None:
            told |= {"gold": float(self.gold.mean()), "pass": float((self.by_prompt(self.gold) > 0).any(1).mean())}
        return told

    def by_prompt(self, values: Floats) -> Floats:
        """Values [c n] as [c, n]."""
        return values.reshape(-1, self.n)

    def _error(self, values: Floats) -> float:
        means = self.by_prompt(values).mean(1)
        return float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else math.nan

    def _different(self) -> float:
        groups = [self.items[start : start + self.n] for start in range(0, len(self.items), self.n)]
        return float(np.mean([sum(k == 1 for k in Counter(group).values()) / self.n for group in groups]))

    def _unsure(self, draws: Floats) -> float:
        first, second = np.triu_indices(self.n, 1)
        own = draws.reshape(len(draws), -1, self.n)
        ahead = (own[:, :, first] > own[:, :, second]).mean(0) + 0.5 * (own[:, :, first] == own[:, :, second]).mean(0)
        return float((np.maximum(ahead, 1 - ahead) < SURE).mean()) if len(first) else 0.0


def pass_at(right: Floats, k: int) -> Floats:
    """Unbiased estimate [c] of the chance that one of k outputs is right, from n ≥ k outputs each right or not [c, n].

    1 − C(n − right, k) / C(n, k) (Chen et al. 2021, "Evaluating large language models trained on code", equation 1).
    Raises UsageError unless 1 ≤ k ≤ n.
    """
    n = right.shape[1]
    if not 1 <= k <= n:
        raise UsageError(f"{n} outputs say nothing of {k}", where="pass_at")
    wrong = n - (right > 0).sum(1)
    places = np.arange(k)
    chance = np.clip((wrong[:, None] - places) / (n - places), 0.0, 1.0).prod(1)
    return np.asarray(1.0 - chance)


Alarm = Callable[[Sequence[Told]], str | None]
"""What was told in each round so far -> why to stop, or None."""


@dataclass(frozen=True, slots=True)
class Above:
    """Stops where a meter is above a limit, or, `of_first`, above so many times what it was in the first round."""

    meter: str
    limit: float
    of_first: bool = False

    def __call__(self, told: Sequence[Told]) -> str | None:
        own, limit = told[-1].get(self.meter, -math.inf), self._limit(told)
        return f"{self.meter} {own:.4g} is above {limit:.4g}" if own > limit else None

    def _limit(self, told: Sequence[Told]) -> float:
        return self.limit * told[0].get(self.meter, math.inf) if self.of_first else self.limit


@dataclass(frozen=True, slots=True)
class Below:
    """Stops where a meter is below a limit, or, `of_first`, below so many times what it was in the first round."""

    meter: str
    limit: float
    of_first: bool = False

    def __call__(self, told: Sequence[Told]) -> str | None:
        limit = self.limit * told[0].get(self.meter, -math.inf) if self.of_first else self.limit
        own = told[-1].get(self.meter, math.inf)
        return f"{self.meter} {own:.4g} is below {limit:.4g}" if own < limit else None


ALARMS: tuple[Alarm, ...] = (Above("kl", 50.0), Below("entropy", 0.1, True), Above("length", 3.0, True))
"""Those that any run has: far from where it began, nearly certain of all it writes, or ever longer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Worth of outputs on the same prompts each time, against those of the policy as it was at first.

    A worth falls beyond doubt where an interval of its change, at `level` over all `looks` together (Bonferroni), lies
    below 0. So a run whose worth does not fall is stopped by this in at most 1 − level of all runs.
    """

    first: Floats
    looks: int
    level: float = 0.95

    def look(self, gold: Floats) -> dict[str, float]:
        """Of worth [c, n] now: the change of its mean, its upper end, and the share of `flips` from right to wrong.

        flips: of prompts whose first output was worth more than 0 at first, those where it is no longer; outputs are to
        be drawn by the same numbers each time.
        """
        change, _ = paired_difference(gold.mean(1), self.first.mean(1), level=1 - (1 - self.level) / self.looks)
        right = self.first[:, 0] > 0
        return {
            "probe": float(gold.mean()),
            "probe_change": change.value,
            "probe_high": math.inf if change.interval is None else change.interval.high,
            "flips": float((gold[right, 0] <= 0).mean()) if right.any() else 0.0,
        }


def worth_fell(told: Sequence[Told]) -> str | None:
    """The alarm of a `Probe`."""
    high = told[-1].get("probe_high", math.inf)
    if high < 0:
        return f"what outputs are really worth fell by {-told[-1]['probe_change']:.3g} beyond doubt"
    return None
