"""Acquisition rules: which pairs of a pool to ask about next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heedful.core import Floats, Item, Queries, UsageError
from heedful.elicitation.asking import check_batch, chunks, nothing, queries, single_gains
from heedful.elicitation.beliefs import Beliefs, Indices
from heedful.elicitation.information import Histories, entropy, one_sided_gain

# Of pairs in the order of their bounds, so many are looked at before asking whether the next could still be better.
_AHEAD = 64


@dataclass(frozen=True)
class ExpectedInformationGain:
    """The `batch` pairs whose answers tell most about the utilities, in nats.

    The gain of one question is the mutual information between its answer (first, second and, where the posterior has
    ties, tie) and the utilities over the posterior's draws: H(mean p) − mean H(p) (Houlsby et al. 2011, equation 1).

    With `diversity` the batch is built greedily, each question chosen by its information *given* the answers to those
    before it (BatchBALD: Kirsch et al. 2019, algorithm 1), so the reported gains add up to the information of the whole
    batch. Possible answers are listed while there are at most `histories`, and sampled beyond. Information falls as
    answers are added, so most of a pool need not be looked at again. Without `diversity` it is the top of single gains.

    Draws bound what can be told: k of them carry at most ln k nats, and a batch that nears this is ranked too low.
    Items that the votes do not place are asked about under the prior that the posterior scores them by; the gain is
    then prior-predictive. Of an item that the posterior knows nothing of, the first question counts ln 2 (a flat prior:
    all that a decided answer can carry), the next ones of the batch as `one_sided_gain` says.

    Beside asking at random it was ahead on simulated systems and HH-RLHF, behind on PandaLM, GSM8K and llmfao, its
    interval clear of random's only on HH-RLHF with embeddings of sentences (docs/benchmarks.md, What asking saves).
    """

    batch: int = 10
    diversity: bool = True
    histories: int = 128

    def __post_init__(self) -> None:
        check_batch(self.batch)
        if self.histories < 1:
            raise UsageError(f"histories is at least 1, not {self.histories}", where="ExpectedInformationGain")

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        gains = single_gains(beliefs)
        if not self.diversity:
            top = np.argsort(-gains, kind="stable")[: self.batch]
            return queries(beliefs, top, gains[top])
        search = _Greedy(beliefs, gains, Histories.none(beliefs.view.size, limit=self.histories))
        steps = [search.step(rng) for _ in range(min(self.batch, len(beliefs)))]
        chosen = np.array([pair for pair, _ in steps], dtype=np.intp)
        return queries(beliefs, chosen, np.array([gain for _, gain in steps]))


@dataclass(frozen=True)
class Uncertainty:
    """The `batch` pairs whose answers are least predictable: the greatest entropy of the mean outcome probabilities.

    A baseline (Lewis and Gale 1994): it does not tell what is not known yet from what people will always differ on, nor
    one question from the next. `expected_gain` is each question's own information in nats.

    Beside asking at random it was behind on all sets of docs/benchmarks.md (What asking saves), nowhere beyond doubt.
    """

    batch: int = 10

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        predicted = np.full(len(beliefs), np.log(2))
        for pairs in chunks(np.flatnonzero(beliefs.known())):
            predicted[pairs] = entropy(beliefs.outcomes(pairs).mean(axis=1))
        chosen = np.argsort(-predicted, kind="stable")[: self.batch]
        return queries(beliefs, chosen, single_gains(beliefs, chosen))


@dataclass(frozen=True)
class Random:
    """`batch` pairs at random, all alike: the baseline to beat. `expected_gain` is each question's own information."""

    batch: int = 10

    def __post_init__(self) -> None:
        check_batch(self.batch)

    def __call__(self, posterior: Any, pool: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Queries:
        if not len(pool):
            return nothing()
        beliefs = Beliefs.of(posterior, pool, rng)
        chosen = rng.permutation(len(beliefs))[: self.batch]
        share = np.full(len(chosen), len(chosen) / len(beliefs))
        return replace(queries(beliefs, chosen, single_gains(beliefs, chosen)), propensity=share)


class _Greedy:
    """The greedy search for a batch: what is chosen so far, and an upper bound on every pair's gain given that."""

    def __init__(self, beliefs: Beliefs, gains: Floats, histories: Histories) -> None:
        known = beliefs.known()
        self.beliefs, self.histories = beliefs, histories
        self.bounds = np.where(known, gains, -np.inf)
        self.unknown = np.where(known, -np.inf, gains)
        self.asked = np.zeros(len(beliefs.unknown()), dtype=np.intp)
        self.fresh = True  # the bounds are the gains

    def step(self, rng: np.random.Generator) -> tuple[int, float]:
        """The next pair and its gain."""
        pair, other = self._best_known(), int(np.argmax(self.unknown))
        if self.unknown[other] > self.bounds[pair]:
            gain = float(self.unknown[other])
            self._ask_unknown(other)
            return other, gain
        gain = float(self.bounds[pair])
        self.histories = self.histories.ask(self.beliefs.outcomes(np.array([pair]))[:, :, 0], rng)
        self.bounds[pair], self.fresh = -np.inf, False
        return pair, gain

    def _best_known(self) -> int:
        """The known pair of greatest gain, looking only at pairs whose bound is above the best gain found."""
        if self.fresh:
            return int(np.argmax(self.bounds))
        order = np.argsort(-self.bounds, kind="stable")
        best, top = int(order[0]), -np.inf
        for pairs in chunks(order[: int(np.isfinite(self.bounds).sum())], _AHEAD):
            if self.bounds[pairs[0]] <= top:
                break
            self.bounds[pairs] = self.histories.gain(self.beliefs.outcomes(pairs))
            first = int(pairs[np.argmax(self.bounds[pairs])])
            if self.bounds[first] > top:
                best, top = first, float(self.bounds[first])
        return best

    def _ask_unknown(self, pair: int) -> None:
        """Count the question on both its items, and lower what other questions on them are worth."""
        self.asked[[self.beliefs.first[pair], self.beliefs.second[pair]]] += 1
        self.unknown[pair] = -np.inf
        left = np.flatnonzero(np.isfinite(self.unknown))
        self.unknown[left] = one_sided_gain(_asked_before(self.beliefs, self.asked, left))


def _asked_before(beliefs: Beliefs, asked: Indices, pairs: Indices) -> Indices:
    """How often the unknown item of each pair was asked about in this batch; of two unknown ones the fewer."""
    often = np.where(beliefs.unknown(), asked, np.iinfo(np.intp).max)
    return np.asarray(np.minimum(often[beliefs.first[pairs]], often[beliefs.second[pairs]]))
