"""004-150: a user is asked about wants in general, or shown pairs, for the same time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import AxisQuestions, OpenQuestion, rank_questions, told

_FEATURES, _PAIR, _QUESTION, _CLARITY, _CLEAR = 6, 20.0, 8.0, 0.7, 4.0


@dataclass(frozen=True)
class _Wants:
    """What users may want: draws [k, d] of the weights of named features."""

    names: tuple[str, ...]
    draws: Floats


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4150, seed])
    time, draws, pool = (60.0, 200, 20) if quick else (160.0, 1000, 100)
    # The last row is the user, who answers as everyone of those wants would.
    wants = rng.normal(size=(draws + 1, _FEATURES))
    difference = rng.normal(size=(pool, _FEATURES))
    chance = expit(difference @ wants.T)
    shown = [OpenQuestion(f"pair {n}", ("first", "second"), np.stack([p, 1 - p]), _PAIR) for n, p in enumerate(chance)]
    user = _Wants(tuple(f"feature {n}" for n in range(_FEATURES)), wants)
    asked, clear = (list(AxisQuestions(clarity=own, cost=_QUESTION)(user)) for own in (_CLARITY, _CLEAR))
    fresh = rng.normal(size=(1000, _FEATURES))
    true, guesses = expit(fresh @ wants[-1]), expit(fresh @ wants[:-1].T)
    ways = {
        "questions": (asked, True),
        "clear questions": (clear, True),
        "pairs": (shown, True),
        "random pairs": (shown, False),
    }
    return {
        f"errors, {name}": misordered(true, guesses @ _learnt(questions, chosen, time, rng))
        for name, (questions, chosen) in ways.items()
    }


def _learnt(questions: list[OpenQuestion], chosen: bool, time: float, rng: np.random.Generator) -> Floats:
    """The weights of the draws after as many answers as fit into the time."""
    answered, weights = list[tuple[OpenQuestion, str]](), None
    known = [OpenQuestion(q.text, q.answers, q.law[:, :-1], q.cost) for q in questions]
    left = list(range(len(questions)))
    while left and time >= questions[left[0]].cost:
        best = left[int(rng.integers(len(left)))]
        if chosen:
            ranked = rank_questions([known[place] for place in left], 1, weights=weights, rng=rng)
            best = known.index(ranked[0].question)
        left.remove(best)
        time -= questions[best].cost
        answer = rng.choice(questions[best].answers, p=questions[best].law[:, -1])
        answered.append((known[best], str(answer)))
        weights = told(answered)
    assert weights is not None
    return weights


ENTRY = Entry(
    id="004-150",
    title="Eliciting Human Preferences with Language Models",
    area="elicitation/feedback",
    citation="Li et al. 2023",
    claim=(
        "A user's wants are linear in six features, unknown but for their prior. In 160 seconds they answer generated "
        "questions on features (8 s each, seven tenths as clear as a choice between outputs one standard deviation "
        "apart, 'it does not matter' allowed) or comparisons of given pairs (20 s each): questions chosen by "
        "information per second leave fewer fresh pairs in the wrong order than pairs so chosen, and than random pairs."
    ),
    configuration="elicitation.AxisQuestions, rank_questions and told; pairs as questions of the same sort.",
    measures={
        "errors, questions": "fresh pairs in the wrong order, per cent, generated questions by information per second",
        "errors, clear questions": "the same, per cent, were they as clear as a choice four standard deviations apart",
        "errors, pairs": "fresh pairs in the wrong order, per cent, pairs by information per second",
        "errors, random pairs": "fresh pairs in the wrong order, per cent, pairs at random",
    },
    checks=(
        Check("errors, pairs", "errors, questions", above=0.0),
        Check("errors, random pairs", "errors, questions", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's questions are written by a language model and answered in words by people; here they are generated "
        "by rule, and how users answer is known. Seconds and clarity are assumptions, made before any run; the clear "
        "questions, added after a quick one, show what hangs on the latter."
    ),
)
