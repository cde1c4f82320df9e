"""004-026: what users of a chat say next, read by rule as feedback on what they were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

import heedful
from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.feedback import Exchange, Table, by_rule, mined
from heedful.feedback.reactions import Reading
from heedful.stats import corrected_proportion

_ANSWERS, _FRESH, _FEATURES, _BEST_OF = 60, 800, 5, 8
_CHATS, _CHECKED, _LATER, _LOOKALIKE = 400, 500, 2000, 0.05
_SPEAKS = np.array([0.4, 0.3])  # how often those who are not pleased, and those who are, say so
# Of praise the rules know half, of complaints three in seven; they take most of the look-alikes for one or the other.
_PRAISE = "Thanks!", "Great, that works.", "Perfect", "You nailed it", "Neat", "Just the thing"
_BLAME = (
    "That's wrong.",
    "No, that is something else.",
    "What do you mean?",
    "Hardly.",
    "I doubt it.",
    "Neither of these is an answer",
    "You made that up",
)
_ELSE = "And how old is it?", "Next: a poem.", "Now in French", "What about the other one?"
_ALIKE = (
    "Great Britain now: how large?",
    "No, nothing more. The next: a poem",
    "Thanks to whom do we know?",
    "Huh? Hum a tune",
)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4026, seed])
    features = rng.normal(size=(_ANSWERS + _FRESH, _FEATURES))
    liking = features @ rng.normal(0, 0.6, _FEATURES)
    encoder = Given.by_output([f"answer {own}" for own in range(len(features))], features)
    given = rng.integers(_ANSWERS, size=_CHATS // 4 if quick else _CHATS)
    meant, chats = _chats(given, liking, rng)
    tables = {
        "known": mined(chats, lambda exchanges: meant).table,
        "by rule": mined(chats).table,
        "strayed": mined(_answered(rng.permutation(given), chats)).table,
    }
    figures = {f"gain, {name}": _gain(table, encoder, liking[_ANSWERS:]) for name, table in tables.items()}
    return figures | _shares(rng.integers(_ANSWERS, size=_LATER), liking, rng)


def _chats(given: Whole, liking: Floats, rng: np.random.Generator) -> tuple[list[Reading], list[dict[str, Any]]]:
    """What users meant by their second turns, and the chats, in which these answers were given."""
    pleased = rng.random(len(given)) < expit(liking[given])
    spoke = rng.random(len(given)) < _SPEAKS[pleased.astype(int)]
    meant: list[Reading] = ["positive" if own else "unhappy" for own in pleased]
    words = [_PRAISE if own else _BLAME for own in pleased]
    other = [_ALIKE if own else _ELSE for own in rng.random(len(given)) < _LOOKALIKE]
    said = [str(rng.choice(own if aloud else idle)) for own, idle, aloud in zip(words, other, spoke, strict=True)]
    turns = [[("user", f"request {place}"), ("assistant", ""), ("user", text)] for place, text in enumerate(said)]
    chats = [{"messages": [{"role": role, "content": text} for role, text in own]} for own in turns]
    return [own if aloud else None for own, aloud in zip(meant, spoke, strict=True)], _answered(given, chats)


def _answered(given: Whole, chats: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The chats with these answers in the place of theirs."""
    made = []
    for number, chat in zip(given, chats, strict=True):
        first, _, last = chat["messages"]
        made.append({"messages": [first, {"role": "assistant", "content": f"answer {number}"}, last]})
    return made


def _gain(table: Table, encoder: Given, liking: Floats) -> float:
    """By how much the best of a few fresh answers, by a reward fitted to the labels, is liked more than the others."""
    posterior = heedful.fit(table, utility="features", features=encoder, prior_sd="evidence", draws=2)
    items = [Item.of("", f"answer {_ANSWERS + own}") for own in range(_FRESH)]
    score, worth = posterior(items).mean.reshape(-1, _BEST_OF), liking.reshape(-1, _BEST_OF)
    best = np.take_along_axis(worth, score.argmax(axis=1, keepdims=True), axis=1)
    return float(best.mean() - worth.mean())


def _shares(given: Whole, liking: Floats, rng: np.random.Generator) -> dict[str, float]:
    """Shares of turns that praise and that complain once answers are better liked, raw and mended by turns checked
    before: mean errors, per cent, and how many intervals hold the truth."""
    before, checks = _chats(given[:_CHECKED], liking - 0.7, rng)
    _, chats = _chats(given, liking, rng)
    p = expit(liking[given])
    errors, held = [], []
    for praise, true in ((True, _SPEAKS[1] * p), (False, _SPEAKS[0] * (1 - p))):
        known = np.array([own is not None and (own == "positive") == praise for own in before])
        checked, marked = (_read(own, praise) for own in (checks, chats))
        found = corrected_proportion(marked, checked, known)
        errors.append([marked.mean() - true.mean(), found.value - true.mean()])
        assert found.interval is not None
        held.append(found.interval.low <= true.mean() <= found.interval.high)
    raw, mended = 100 * np.abs(errors).mean(axis=0)
    return {"error, raw": float(raw), "error, mended": float(mended), "held": float(np.mean(held))}


def _read(chats: Sequence[Mapping[str, Any]], praise: bool) -> NDArray[np.bool_]:
    """Which second turns the rules take for praise, or for a complaint of any sort."""
    found = by_rule([Exchange(*(turn["content"] for turn in chat["messages"])) for chat in chats])
    return np.array([own is not None and (own == "positive") == praise for own in found])


ENTRY = Entry(
    id="004-026",
    title="Learning from Naturally Occurring Feedback",
    area="feedback/curation",
    citation="Don-Yehiya et al. 2024",
    claim=(
        "400 chats; a third of users react in words to one of 60 answers, and more often when they are not pleased. "
        "Rules that know about half of the words read reactions as labels: the best of 8 fresh answers, by a reward "
        "fitted to them, is liked better than the average by at least 0.7 of what labels read without error gain, and "
        "labels that strayed to other chats gain less than 0.3 of it. Where answers have got better, the shares of "
        "turns that praise and that complain, mended by 500 turns checked before, are wrong by less than half of what "
        "the raw shares are."
    ),
    configuration=(
        "feedback.mined with by_rule (or another classifier); heedful.fit on its labels, utilities linear in features; "
        "stats.corrected_proportion on what the rules mark."
    ),
    measures={
        "gain, known": "lead of the best of 8 by the fitted reward over the average, nats, reactions known",
        "gain, by rule": "the same, reactions read by rule",
        "gain, strayed": "the same, reactions read by rule that are of other chats",
        "error, raw": "errors of the shares of turns that praise and that complain, points, as marked by rule",
        "error, mended": "the same, mended by the errors on turns checked before",
        "held": "share of intervals of mended shares that hold the truth",
    },
    checks=(
        Check("gain, by rule", "gain, known", factor=0.7, above=0.0),
        Check("gain, strayed", "gain, by rule", factor=0.3, below=0.0),
        Check("error, mended", "error, raw", factor=0.5, below=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's classifier is a language model (evidence.ReactionReader here); rules stand in for it, which know "
        "far more of these complaints than of those in real dialogues (docs/benchmarks.md). Best-of-8 by a fitted "
        "reward stands in for tuning. Who speaks up depends on the answer, which leaves labels biased towards "
        "complaints; the fit's threshold takes that up. Kinds of reaction are used as yes and no alone. "
        "That more than 0.85 of the intervals of mended shares hold the truth was claimed at first, and is no check "
        "now: two a seed are too few to decide it (0.94 did), and tests of heedful.stats measure it."
    ),
)
