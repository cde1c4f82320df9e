"""A text rewritten by what people prefer: a proposer writes, duels decide, and the proposer sees what they told."""

from __future__ import annotations

import numpy as np

from heedful.core import Budget, UsageError
from heedful.rewriting.audit import Audit
from heedful.rewriting.duels import Answered, Answers, Duelled, Duelling
from heedful.rewriting.parameters import Written
from heedful.rewriting.proposing import Proposer, Situation, Tried


def rewrite_by_duels(
    parameter: Written,
    proposer: Proposer,
    answers: Answers,
    *,
    duelling: Duelling | None = None,
    rounds: int = 3,
    budget: Budget | None = None,
    rng: np.random.Generator,
    audit: Audit | None = None,
) -> Duelled:
    """Rounds of: a proposer writes new texts for a parameter, shown how probably each so far is preferred to the first
    one; they join the pool; duels. All answers count to the end.

    Raises InputError where a proposer writes nothing new in the first round, and what proposers and answers raise.
    """
    name, start = parameter.name, parameter.value
    spent, record = Budget() if budget is None else budget, audit or Audit()
    pool, history, told, best = [start], tuple[Tried, ...](), tuple[Answered, ...](), start
    done: Duelled | None = None
    for number in range(rounds):
        situation = Situation({name: parameter}, {name: best}, (), history, number)
        made = proposer(situation, budget=spent, rng=rng)
        record("proposed", round=number, values=made.values, unread=made.unread, repaired=made.repaired, same=made.same)
        pool += [own[name] for own in made.values if own[name] not in pool]
        done = (duelling or Duelling())(pool, answers, rng=rng, earlier=told, audit=record)
        history, told, best = done.tried(name, start), done.answers, done.best
    if done is None:
        raise UsageError("a round or more is needed", where="rewrite_by_duels")
    return done
