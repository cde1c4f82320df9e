"""Particle Gibbs: chains whose every move is a whole set of particles, one of which writes the output they are at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.core import Base, Budget, Floats, Honesty, Item, Parts, UsageError
from heedful.sampling.batches import portions, refuse_no_contexts
from heedful.sampling.chains import Chained, Thinned, chained, joined_chains
from heedful.sampling.particles import Particles, Swarm
from heedful.sampling.resampling import proportional
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.twists import Twist
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class ParticleGibbs(Thinned):
    """n outputs per context from a chain that leaves the target as it is, however few the particles.

    A move writes the output of before again, as one of the particles, with the others beside it, and takes one of them
    all by weight (Andrieu, Doucet and Holenstein 2010, "Particle Markov chain Monte Carlo methods", section 4.5). It
    starts with one of particles that hold none.

    particles  twist, guides and number of the particles, 2 or more; their resampling must be "multinomial"
    burn_in    moves before the first output
    thin       moves from one output to the next

    The law tends to the target with `burn_in` and with the number of particles. An output that is ruled out, which
    takes every particle of every move, has log-weight −inf. Costs what the particles cost, each move, but that contexts
    are read once.
    """

    particles: Particles
    n: int = 1
    burn_in: int = 4
    thin: int = 1
    honesty: Honesty = "consistent"

    def __post_init__(self) -> None:
        self.refuse_impossible()
        if self.particles.n < 2 or self.particles.resampling != "multinomial":
            raise UsageError(
                f"{self.particles.n} particles by {self.particles.resampling} resampling",
                where="ParticleGibbs",
                fix='Particles(n, resampling="multinomial"), n 2 or more',
            )

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Chained:
        """Raises BudgetExceededError before anything is written, UsageError where the base is no token model."""
        refuse_no_contexts(contexts)
        base, twist = token_base(target, "ParticleGibbs"), self.particles.twist_of(target)
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, self.particles.n):
            with self.particles.begun(base, portion, budget, times=self.moves + 1) as writing:
                pieces.append(self._chained(Scoring(target, budget), twist, writing, rng))
        return joined_chains(pieces)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, but for what guides and twists ask."""
        sets = self.moves + 1
        scores = float(self.particles.most_scores(base) * sets * len(contexts))
        return writing_plan(base, contexts, self.particles.n, times=sets) | {"scores": scores}

    def _chained(self, scoring: Scoring, twist: Twist | None, begun: Writing, rng: np.random.Generator) -> Chained:
        """Of contexts whose chains move side by side."""
        size = len(begun.state) // self.particles.n
        moves = _Moves(self.particles, scoring, twist, begun, np.zeros(size))
        items = self.kept(moves.outputs(rng))
        return chained(items, self.n, scoring, begun.cost, self.share(moves.moved))


@dataclass(slots=True, eq=False)
class _Moves:
    """Sets of particles, each written apart from `begun`."""

    particles: Particles
    scoring: Scoring
    twist: Twist | None
    begun: Writing
    moved: Floats

    def outputs(self, rng: np.random.Generator) -> Iterator[tuple[Item, ...]]:
        """The output [c] taken from each set."""
        n, held = self.particles.n, ()
        while True:
            writing = self.begun.again()
            swarm = Swarm(self.scoring, self.twist, n, writing)
            self.particles.run(swarm, rng, held)
            column = proportional(swarm.log_weight.reshape(-1, n), rng)
            self.moved += (column > 0) & bool(held)
            rows = (column + n * np.arange(len(column))).tolist()
            items, tokens = writing.state.items(), writing.state.tokens()
            held = tuple(tokens[row] for row in rows)
            yield tuple(items[row] for row in rows)
