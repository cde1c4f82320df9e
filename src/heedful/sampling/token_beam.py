"""Search over tokens: the prefixes that promise most, in groups that keep out of each other's way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, Floats, Honesty, Parts, Samples, UsageError
from heedful.sampling.batches import joined, portions, refuse_no_contexts
from heedful.sampling.guides import ValueGuide
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, writing_plan
from heedful.sampling.writing import Writing, token_base
from heedful.target import Target


@dataclass(frozen=True, slots=True)
class TokenBeam:
    """One output per context and group, each group a beam of `width` prefixes that grow token by token.

    A prefix ranks by log base + the terms of the target that score prefixes, an output by log base + the target's whole
    expression, so that a beam wide enough for all prefixes finds the likeliest output of the target. In each step a
    group chooses after the groups before it, and a token costs it `diversity` nats for each time that they chose it
    (Vijayakumar et al. 2018, "Diverse beam search", with Hamming diversity); what it then keeps ranks without that.

    branches  how many of the likeliest next tokens of a prefix are tried, None for all

    Nothing is drawn, ties go to the token that stands first, and there is no KL to tell. Where all is ruled out, an
    output as the base likes it best has log-weight −inf. Costs model tokens like groups · width particles.
    """

    width: int
    groups: int = 1
    diversity: float = 0.0
    branches: int | None = None
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.width < 1 or self.groups < 1:
            raise UsageError(f"{self.groups} groups of {self.width} prefixes", where="TokenBeam")
        if not (math.isfinite(self.diversity) and self.diversity >= 0):
            raise UsageError(f"diversity is a finite number of 0 or more, not {self.diversity}", where="TokenBeam")
        if self.groups > 1 and not self.diversity:
            raise UsageError("groups without diversity are all the same", where="TokenBeam", fix="diversity=0.5, say")

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        """Raises BudgetExceededError before anything is written, UsageError where nothing scores prefixes."""
        refuse_no_contexts(contexts)
        base, guide = token_base(target, "TokenBeam"), ValueGuide(target.expression, self.branches)
        refuse_beyond(budget, self.plan(base, contexts))
        pieces = []
        for portion in portions(base, contexts, self.groups * self.width):
            rows = [context for context in portion for _ in range(self.groups * self.width)]
            with Writing.begun(base, rows, (guide,), budget) as writing:
                pieces.append(self._samples(writing, self._searched(writing), Scoring(target, budget)))
        return joined(pieces)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost, but for what is asked about prefixes."""
        written = writing_plan(base, contexts, self.groups * self.width)
        return written | {"scores": written["samples"]}

    def _searched(self, writing: Writing) -> NDArray[np.bool_]:
        """All rows written to their end; which of them may be."""
        rows = np.arange(len(writing.state))
        alive: NDArray[np.bool_] = rows % self.width == 0  # all prefixes of a group are the same at first
        while not writing.state.finished.all():
            logprobs, done = writing.state.logprobs, writing.state.finished
            total = writing.state.log_prob[:, None] + logprobs + writing.guides[0].logits(writing.state)
            total[~alive] = -np.inf
            place, alive = self._chosen(total.reshape(-1, self.groups, self.width, total.shape[1]), done)
            row, token = np.divmod(place, logprobs.shape[1])
            # In place of what cannot be, the first goes on as the base likes best, never to be chosen.
            kept = rows - rows % self.width + np.where(alive, row, 0)
            writing.keep(kept)
            writing.append(np.where(alive, token, logprobs[kept].argmax(axis=1)))
        return alive

    def _chosen(self, total: Floats, done: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Places in width · vocabulary of what goes on [rows], and whether they may, by group.

        `total` [contexts, groups, width, vocabulary] are scores, `done` [rows] whether a row is finished: what follows
        it is no token to keep away from.
        """
        size, groups, width, vocabulary = total.shape
        open_rows = ~done.reshape(size, groups, width)
        place = np.empty((size, groups, width), dtype=np.intp)
        alive, used = np.empty(place.shape, dtype=bool), np.zeros((size, vocabulary))
        for group in range(groups):
            held = open_rows[:, group]
            score = total[:, group] - self.diversity * used[:, None] * held[:, :, None]
            place[:, group] = np.argsort(-score.reshape(size, -1), axis=1, kind="stable")[:, :width]
            row, token = np.divmod(place[:, group], vocabulary)
            each = np.arange(size)[:, None]
            alive[:, group] = np.isfinite(total[each, group, row, token])
            np.add.at(used, (each, token), alive[:, group] & held[each, row])
        return place.ravel(), alive.ravel()

    def _samples(self, writing: Writing, alive: NDArray[np.bool_], scoring: Scoring) -> Samples:
        """The best of each group."""
        every = writing.state.items()
        total = np.where(alive, writing.state.log_prob + scoring.mean(every), -np.inf).reshape(-1, self.width)
        best = total.argmax(axis=1)
        items = tuple(every[row] for row in (np.arange(len(best)) * self.width + best).tolist())
        return Samples(
            items=items,
            context_index=np.arange(len(items)) // self.groups,
            log_weights=np.where(np.isneginf(total.max(axis=1)), -np.inf, 0.0),
            scores=scoring(items),
            cost={**writing.cost, "scores": float(len(scoring))},
        )
