"""Rankings of several answers to one prompt, with ties, and choices of the best one.

The forms in public use: a list of answers with one rank each (`ranks`, as in InstructGPT's comparisons, Ouyang et al.
2022, arXiv:2203.02155), answers that each hold their rank (Nectar, https://huggingface.co/datasets/berkeley-nest/Nectar),
a list of the answers best first (`ranking`), and the best of K (`best`), also with the worst (`worst`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heedful.feedback.formats.base import Format, Judgement, Problem, Row, extra_of, missing, number_of
from heedful.feedback.formats.fields import content_of, first_of, listing, present, spelled, unjson, whole

_PROMPTS = ("prompt", "instruction", "question", "context")
_ANSWERS = ("responses", "completions", "outputs", "answers", "candidates")
_SYSTEMS = ("models", "systems")
_BESTS = ("best_index", "best")
_WORSTS = ("worst_index", "worst")
_RATERS = ("rater", "rater_id", "annotator", "annotator_id", "judge", "user_id")
_TIMES = ("time", "timestamp", "created_at")
_TEXTS = ("text", "output", "response", "answer", "completion", "content")
_NAMES = ("system", "model")
_USED = (
    *_PROMPTS, *_ANSWERS, *_SYSTEMS, *_BESTS, *_WORSTS, *_RATERS, *_TIMES, "ranks", "ranking", "criterion", "seconds",
    "id",
)  # fmt: skip


def _matches(row: Row) -> bool:
    answers = _answers(row)
    if not answers or "value" in row:
        return False
    inside = all(isinstance(answer, Mapping) and "rank" in answer for answer in answers)
    return inside or any(not missing(row.get(name)) for name in ("ranks", "ranking", *_BESTS))


def _answers(row: Row) -> list[Any] | None:
    return next((found for name in _ANSWERS if (found := listing(row.get(name))) is not None), None)


def _parse(row: Row) -> Iterator[Judgement]:
    """One ranking or one best-of-K. The first of `ranks`, ranks inside the answers, `ranking`, `best` is read.

    `ranks`: one number per answer, 1 = best, equal = tied (any numbers that rise from best to worst will do); empty =
    below all that have one. `ranking`: the answers best first, by id, by system, or by index from 0; those in an inner
    list are tied, those left out stand below all named.
    `best_index`: index from 0. `best`: an id, a system, an index from 0, or the answer's own text.
    `worst_index`, `worst`: the worst beside the best, in the same way.
    """
    answers = _answers(row)
    if not answers:
        yield Problem("no list of answers (responses, completions, outputs, answers or candidates)")
        return
    systems = listing(first_of(row, _SYSTEMS)) or [None] * len(answers)
    if len(systems) != len(answers):
        yield Problem(f"{len(systems)} systems for {len(answers)} answers")
        return
    judged = _judgement(row, answers, systems)
    if isinstance(judged, Problem):
        yield judged
        return
    kind, value = judged
    rater = first_of(row, _RATERS)
    yield present(
        kind=kind,
        id=spelled(row["id"]) if not missing(row.get("id")) else None,
        context=content_of(first_of(row, _PROMPTS), "world"),
        candidates=[_candidate(answer, system) for answer, system in zip(answers, systems, strict=True)],
        criterion=row.get("criterion") or None,
        value=value,
        rater=None if rater is None else {"id": spelled(rater)},
        time=first_of(row, _TIMES),
        seconds=number_of(row.get("seconds")),
        extra=_extra(row, answers),
    )


def _candidate(answer: Any, system: Any) -> dict[str, Any]:
    if not isinstance(answer, Mapping):
        return present(output=content_of(answer, "system"), system=system)
    named = first_of(answer, _NAMES)
    output = next((answer[name] for name in _TEXTS if answer.get(name) is not None), None)
    return present(output=content_of(output, "system"), system=system if named is None else str(named))


def _extra(row: Row, answers: Sequence[Any]) -> dict[str, Any]:
    """What is left of the row, and of each answer, its id included."""
    inside = [extra_of(a, (*_TEXTS, *_NAMES, "rank")) if isinstance(a, Mapping) else {} for a in answers]
    return {**extra_of(row, _USED), **({"answers": inside} if any(inside) else {})}


def _judgement(row: Row, answers: Sequence[Any], systems: Sequence[Any]) -> tuple[str, dict[str, Any]] | Problem:
    inside = [answer.get("rank") if isinstance(answer, Mapping) else None for answer in answers]
    if not missing(row.get("ranks")) or any(not missing(rank) for rank in inside):
        ranks = _checked(listing(row["ranks"]) if not missing(row.get("ranks")) else inside, len(answers))
        return ranks if isinstance(ranks, Problem) else ("ranking", {"ranks": ranks})
    if not missing(row.get("ranking")):
        ranks = _ordered(unjson(row["ranking"]), _Names(answers, systems))
        return ranks if isinstance(ranks, Problem) else ("ranking", {"ranks": ranks})
    names = _Names(answers, systems)
    best, said = names.find(first_of(row, _BESTS)), first_of(row, _WORSTS)
    worst = None if said is None else names.find(said)
    problem = next((place for place in (best, worst) if isinstance(place, Problem)), None)
    return problem or ("best_of", present(best=best, worst=worst))


def _checked(raw: Sequence[Any] | None, n: int) -> list[int | None] | Problem:
    """One number per answer as whole ranks from 1; None where the answer has none."""
    given = list(raw or ())
    if len(given) != n:
        return Problem(f"{len(given)} ranks for {n} answers")
    numbers = [number_of(rank) for rank in given]
    ranks = [number for number in numbers if number is not None and math.isfinite(number)]
    if len(ranks) < sum(not missing(rank) for rank in given):
        return Problem(f"ranks {raw} hold something that is no number")
    steps = sorted(set(ranks))
    if all(rank.is_integer() and rank >= 1 for rank in ranks):
        return [None if number is None else int(number) for number in numbers]
    return [None if number is None else steps.index(number) + 1 for number in numbers]


def _ordered(ranking: Any, names: _Names) -> list[int | None] | Problem:
    """Answers listed best first, tied ones in inner lists, as a rank per answer (1, 2, 2, 4); None: left out."""
    if not isinstance(ranking, Sequence) or isinstance(ranking, str):
        return Problem("the field ranking is not a list")
    flat = [one for level in ranking for one in (level if isinstance(level, list) else [level])]
    if sorted(spelled(one) for one in flat) == [str(k) for k in range(1, len(flat) + 1)] and not names.know(flat):
        return Problem(
            "ranking holds the numbers from 1: as an order it must count answers from 0 or use their ids; "
            "if it is one rank per answer, name the field ranks"
        )
    ranks: dict[int, int] = {}
    for level in ranking:
        tied = [names.find(one) for one in (level if isinstance(level, list) else [level])]
        rank = len(ranks) + 1
        for place in tied:
            if isinstance(place, Problem):
                return place
            if place in ranks:
                return Problem(f"ranking names answer {place} twice")
            ranks[place] = rank
    return [ranks.get(place) for place in range(names.n)]


class _Names:
    """Answers by id, by system, by text, and by index from 0."""

    def __init__(self, answers: Sequence[Any], systems: Sequence[Any]) -> None:
        self.n = len(answers)
        self._by: dict[str, int | None] = {}
        for place, (answer, system) in enumerate(zip(answers, systems, strict=True)):
            known = {system, answer} if isinstance(answer, str) else {system}
            if isinstance(answer, Mapping):
                known |= {first_of(answer, ("id",)), first_of(answer, _NAMES)}
            for name in {spelled(one) for one in known if not missing(one)}:
                self._by[name] = None if name in self._by else place  # None: more than one answer has this name

    def know(self, names: Sequence[Any]) -> bool:
        return all(spelled(name) in self._by for name in names)

    def find(self, name: Any) -> int | Problem:
        """The place of the answer with this name, or at this index from 0."""
        key = spelled(name)
        if key in self._by:
            place = self._by[key]
            return Problem(f"{key[:60]!r} names more than one answer") if place is None else place
        index = whole(name)
        if index is None:
            return Problem(f"{key[:60]!r} is no answer's id, system or text, nor an index from 0")
        return (
            index if 0 <= index < self.n else Problem(f"there is no answer {index}: they count from 0 to {self.n - 1}")
        )


RANKINGS = Format(
    "rankings",
    "rankings with ties and best-of-K choices (prompt, responses, ranks | ranking | best), as in "
    "huggingface.co/datasets/berkeley-nest/Nectar",
    _matches,
    _parse,
)
