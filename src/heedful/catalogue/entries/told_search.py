"""001-085: a tree search whose writer hears, at each new try, what was said of the tries before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.mending import LINES, Workshop
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, SamplingEngine
from heedful.sampling import BestOfN, StepTree
from heedful.target import Target

_DRAWS = 12
_SEARCH = StepTree(LINES * _DRAWS, branches=1, exploration=0.5, widening=0.7, rollouts=1)
_SHORT = replace(_SEARCH, steps=LINES * _DRAWS // 3)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1085, seed])
    shop = Workshop(5 if quick else 30, seed=seed)
    target, contexts = Target(shop.base(), shop.public()), shop.contexts
    engines: dict[str, SamplingEngine] = {
        "one program": BestOfN(1),
        "best of 12": BestOfN(_DRAWS),
        "tree": _SEARCH,
        "tree, told": replace(_SEARCH, words=shop.listening()),
        "short tree, told": replace(_SHORT, words=shop.listening()),
    }
    found = {name: engine(target, contexts, budget=Budget(), rng=rng).items for name, engine in engines.items()}
    return {f"right, {name}": shop.right(items) for name, items in found.items()}


ENTRY = Entry(
    id="001-085",
    title="SWE-Search: Enhancing Software Agents with Monte Carlo Tree Search and Iterative Refinement",
    area="sampling/rewriting",
    citation="Antoniades et al. 2025",
    claim=(
        "Programs of five lines, of which a writer gets each right with probability 0.35; three tests are public, and "
        "a critic shown a program that fails one names its first wrong line, four times in five. A tree search of 60 "
        "lines whose writer is told, whenever a prefix is tried again, what was said of the tries before gives the "
        "right program, by hidden tests, at least 1.23 times as often as a single try, more often than the same search "
        "by numbers alone and than the best of 12 programs, and more often than such a search of 20 lines."
    ),
    configuration=(
        "sampling.StepTree with roll-outs, widening and InWords(feedback, continued), against StepTree without "
        "words and BestOfN, all by the share of public tests passed."
    ),
    measures={
        "right, one program": "programs that pass all hidden tests, per cent, one program",
        "right, best of 12": "the same, best of 12 by public tests",
        "right, tree": "the same, tree search of 60 lines by numbers alone",
        "right, tree, told": "the same, tree search of 60 lines whose writer is told",
        "right, short tree, told": "the same, of 20 lines",
    },
    checks=(
        Check("right, tree, told", "right, one program", factor=1.23, above=0.0),
        Check("right, tree, told", "right, tree", above=0.0),
        Check("right, tree, told", "right, best of 12", above=0.0),
        Check("right, tree, told", "right, short tree, told", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's states are those of an agent in a repository, its value a model's number with an explanation, and "
        "its last choice a debate of models; here states are lines of a little program, the number is the share of "
        "public tests that a roll-out passes, and the best by them is taken. What a writer makes of words is given: it "
        "does not write the line again that was named."
    ),
)
