"""001-093: rationales ranked by how well students do on similar problems once they are taught by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.sampling import voted
from heedful.worlds import Students, lines

_MODULUS, _RATIONALES, _STUDENTS, _EXAM = 7, 8, 4, 3
_LINES = lines(_MODULUS)
_NARROW, _SLIP, _NOISE = 0.8, 0.15, 0.1
_VOTES = {
    "majority": "each alike",
    "own": "by the teacher's own probability of the rule",
    "one student": "by one student's right answers, four to each of 3 similar problems",
    "students": "by four different students' right answers, one each to these problems",
    "teacher": "by the teacher's own right answers, taught by itself, four to each of these problems",
}


@dataclass(frozen=True, eq=False)
class Lesson:
    """A problem of a hidden line: its value at `place`, which the teacher's rationales answer.

    Each rationale works out the line at two places [2], the one asked about first: `shown` [n, 2]. `own` [n] is the
    probability that the teacher has of the line behind each, `law` [h] that of all lines; `exam` are three other places
    where the right values are known.
    """

    true: int
    places: Whole
    shown: Whole
    own: Floats
    law: Floats
    exam: Whole

    @classmethod
    def given(cls, rng: np.random.Generator) -> Lesson:
        """The teacher thinks of the right line as often as the problem allows, of one mistaken line half as often as it
        errs, and else of any; and each value worked out slips now and then."""
        true, mistaken = rng.choice(len(_LINES), 2, replace=False).tolist()
        able = rng.beta(1.5, 2.5)
        law = np.full(len(_LINES), (1 - able) / 2 / len(_LINES))
        law[true] += able
        law[mistaken] += (1 - able) / 2
        places = rng.permutation(_MODULUS)
        thought = rng.choice(len(_LINES), _RATIONALES, p=law)
        worked = _LINES[thought][:, places[:2]]
        slips = (rng.random(worked.shape) < _SLIP) * rng.integers(1, _MODULUS, worked.shape)
        return cls(true, places[:2], (worked + slips) % _MODULUS, law[thought], law, places[2 : 2 + _EXAM])

    def taught(self, students: Students, answers: int, rng: np.random.Generator) -> Floats:
        """The share of right answers to the exam after each rationale [n], so many from each student to each problem.

        Half a right answer in one more, so that no rationale counts for nothing.
        """
        chance = students.right(self.places, self.shown, self.exam, _LINES[self.true, self.exam])
        found = rng.binomial(answers, chance.clip(0, 1)).sum(axis=(1, 2))
        return np.asarray((found + 0.5) / (answers * chance[0].size + 1))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1093, seed])
    right = dict.fromkeys(_VOTES, 0.0)
    count = 40 if quick else 300
    for _ in range(count):
        lesson = Lesson.given(rng)
        each = Students(_LINES, _narrow(_STUDENTS, rng), _NOISE)
        teacher = Students(_LINES, (np.full(len(_LINES), 1 / len(_LINES)) + lesson.law)[None] / 2, _NOISE)
        one = Students(_LINES, each.prior[:1], _NOISE)
        quality = {
            "majority": np.ones(_RATIONALES),
            "own": lesson.own,
            "one student": lesson.taught(one, _STUDENTS, rng),
            "students": lesson.taught(each, 1, rng),
            "teacher": lesson.taught(teacher, _STUDENTS, rng),
        }
        answer = np.eye(_MODULUS)[lesson.shown[:, 0]]
        for name, own in quality.items():
            right[name] += _share(voted(answer, own), _LINES[lesson.true, lesson.places[0]])
    return {f"right, {name}": 100 * own / count for name, own in right.items()}


def _narrow(count: int, rng: np.random.Generator) -> Floats:
    """Priors of students, each with most of its belief on a third of the lines [s, h]."""
    familiar = rng.random((count, len(_LINES))).argsort(axis=1) < len(_LINES) // 3
    return np.asarray(_NARROW * familiar / familiar.sum(axis=1, keepdims=True) + (1 - _NARROW) / len(_LINES))


def _share(votes: Floats, right: int) -> float:
    """1 where the right answer has most votes, less where it shares them, else 0."""
    top = np.isclose(votes, votes.max())
    return float(top[right] / top.sum())


ENTRY = Entry(
    id="001-093",
    title="Can LLMs Learn by Teaching? A Preliminary Study",
    area="preference/training",
    citation="Ning et al. 2024",
    claim=(
        "Lines modulo 7; a teacher writes eight rationales for the value at one place, each a line worked out at two "
        "places, of the right line about two times in five. Students, who learn from a rationale by Bayes' rule and "
        "each know a third of the lines well, then answer three similar problems. The vote of rationales weighed by "
        "the right answers of four different students is right more often than the majority, by more than 5 points; "
        "than the vote weighed by the teacher's own probabilities; and than those weighed by as many answers of one "
        "student, and of the teacher taught by itself."
    ),
    configuration="worlds.Students over worlds.lines, taught by each rationale; sampling.voted with what they learnt.",
    measures={f"right, {name}": f"right votes of rationales, per cent, weighed {how}" for name, how in _VOTES.items()},
    checks=(
        Check("right, students", "right, majority", above=5.0),
        Check("right, students", "right, own", above=0.0),
        Check("right, students", "right, one student", above=0.0),
        Check("right, students", "right, teacher", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "That a rationale's score is the accuracy of students who are shown it is not in the abstract. Students are "
        "exact in place of language models. The teacher as its own student half believes in the lines it thinks of. "
        "The abstract says of several students that they could be better; here it is claimed, and fails for the "
        "teacher, who knows every line and learns more from a rationale than any student. Training on the scores, "
        "and rationales rewritten by what students get wrong, are left out."
    ),
)
