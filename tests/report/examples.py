"""Realistic summaries to draw: an arena, a data set of dialogues, one from which nothing could be learned."""

from __future__ import annotations

from typing import Any

import numpy as np

Summary = dict[str, Any]

_STEMS = (
    "Heron",
    "Quill",
    "Tundra",
    "Marlow",
    "Pike",
    "Saffron",
    "Orchard",
    "Lumen",
    "Basalt",
    "Wren",
    "Cobalt",
    "Juniper",
    "Delta Weaver",
    "Sable",
    "Fennel",
    "Osprey",
    "Kestrel",
    "Willow",
    "Anvil",
    "Harbour",
)
_SIZES = ("7B", "13B", "70B Chat")
HOSTILE = "<script>alert('x')</script> & \"co\""
RIGHT_TO_LEFT = "نموذج اللغة"
_VERSIONS = {
    "heedful": "0.1.0",
    "python": "3.12.4",
    "numpy": "2.1.0",
    "scipy": "1.14.1",
    "polars": "1.20.0",
    "scikit-learn": "1.5.2",
}


def interval(
    middle: float, half: float, promise: str = "confidence", *, bounds: tuple[float, float] | None = None
) -> Summary:
    """An interval as summary.json writes it."""
    low, high = middle - half, middle + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return {"low": float(low), "high": float(high), "promise": promise, "level": 0.95}


def _share(middle: float, n: int) -> Summary:
    return interval(middle, 1.96 * float(np.sqrt(middle * (1 - middle) / n)), bounds=(0.0, 1.0))


def arena(n_systems: int = 59, unidentified: int = 2, seed: int = 7) -> Summary:
    """An arena of chat systems judged by a crowd: ties, two systems that cannot be placed, and hostile names."""
    rng = np.random.default_rng(seed)
    return {
        "schema": 1,
        "title": "Chat arena, crowd votes",
        "seed": 0,
        "versions": _VERSIONS,
        "seconds": {"read": 0.41, "check": 0.06, "fit": 0.88, "evaluate": 2.9, "rank": 0.35, "ask": 0.52},
        "feedback": _arena_feedback(n_systems),
        "model": {
            "criterion": "overall",
            "utility": "items",
            "features": None,
            "prior": "none (maximum likelihood)",
            "likelihoods": [{"kind": "comparison with ties (Davidson)", "n": 7123}],
            "parameters": n_systems,
            "log_likelihood": -6980.42,
            "converged": True,
            "iterations": 14,
            "clusters": {"context": 20, "rater": 124},
            "covariance": "clustered",
        },
        "held_out": _arena_held_out(),
        "controls": {
            "length_only": _control(0.583, 1342, 0.098, 0.031, 2e-9),
            "random": _control(0.5, 1342, 0.181, 0.027, 0.0),
        },
        "ranking": _arena_ranking(rng, n_systems, unidentified),
        "win_rates": _win_rates(rng, n_systems),
        "agreement": _arena_agreement(rng),
        "ask": [
            {
                "items": [
                    {"system": _system(a), "context": None, "output": None},
                    {"system": _system(b), "context": None, "output": None},
                ],
                "expected_gain": gain,
                "cost": 1.0,
                "rater": rater,
            }
            for a, b, gain, rater in (
                (0, 1, 0.0431, None),
                (1, 2, 0.0388, "w-17"),
                (0, 2, 0.0362, None),
                (3, 5, 0.0314, None),
            )
        ],
        "picks": [],
        "findings": _arena_findings(n_systems),
    }


def _system(at: int) -> str:
    if at == 4:
        return HOSTILE
    if at == 9:
        return RIGHT_TO_LEFT
    stem, size = _STEMS[at % len(_STEMS)], _SIZES[(at // len(_STEMS)) % len(_SIZES)]
    generation = at // (len(_STEMS) * len(_SIZES))
    return f"{stem} {size}" + (f" v{generation + 1}" if generation else "")


def _arena_feedback(n_systems: int) -> Summary:
    return {
        "read": 8965,
        "accepted": 8931,
        "rejected": 34,
        "by_kind": {"comparison": 8931},
        "by_criterion": {"overall": 8931},
        "raters": 124,
        "rater_kinds": {"person": 7123, "model": 1808},
        "replicates": 4120,
        "contexts": 20,
        "systems": n_systems,
        "sources": [
            {"path": "votes/crowd-comparisons.csv", "format": "arena", "read": 7150, "accepted": 7123},
            {"path": "votes/judge-comparisons.csv.gz", "format": "arena", "read": 1815, "accepted": 1808},
        ],
        "reject_reasons": [
            {
                "reason": "winner is 'lef', not one of left, right, tie",
                "count": 27,
                "source": "votes/crowd-comparisons.csv",
                "line": 118,
            },
            {"reason": "an item against itself", "count": 7, "source": "votes/judge-comparisons.csv.gz", "line": 902},
        ],
    }


def _arena_held_out() -> Summary:
    predicted = np.linspace(0.07, 0.93, 9)
    wobble = np.array([0.03, -0.02, 0.01, 0.04, -0.01, 0.02, -0.03, 0.02, -0.01])
    sizes = [42, 88, 141, 204, 250, 219, 180, 130, 88]
    return {
        "n": 1786,
        "n_decided": 1342,
        "accuracy": 0.6811,
        "accuracy_interval": interval(0.6811, 0.0312),
        "brier": 0.2041,
        "ece": 0.0112,
        "ece_null_band": [0.0, 0.0264],
        "log_loss": 0.8713,
        "log_loss_interval": interval(0.8713, 0.0291),
        "reliability": [
            {
                "low": i / 9,
                "high": (i + 1) / 9,
                "n": n,
                "predicted": float(p),
                "observed": float(p + w),
                "interval": _share(float(p + w), n),
            }
            for i, (p, w, n) in enumerate(zip(predicted, wobble, sizes, strict=True))
        ],
        "learning_curve": [
            {"n": n, "accuracy": a, "accuracy_interval": interval(a, 0.033), "log_loss": loss}
            for n, a, loss in (
                (450, 0.611, 0.95),
                (900, 0.648, 0.91),
                (1800, 0.667, 0.89),
                (3600, 0.676, 0.879),
                (7145, 0.6811, 0.8713),
            )
        ],
        "slices": [
            {"slice": name, "n": n, "accuracy": a, "accuracy_interval": _share(a, n)}
            for name, a, n in (
                ("rater: person", 0.671, 1071),
                ("rater: model", 0.722, 271),
                ("degree: clear", 0.75, 610),
                ("degree: slight", 0.62, 732),
                ("longer answer: first", 0.69, 655),
                ("longer answer: second", 0.67, 687),
            )
        ],
        "split": "one fifth, grouped by context, seed 0",
    }


def _control(accuracy: float, n: int, ahead: float, half: float, p: float) -> Summary:
    return {
        "accuracy": accuracy,
        "accuracy_interval": _share(accuracy, n),
        "difference": ahead,
        "difference_interval": interval(ahead, half),
        "p_value": p,
        "n": n,
    }


def _arena_ranking(rng: np.random.Generator, n: int, unidentified: int) -> list[Summary]:
    placed = n - unidentified
    scores = np.sort(rng.normal(0.0, 0.9, placed))[::-1]
    scores[:3] = scores[0], scores[0] - 0.11, scores[0] - 0.19
    scores[20] = scores[19]
    scores -= scores.mean()
    half = rng.uniform(0.18, 0.42, placed)
    half[-3] = 2.6  # a system with very few votes
    ranks = np.array([1 + int(np.sum(scores > score)) for score in scores])
    low, high = scores - half, scores + half
    ranking = [
        {
            "item": _system(at),
            "score": float(scores[at]),
            "interval": interval(float(scores[at]), float(half[at])),
            "rank": int(ranks[at]),
            "rank_interval": [1 + int(np.sum(low > high[at])), placed - int(np.sum(high < low[at]))],
            "n": int(rng.integers(220, 360)) if at != placed - 3 else 4,
            "identified": True,
            "note": "only four votes" if at == placed - 3 else "",
        }
        for at in range(placed)
    ]
    notes = (
        "It won all of its 12 votes; no finite score explains that.",
        "It was compared only with systems outside the main group.",
    )
    ranking.extend(
        {
            "item": _system(placed + at),
            "score": None,
            "interval": None,
            "rank": None,
            "rank_interval": None,
            "n": 12 + 5 * at,
            "identified": False,
            "note": notes[at % 2],
        }
        for at in range(unidentified)
    )
    return ranking


def _win_rates(rng: np.random.Generator, n: int) -> list[Summary]:
    rates = np.sort(rng.beta(2.5, 3.0, min(n, 12)))[::-1]
    return [
        {
            "item": _system(at),
            "baseline": _system(20),
            "win_rate": float(rate),
            "standard_error": float(np.sqrt(rate * (1 - rate) / 140)),
            "interval": _share(float(rate), 140),
            "n": 140,
        }
        for at, rate in enumerate(rates)
    ]


def _arena_agreement(rng: np.random.Generator) -> Summary:
    shares = np.clip(rng.normal(0.64, 0.08, 18), 0.35, 0.9)
    return {
        "between_raters": {
            "n": 9210,
            "percent": 0.592,
            "percent_interval": interval(0.592, 0.021),
            "alpha": 0.313,
            "alpha_interval": interval(0.313, 0.034),
        },
        "with_model": {"n": 1342, "accuracy": 0.6811, "accuracy_interval": interval(0.6811, 0.0312)},
        "raters": [
            {"rater": f"w-{at + 1}", "n": int(n), "agreement": float(s), "interval": _share(float(s), int(n))}
            for at, (s, n) in enumerate(zip(shares, rng.integers(30, 220, 18), strict=True))
        ],
    }


def _arena_findings(n_systems: int) -> list[Summary]:
    return [
        {
            "code": "ranking.undefeated",
            "severity": "problem",
            "count": 1,
            "examples": [_system(n_systems - 2)],
            "message": f"{_system(n_systems - 2)} won every vote it took part in, so these votes set no upper "
            f"limit to its score; it is not ranked.",
            "fix": "Compare it with the systems at the top of the ranking.",
        },
        {
            "code": "ranking.island",
            "severity": "warning",
            "count": 1,
            "examples": [_system(n_systems - 1)],
            "message": "One system was never compared with the main group, so nothing places it above or below "
            "the others.",
            "fix": "Compare it with at least one system of the main group.",
        },
        {
            "code": "raters.disagreement",
            "severity": "warning",
            "count": 3,
            "examples": ["w-4", "w-9", HOSTILE],
            "message": "Three raters agree with the others no more often than chance would.",
            "fix": "Look at their answers before using them.",
        },
        {
            "code": "read.rejected",
            "severity": "note",
            "count": 34,
            "examples": ["crowd-comparisons.csv:118"],
            "message": "34 judgements could not be read and were set aside.",
            "fix": "See rejects.jsonl.",
        },
        {
            "code": "picks.no_candidates",
            "severity": "note",
            "count": 0,
            "examples": [],
            "message": "No candidates were given, so none were picked.",
            "fix": "Run with --candidates FILE.",
        },
    ]


_PROMPT = (
    "My landlord wants to keep the deposit because of a stain that was there when I moved in. What can I say to him?"
)
_LONG_CONTEXT = "\n\n".join(
    f"{who}: {text}"
    for who, text in (
        ("Human", "I am planning a week in the mountains with two children of six and nine. What should I think of?"),
        (
            "Assistant",
            "Plan short days, and a way out of each. Children of that age walk about a kilometre per year of "
            "age, with breaks; what matters more is that there is water to play with, and something to look "
            "forward to at the end. " * 3,
        ),
        (
            "Human",
            "And what about the weather? We were caught by a storm last year, and the younger one is still "
            "afraid of thunder.",
        ),
    )
)
_ANSWERS = (
    "Start early, so that you are down by one o’clock: storms build in the afternoon. Tell the younger one what "
    "you will do if you hear thunder, and practise it once on a sunny day.",
    "Mountains are lovely in any weather! Just pack rain coats and have fun. Children quickly forget such fears "
    "when there is enough chocolate.",
    "Look at the forecast.\n\n1. Check the radar each morning.\n2. Choose routes with a hut half way.\n3. Turn "
    "back at the first thunder.\n4. Stay away from ridges, lone trees and open water.\n5. Crouch on your packs, "
    "feet together, if you are caught.\n6. Tell the children beforehand.\n7. Praise them after.\n\n"
    + "A calm parent is the best shelter. "
    * 12,
)
_HEBREW = "תודה רבה! אפשר לשאול עוד שאלה אחת על מזג האוויר בהרים?"


def dialogues() -> Summary:
    """Pairs of answers in dialogues, each judged once: nothing recurs, so there is no ranking."""
    return {
        "schema": 1,
        "title": "Helpful and harmless dialogues",
        "seed": 3,
        "versions": _VERSIONS,
        "seconds": {"read": 1.2, "features": 4.81, "fit": 3.3, "evaluate": 6.4, "ask": 0.9, "pick": 0.02},
        "feedback": {
            "read": 2312,
            "accepted": 2312,
            "rejected": 0,
            "by_kind": {"comparison": 2002, "label": 250, "rating": 60},
            "by_criterion": {"helpful": 1900, "harmless": 412},
            "raters": 0,
            "rater_kinds": {},
            "replicates": 0,
            "contexts": 2298,
            "systems": 0,
            "sources": [
                {
                    "path": "harmless-base/test.jsonl.gz",
                    "format": "chosen/rejected dialogues",
                    "read": 2312,
                    "accepted": 2312,
                }
            ],
            "reject_reasons": [],
        },
        "model": {
            "criterion": "helpful",
            "utility": "features",
            "features": {"style": 14, "n-grams": "4,096 hashed, TF-IDF"},
            "prior": "normal, sd 1.0 per standardised feature",
            "likelihoods": [{"kind": "comparison", "n": 1601}, {"kind": "label", "n": 200}],
            "parameters": 4110,
            "log_likelihood": -1012.3,
            "converged": True,
            "iterations": 31,
            "clusters": {"context": 1838, "rater": 0},
            "covariance": "clustered",
        },
        "held_out": {
            "n": 462,
            "n_decided": 460,
            "accuracy": 0.5957,
            "accuracy_interval": interval(0.5957, 0.0449),
            "brier": 0.2391,
            "ece": 0.0472,
            "ece_null_band": [0.0, 0.0331],
            "log_loss": 0.6702,
            "log_loss_interval": interval(0.6702, 0.021),
            "reliability": [
                {"low": i / 5, "high": (i + 1) / 5, "n": n, "predicted": p, "observed": o, "interval": _share(o, n)}
                for i, (p, o, n) in enumerate(
                    ((0.14, 0.28, 40), (0.33, 0.38, 96), (0.5, 0.51, 170), (0.68, 0.6, 104), (0.86, 0.7, 50))
                )
            ],
            "learning_curve": [
                {"n": n, "accuracy": a, "accuracy_interval": interval(a, 0.045), "log_loss": None}
                for n, a in ((115, 0.51), (231, 0.538), (462, 0.55), (925, 0.571), (1850, 0.5957))
            ],
            "slices": [],
            "split": "one fifth, grouped by context, seed 3",
        },
        "controls": {
            "length_only": _control(0.563, 460, 0.0327, 0.0451, 0.156),
            "random": _control(0.5, 460, 0.0957, 0.0449, 3e-5),
        },
        "ranking": [],
        "win_rates": [],
        "agreement": {
            "between_raters": None,
            "with_model": {"n": 460, "accuracy": 0.5957, "accuracy_interval": interval(0.5957, 0.0449)},
            "raters": [],
        },
        "ask": [
            {
                "items": [
                    {"system": None, "context": _LONG_CONTEXT, "output": _ANSWERS[0]},
                    {"system": None, "context": _LONG_CONTEXT, "output": _ANSWERS[2]},
                ],
                "expected_gain": 0.1312,
                "cost": 1.0,
                "rater": None,
            },
            {
                "items": [
                    {"system": None, "context": _PROMPT, "output": HOSTILE},
                    {"system": None, "context": _PROMPT, "output": _HEBREW},
                ],
                "expected_gain": 0.1207,
                "cost": 1.0,
                "rater": None,
            },
            *(
                {
                    "items": [
                        {"system": None, "context": _PROMPT, "output": _ANSWERS[1]},
                        {"system": None, "context": _PROMPT, "output": ""},
                    ],
                    "expected_gain": 0.11 - at / 100,
                    "cost": 1.0,
                    "rater": None,
                }
                for at in range(6)
            ),
        ],
        "picks": [
            {
                "context": _LONG_CONTEXT,
                "best": _ANSWERS[0],
                "best_index": 0,
                "probability_best": 0.712,
                "candidates": [
                    {"output": text, "score": s, "interval": interval(s, h, "credible")}
                    for text, s, h in zip(_ANSWERS, (0.81, -0.42, 0.33), (0.5, 0.6, 0.7), strict=True)
                ],
            },
            {
                "context": _PROMPT,
                "best": _HEBREW,
                "best_index": 1,
                "probability_best": 0.38,
                "candidates": [
                    {"output": text, "score": s, "interval": None}
                    for text, s in zip((HOSTILE, _HEBREW), (0.1, 0.13), strict=True)
                ],
            },
        ],
        "findings": [
            {
                "code": "controls.length",
                "severity": "warning",
                "count": 0,
                "examples": [],
                "message": "The fitted preferences are not shown to predict better than the length of the "
                "answers does.",
                "fix": "Collect more judgements, or use features that tell more than words and style.",
            },
            {
                "code": "calibration.off",
                "severity": "warning",
                "count": 0,
                "examples": [],
                "message": "The predicted probabilities are too bold: they lie further from 50% than what came true.",
                "fix": "Use a narrower prior.",
            },
            {
                "code": "ranking.nothing_recurs",
                "severity": "note",
                "count": 0,
                "examples": [],
                "message": "No system is named in this feedback, so there is nothing to rank.",
                "fix": "Name the system that wrote each answer, where it is known.",
            },
            {
                "code": "agreement.no_raters",
                "severity": "note",
                "count": 2312,
                "examples": [],
                "message": "The judgements do not say who made them, so agreement between raters cannot be measured.",
                "fix": "",
            },
        ],
    }


def broken() -> Summary:
    """Nothing could be fitted: every part null."""
    parts = (
        "title",
        "seed",
        "versions",
        "seconds",
        "feedback",
        "model",
        "held_out",
        "controls",
        "ranking",
        "win_rates",
        "agreement",
        "ask",
        "picks",
    )
    finding = {
        "code": "fit.no_likelihood",
        "severity": "problem",
        "message": "No judgement of a kind that can be fitted was found: all 3 records are critiques",
        "fix": "Give comparisons, rankings, ratings or labels as well.",
        "count": 3,
        "examples": None,
    }
    return {"schema": 1, **dict.fromkeys(parts), "findings": [finding]}


EXAMPLES = {"arena": arena, "dialogues": dialogues, "broken": broken}
