"""002-024: a tree search that replaces the step which feedback on its outputs blames, in place."""

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
_SEARCH = StepTree(LINES * _DRAWS, branches=3, exploration=0.5, rollouts=1)
_NARROW = replace(_SEARCH, branches=1, widening=0.7)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2024, seed])
    shop = Workshop(5 if quick else 30, seed=seed)
    deaf = replace(shop, acuity=0.0)
    target, contexts = Target(shop.base(), shop.public()), shop.contexts
    engines: dict[str, SamplingEngine] = {
        "best of 12": BestOfN(_DRAWS),
        "tree": _SEARCH,
        "tree, rethinking": replace(_SEARCH, words=shop.rethinking()),
        "tree, rethinking at random": replace(_SEARCH, words=deaf.rethinking()),
        "narrow tree": _NARROW,
        "narrow tree, rethinking": replace(_NARROW, words=shop.rethinking()),
    }
    found = {name: engine(target, contexts, budget=Budget(), rng=rng) for name, engine in engines.items()}
    return {f"right, {name}": shop.right(own.items) for name, own in found.items()} | {
        f"public, {name}": 100 * float(own.scores.mean.mean()) for name, own in list(found.items())[:3]
    }


ENTRY = Entry(
    id="002-024",
    title="RethinkMCTS: Refining Erroneous Thoughts in Monte Carlo Tree Search for Code Generation",
    area="sampling/rewriting",
    citation="Li et al. 2025",
    claim=(
        "Programs of five lines, of which a writer gets each right with probability 0.35; three tests are public, and "
        "a critic shown a program that fails one names its first wrong line, four times in five. With 60 lines written "
        "for each, a tree search (UCT, values the public tests that one roll-out passes) in which a new line that the "
        "critic names is written anew in place gives the right program, by hidden tests, more often than the same "
        "search without words, and than the best of 12 programs, each by more than 5 points."
    ),
    configuration=(
        "sampling.StepTree with roll-outs and InWords(feedback, rethink), against StepTree without and BestOfN, "
        "all by the share of public tests passed."
    ),
    measures={
        "right, best of 12": "programs that pass all hidden tests, per cent, best of 12 by public tests",
        "right, tree": "the same, tree search without words",
        "right, tree, rethinking": "the same, tree search with lines written anew where the critic names them",
        "right, tree, rethinking at random": "the same, with a critic who names any line",
        "right, narrow tree": "the same, tree search without words that draws one line at a time (widening 0.7)",
        "right, narrow tree, rethinking": "the same, with lines written anew where the critic names them",
        "public, best of 12": "public tests passed, per cent, best of 12",
        "public, tree": "the same, tree search without words",
        "public, tree, rethinking": "the same, tree search with rethinking",
    },
    checks=(
        Check("right, tree, rethinking", "right, tree", above=5.0),
        Check("right, tree, rethinking", "right, best of 12", above=5.0),
    ),
    miniature=miniature,
    beyond=(
        "The work selects by P-UCB and adds a model's own judgement to the public tests; here UCT and tests alone. Its "
        "thoughts are words and its feedback comes from running blocks of code, which evidence.UnitTests gives for "
        "Python; here a line is a thought, programs run in the miniature's own little language, and the critic's skill "
        "is given. A line written anew counts as a line, and so do those of its roll-out: in the first run, with the "
        "same verdict, a tree of three branches everywhere paid for rethinking with breadth and gained nothing. Two "
        "figures added after it stand in no check: where lines are drawn one at a time, and a line named is more often "
        "the only one there, rethinking pays."
    ),
)
