"""004-056: a few labels of real answers, against naming their kind by likeness to its name or its description."""

from __future__ import annotations

import json
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import entropy

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.elicitation import draw_determinantal
from heedful.models import NgramFeatures

_FILES, _BATCH, _ROUNDS = ("results.jsonl", "pairs-crowd.jsonl"), 8, 8
_RULES = {
    "random": "at random",
    "uncertain": "of the greatest entropy",
    "diverse": "drawn for being unlike each other",
    "both": "drawn for entropy and for being unlike each other",
}
_NAMED = {"name": "its short name", "description": "the text of the question"}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4056, seed])
    features, kind, alike = _data()
    order = rng.permutation(len(kind))
    held, pool = np.split(order, [len(order) // 2])
    right = {name: 100 * float((own[held].argmax(axis=1) == kind[held]).mean()) for name, own in alike.items()}
    figures = {f"by {name}": own for name, own in right.items()}
    for rule in _RULES:
        curve = _curve(rule, features, kind, held, pool, 2 if quick else _ROUNDS, rng)
        figures[f"first, {rule}"], figures[f"last, {rule}"] = curve[1], curve[-1]
        figures[f"mean, {rule}"] = float(np.mean(curve))
        for name, level in right.items():
            passed = np.flatnonzero(np.array([*curve, np.inf]) > level)[0]
            figures[f"labels to pass {name}, {rule}"] = float(_BATCH * (passed + 1))
    return figures


def _curve(
    rule: str, features: Floats, kind: Whole, held: Whole, pool: Whole, rounds: int, rng: np.random.Generator
) -> list[float]:
    """Held-out answers named right, per cent, after each round of labels; the first round is at random."""
    from sklearn.linear_model import LogisticRegression

    asked, curve = list(pool[:_BATCH]), list[float]()
    for _ in range(rounds):
        with warnings.catch_warnings():  # that eight labels of as many kinds look like numbers
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            head = LogisticRegression(C=10.0).fit(features[asked], kind[asked])
        curve.append(100 * float((head.predict(features[held]) == kind[held]).mean()))
        left = np.setdiff1d(pool, asked)
        wanted = entropy(head.predict_proba(features[left]), axis=1)
        asked += left[_chosen(rule, features[left], wanted, rng)].tolist()
    return curve


def _chosen(rule: str, rows: Floats, wanted: Floats, rng: np.random.Generator) -> Whole:
    if rule == "random":
        return rng.permutation(len(rows))[:_BATCH]
    if rule == "uncertain":
        return np.argsort(-wanted, kind="stable")[:_BATCH]
    scaled = rows * np.sqrt(wanted)[:, None] if rule == "both" else rows
    return draw_determinantal(scaled @ scaled.T, _BATCH, rng)


@cache
def _data() -> tuple[Floats, Whole, dict[str, Floats]]:
    """Features [n, d] of length 1 and kinds [n] of answers, and their likeness [n, kinds] to what kinds are called."""
    answers, questions = ([json.loads(line) for line in own.open(encoding="utf-8")] for own in _paths())
    text = {row["slug"]: row["text"] for row in questions}
    kinds = sorted(text)
    rows: list[dict[str, Any]] = [row for row in answers if row["slug"] in text and row["result"].strip()]
    items = [Item.of("", row["result"]) for row in rows]
    encoder = NgramFeatures(dimensions=64, min_items=2).fit(items)
    features = encoder.encode(items)
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    weights = encoder.weights([row["result"] for row in rows])
    called = {"name": [slug.replace("-", " ") for slug in kinds], "description": [text[slug] for slug in kinds]}
    alike = {name: np.asarray((weights @ encoder.weights(own).T).todense()) for name, own in called.items()}
    return features, np.array([kinds.index(row["slug"]) for row in rows], dtype=np.intp), alike


def _paths() -> list[Path]:
    return [Path(os.environ.get("HEEDFUL_DATA", "")) / "llmfao" / name for name in _FILES]


def missing() -> str:
    """Why the data is not here; "" where it is."""
    if all(path.is_file() for path in _paths()):
        return ""
    return f"set HEEDFUL_DATA to a folder that holds {' and '.join(f'llmfao/{name}' for name in _FILES)}"


ENTRY = Entry(
    id="004-056",
    title="Improving Classification Performance With Human Feedback: Label a few, we label the rest",
    area="elicitation",
    citation="Vidra et al. 2024",
    claim=(
        "Which of 13 questions an answer is to: 698 answers of 59 models (llmfao, those not empty), a random half of "
        "them held out for each seed. Labels are asked for in rounds of eight, the first at random; each round fits a "
        "logistic head on 64 components of character n-grams. Without labels, an answer goes to the question whose "
        "text, or short name, it is most like in n-grams. After 64 labels at random the head is right on more held-out "
        "answers than either; after 16 already on more than by the short name; and over the rounds on more where "
        "labels are chosen for entropy and diversity than at random."
    ),
    configuration=(
        "models.NgramFeatures with scikit-learn's logistic regression; elicitation.draw_determinantal on a kernel of "
        "entropy and likeness, of likeness alone, and the greatest entropy, for the next eight to label."
    ),
    measures={
        **{
            f"by {name}": f"right, per cent of held-out answers, by likeness to {said}" for name, said in _NAMED.items()
        },
        **{
            f"{measure}, {rule}": f"{said}, labels {how}"
            for rule, how in _RULES.items()
            for measure, said in {
                "first": f"right, per cent of held-out answers, after {2 * _BATCH} labels",
                "last": f"right, per cent of held-out answers, after {_BATCH * _ROUNDS} labels",
                "mean": "right, per cent of held-out answers, mean over the rounds",
                **{
                    f"labels to pass {name}": f"labels until right more often than by {own} "
                    f"({_BATCH * (_ROUNDS + 1)} where never)"
                    for name, own in _NAMED.items()
                },
            }.items()
        },
    },
    checks=(
        Check("last, random", "by name", above=0.0),
        Check("last, random", "by description", above=0.0),
        Check("first, random", "by name", above=0.0),
        Check("mean, both", "mean, random", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work fine-tunes a sentence encoder on the labels and is compared with large language models that have "
        "seen none; here the encoder is n-grams, chosen on all texts without labels, and likeness stands for them. "
        "Seeds share the answers, so that intervals speak of halves and choices, not of other questions. The budget "
        "was cut from 96 labels to 64, to save time, before the full run."
    ),
    missing=missing,
)
