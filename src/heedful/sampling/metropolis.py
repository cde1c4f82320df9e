"""Metropolis: chains of outputs, each proposed by the base, whole or from some token on, and taken or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Bound, Budget, Floats, Honesty, Item, Parts, UsageError
from heedful.models.token_models import Tokens, tokens_at
from heedful.sampling.batches import portions, refuse_no_contexts
from heedful.sampling.best_of_n import best_of_n_kl_bound
from heedful.sampling.chains import Chained, Thinned, chained, joined_chains
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import Writing, base_draws, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class Metropolis(Thinned):
    """n outputs per context from a chain that leaves the target as it is, started at a draw of the base.

    proposal  "independent": another draw of the base, taken with probability min(1, exp(score' − score)).
              "edit": the output cut before one of its tokens, each as likely, and written on by the base, taken with
              min(1, exp(score' − score) · tokens / tokens'), the end counted; needs a base that writes token by token
    burn_in   moves before the first output
    thin      moves from one output to the next

    The base's own probabilities cancel, so none is asked for (Hastings 1970, "Monte Carlo sampling methods using Markov
    chains and their applications"; edits of language: Miao et al. 2019, "CGMH", whose edits are single words). Chains
    of many contexts move side by side. The law tends to the target with `burn_in`; outputs of one chain resemble each
    other. A chain that has met nothing but outputs ruled out gives one, at log-weight −inf.

    `kl` with independent proposals is at most that of best-of-N of all draws, since one of them it is; None for edits.
    Costs a sample a move; edits also tokens: each one all tokens of its output, those before the cut read again.
    """

    n: int = 1
    burn_in: int = 100
    thin: int = 1
    proposal: Literal["independent", "edit"] = "independent"
    honesty: Honesty = "consistent"

    def __post_init__(self) -> None:
        self.refuse_impossible()
        if self.proposal not in ("independent", "edit"):
            raise UsageError(f"no proposal {self.proposal!r}", where="Metropolis", fix="independent or edit")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Chained:
        """Raises BudgetExceededError before drawing, UsageError where edits are asked of a base without tokens."""
        refuse_no_contexts(contexts)
        refuse_beyond(budget, self.plan(target.base, contexts))
        if self.proposal == "independent":
            return self._drawn(target, contexts, budget, rng)
        base, pieces = token_base(target, "edits"), []
        for portion in portions(base, contexts, 1):
            with Writing.begun(base, portion, (), budget, times=self.moves + 1) as writing:
                scoring = Scoring(target, budget)
                items, share = self._run(Edits(writing, rng), scoring, len(portion), rng)
                pieces.append(chained(items, self.n, scoring, writing.cost, share))
        return joined_chains(pieces)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost."""
        n, times = (1, self.moves + 1) if self.proposal == "edit" else (self.moves + 1, 1)
        written = writing_plan(base, contexts, n, times=times)
        return written | {"scores": written["samples"]}

    def _drawn(self, target: Target, contexts: Sequence[Parts], budget: Budget, rng: np.random.Generator) -> Chained:
        """All proposals drawn, and scored, at once."""
        times, scoring = self.moves + 1, Scoring(target, budget)
        drawn, cost = base_draws(target.base, contexts, times, budget, rng)
        scoring(drawn)
        items, share = self._run(_Draws(drawn, times), scoring, len(contexts), rng)
        kl = (Bound(best_of_n_kl_bound(times), "upper"),) * len(contexts)
        return chained(items, self.n, scoring, cost, share, kl)

    def _run(
        self, proposals: _Draws | Edits, scoring: Scoring, size: int, rng: np.random.Generator
    ) -> tuple[tuple[Item, ...], Floats]:
        """The outputs of so many chains, and the share of moves that each took."""
        taken = np.zeros(size)
        items = self.kept(_moved(proposals, scoring, taken, rng))
        return items, self.share(taken)


def _moved(
    proposals: _Draws | Edits, scoring: Scoring, taken: Floats, rng: np.random.Generator
) -> Iterator[tuple[Item, ...]]:
    """Outputs [c] at the start and after each move; moves taken are counted in `taken` [c]."""
    now = proposals.next(None)
    while True:
        yield now.items
        now, yes = moved(now, proposals.next(now), scoring, np.ones(len(taken)), rng)
        taken += yes


def moved(
    now: Outputs, ahead: Outputs, scoring: Scoring, strength: Floats, rng: np.random.Generator
) -> tuple[Outputs, NDArray[np.bool_]]:
    """Where chains of base · exp(strength · score) are after one move, and which proposals were taken [c]."""
    score, proposed = (strength * scoring.mean(one.items) for one in (now, ahead))
    yes = np.log1p(-rng.random(len(strength))) < log_acceptance(score, proposed, now.cuts, ahead.cuts)
    return now.replaced(ahead, yes), yes


def log_acceptance(score: Floats, proposed: Floats, cuts: Floats, proposed_cuts: Floats) -> Floats:
    """log min(1, exp(score' − score) · cuts / cuts') [c]; 0 from where the score is −inf.

    An edit from y to y' by a cut behind k tokens has probability 1/cuts · base(y' | k tokens), its reverse
    1/cuts' · base(y | k tokens), and base(y) = base(k tokens) · base(y | k tokens): for each k apart the rest cancels.
    """
    out = np.isneginf(score)
    return np.where(out, 0.0, np.minimum(0.0, proposed - np.where(out, 0.0, score) + np.log(cuts / proposed_cuts)))


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Where chains are: one output each, the places where it can be cut, and its tokens where they are known."""

    items: tuple[Item, ...]
    cuts: Floats
    tokens: tuple[Tokens, ...]

    @classmethod
    def of(cls, items: tuple[Item, ...], tokens: tuple[Tokens, ...]) -> Outputs:
        return cls(items, np.array([len(own) for own in tokens], dtype=np.float64), tokens)

    def kept(self, rows: NDArray[np.intp]) -> Outputs:
        """Some of them."""
        chosen = rows.tolist()
        return Outputs.of(tuple(self.items[row] for row in chosen), tuple(self.tokens[row] for row in chosen))

    def put(self, rows: NDArray[np.intp], other: Outputs) -> Outputs:
        """Others in some rows."""
        items, tokens = list(self.items), list(self.tokens)
        for row, item, own in zip(rows.tolist(), other.items, other.tokens, strict=True):
            items[row], tokens[row] = item, own
        return Outputs.of(tuple(items), tuple(tokens))

    def replaced(self, other: Outputs, yes: NDArray[np.bool_]) -> Outputs:
        """The other ones where `yes`."""
        pick = [other if taken else self for taken in yes]
        items = tuple(one.items[row] for row, one in enumerate(pick))
        return Outputs.of(items, tuple(one.tokens[row] for row, one in enumerate(pick)))


class _Draws:
    """Independent proposals, `times` of each chain, all drawn at once."""

    def __init__(self, drawn: Sequence[Item], times: int) -> None:
        self.rounds = (tuple(drawn[move::times]) for move in range(times))

    def next(self, now: Outputs | None) -> Outputs:
        items = next(self.rounds)
        return Outputs.of(items, (np.zeros(1, np.intp),) * len(items))  # nowhere to cut but at the start


@dataclass(frozen=True, slots=True, eq=False)
class Edits:
    """Outputs cut and written on, apart from those `begun`."""

    begun: Writing
    rng: np.random.Generator

    def next(self, now: Outputs | None, rows: NDArray[np.intp] | None = None) -> Outputs:
        """Edits of the outputs where chains are, or of those in some `rows` of the contexts."""
        writing, place = self.begun.again(rows), 0
        whole = now.tokens if now else (np.zeros(1, np.intp),) * len(writing.state)
        kept = [own[: self.rng.integers(len(own))] for own in whole]
        while not writing.state.finished.all():
            writing.write(self.rng, given=tokens_at(kept, place))
            place += 1
        return Outputs.of(writing.state.items(), writing.state.tokens())
