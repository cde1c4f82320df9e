"""Which intervals hold where questions were chosen, and asking was stopped, because of the answers so far?

Six items are compared, one question at a time; after every answer the rule sees the posterior under the prior N(0, 1)
and chooses the next pair. Asking stops after a fixed number of answers, or as soon as the item that looks best looks
better than the second (looked at every five answers, from the 40th on; at the latest after the fixed number). Truths
are one hard case, of which the two best items are equal, or drawn anew from the prior.

Each set is read by each way of inference, and checked are: the difference of two items named beforehand (the two best
of the hard case), that of the two that look best, the win rate of an item against the others, and the decision that
what looks best beats what looks second (wrong where it does not; made where the interval of the difference lies above
zero). Coverage is tested against 95 % (one-sided), for `credible` where truths are drawn from the prior alone.
Inference that holds at any time by a theorem, and costs most, is checked on every eighth set.

    python benchmarks/adaptive_coverage.py [--quick] [--sets N] [--rules NAME ...] [--inferences NAME ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import entr, expit, logit

from heedful.core import Floats, Interval
from heedful.preference import (
    Direct,
    RunningLikelihood,
    Strengths,
    asked_win_rate,
    count,
    rate,
    rate_asked,
    under_prior,
)
from heedful.preference.trust import PROVED

LEVEL = 0.95
HARD = np.array([0.8, 0.8, 0.2, 0.0, -0.8, -1.0])
ITEMS = len(HARD)
FIRST, SECOND = np.triu_indices(ITEMS, 1)
HORIZON, FEWEST, LOOKS = 240, 40, 5
EXPLORE, DRAWS = 0.2, 256
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class Beliefs:
    """Normal posteriors of s sets: `mean` [s, n] and `covariance` [s, n, n], `gap` and `variance` [s, p] of pairs."""

    mean: Floats
    covariance: Floats

    @property
    def gap(self) -> Floats:
        return self.mean[:, FIRST] - self.mean[:, SECOND]

    @cached_property
    def variance(self) -> Floats:
        own = np.diagonal(self.covariance, axis1=1, axis2=2)
        return own[:, FIRST] + own[:, SECOND] - 2 * self.covariance[:, FIRST, SECOND]

    def probabilities(self) -> Floats:
        """P(first wins) at the nodes of a quadrature over the difference [s, p, nodes]."""
        return expit(self.gap[..., None] + np.sqrt(self.variance)[..., None] * NODES)

    def decided(self) -> Any:
        """Whether the interval of the difference of the two that look best lies above zero [s]."""
        rows, (best, second) = np.arange(len(self.mean)), np.argsort(-self.mean, axis=1)[:, :2].T
        c = self.covariance
        variance = c[rows, best, best] + c[rows, second, second] - 2 * c[rows, best, second]
        return self.mean[rows, best] - self.mean[rows, second] > stats.norm.ppf(0.975) * np.sqrt(variance)


def information(beliefs: Beliefs, rng: np.random.Generator) -> Any:
    """The pair [s] whose answer tells most (`elicitation.ExpectedInformationGain` of single questions)."""
    p, weights = beliefs.probabilities(), WEIGHTS / WEIGHTS.sum()
    mean = p @ weights
    return np.argmax(entr(mean) + entr(1 - mean) - (entr(p) + entr(1 - p)) @ weights, axis=1)


def uncertainty(beliefs: Beliefs, rng: np.random.Generator) -> Any:
    """The pair [s] whose answer is least foreseen (`elicitation.Uncertainty`)."""
    return np.argmin(np.abs(beliefs.probabilities() @ (WEIGHTS / WEIGHTS.sum()) - 0.5), axis=1)


def thompson(beliefs: Beliefs, rng: np.random.Generator) -> Any:
    """The best of a draw against the best of another in which it differs (`elicitation.DoubleThompson`), of as many
    draws as a fit makes; where no draw has another best, any other item."""
    sets, rows = len(beliefs.mean), np.arange(len(beliefs.mean))
    factor = np.linalg.cholesky(beliefs.covariance)
    noise = rng.standard_normal((sets, DRAWS, ITEMS)) @ factor.transpose(0, 2, 1)
    leader = (beliefs.mean[:, None] + noise).argmax(axis=2)
    best = leader[rows, rng.integers(DRAWS, size=sets)]
    other = leader != best[:, None]
    second = leader[rows, np.where(other, rng.random(other.shape), -1.0).argmax(axis=1)]
    second = np.where(other.any(axis=1), second, (best + rng.integers(1, ITEMS, size=sets)) % ITEMS)
    numbers = np.zeros((ITEMS, ITEMS), np.intp)
    numbers[FIRST, SECOND] = numbers[SECOND, FIRST] = np.arange(len(FIRST))
    return numbers[best, second]


@dataclass(frozen=True)
class Rule:
    """Asks what `choose` says, or any pair with probability `explore`."""

    name: str
    choose: Callable[[Beliefs, np.random.Generator], Any] | None
    explore: float = 0.0

    @property
    def logged(self) -> bool:
        """Whether every pair may be asked, so that propensities can be used."""
        return self.explore > 0

    def __call__(self, beliefs: Beliefs, rng: np.random.Generator) -> tuple[Any, Floats]:
        """The pair of each set [s] and the probability with which it was chosen, as `elicitation.Mixed` logs it."""
        pairs, sets = len(FIRST), len(beliefs.mean)
        drawn = rng.integers(pairs, size=sets)
        if self.choose is None:
            return drawn, np.full(sets, 1 / pairs)
        top = self.choose(beliefs, rng)
        asked = np.where(rng.random(sets) < self.explore, drawn, top)
        return asked, (1 - self.explore) * (asked == top) + self.explore / pairs


RULES = (
    Rule("random", None, 1.0),
    Rule("information", information),
    Rule("uncertainty", uncertainty),
    Rule("thompson", thompson),
    Rule("mixed information", information, EXPLORE),
    Rule("mixed thompson", thompson, EXPLORE),
)


@dataclass(frozen=True)
class Asked:
    """The comparisons of one set, in order; the means of what is believed at the end [n]; its true utilities [n]."""

    first: Any
    second: Any
    outcome: Any
    propensity: Floats
    believed: Floats
    truth: Floats

    @property
    def comparisons(self) -> tuple[Any, Any, Any]:
        return self.first, self.second, self.outcome


def simulate(rule: Rule, stops: bool, truths: Floats, rng: np.random.Generator) -> Iterator[Asked]:
    """Sets of comparisons, one for each truth [s, n], all asked at once."""
    sets = len(truths)
    wins, mean, rows = np.zeros((sets, ITEMS, ITEMS)), np.zeros((sets, ITEMS)), np.arange(sets)
    length, logs, believed = np.full(sets, HORIZON), [], np.zeros((sets, ITEMS))
    for step in range(HORIZON):
        beliefs = posterior(wins, mean)
        mean = beliefs.mean
        if stops and step >= FEWEST and step % LOOKS == 0:
            now = (length == HORIZON) & beliefs.decided()
            length[now], believed[now] = step, mean[now]
            if (length <= step).all():
                break
        pair, propensity = rule(beliefs, rng)
        first, second = FIRST[pair], SECOND[pair]
        won = rng.random(sets) < expit(truths[rows, first] - truths[rows, second])
        wins[rows, np.where(won, first, second), np.where(won, second, first)] += 1
        logs.append((first, second, np.where(won, 1, -1), propensity))
    going = length == HORIZON
    believed[going] = posterior(wins[going], mean[going]).mean
    told = [np.array(column) for column in zip(*logs, strict=True)]
    for row in range(sets):
        first, second, outcome, propensity = (column[: length[row], row] for column in told)
        yield Asked(first, second, outcome, propensity, believed[row], truths[row])


def posterior(wins: Floats, mean: Floats) -> Beliefs:
    """Laplace's approximation under N(0, 1), by two Newton steps from the last mean."""
    met = wins + wins.transpose(0, 2, 1)
    for _ in range(2):
        p = expit(mean[:, :, None] - mean[:, None, :])
        weight = met * p * (1 - p)
        information = np.eye(ITEMS) * (1 + weight.sum(axis=2))[:, :, None] - weight
        covariance = np.linalg.inv(information)
        mean = mean + np.einsum("sij,sj->si", covariance, (wins - met * p).sum(axis=2) - mean)
    return Beliefs(mean, covariance)


@dataclass(frozen=True)
class Told:
    """What a way of inference says of one set; None where it says nothing of an estimand."""

    named: Callable[[int, int], Interval | None] | None
    selected: Callable[[int, int], Interval | None] | None
    win_rate: Callable[[int], Interval | None]

    @classmethod
    def of(cls, found: Strengths | RunningLikelihood) -> Told:
        return cls(found.difference, found.difference, found.win_rate)


def naive(asked: Asked) -> Told:
    """Maximum likelihood with sandwich intervals, as if the questions had been fixed beforehand."""
    return Told.of(Strengths.of(rate(*asked.comparisons, ITEMS)))


def prior(asked: Asked) -> Told:
    """The likelihood under the prior N(0, 1)."""
    return Told.of(under_prior(count(*asked.comparisons, ITEMS), 1.0))


def weighted(asked: Asked) -> Told:
    """Maximum likelihood weighted by 1 / sqrt(propensity)."""
    return Told.of(Strengths.of(rate_asked(*asked.comparisons, asked.propensity, ITEMS)))


def weighted_rate(asked: Asked) -> Told:
    """A win rate weighted by 1 / propensity, without a model of utilities."""
    return Told(None, None, lambda item: asked_win_rate(*asked.comparisons, asked.propensity, item, ITEMS).interval)


def running(asked: Asked) -> Told:
    """The likelihood against running predictions."""
    return Told.of(RunningLikelihood.of(*asked.comparisons, ITEMS))


def direct(asked: Asked) -> Told:
    """A confidence sequence for each pair; as a difference of utilities by way of the logit."""
    found = Direct.of(*asked.comparisons, ITEMS)

    def difference(first: int, second: int, of_all: bool) -> Interval:
        shown = found.interval(first, second, of_all=of_all)
        return Interval(float(logit(shown.low)), float(logit(shown.high)), shown.promise)

    return Told(
        lambda first, second: difference(first, second, False),
        lambda first, second: difference(first, second, True),
        lambda item: found.win_rate(item, of_all=False),
    )


INFERENCES: dict[str, Callable[[Asked], Told]] = {
    "maximum likelihood": naive,
    "prior": prior,
    "weighted": weighted,
    "weighted rate": weighted_rate,
    "running": running,
    "direct": direct,
}
# Costly, and proved to hold: of so many sets one is read by them.
ANYTIME, THINNED = ("running", "direct"), 8
ESTIMANDS = ("difference", "best", "win rate", "decision")


@dataclass(frozen=True)
class Check:
    """One interval, or decision: whether it was right; half the interval's width, or whether a claim was made; what it
    promised."""

    right: bool
    size: float
    promise: str


def checks(asked: Asked, inference: Callable[[Asked], Told]) -> dict[str, Check | None]:
    """By estimand; None where there is no interval."""
    u, told, found = asked.truth, inference(asked), dict[str, Check | None]()
    others = np.arange(ITEMS) != 0
    found["win rate"] = _checked(told.win_rate(0), float(expit(u[0] - u[others]).mean()))
    if told.named is None or told.selected is None:
        return found
    best, second = np.argsort(-asked.believed)[:2].tolist()
    interval = told.selected(best, second)
    found["difference"] = _checked(told.named(0, 1), u[0] - u[1])
    found["best"] = _checked(interval, u[best] - u[second])
    claimed = interval is not None and interval.low > 0
    promise = interval.promise if interval else ""
    found["decision"] = Check(not claimed or u[best] > u[second], float(claimed), promise)
    return found


def _checked(interval: Interval | None, truth: float) -> Check | None:
    if interval is None:
        return None
    return Check(interval.low <= truth <= interval.high, (interval.high - interval.low) / 2, interval.promise)


def run(rule: Rule, stops: bool, hard: bool, sets: int, seed: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each way of inference, of these names, and estimand."""
    rng = np.random.default_rng([seed, RULES.index(rule), stops, hard])
    truths = np.tile(HARD, (sets, 1)) if hard else rng.standard_normal((sets, ITEMS))
    able = {name: INFERENCES[name] for name in names if rule.logged or not name.startswith("weighted")}
    found: dict[tuple[str, str], list[Check | None]] = {}
    answers = []
    for number, asked in enumerate(simulate(rule, stops, truths, rng)):
        answers.append(len(asked.first))
        for name, infer in able.items():
            if name in ANYTIME and number % THINNED:
                continue
            for estimand, check in checks(asked, infer).items():
                found.setdefault((name, estimand), []).append(check)
    cell = {"rule": rule.name, "stopping": "data" if stops else "fixed", "truth": "hard" if hard else "prior"}
    cell |= {"answers": float(np.mean(answers))}
    return [
        cell | {"inference": name, "estimand": estimand} | row(estimand, found[name, estimand])
        for name in able
        for estimand in ESTIMANDS
        if (name, estimand) in found
    ]


def row(estimand: str, found: list[Check | None]) -> dict[str, Any]:
    """Coverage (of decisions: 1 less the share that was wrong), the p-value of its being too low, and `size`: the
    median half-width (None: infinite), or the share of sets in which a claim was made."""
    made = [check for check in found if check is not None]
    if not made:
        return {"sets": len(found), "checked": 0, "coverage": None, "p": None, "size": None, "promise": []}
    hits, size = sum(check.right for check in made), np.array([check.size for check in made])
    typical = float(size.mean() if estimand == "decision" else np.median(size))
    return {
        "sets": len(found),
        "checked": len(made),
        "coverage": hits / len(made),
        "p": float(stats.binomtest(hits, len(made), LEVEL, alternative="less").pvalue),
        "size": typical if np.isfinite(typical) else None,
        "promise": sorted({check.promise for check in made if check.promise}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 sets a cell")
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--rules", nargs="*", default=None, help="names of rules")
    parser.add_argument("--inferences", nargs="*", default=list(INFERENCES), choices=list(INFERENCES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sets, began = 8 if options.quick else options.sets, time.process_time()
    print(f"{'rule':<18}{'stop':<7}{'truth':<7}{'inference':<20}" + "".join(f"{name:>18}" for name in ESTIMANDS))
    rows = []
    for rule in RULES:
        if options.rules and rule.name not in options.rules:
            continue
        for stops in (False, True):
            for hard in (True, False):
                own = run(rule, stops, hard, sets, options.seed, options.inferences)
                rows += own
                show(own)
                if options.out:
                    found = {"level": LEVEL, "seed": options.seed, "rows": rows}
                    options.out.write_text(json.dumps(found, indent=1))
    print(f"{time.process_time() - began:.0f} s of processor time")
    broken = [row for row in rows if promised(row) and row["p"] < 1e-4]
    if broken:
        raise SystemExit(f"{len(broken)} rows break their promise")


def promised(row: dict[str, Any]) -> bool:
    """Whether what the row checks holds by a theorem."""
    return row["inference"] in PROVED and (row["inference"] != "prior" or row["truth"] == "prior")


def show(rows: list[dict[str, Any]]) -> None:
    """A line for each way of inference: coverage and half-width of each estimand, decisions made."""
    for name in dict.fromkeys(row["inference"] for row in rows):
        own = {row["estimand"]: row for row in rows if row["inference"] == name}
        shown = "".join(f"{_shown(own.get(estimand)):>18}" for estimand in ESTIMANDS)
        head = f"{rows[0]['rule']:<18}{rows[0]['stopping']:<7}{rows[0]['truth']:<7}"
        print(f"{head}{name:<20}{shown}", flush=True)


def _shown(row: dict[str, Any] | None) -> str:
    if row is None or row["coverage"] is None:
        return "-"
    mark, size = "*" if row["p"] < 1e-4 else "", "inf" if row["size"] is None else f"{row['size']:.2f}"
    return f"{mark}{row['coverage']:.3f} ({size})"


if __name__ == "__main__":
    main()
