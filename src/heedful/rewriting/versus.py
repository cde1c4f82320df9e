"""Somebody who says which of two outputs is better, asked while the loop runs: in the place of evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np

from heedful.core import Floats, Item, UsageError
from heedful.elicitation.duels import Outcome
from heedful.models.marked import context_text, output_text
from heedful.rewriting.judging import item_of
from heedful.rewriting.tracing import Run
from heedful.stats.hashing import hash_bits

Choose = Callable[[Sequence[tuple[Item, Item]]], Sequence[Outcome | None]]
"""Pairs of outputs in one context, in the order in which they are shown -> which is better; None: nobody says."""
_WORTH = {"first": 1.0, "second": -1.0, "tie": 0.0, None: 0.0}


class Versus:
    """Stands where `Worth` does. People or judges are asked in training how a proposal compares with the start, in
    trials with what is kept, and held out once more with the start; wins, losses and ties are all that is known.

    Which of two stands first is decided by a hash of both: who prefers the first prefers no candidate for it. Outputs
    that are equal, and runs that failed, which lose, are not asked about. An answer that is missing counts as a tie.
    `asked` and `unanswered` count.
    """

    against_start = True

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.asked = self.unanswered = 0
        self._items: list[Item] = []

    def scores(self, runs: Sequence[Run]) -> Floats:
        """No scores, but numbers by which the outputs are known here [n]; -inf for runs that failed."""
        first = len(self._items)
        self._items += map(item_of, runs)
        return np.array([-np.inf if run.error else first + place for place, run in enumerate(runs)])

    def differences(self, after: Floats, before: Floats) -> Floats:
        """1 where the outputs of numbers [n] are better than others, -1 where they are worse, else 0. Raises UsageError
        where `choose` gives anything but an answer to each pair."""
        found = np.isfinite(after).astype(np.float64) - np.isfinite(before)
        whole = np.flatnonzero(np.isfinite(after) & np.isfinite(before))
        pairs = [(self._items[int(after[place])], self._items[int(before[place])]) for place in whole]
        differ = [own for own, pair in enumerate(pairs) if output_text(pair[0]) != output_text(pair[1])]
        turned = [self._turned(*pairs[own]) for own in differ]
        shown = [pairs[own][::-1] if turn else pairs[own] for own, turn in zip(differ, turned, strict=True)]
        answers = list(self.choose(shown)) if shown else []
        if len(answers) != len(shown) or not set(answers) <= _WORTH.keys():
            what = f"{len(shown)} pairs have answers {answers[:3]}…, not one of {', '.join(get_args(Outcome))} each"
            raise UsageError(what, where="Versus", fix="give an answer for each pair, None where nobody says")
        self.asked += len(answers)
        self.unanswered += answers.count(None)
        signs = [-_WORTH[own] if turn else _WORTH[own] for own, turn in zip(answers, turned, strict=True)]
        found[whole[differ]] = signs
        return np.asarray(found)

    def unit(self, scores: Floats, start: Floats | None = None) -> Floats:
        """Against what was given at the start [n]: 1 where it is better, 0 where it is worse, a half for a tie."""
        if start is None:
            raise UsageError("votes compare with what was given at the start", where="Versus")
        return (self.differences(scores, start) + 1) / 2

    ranked = unit

    def _turned(self, one: Item, other: Item) -> bool:
        """Whether the second is shown first: the same of two outputs whichever of them is the candidate."""
        texts = sorted([output_text(one), output_text(other)])
        bit = int(hash_bits([repr([context_text(one.context), *texts]).encode()], 0, "versus")[0]) & 1
        return bool(bit) != (output_text(one) == texts[0])
