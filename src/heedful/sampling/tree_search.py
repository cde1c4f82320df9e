"""Monte Carlo tree search over steps: values of prefixes, averaged over outputs that more and more take good steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, Floats, Honesty, InputError, Item, Parts, Samples, UsageError
from heedful.models import StepBase
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import refuse_beyond, reserved
from heedful.sampling.stepping import written
from heedful.sampling.trees import below
from heedful.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The n prefixes that a search visited in one context, how often [n], and the mean score of what came of them [n].

    The shorter come first; the empty prefix is left out.
    """

    items: tuple[Item, ...]
    visits: NDArray[np.intp]
    value: Floats


@dataclass(frozen=True, slots=True)
class Grown(Samples):
    """The output of greatest score that was met in each context, and the `trees` [c] that led there."""

    trees: tuple[Tree, ...] = ()


@dataclass(frozen=True, slots=True)
class TreeSearch:
    """The best of `simulations` outputs per context, which are written along a tree of prefixes.

    Each output goes down the tree: from a prefix it takes a step drawn from the base, until `branches` have been drawn
    there, and then the known one of greatest mean score + `exploration` · √(log visits of the prefix / visits of the
    step); beyond the first prefix that is new, the base writes it to its end. Its score, the target's expression, which
    need not know prefixes, counts for all prefixes on its way (UCT: Kocsis and Szepesvári 2006, "Bandit based
    Monte-Carlo planning"). So values lie between what the base makes of a prefix and the best that can come of it, and
    tend to the latter, over the steps drawn, as simulations grow.

    `exploration` is in nats, as scores are; √2 times their range is the theory's. It makes no claim, and gives no KL.
    """

    simulations: int
    branches: int
    exploration: float = 1.0
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        if self.simulations < 1 or self.branches < 1 or not self.exploration >= 0:
            what = f"{self.simulations} simulations, {self.branches} branches, exploration {self.exploration}"
            raise UsageError(what, where="TreeSearch", fix="give 1 or more, and an exploration of 0 or more")

    def __call__(self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator) -> Grown:
        """Raises BudgetExceededError before drawing, UsageError where the base does not write in steps, InputError for
        a score that is not finite."""
        refuse_no_contexts(contexts)
        base = target.base
        if not isinstance(base, StepBase):
            fix = "use models.StepModel"
            raise UsageError("a tree grows over a base that writes step by step", where="TreeSearch", fix=fix)
        roots = [_Node(Item(context, (), None), base) for context in contexts]
        best = [(-math.inf, root.item) for root in roots]
        refuse_beyond(budget, self.plan(base, contexts))
        scoring = Scoring(target, budget)
        with reserved(budget, {"samples": float(self.simulations * len(roots))}) as spent:
            for _ in range(self.simulations):
                spent["samples"] += len(roots)
                paths = [self._down(root, base, rng) for root in roots]
                ended, _ = written([path[-1].item for path in paths], base, rng)
                for row, (path, item, score) in enumerate(zip(paths, ended, _finite(scoring, ended), strict=True)):
                    best[row] = max(best[row], (score, item), key=lambda own: own[0])
                    for node in path:
                        node.visits += 1
                        node.total += score
        items = tuple(item for _, item in best)
        return Grown(
            items=items,
            context_index=np.arange(len(items)),
            log_weights=np.zeros(len(items)),
            scores=scoring(items),
            cost={"samples": float(spent["samples"]), "scores": float(len(scoring))},
            trees=tuple(_tree(root) for root in roots),
        )

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most it can cost: every simulation writes one output, and scores it where it is new."""
        total = float(self.simulations * len(contexts))
        return {"samples": total, "scores": total}

    def _down(self, root: _Node, base: StepBase, rng: np.random.Generator) -> list[_Node]:
        """From the root to a prefix that is new, or has ended."""
        path = [root]
        while not path[-1].ended:
            node = path[-1]
            known = len(node.children)
            path.append(node.drawn(base, rng) if node.draws < self.branches else node.favourite(self.exploration))
            if len(node.children) > known:
                break
        return path


class _Node:
    """A prefix, how often it was visited and the sum of the scores; its `children`, found in so many `draws`."""

    def __init__(self, item: Item, base: StepBase) -> None:
        self.item, self.ended = item, base.ended(item)
        self.children: dict[Item, _Node] = {}
        self.draws, self.visits, self.total = 0, 0, 0.0

    def drawn(self, base: StepBase, rng: np.random.Generator) -> _Node:
        self.draws += 1
        (longer,) = base.continued([self.item], rng=rng)
        if longer not in self.children:
            self.children[longer] = _Node(longer, base)
        return self.children[longer]

    def favourite(self, exploration: float) -> _Node:
        """The child of greatest upper bound; of equals the first."""
        log_visits = math.log(self.visits)
        return max(
            self.children.values(),
            key=lambda own: own.total / own.visits + exploration * math.sqrt(log_visits / own.visits),
        )


def _finite(scoring: Scoring, items: Sequence[Item]) -> list[float]:
    mean = scoring.mean(items)
    if not np.isfinite(mean).all():
        what = f"{int((~np.isfinite(mean)).sum())} scores are not finite, and have no mean"
        raise InputError(what, where="TreeSearch", fix="give outputs that are ruled out a low score")
    return [float(score) for score in mean]


def _tree(root: _Node) -> Tree:
    nodes = list(below(root))
    visits = np.array([node.visits for node in nodes], dtype=np.intp)
    return Tree(tuple(node.item for node in nodes), visits, np.array([node.total for node in nodes]) / visits)
