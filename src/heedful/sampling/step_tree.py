"""Search over trees of steps: look where values are high or little is known, and learn from what comes of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from heedful.core import Base, Budget, Floats, Honesty, Item, Parts, Samples, Scores, UsageError
from heedful.core.algebra import Expression
from heedful.models import StepBase
from heedful.sampling.batches import refuse_no_contexts
from heedful.sampling.scoring import Scoring
from heedful.sampling.spending import reserved
from heedful.sampling.stepping import written
from heedful.sampling.trees import Backup, Node, Rule, SearchTree
from heedful.sampling.twists import Twist
from heedful.target import Target

Told = Callable[[Sequence[Item], Sequence[str], np.random.Generator], Sequence[Item]]
"""(items, what was said of each, rng) -> items."""


@runtime_checkable
class CountedSteps(StepBase, Protocol):
    """A base that also says how many tokens it read for the steps it wrote (`models.LineSteps`)."""

    def written(self, items: Sequence[Item], *, rng: np.random.Generator) -> tuple[tuple[Item, ...], int]: ...


@dataclass(frozen=True, slots=True)
class InWords:
    """What is said of outputs, and who listens.

    feedback   words on each whole output, "" where nothing is wrong with it (`evidence.UnitTests.words`)
    rethink    another last step in the place of one whose outputs are all at fault, given the words; None to leave it
               (Li et al. 2025, "RethinkMCTS")
    continued  one more step on each prefix, given what was said of it and of the steps tried from it before; None for
               the base, which hears nothing (Antoniades et al. 2025, "SWE-Search")
    """

    feedback: Callable[[Sequence[Item]], Sequence[str]]
    rethink: Told | None = None
    continued: Told | None = None


@dataclass(frozen=True, slots=True)
class Branched(Samples):
    """One output per context, with the `trees` they come from. `finished` [c]: whether the search itself came to an
    output; of the others the prefix of highest values was written on unlooked at."""

    trees: tuple[SearchTree, ...] = ()
    finished: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class StepTree:
    """One output per context, the best that a tree search of at most `steps` drawn steps comes to.

    In each round a walk from the empty prefix takes the child of greatest

        value + exploration · √(ln visits of the parent / visits)

    (UCT: Kocsis & Szepesvári 2006; exploration 0 goes by values alone), ties broken at random, to a prefix from which
    steps may still be drawn: `branches` · visits^`widening` in all, those that there is room for at once; equal steps
    are one child. Each new child is evaluated, and values above it become the average of their children's, weighed by
    visits (`backup` "mean"), or their maximum ("max"). What is written out whole is not visited again; without widening
    a search ends where nothing is open.

    An output's value is the target's score. A prefix's is that of the expression's terms that score prefixes, or the
    mean score of `rollouts` continuations written to their ends, or of both (1 − weight) · the first + weight · the
    other (`rollout_weight`). Values on the log_prob scale are read as probabilities. The output of greatest score that
    was met is returned, roll-outs included; what is not finished by then is written on by the base, on top of `steps`.

    With `words`, outputs at fault are told of: where all that a new prefix was written out to is at fault, its last
    step is replaced in place, once, and steps drawn from a prefix hear what was said before.

    It claims nothing of its law and gives no KL. With exploration above 0 and widening above 0 and below 1 (at 1 there
    is always room at the root), the best output that the base can write is met with a probability that tends to 1 as
    steps grow; how soon is for the values to decide. Published forms: ReST-MCTS* (Zhang et al. 2024) with
    `evidence.WeightedSteps`; RethinkMCTS and SWE-Search with `words`; the search of AlphaMath (Chen et al. 2024) with
    roll-outs and a value fitted to `tree_labels`.
    """

    steps: int
    branches: int = 3
    exploration: float = 0.5
    widening: float = 0.0
    backup: Backup = "mean"
    rollouts: int = 0
    rollout_weight: float = 0.5
    words: InWords | None = None
    honesty: Honesty = "heuristic"

    def __post_init__(self) -> None:
        """Raises UsageError for numbers that are none of a search."""
        whole = self.steps >= 1 and self.branches >= 1 and self.rollouts >= 0
        real = 0 <= self.exploration < math.inf and 0 <= self.widening <= 1 and 0 <= self.rollout_weight <= 1
        if not (whole and real and self.backup in ("mean", "max")):
            fix = "steps, branches from 1; exploration, rollouts from 0; widening, weight in [0, 1]; 'mean' or 'max'"
            raise UsageError(f"{self} is no search", where="StepTree", fix=fix)

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Branched:
        """Raises BudgetExceededError before drawing, UsageError where the base does not write in steps, or nothing
        tells what a prefix is worth. Where the base counts tokens and the budget caps them, a search ends once they
        are spent: it goes over by a round at most."""
        refuse_no_contexts(contexts)
        growing = _Growing.of(self, target, budget, rng)
        trees = tuple(SearchTree(Node(Item(context))) for context in contexts)
        with reserved(budget, self.plan(target.base, contexts)) as spent:
            try:
                return self._searched(growing, trees, rng)
            finally:
                spent.update(growing.cost(len(trees)))

    def _searched(self, growing: _Growing, trees: tuple[SearchTree, ...], rng: np.random.Generator) -> Branched:
        growing.begin(trees)
        while not growing.spent and growing.round(trees):
            pass
        met = [tree.best() for tree in trees]
        finished = np.array([item is not None for item in met])
        begun = [item or tree.likely() for item, tree in zip(met, trees, strict=True)]
        items = tuple(written(begun, growing, rng)[0])
        scores = growing.scored_whole(items)
        n = len(items)
        return Branched(items, np.arange(n), np.zeros(n), scores, growing.cost(n), trees=trees, finished=finished)

    def plan(self, base: Base, contexts: Sequence[Parts]) -> dict[str, float]:
        """The most that searching can cost; writing on what it did not finish comes on top."""
        most = float(self.steps * len(contexts))
        return {"samples": float(len(contexts)), "steps": most, "scores": most}

    @property
    def rule(self) -> Rule:
        return Rule(self.branches, self.exploration, self.widening, self.backup)


@dataclass(slots=True, eq=False)
class _Growing:
    """A search under way, of all contexts at once."""

    search: StepTree
    base: StepBase
    scoring: Scoring
    twist: Twist | None
    read: Callable[[Floats], Floats]
    budget: Budget
    rng: np.random.Generator
    drawn: int = 0
    scored: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, search: StepTree, target: Target, budget: Budget, rng: np.random.Generator) -> _Growing:
        base, twist = target.base, Twist.of(target.expression)
        if not isinstance(base, StepBase):
            what, fix = f"{type(base).__name__} does not write step by step", "use models.StepModel or models.LineSteps"
            raise UsageError(what, where="StepTree", fix=fix)
        if twist is None and not search.rollouts:
            fix = "give a potential of prefixes (evidence.PrefixValue, Steps, WeightedSteps), or rollouts"
            raise UsageError("nothing tells what a prefix is worth", where="StepTree", fix=fix)
        certain = Expression.of(target.expression).scale == "log_prob"
        return cls(search, base, Scoring(target, Budget()), twist, np.exp if certain else np.asarray, budget, rng)

    @property
    def spent(self) -> bool:
        return self.tokens >= self.budget.left("tokens")

    def cost(self, samples: int) -> dict[str, float]:
        """Of so many outputs, so far."""
        told = {"samples": float(samples), "steps": float(self.drawn), "scores": float(self.scored)}
        return told | ({"tokens": float(self.tokens)} if self.tokens else {})

    def begin(self, trees: Sequence[SearchTree]) -> None:
        """Roots whose empty outputs have ended are closed."""
        for tree in trees:
            tree.root.ended = tree.root.closed = self.ended(tree.root.item)

    def round(self, trees: Sequence[SearchTree]) -> bool:
        """Draw steps from one node of each tree, evaluate them and back up; False where there was none."""
        picked = [
            (tree, node)
            for tree in trees
            if tree.steps < self.search.steps and (node := tree.pick(self.search.rule, self.rng)) is not None
        ]
        rows: list[tuple[SearchTree, Node]] = []
        for tree, node in picked:
            count = min(self.search.rule.room(node), self.search.steps - tree.steps)
            tree.steps += count
            rows += [(tree, node)] * count
        grown = self._continued(rows) if rows else ()
        added = [(tree, node.add(item, self.ended(item))) for (tree, node), item in zip(rows, grown, strict=True)]
        fresh = [(tree, node) for tree, node in added if node is not None]
        self._evaluate(fresh)
        self._rethink(fresh)
        found = Counter(node.parent for _, node in fresh)
        for tree, node in picked:
            tree.back_up(node, self.search.rule, found[node])
        return bool(picked)

    def scored_whole(self, items: Sequence[Item]) -> Scores:
        """Scores of outputs, one at least; each different one is scored once."""
        before = len(self.scoring)
        scores = self.scoring(items)
        self.scored += len(self.scoring) - before
        return scores

    def ended(self, item: Item) -> bool:
        return self.base.ended(item)

    def continued(self, items: Sequence[Item], *, rng: np.random.Generator) -> Sequence[Item]:
        """Each one step longer, which is counted."""
        self.drawn += len(items)
        if isinstance(self.base, CountedSteps):
            longer, tokens = self.base.written(items, rng=rng)
            self.tokens += tokens
            return longer
        return self.base.continued(items, rng=rng)

    def _continued(self, rows: Sequence[tuple[SearchTree, Node]]) -> Sequence[Item]:
        items, words = [node.item for _, node in rows], self.search.words
        if words is None or words.continued is None:
            return self.continued(items, rng=self.rng)
        self.drawn += len(items)
        return words.continued(items, [node.told() for _, node in rows], self.rng)

    def _evaluate(self, fresh: Sequence[tuple[SearchTree, Node]]) -> None:
        """Values of new nodes, and words on what they were written out to."""
        unfinished = [node for _, node in fresh if not node.ended]
        if self.twist is not None and unfinished:
            for node, value in zip(unfinished, self.read(self.twist([node.item for node in unfinished])), strict=True):
                node.value = float(value)
            self.scored += len(unfinished)
        outputs = self._outputs(fresh)
        ends = [item for own in outputs for item in own]
        score = self.scored_whole(ends).mean if ends else np.zeros(0)
        pieces = np.split(score, np.cumsum([len(own) for own in outputs])[:-1]) if outputs else []
        for (tree, node), own, piece in zip(fresh, outputs, pieces, strict=True):
            tree.outputs.update(zip(own, piece.tolist(), strict=True))
            node.value = self._value(node, self.read(piece))
        self._hear(fresh, outputs)

    def _value(self, node: Node, ends: Floats) -> float:
        if node.ended:
            return float(ends[0])
        if not len(ends):
            # Roll-outs that the budget cut off: the search is over, and nothing will be chosen by this.
            return node.value if not math.isnan(node.value) or node.parent is None else node.parent.value
        weight = 1.0 if self.twist is None else self.search.rollout_weight
        return float(weight * ends.mean() + ((1 - weight) * node.value if weight < 1 else 0.0))

    def _outputs(self, fresh: Sequence[tuple[SearchTree, Node]]) -> list[list[Item]]:
        """What each node was written out to: itself where it has ended, else its roll-outs that came to an end."""
        found = [[node.item] * (1 if node.ended else self.search.rollouts) for _, node in fresh]
        while True:
            places = []
            for row, (tree, _) in enumerate(fresh):
                for column, item in enumerate(found[row]):
                    if tree.steps < self.search.steps and not self.ended(item):
                        tree.steps += 1
                        places.append((row, column))
            if not places:
                return [[item for item in own if self.ended(item)] for own in found]
            for (row, column), item in zip(
                places, self.continued([found[r][c] for r, c in places], rng=self.rng), strict=True
            ):
                found[row][column] = item

    def _hear(self, fresh: Sequence[tuple[SearchTree, Node]], outputs: Sequence[Sequence[Item]]) -> None:
        if self.search.words is None:
            return
        different = list(dict.fromkeys(item for own in outputs for item in own))
        said = dict(zip(different, self.search.words.feedback(different) if different else (), strict=True))
        for (_, node), own in zip(fresh, outputs, strict=True):
            told = [said[item] for item in own]
            node.words = told[0] if told and all(told) else ""

    def _rethink(self, fresh: Sequence[tuple[SearchTree, Node]]) -> None:
        """Replace last steps that all outputs are at fault with, once each, and evaluate them anew."""
        words = self.search.words
        if words is None or words.rethink is None:
            return
        wrong = []
        for tree, node in fresh:
            if node.words and tree.steps < self.search.steps:
                tree.steps += 1
                wrong.append((tree, node))
        if not wrong:
            return
        self.drawn += len(wrong)
        items = words.rethink([node.item for _, node in wrong], [node.words for _, node in wrong], self.rng)
        changed = [
            (tree, node)
            for (tree, node), item in zip(wrong, items, strict=True)
            if node.parent is not None and node.parent.replace(node, item, self.ended(item))
        ]
        self._evaluate(changed)
