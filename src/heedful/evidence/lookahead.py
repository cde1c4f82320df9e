"""Prefixes scored by how they go on: some tokens further, or rolled out to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from heedful.core import Floats, Item, Potential, PrefixPotential, Scale, Scores, UsageError
from heedful.core.algebra import Expressible
from heedful.evidence.steps import PrefixKind, scored
from heedful.models import Continuations, TokenModel, begun_with, drawn_at


@dataclass(frozen=True, slots=True, eq=False)
class Lookahead(Expressible):
    """The score of a prefix is that of what it becomes when `base` writes up to `tokens` more; of an output, its own.

    potential  scores whole outputs, and, where `tokens` is given, those not finished by then too
    tokens     how many; None for all up to the end: roll-outs, by which a value is estimated without being learnt
    draws      0 takes the likeliest token each time. k writes on k times and averages, without bias
    beta       None for the mean; a number for the soft average β log mean e^{score/β}, whose expectation lies below
               β log E e^{score/β} by about β Var(e^{score/β}) / (2 k E[e^{score/β}]²); e^{value/β} is without bias
    seed       with which draws are made. They are fixed by seed and prefix, so that a score is always the same

    Of kind mean for means of roll-outs, else a twist (twists from partial roll-outs: Lew et al. 2023, "Sequential Monte
    Carlo steering of large language models using probabilistic programs", section 3). Raises UsageError where the
    potential does not score what is unfinished, or numbers are none of these.
    """

    potential: Potential
    base: TokenModel
    tokens: int | None = None
    draws: int = 0
    beta: float | None = None
    seed: int = 0
    under: str | None = None

    def __post_init__(self) -> None:
        if self.tokens is not None and not isinstance(self.potential, PrefixPotential):
            fix = "look ahead to the end (tokens=None), or give a potential of prefixes"
            raise UsageError("the potential scores no unfinished outputs", where="Lookahead", fix=fix)
        if self.draws < 0 or (self.tokens or 0) < 0 or not (self.beta is None or self.beta > 0):
            what = f"{self.tokens} tokens, {self.draws} draws and beta {self.beta} are no numbers of a lookahead"
            raise UsageError(what, where="Lookahead", fix="give 0 or more of both, and a beta above 0")

    @property
    def scale(self) -> Scale:
        return self.potential.scale

    @property
    def kind(self) -> PrefixKind:
        return "mean" if self.tokens is None and self.draws and self.beta is None else "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return self.potential(items)

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(averaged(self.looked(items)[0], self.beta))

    def standard_error(self, items: Sequence[Item]) -> Floats:
        """Of each prefix's score [n], from the spread of its draws; of a soft one by the delta method.

        Raises UsageError where there are fewer than two draws.
        """
        if self.draws < 2:
            raise UsageError("one continuation tells no spread", where="Lookahead", fix="give draws=2 or more")
        scores = self.looked(items)[0]
        if self.beta is not None:
            weight = np.exp((scores - scores.max(axis=1, keepdims=True)) / self.beta)
            scores = self.beta * weight / weight.mean(axis=1, keepdims=True)
        return np.asarray(scores.std(axis=1, ddof=1) / np.sqrt(self.draws))

    def looked(self, items: Sequence[Item]) -> tuple[Floats, int]:
        """Scores [n, draws or 1] of each prefix's continuations, and the tokens that the base read for them.

        Equal prefixes go on alike, and are written on once.
        """
        copies = max(self.draws, 1)
        most = self.base.max_tokens if self.tokens is None else self.tokens
        place = {item: row for row, item in enumerate(dict.fromkeys(items))}
        different = list(place)
        scores, positions = np.zeros((len(different), copies)), 0
        size = max(1, int(getattr(self.base, "batch_size", 1024)) // copies)
        for start in range(0, len(different), size):
            own = different[start : start + size]
            uniform = np.concatenate([self._uniform(item, most) for item in own]) if self.draws else None
            state = begun_with(self.base, [item for item in own for _ in range(copies)])
            ends = self._ahead(state, most, uniform)
            scores[start : start + size] = scored(self.potential, *ends).reshape(-1, copies)
            positions += state.positions
        return scores[[place[item] for item in items]], positions

    def _ahead(
        self, state: Continuations, most: int, uniform: Floats | None
    ) -> tuple[tuple[Item, ...], NDArray[np.bool_]]:
        """What rows become, and whether they have ended. The last token, which nothing follows, is not read."""
        for column in range(most):
            if state.finished.all():
                break
            logprobs = state.logprobs
            tokens = logprobs.argmax(axis=1) if uniform is None else drawn_at(logprobs, uniform[:, column])
            if column == most - 1:
                return state.grown(np.arange(len(state)), tokens)
            state.append(tokens)
        return state.items(), state.finished

    def _uniform(self, item: Item, most: int) -> Floats:
        return np.random.default_rng([self.seed, int(item.key, 16)]).random((self.draws, most))


def averaged(scores: Floats, beta: float | None) -> Floats:
    """The mean over the last axis, or the soft average β log mean e^{score/β}."""
    if beta is None:
        return np.asarray(scores.mean(axis=-1))
    return np.asarray(beta * (logsumexp(scores / beta, axis=-1) - np.log(scores.shape[-1])))
