"""Strings to be repaired: a noisy copier, a critic who names a wrong position or is misled, an editor who follows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import comb

from heedful.core import Floats, InputError, Item, Parts, text_parts
from heedful.evidence import Rule
from heedful.models import TableModel
from heedful.sampling import KEEP, Refining, Task

_OTHER = {"a": "b", "b": "a"}


@dataclass(frozen=True)
class RepairWorld:
    """Contexts are strings of a and b; a draft is a copy in which each letter is wrong with probability `wrong`.

    sees     probability that the critic names a wrong position, where there is one, or says that there is none; else
             it names a right one, where there is one. None: it knows nothing, names any position, and never stops
    follows  probability that the editor changes the letter at the position named; else the answer stays as it is

    The chain of numbers of errors over rounds, and so the probability of a right answer, is known in closed form.
    """

    length: int = 6
    wrong: float = 0.4
    sees: float | None = 0.7
    follows: float = 0.8

    def __post_init__(self) -> None:
        shares = [self.follows, *([] if self.sees is None else [self.sees])]
        if self.length < 1 or not 0 < self.wrong < 1 or not all(0 <= own <= 1 for own in shares):
            what = f"length {self.length}, wrong {self.wrong}, sees {self.sees}, follows {self.follows}"
            raise InputError(what, where="RepairWorld", fix="a length from 1, probabilities, wrong neither 0 nor 1")

    def contexts(self, n: int, *, rng: np.random.Generator) -> tuple[Parts, ...]:
        """n random strings."""
        return tuple(text_parts("".join(rng.choice(["a", "b"], self.length)), "world") for _ in range(n))

    def base(self, contexts: Sequence[Parts]) -> TableModel:
        """The law of drafts in these contexts."""
        written = ["".join(letters) for letters in itertools.product("ab", repeat=self.length)]
        letters = np.array([list(text) for text in written])
        rows = {}
        for context in dict.fromkeys(contexts):
            errors = (letters != list(context[0].text)).sum(axis=1)
            log_prob = errors * np.log(self.wrong) + (self.length - errors) * np.log1p(-self.wrong)
            rows[context] = (tuple(Item(context, text_parts(text, "system")) for text in written), log_prob)
        return TableModel(rows)

    def errors(self, item: Item) -> int:
        """How many letters are wrong."""
        return len(self._wrong(item))

    def reward(self) -> Rule:
        """A utility of −1 for each wrong letter."""
        return Rule(lambda item: -float(self.errors(item)), "right letters")

    def critic(self, task: Task, rng: np.random.Generator) -> str:
        """A position to change, or `KEEP`."""
        bad = self._wrong(task.item)
        if self.sees is None:
            return str(rng.integers(self.length))
        good = [place for place in range(self.length) if place not in bad]
        if rng.random() < self.sees or not good:
            return _one_of(bad, rng) if bad else KEEP
        return _one_of(good, rng)

    def editor(self, task: Task, rng: np.random.Generator) -> str:
        """The answer with the letter changed that the critique names, or as it is."""
        letters = list(task.item.output[0].text)
        if rng.random() < self.follows:
            letters[int(task.critique)] = _OTHER[letters[int(task.critique)]]
        return "".join(letters)

    def _wrong(self, item: Item) -> list[int]:
        shown, own = item.context[0].text, item.output[0].text
        return [place for place in range(self.length) if shown[place] != own[place]]

    def transitions(self, how: Refining) -> Floats:
        """P(errors after a round | errors before) of one draft [length + 2, length + 2]; the last state is done and
        right. With "always" only where each draft has one critique and one revision."""
        size = self.length
        chain = np.zeros((size + 2, size + 2))
        chain[-1, -1] = 1.0
        for errors in range(size + 1):
            hit = self._hits(errors)
            if how.take == "better":  # harm is turned down
                mended = 1 - (1 - hit * (1 - (1 - self.follows) ** how.revisions)) ** how.critiques
                harmed = 0.0
            else:
                assert how.critiques == how.revisions == 1
                mended, harmed = hit * self.follows, (1 - hit) * self.follows
            if errors:
                chain[errors, errors - 1] = mended
            else:
                chain[0, -1] = 0.0 if self.sees is None else self.sees**how.critiques
            if errors < size:
                chain[errors, errors + 1] = harmed
            chain[errors, errors] = 1 - chain[errors].sum()
        return chain

    def success(self, how: Refining) -> float:
        """P(the answer is right), all drafts criticised and revised, the best taken."""
        k = np.arange(self.length + 1)
        binomial = comb(self.length, k) * self.wrong**k * (1 - self.wrong) ** (self.length - k)
        start = np.append(binomial, 0.0)
        end = start @ np.linalg.matrix_power(self.transitions(how), how.rounds)
        return float(1 - (1 - end[0] - end[-1]) ** how.drafts)

    def best_of(self, n: int) -> float:
        """P(the best of n drafts is right)."""
        return float(1 - (1 - (1 - self.wrong) ** self.length) ** n)

    def _hits(self, errors: int) -> float:
        """P(the position named is wrong), where some are."""
        if self.sees is None:
            return errors / self.length
        return 1.0 if errors == self.length else self.sees


def _one_of(places: list[int], rng: np.random.Generator) -> str:
    return str(places[rng.integers(len(places))])
