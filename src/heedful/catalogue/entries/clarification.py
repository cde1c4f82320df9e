"""003-071: which question makes clear what a search is for."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import OpenQuestion, rank_questions, told

_SLOTS, _GIVEN, _QUERIES = 8, 2, 20


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3071, seed])
    documents, queries = (60, 4) if quick else (300, _QUERIES)
    kinds, sizes = rng.integers(6, size=documents), rng.integers(2, 7, size=_SLOTS)
    # Documents of one kind mostly share their values, so that what was said tells of what was not.
    usual = np.array([rng.integers(size, size=6) for size in sizes])
    own = np.array([rng.integers(size, size=documents) for size in sizes])
    values = np.where(rng.random((_SLOTS, documents)) < 0.7, usual[:, kinds], own)
    popular = rng.dirichlet(np.ones(documents))
    questions = [
        OpenQuestion(f"slot {slot}", tuple(map(str, range(size))), np.eye(size)[values[slot]].T)
        for slot, size in enumerate(sizes.tolist())
    ]
    alone = [worth.question for worth in rank_questions(questions, _SLOTS, weights=popular, histories=1, rng=rng)]
    found: dict[str, list[float]] = {"information": [], "fixed order": [], "random": [], "nothing": []}
    for _ in range(queries):
        target = int(rng.choice(documents, p=popular))
        said = rng.permutation(_SLOTS)[:_GIVEN].tolist()
        left = [question for slot, question in enumerate(questions) if slot not in said]
        weights = told([(questions[slot], str(values[slot, target])) for slot in said], popular)
        best = rank_questions(left, 1, weights=weights, rng=rng)[0].question
        asked = {
            "information": best,
            "fixed order": next(question for question in alone if question in left),
            "random": left[int(rng.integers(len(left)))],
        }
        found["nothing"].append(_reciprocal_rank(weights, target))
        for name, question in asked.items():
            answer = question.answers[int(question.law[:, target].argmax())]
            found[name].append(_reciprocal_rank(told([(question, answer)], weights), target))
    return {f"found, {name}": float(100 * np.mean(ranks)) for name, ranks in found.items()}


def _reciprocal_rank(weights: Floats, target: int) -> float:
    """1 over the target's rank by weight."""
    return float(1 / (1 + (weights > weights[target]).sum()))


ENTRY = Entry(
    id="003-071",
    title="Using clarification questions to improve software developers' Web search",
    area="elicitation/feedback",
    citation="Imran and Damevski 2022",
    claim=(
        "300 documents with eight slots, of which a query gives two: after the answer to one question on a further "
        "slot, the mean reciprocal rank of the document wanted is higher where the slot is the one that tells most "
        "given the query, than where slots are asked in one order good for all queries, and than at random."
    ),
    configuration="elicitation.OpenQuestion, rank_questions and told over documents as draws.",
    measures={
        "found, information": "mean reciprocal rank of the document wanted, per cent, slot that tells most",
        "found, fixed order": "mean reciprocal rank of the document wanted, per cent, slots in one order",
        "found, random": "mean reciprocal rank of the document wanted, per cent, slot at random",
        "found, nothing": "mean reciprocal rank of the document wanted, per cent, nothing asked",
    },
    checks=(
        Check("found, information", "found, fixed order", above=0.0),
        Check("found, information", "found, random", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work learns a ranker of questions from queries; here the law of answers is known, so that ranking by "
        "information needs no training, and the fixed order stands for a ranker that does not read the query."
    ),
)
