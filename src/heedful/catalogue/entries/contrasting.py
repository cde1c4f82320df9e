"""000-018: answers rewritten by what sets the best of those met apart from the worst."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, Parts
from heedful.evidence import Rule
from heedful.models import SequenceTable
from heedful.sampling import BestOfN, Played, Refining, Task
from heedful.target import Target

_LETTERS, _LENGTH = "abcdef", 12
_WIDTH, _DEPTH, _FOLLOWS = 5, 3, 0.8
_SCORES = _WIDTH * (1 + _DEPTH)
_Function = Callable[[Task, np.random.Generator], str]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([18, seed])
    contexts = [Item.of(f"question {number}").context for number in range(4 if quick else 30)]
    true = dict(zip(contexts, rng.normal(size=(len(contexts), len(_LETTERS))), strict=True))
    proxy = {context: own + rng.normal(0, 0.5, len(_LETTERS)) for context, own in true.items()}
    base = SequenceTable({(): dict.fromkeys(_LETTERS, 1 / len(_LETTERS))}, _LENGTH)
    engines: dict[str, BestOfN | Refining] = {
        "base": BestOfN(1),
        "best of 20": BestOfN(_SCORES),
        "score alone": _engine(_nothing, _anyhow, _DEPTH),
        **{f"depth {depth}": _engine(_contrast, _edited, depth) for depth in range(1, _DEPTH + 1)},
    }
    figures = {}
    for name, engine in engines.items():
        found = engine(Target(base, _reward(proxy)), contexts, budget=Budget(), rng=rng)
        figures[f"true, {name}"] = float(_reward(true)(found.items).mean.mean())
        figures[f"proxy, {name}"] = float(_reward(proxy)(found.items).mean.mean())
    figures["true, aligned"] = float(np.mean([_tilted(true[own], proxy[own]) for own in contexts]))
    return figures


def _engine(critic: _Function, editor: _Function, rounds: int) -> Refining:
    roles = Played(critic), Played(editor)
    return Refining(*roles, drafts=_WIDTH, revisions=_WIDTH, rounds=rounds, subject="best")


def _reward(weights: Mapping[Parts, Floats]) -> Rule:
    """The sum of the weights of an answer's letters, as its context weighs them."""
    return Rule(
        lambda item: float(weights[item.context][[_LETTERS.index(own) for own in _words(item)]].sum()), "letters"
    )


def _tilted(true: Floats, proxy: Floats) -> float:
    """The true reward expected of the base tilted by the proxy at strength 1/2, letter by letter: an aligned model."""
    law = np.exp(0.5 * proxy)
    return float(_LENGTH * law @ true / law.sum())


def _contrast(task: Task, rng: np.random.Generator) -> str:
    """The letter of which the best has most more than the worst, and the one of which it has most less."""
    assert task.other is not None
    more, less = Counter(_words(task.item)), Counter(_words(task.other))
    excess = {letter: more[letter] - less[letter] + 1e-6 * rng.random() for letter in _LETTERS}
    return f"{max(excess, key=excess.__getitem__)} {min(excess, key=excess.__getitem__)}"


def _edited(task: Task, rng: np.random.Generator) -> str:
    """Two letters changed: each from what is to be less to what is to be more, or (not followed) anyhow."""
    words, (more, less) = _words(task.item), task.critique.split()
    for _ in range(2):
        places = [place for place, own in enumerate(words) if own == less] or list(range(len(words)))
        if rng.random() < _FOLLOWS:
            words[int(rng.choice(places))] = more
        else:
            words[int(rng.integers(len(words)))] = str(rng.choice(list(_LETTERS)))
    return " ".join(words)


def _nothing(task: Task, rng: np.random.Generator) -> str:
    return "better!"


def _anyhow(task: Task, rng: np.random.Generator) -> str:
    """Two letters changed anyhow: what an editor can do who hears nothing but that it should be better."""
    words = _words(task.item)
    for _ in range(2):
        words[int(rng.integers(len(words)))] = str(rng.choice(list(_LETTERS)))
    return " ".join(words)


def _words(item: Item) -> list[str]:
    return item.output[0].text.split()


_NAMES = {
    "base": "one draft",
    "best of 20": "the best of 20 drafts",
    "score alone": "5 drafts, 3 times 5 rewrites of the best by an editor who hears no contrast",
    **{f"depth {d}": f"5 drafts, {d} times 5 rewrites of the best by contrast with the worst" for d in (1, 2, 3)},
}

ENTRY = Entry(
    id="000-018",
    title="Test-Time Preference Optimization: On-the-Fly Alignment via Iterative Textual Feedback",
    area="sampling/rewriting",
    citation="Li et al. 2025",
    claim=(
        "Answers of twelve letters, whose reward is a sum of weights that differ by context, scored by a proxy "
        "(weights with noise of half their spread). Five drafts, then three times five rewrites of the best met so "
        "far, by words for what sets it apart from the worst (most more of one letter, most less of another), have "
        "more true reward than the best of 20 drafts and than as many rewrites by an editor who hears no contrast, all "
        "at 20 scores; depth 3 has more than depth 1; and from the plain base it overtakes draws of a base tilted by "
        "the same proxy."
    ),
    configuration=(
        "sampling.Refining(subject='best', drafts=5, revisions=5, rounds=1 to 3) with Played roles (the chat form is "
        "sampling.contrastive_refinement); sampling.BestOfN; models.SequenceTable."
    ),
    measures={
        **{f"true, {name}": f"mean true reward of {what}" for name, what in _NAMES.items()},
        **{f"proxy, {name}": f"mean proxy reward of {what}" for name, what in _NAMES.items()},
        "true, aligned": "true reward expected of one draw of the base tilted by the proxy at strength 1/2",
    },
    checks=(
        Check("true, depth 3", "true, best of 20", above=0.0),
        Check("true, depth 3", "true, score alone", above=0.0),
        Check("true, depth 3", "true, depth 1", above=0.0),
        Check("true, depth 3", "true, aligned", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Translator and editor are given, not language models: the contrast is counted letters, an instruction is "
        "followed four times in five. Loss and gradient in words are one step here. A rewrite costs a call of the "
        "editor, and contrasts calls of their own, so that equal scores are not equal calls: 15 rewrites and 3 "
        "contrasts beside 5 drafts. The aligned counterpart is a tilt, known exactly."
    ),
)
