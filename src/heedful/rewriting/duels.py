"""The best of many texts by duels: people or judges say which of two did better, a rule says which two to ask about.

Lin et al. 2024, "Prompt optimization with human feedback": a score of embedded prompts is fitted to the answers; the
next duel is of what seems best against what may yet beat it by most. Here the score is any head of
`heedful.preference.heads`, and the choice any rule of `heedful.elicitation` for posteriors with draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import get_args

import numpy as np

from heedful.core import AcquisitionRule, Estimate, InputError, Interval, Item, UsageError
from heedful.elicitation import Perturbed, Standing, standing, stop_reason
from heedful.elicitation.duels import Outcome
from heedful.models import Encoder, NgramFeatures, standardised
from heedful.models.marked import output_text
from heedful.models.remembered import Remembered
from heedful.preference.heads import Head, HeadPosterior, Linear, Votes
from heedful.rewriting.audit import Audit
from heedful.rewriting.proposing import Tried

Answers = Callable[[Sequence[tuple[str, str]]], Sequence[Outcome | None]]
"""Pairs of texts in the order in which they are shown -> which of each did better; None where nobody says."""
_SHARES: dict[Outcome, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Answered:
    """Two texts in the order in which they were shown, and which did better; None where nobody said."""

    first: str
    second: str
    outcome: Outcome | None


@dataclass(frozen=True, eq=False)
class Duelled:
    """What duels tell of `texts`: `standing` names the best, with the probability that another is better and the regret
    to be expected of choosing it now, in nats; `posterior` scores any text as an item without a context.

    `answers` are all that were told, earlier ones first; `stopped` says why no more were asked for. What is promised is
    credible: true of preferences drawn from the head's prior, whichever duels were chosen because of the answers.
    """

    texts: tuple[str, ...]
    standing: Standing
    posterior: HeadPosterior
    answers: tuple[Answered, ...]
    stopped: str

    @property
    def best(self) -> str:
        """The text of the greatest mean utility."""
        return output_text(self.standing.best)

    @property
    def unanswered(self) -> int:
        """Questions to which nobody said anything."""
        return sum(own.outcome is None for own in self.answers)

    def lead(self, over: str, *, level: float = 0.95) -> Estimate:
        """By how many nats the best is better than another text (the log-odds that it is preferred), with a credible
        interval by the posterior's draws."""
        scores = self.posterior([self.standing.best, Item.of("", over)])
        assert scores.draws is not None
        leads = scores.draws[:, 0] - scores.draws[:, 1]
        low, high = np.quantile(leads, [(1 - level) / 2, (1 + level) / 2])
        interval = Interval(float(low), float(high), "credible", level)
        count = len(self.answers) - self.unanswered
        return Estimate(float(scores.mean[0] - scores.mean[1]), count, float(leads.var()), interval, judge="duels")

    def tried(self, name: str, against: str) -> tuple[Tried, ...]:
        """The texts as values of a parameter, with the probability that each is preferred to `against`: what a proposer
        is shown. `n` is how often each was judged."""
        items = [Item.of("", text) for text in self.texts]
        prefer = self.posterior.prefer(items, [Item.of("", against)] * len(items))
        judged = Counter(text for own in self.answers if own.outcome for text in (own.first, own.second))
        rows = zip(self.texts, prefer.tolist(), strict=True)
        return tuple(Tried({name: text}, share, judged[text], "duels") for text, share in rows)


@dataclass(frozen=True)
class Duelling:
    """Asks which of two texts did better until the best is known or all questions are asked.

    rule       chooses duels, by a posterior with draws; as many at once as its batch
    head       the score of embedded texts, fitted to all answers before each choice, under a prior that is meant: a
               width chosen by a few answers that agree is far too wide. By default utilities have an sd of some 2 nats
    encoder    embeds texts; what it learns, it learns from all of them and no answer
    questions  at most so many
    start      answers to random duels that come first
    doubt      asking ends where another text is better with no more than this probability
    """

    rule: AcquisitionRule = field(default_factory=lambda: Perturbed(batch=1))
    head: Head = field(default_factory=lambda: Linear(0.5))
    encoder: Encoder = field(default_factory=lambda: NgramFeatures(min_items=1, dimensions=16))
    questions: int = 50
    start: int = 5
    doubt: float = 0.05

    def __post_init__(self) -> None:
        if self.questions < 0 or self.start < 1 or not 0 <= self.doubt < 1:
            what = "questions are 0 or more, a start 1 or more, and doubt is in [0, 1)"
            raise UsageError(what, where="Duelling")

    def __call__(
        self,
        texts: Sequence[str],
        answers: Answers,
        *,
        rng: np.random.Generator,
        earlier: Sequence[Answered] = (),
        audit: Audit | None = None,
    ) -> Duelled:
        """Duels of these texts, each shown in random order; a pair may be asked about again, since what a text makes of
        another input may be liked otherwise. `earlier` answers count as if they had been given now, whichever texts
        they are about.

        Raises InputError where fewer than two texts differ, the encoder has no feature of them, or an answer is none;
        FitError where no answer decides between any two.
        """
        items, told = tuple(Item.of("", text) for text in dict.fromkeys(texts)), list(earlier)
        record = audit or Audit()
        if len(items) < 2:
            raise InputError(f"duels are of two different texts or more, not {len(items)}", where="Duelling")
        known = {Item.of("", text): None for own in earlier for text in (own.first, own.second)}
        encoder = Remembered(standardised(self.encoder)).fit([*items, *(item for item in known if item not in items)])
        if not encoder.names:
            fix = "give an encoder that knows them, such as a SentenceEncoder"
            raise InputError("the encoder tells none of these texts from another", where="Duelling", fix=fix)
        pool, most, stopped = list(combinations(items, 2)), len(told) + self.questions, "all questions were asked"
        posterior: HeadPosterior | None = None
        while len(told) < most:
            if self._open(told):
                chosen = [pool[place] for place in rng.choice(len(pool), min(self.start, len(pool)), replace=False)]
            else:
                posterior = self._fitted(told, encoder, rng)
                queries = self.rule(posterior, pool, rng=rng)
                if why := stop_reason(queries, standing(posterior, items), doubt=self.doubt):
                    stopped = why
                    break
                chosen = list(queries.items)
            new, posterior = _asked(chosen[: most - len(told)], answers, rng), None
            for own in new:
                record("duel", first=own.first, second=own.second, outcome=own.outcome)
            told += new
        posterior = posterior or self._fitted(told, encoder, rng)
        return Duelled(tuple(map(output_text, items)), standing(posterior, items), posterior, tuple(told), stopped)

    def _open(self, told: Sequence[Answered]) -> bool:
        """Whether random duels come next: where answers are few, or none decides."""
        return len(told) < self.start or all(own.outcome in (None, "tie") for own in told)

    def _fitted(self, told: Sequence[Answered], encoder: Encoder, rng: np.random.Generator) -> HeadPosterior:
        said = [own for own in told if own.outcome is not None]
        number: dict[str, int] = {}
        first, second = ([number.setdefault(getattr(own, side), len(number)) for own in said] for side in _SIDES)
        share = [_SHARES[own.outcome] for own in said if own.outcome is not None]
        votes = Votes.of(first, second, share, tied=[own.outcome == "tie" for own in said])
        design = encoder.encode([Item.of("", text) for text in number])
        fitted = self.head.fit(design, votes, rng=rng)
        return HeadPosterior(encoder, fitted, model={"utility": "features", "head": fitted.name, **fitted.facts})


_SIDES = ("first", "second")


def _asked(pairs: Sequence[tuple[Item, ...]], answers: Answers, rng: np.random.Generator) -> list[Answered]:
    """Answers to duels, each shown in random order. Raises InputError where they are not one for each, or no answer."""
    shown = [tuple(output_text(pair[place]) for place in rng.permutation(2)) for pair in pairs]
    said = list(answers([(first, second) for first, second in shown]))
    known = (*get_args(Outcome), None)
    strange = [own for own in said if own not in known]
    if strange or len(said) != len(shown):
        what = f"{len(said)} answers to {len(shown)} duels" if not strange else f"{strange[0]!r} is no answer to a duel"
        raise InputError(what, where="answers", fix=f"give one of {', '.join(map(repr, known))} for each pair")
    return [Answered(first, second, own) for (first, second), own in zip(shown, said, strict=True)]
