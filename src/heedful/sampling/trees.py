"""Trees of unfinished outputs: where to look next, what is known of each prefix, and what that says of steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, TypeVar

import numpy as np
import polars as pl

from heedful.core import Floats, Item, encode_parts
from heedful.feedback import Table

Backup = Literal["mean", "max"]


class Parent(Protocol):
    """What has children, by the item of each."""

    @property
    def children(self) -> Mapping[Item, Self]: ...


Own = TypeVar("Own", bound=Parent)


def below(root: Own) -> Iterator[Own]:
    """Every node below this one, those above before those below."""
    level = list(root.children.values())
    while level:
        yield from level
        level = [child for node in level for child in node.children.values()]


@dataclass(slots=True, eq=False)
class Node:
    """A prefix, or where `ended` an output, with its value.

    `visits` are the evaluations below it, and the rounds in which steps drawn there or below were none but known ones
    (`idle` of them here). `drawn` next steps were drawn. `words` is what feedback said of it, "" where it found no
    fault. Nothing is left to do below a node that is `closed`.
    """

    item: Item
    parent: Node | None = None
    ended: bool = False
    value: float = math.nan
    visits: int = 1
    idle: int = 0
    drawn: int = 0
    words: str = ""
    closed: bool = False
    children: dict[Item, Node] = field(default_factory=dict)

    def add(self, item: Item, ended: bool) -> Node | None:
        """The child of this item; None where there is one already."""
        self.drawn += 1
        if item in self.children:
            return None
        self.children[item] = Node(item, self, ended, closed=ended)
        return self.children[item]

    def replace(self, child: Node, item: Item, ended: bool) -> bool:
        """Put another item in the place of a new child's; False, and nothing done, where it is there already."""
        if item in self.children:
            return False
        del self.children[child.item]
        child.item, child.ended, child.closed = item, ended, ended
        self.children[item] = child
        return True

    def told(self) -> str:
        """What was said of this prefix and of the steps that were tried from it, each once."""
        return "\n".join(dict.fromkeys(node.words for node in (self, *self.children.values()) if node.words))


@dataclass(frozen=True, slots=True)
class Rule:
    """How a tree is looked through: see `StepTree`."""

    branches: int
    exploration: float
    widening: float
    backup: Backup

    def room(self, node: Node) -> int:
        """How many steps may be drawn from a node now."""
        most = math.floor(self.branches * math.pow(node.visits, self.widening) + 1e-9)
        if self.widening and all(child.closed for child in node.children.values()):
            most = max(most, node.drawn + 1)
        return max(0, most - node.drawn)

    def chosen(self, node: Node, rng: np.random.Generator) -> Node:
        """The open child of greatest value + exploration · √(ln visits of the node / visits of the child)."""
        children = [child for child in node.children.values() if not child.closed]
        visits = np.array([child.visits for child in children], dtype=np.float64)
        bound = np.array([child.value for child in children]) + self.exploration * np.sqrt(
            math.log(node.visits) / visits
        )
        best: int = np.lexsort((rng.random(len(children)), -bound))[0]
        return children[best]


@dataclass(slots=True, eq=False)
class SearchTree:
    """What a search knows of one context: prefixes from `root` on, `outputs` met with their scores, `steps` drawn."""

    root: Node
    outputs: dict[Item, float] = field(default_factory=dict)
    steps: int = 0

    def pick(self, rule: Rule, rng: np.random.Generator) -> Node | None:
        """The node to draw steps from; None where there is nothing left to look for."""
        node = self.root
        if node.closed:
            return None
        while not rule.room(node):
            node = rule.chosen(node, rng)
        return node

    def back_up(self, node: Node, rule: Rule, found: int) -> None:
        """Values, visits and closings of a node in which `found` new children were, and of those above it."""
        node.idle += not found
        above: Node | None = node
        while above is not None:
            children = list(above.children.values())
            if children:
                visits, value = np.array([(child.visits, child.value) for child in children]).T
                above.visits = int(visits.sum()) + above.idle
                above.value = float(value.max() if rule.backup == "max" else visits @ value / visits.sum())
            above.closed = not rule.room(above) and all(child.closed for child in children)
            above = above.parent

    def nodes(self) -> Iterator[Node]:
        """Every node but the root, those above before those below."""
        return below(self.root)

    def best(self) -> Item | None:
        """The output of greatest score that was met, of equals the first; None where none was."""
        return max(self.outputs, key=self.outputs.__getitem__, default=None)

    def likely(self) -> Item:
        """The prefix that one comes to by the children of greatest value."""
        node = self.root
        while node.children:
            node = max(node.children.values(), key=lambda child: child.value)
        return node.item


@dataclass(frozen=True, slots=True)
class StepShares:
    """Prefixes [n], the share of the outputs met that begin so and are right [n], and how many begin so [n]."""

    items: tuple[Item, ...]
    share: Floats
    outputs: Floats


def step_shares(trees: Sequence[SearchTree], right: Callable[[Sequence[Item]], Sequence[bool]]) -> StepShares:
    """How likely the last step of each prefix met leads to a right output, as the different outputs met tell.

    The process value that ReST-MCTS* infers from a finished tree (Zhang et al. 2024, section 3.2), without labels of
    steps. It is not the base's own probability: each output counts once, however likely, which is less where right
    outputs are the likelier ones, and a search looks where it finds right ones, which is more.
    """
    count: dict[Item, list[int]] = {}
    for tree in trees:
        outputs = list(tree.outputs)
        for item, good in zip(outputs, right(outputs) if outputs else (), strict=True):
            for size in range(1, len(item.output) + 1):
                own = count.setdefault(Item(item.context, item.output[:size], item.system), [0, 0])
                own[0] += bool(good)
                own[1] += 1
    counts = np.array(list(count.values()), dtype=np.float64).reshape(-1, 2)
    return StepShares(tuple(count), counts[:, 0] / counts[:, 1], counts[:, 1])


def tree_labels(trees: Sequence[SearchTree], right: Callable[[Sequence[Item]], Sequence[bool]], *, name: str) -> Table:
    """A `label` record for each output met: whether it is right. By `feedback.prefix_labels` a label of each of its
    prefixes, to which a value of prefixes is fitted (`evidence.Labelled`)."""
    outputs = [item for tree in trees for item in tree.outputs]
    columns = {
        "id": [f"{name}-{place}" for place in range(len(outputs))],
        "kind": ["label"] * len(outputs),
        "context": [encode_parts(item.context, "world") for item in outputs],
        "outputs": [[encode_parts(item.output, "system")] for item in outputs],
        "label": [bool(good) for good in (right(outputs) if outputs else ())],
        "rater": [name] * len(outputs),
        "rater_kind": ["rule"] * len(outputs),
    }
    return Table.shaped(pl.DataFrame(columns))
