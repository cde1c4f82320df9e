"""An arena with known truth: systems of known strength, compared on prompts that favour some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from heedful.core import Floats, InputError, Item
from heedful.feedback import Table
from heedful.worlds.collect import Questions, collect
from heedful.worlds.effects import normal_effect
from heedful.worlds.limit import davidson_limit
from heedful.worlds.raters import Shown, SimulatedRaters, Whole, tie_probabilities

# Streams of random effects that must not share a cell.
_STRENGTH, _ON_PROMPT, _LENGTH = 11, 12, 13
_NODES = 64


@dataclass(frozen=True)
class ArenaWorld:
    """`n_items` systems whose strengths (nats, centred) are normal with standard deviation `spread`, or `given`.

    tie            Davidson's tie weight, for the raters this world brings along
    prompts        number of prompts; votes on one prompt share its effects
    prompt_spread  standard deviation of a system's strength from prompt to prompt: what one prompt shows about two
                   systems differs from the truth by sqrt(2)·prompt_spread, and all votes on it differ together
    length_spread  standard deviation of the systems' mean log length, for raters with a length bias
    """

    n_items: int = 20
    spread: float = 1.0
    tie: float = 0.0
    prompts: int = 1000
    prompt_spread: float = 0.0
    length_spread: float = 0.5
    seed: int = 0
    given: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.n_items < 2 or self.prompts < 1 or min(self.spread, self.tie, self.prompt_spread) < 0:
            raise InputError("an arena has at least 2 items and 1 prompt, and no negative spread", where="ArenaWorld")
        if self.given and len(self.given) != self.n_items:
            raise InputError(f"{len(self.given)} strengths for {self.n_items} items", where="ArenaWorld(given=...)")

    @cached_property
    def names(self) -> tuple[str, ...]:
        width = len(str(self.n_items))
        return tuple(f"system-{number + 1:0{width}d}" for number in range(self.n_items))

    @cached_property
    def strengths(self) -> Floats:
        """True strengths [n_items], centred, in the order of `names`."""
        drawn = np.asarray(self.given) if self.given else self.spread * self._effect(_STRENGTH)
        return np.asarray(drawn - drawn.mean())

    @cached_property
    def lengths(self) -> Floats:
        """Mean log length of each system [n_items], centred."""
        drawn = self.length_spread * self._effect(_LENGTH)
        return np.asarray(drawn - drawn.mean())

    def items(self) -> tuple[Item, ...]:
        """The systems as items, in the order of `names`."""
        return tuple(Item(system=name) for name in self.names)

    def truth(self, names: Sequence[str] | None = None) -> Floats:
        """True strengths of the systems named, or of all, in nats, centred over all."""
        return self.strengths if names is None else self.strengths[self._numbers(names)]

    def outcome_probabilities(self, first: Sequence[str], second: Sequence[str]) -> Floats:
        """P(first), P(second), P(tie) [3, n] of unbiased votes on random prompts.

        The prompt's effect on the difference is normal with variance 2·prompt_spread², integrated by Gauss-Hermite
        quadrature (exact for a polynomial of degree 2·64 − 1).
        """
        difference = self.strengths[self._numbers(first)] - self.strengths[self._numbers(second)]
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        spread = np.sqrt(2) * self.prompt_spread * nodes
        each = np.stack(tie_probabilities(difference[:, None] + spread, self.tie, "davidson"))
        return np.asarray(each @ (weights / weights.sum()))

    def win_probability(self, first: Sequence[str], second: Sequence[str]) -> Floats:
        """P(first wins | not a tie) [n] of unbiased votes on random prompts."""
        wins, losses, _ = self.outcome_probabilities(first, second)
        return np.asarray(wins / (wins + losses))

    def projection(self) -> Floats:
        """The strengths [n_items] that a fit to endless votes on random pairs would find, centred.

        Equal to the truth without prompt effects; with them shrunk, since averaging over prompts flattens the curve.
        Intervals of a fit that knows no prompt effects can only cover these.
        """
        rows, columns = np.divmod(np.arange(self.n_items**2), self.n_items)
        names = np.array(self.names)
        outcomes = self.outcome_probabilities(names[rows].tolist(), names[columns].tolist())
        return davidson_limit(outcomes.reshape(3, self.n_items, self.n_items))[0]

    def sample(
        self, n: int, *, rng: np.random.Generator, raters: SimulatedRaters | None = None, votes: int = 1
    ) -> Table:
        """n comparisons of random pairs on random prompts, `votes` on each; raters without faults by default."""
        return collect(self, n, raters=raters or SimulatedRaters(tie=self.tie, seed=self.seed), rng=rng, votes=votes)

    def draw(self, n: int, size: int, *, rng: np.random.Generator) -> Questions:
        """Questions about `size` different systems each on random prompts (see `collect`)."""
        if size > self.n_items:
            raise InputError(f"{size} different systems out of {self.n_items}", where="ArenaWorld.draw")
        if size == 2:
            first, gap = rng.integers(self.n_items, size=n), rng.integers(1, self.n_items, size=n)
            items = np.stack([first, (first + gap) % self.n_items], axis=1)
        else:
            items = np.argsort(rng.random((n, self.n_items)), axis=1)[:, :size]
        return self._questions(items, rng.integers(self.prompts, size=n))

    def show(self, questions: Sequence[tuple[Item, ...]], *, rng: np.random.Generator) -> Questions:
        """These questions about systems, each on a random prompt."""
        names = [item.system or "" for question in questions for item in question]
        items = self._numbers(names).reshape(len(questions), -1)
        return self._questions(items, rng.integers(self.prompts, size=len(questions)))

    def _questions(self, items: Whole, prompt: Whole) -> Questions:
        utility = self.strengths[items]
        if self.prompt_spread:
            utility = utility + self.prompt_spread * normal_effect(self.seed, _ON_PROMPT, prompt[:, None], items)
        shown = Shown(utility, items[:, :, None], np.ones((*items.shape, 1)), self.lengths[items], prompt)
        names = pl.Series(self.names)
        context = pl.select(pl.format("prompt {}", pl.Series(prompt + 1))).to_series()
        return Questions(shown, context, None, tuple(names[column] for column in items.T))

    def _effect(self, stream: int) -> Floats:
        return normal_effect(self.seed, stream, np.arange(self.n_items))

    def _numbers(self, names: Sequence[str]) -> Whole:
        place = {name: number for number, name in enumerate(self.names)}
        unknown = sorted(set(names) - place.keys())
        if unknown:
            raise InputError(f"no system {unknown[0]!r} in this arena", fix=f"systems are {self.names[0]}, ...")
        return np.array([place[name] for name in names], dtype=np.int64)
