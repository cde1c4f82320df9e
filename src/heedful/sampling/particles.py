"""Particles: outputs written side by side, weighed while they are written, and multiplied where they promise most."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from heedful.core import Base, Budget, Floats, Honesty, Parts, Potential, Samples, UsageError
from heedful.models import TokenModel
from heedful.models.token_models import Tokens, tokens_at
from heedful.sampling.batches import joined, portions, refuse_no_contexts
from heedful.sampling.guides import Guide
from heedful.sampling.resampling import Ancestors, Chosen, Resampling, checked_resampling, chosen_by, multiplied
from heedful.sampling.scoring import Scoring, weighted
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.twists import Twist
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """n weighted outputs per context by sequential Monte Carlo over tokens.

    twist       what unfinished outputs are weighed by: None for the terms of the target that score prefixes. Where
                there are none, outputs are weighed at their end alone, which is importance sampling
    guides      what the next token is drawn by, beside the base; weights take it out again
    every       tokens between two weighings
    threshold   particles of a context are drawn anew by their weights once they tell as much as fewer than
                threshold · n of equal weight do; 0 never, 1 at every weighing
    resampling  how they are drawn anew
    tempering   the exponent, above 0, of the twist at the first weighings, as in (0.3, 0.6); 1 at all that follow

    `log_weights` w are proper: E[Σ e^w f(item)] over the rows of a context is Z · E[f] under the target, for every f
    (with f = 1: exp(log_normalizer) has expectation Z), whatever n, twist, tempering, guides and resampling. Only a
    twist or guide that rules out (−inf) what the target allows breaks this. To draw outputs, take rows in proportion to
    e^w (`one_each`): as n grows their law tends to the target's. `kl` is of the target, estimated from the particles.

    Costs model tokens: each context once, each token written once, a fork nothing. What guides cost is not in it.
    Source: Zhao et al. 2024, "Probabilistic inference in language models via twisted sequential Monte Carlo",
    algorithm 1, with resampling where the effective size asks for it.
    """

    n: int
    twist: Potential | None = None
    guides: tuple[Guide, ...] = ()
    every: int = 1
    threshold: float = 0.5
    resampling: Resampling = "systematic"
    tempering: tuple[float, ...] = ()
    honesty: Honesty = "proper"

    def __post_init__(self) -> None:
        if self.n < 1 or self.every < 1:
            raise UsageError(f"{self.n} particles, weighed every {self.every} tokens", where="Particles")
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"a threshold is a share of n, not {self.threshold}", where="Particles")
        checked_resampling(self.resampling, "Particles")
        if not all(0 < exponent <= 1 for exponent in self.tempering):
            what = f"exponents of a twist lie above 0 and are at most 1, not {self.tempering}"
            raise UsageError(what, where="Particles(tempering=...)")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before anything is read, UsageError where the base is no token model."""
        refuse_no_contexts(contexts)
        base, twist = token_base(target, "Particles"), self.twist_of(target)
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, self.n):
            with self.begun(base, portion, budget) as writing:
                swarm = Swarm(Scoring(target, budget), twist, self.n, writing)
                self.run(swarm, rng)
                pieces.append(swarm.samples())
        return joined(pieces)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, but for what guides and twists ask."""
        return writing_plan(base, contexts, self.n) | {"scores": float(self.most_scores(base) * len(contexts))}

    def most_scores(self, base: Base) -> int:
        """The most outputs that are scored in a context: n − 1 at each weighing, and all at the last.

        A particle that has ended and is scored may give way to a copy of one that goes on, and ends in its turn.
        """
        weighings = -(-base.max_tokens // self.every) if isinstance(base, TokenModel) else 1
        return self.n + (self.n - 1) * (weighings - 1)

    def begun(
        self, base: TokenModel, contexts: Sequence[Parts], budget: Budget, *, times: int = 1
    ) -> AbstractContextManager[Writing]:
        """Empty outputs, n a context, that can be written so many times."""
        rows = [context for context in contexts for _ in range(self.n)]
        return Writing.begun(base, rows, self.guides, budget, times=times)

    def run(self, swarm: Swarm, rng: np.random.Generator, held: Sequence[Tokens] = ()) -> None:
        """All written, weighed and multiplied. The first of each context writes the output `held` [contexts], if any.

        It then always goes on, beside others drawn by weight: Andrieu, Doucet and Holenstein 2010, "Particle Markov
        chain Monte Carlo methods", section 4.3. This takes independent draws (multinomial).
        """
        writing, place, exponents = swarm.writing, 0, chain(self.tempering, repeat(1.0))
        given = [own for output in held for own in (output, *[output[:0]] * (self.n - 1))]
        while not writing.state.finished.all():
            for _ in range(self.every):
                swarm.log_weight += writing.write(rng, given=tokens_at(given, place) if held else None)
                place += 1
            swarm.weigh(next(exponents))
            if swarm.twist is not None:
                swarm.resample(self._kept if held else chosen_by(self.resampling, self.threshold), rng)

    def twist_of(self, target: Target) -> Twist | None:
        """What unfinished outputs are weighed by. Raises UsageError where the one given scores none."""
        found = Twist.of(target.expression if self.twist is None else self.twist)
        if found is None and self.twist is not None:
            raise UsageError("nothing in it scores unfinished outputs", where="Particles(twist=...)")
        return found

    def _kept(self, weight: Floats, rng: np.random.Generator) -> Ancestors | None:
        """Which particles go on where the first one is held, None where all do."""
        ancestors = chosen_by(self.resampling, self.threshold)(weight, rng)
        if ancestors is not None:
            ancestors = rng.permutation(ancestors)
            ancestors[0] = 0
        return ancestors


class Swarm:
    """Rows of all contexts, n after n, with what their weights already tell."""

    def __init__(self, scoring: Scoring, twist: Twist | None, n: int, writing: Writing) -> None:
        size = len(writing.state)
        self.scoring, self.twist, self.n, self.writing = scoring, twist, n, writing
        self.log_weight, self.told = np.zeros(size), np.zeros(size)
        self.scored = np.zeros(size, dtype=bool)
        self.log_normalizer = np.zeros(size // n)

    def weigh(self, exponent: float = 1.0) -> None:
        """Put into the weights what is known now, in place of what was guessed: scores at the end, before it twists."""
        done = self.writing.state.finished
        if self.twist is None and not done.all():
            return
        items, value = self.writing.state.items(), self.told.copy()
        ended, open_rows = np.flatnonzero(done & ~self.scored), np.flatnonzero(~done)
        value[ended] = self.scoring.mean([items[row] for row in ended])
        if self.twist is not None and len(open_rows):
            value[open_rows] = exponent * self.twist([items[row] for row in open_rows])
        self.scored |= done
        alive = np.isfinite(self.told)
        self.log_weight += np.where(alive, value - np.where(alive, self.told, 0.0), -np.inf)
        self.told = value

    def resample(self, chosen: Chosen, rng: np.random.Generator) -> None:
        """Each context by itself, but those that are finished or ruled out whole."""
        finished = np.asarray(self.writing.state.finished.reshape(-1, self.n).all(axis=1))
        rows = multiplied(self.log_weight, self.log_normalizer, finished, chosen, rng)
        if (rows != np.arange(len(rows))).any():
            self.writing.keep(rows)
            self.told, self.scored = self.told[rows], self.scored[rows]

    def samples(self) -> Samples:
        log_weight = self.log_weight.reshape(-1, self.n)
        items = self.writing.state.items()
        return weighted(items, log_weight, self.log_normalizer, self.scoring, self.writing.cost)
