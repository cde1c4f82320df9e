"""001-088: a particle filter over steps, weighed by a process reward, against beams and the best of as many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.solving import seen, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, Parts, Potential, Samples, Scale, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import Steps, prefixes
from heedful.feedback import prefix_labels
from heedful.models import END, SequenceTable
from heedful.sampling import BestOfN, Particles, StepBeam
from heedful.target import Target
from heedful.worlds import ChainWorld, SimulatedRaters, marks

_STEPS, _MARKED, _REPEATS, _SURE = 5, 200, 3, 1e-12
_TAUGHT, _ASKED = range(40), range(40, 52)
_LOOKS = {"good": 2.0, "noisy": 0.75}
_BEAMS = {8: StepBeam(2, 4), 16: StepBeam(4, 4)}


@dataclass(frozen=True, eq=False)
class Chain:
    """A problem of a world as a language: a token a step, which says its number and its sum."""

    world: ChainWorld
    context: Parts

    @cached_property
    def table(self) -> SequenceTable:
        """What follows a step depends on it alone."""
        base = self.world.base()
        begun: dict[tuple[str, ...], Item] = {(): Item(self.context)}
        following: dict[tuple[str, ...], dict[str, float]] = {}
        for number in range(1, self.world.steps + 1):
            longer: dict[tuple[str, ...], Item] = {}
            for history, item in begun.items():
                parts, shares = base.following(item.context, item.output)
                tokens = [f"{number}:{part.text.split()[-1]}" for part in parts]
                following[history] = dict(zip(tokens, shares, strict=True))
                longer |= {
                    (token,): Item(self.context, (*item.output, part))
                    for token, part in zip(tokens, parts, strict=True)
                }
            begun = longer
        return SequenceTable({**following, **{history: {END: 1.0} for history in begun}}, self.world.steps + 1)

    def written(self, item: Item) -> Item:
        """An output of the language in the world's own steps."""
        steps: Parts = ()
        for token in (word for part in item.output for word in part.text.split()):
            parts, _ = self.world.base().following(self.context, steps)
            steps += (next(part for part in parts if part.text.split()[-1] == token.partition(":")[2]),)
        return Item(self.context, steps)


@dataclass(frozen=True, eq=False)
class LogOdds(Expressible):
    """Σ over steps of the log-odds that each is right: so a step multiplies a particle's weight by its odds."""

    step: Potential
    chain: Chain
    scale: Scale = "utility"
    under: str | None = None
    kind: Literal["twist"] = "twist"
    known: dict[Item, float] = field(default_factory=dict)

    def __call__(self, items: Sequence[Item]) -> Scores:
        fresh = [item for item in dict.fromkeys(items) if item not in self.known]
        begun = [prefixes(self.chain.written(item)) for item in fresh]
        right = self.step([own for group in begun for own in group]).mean if fresh else np.zeros(0)
        odds = right - np.log(-np.expm1(np.minimum(right, -_SURE)))
        for item, own in zip(fresh, np.split(odds, np.cumsum([len(group) for group in begun])), strict=False):
            self.known[item] = float(own.sum())
        return Scores(np.array([self.known[item] for item in items]))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return self(items)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, look in _LOOKS.items():
        rng = np.random.default_rng([1088, seed])
        world = ChainWorld(steps=_STEPS, problems=52, look=look, seed=seed)
        drawn = world.draw(40 if quick else _MARKED, rng=rng, problems=_TAUGHT)
        marked = prefix_labels(marks(world, drawn, raters=SimulatedRaters(1), certainty=np.inf, rng=rng))
        step = verifier(marked, seen(world))
        problems = [world.contexts[number] for number in _ASKED[: 2 if quick else len(_ASKED)]]
        for way, items in _answers(world, step, problems, rng).items():
            figures[f"{way}, {name}"] = 100 * float(world.value(items).mean())
    for name in _LOOKS:
        figures[f"gained on beams, {name}"] = figures[f"8 particles, {name}"] - figures[f"beam of 8, {name}"]
    return figures


def _answers(
    world: ChainWorld, step: Potential, problems: Sequence[Parts], rng: np.random.Generator
) -> dict[str, Sequence[Item]]:
    """By each way, `_REPEATS` answers to each problem."""
    whole, rows = Steps(step, "product"), [context for context in problems for _ in range(_REPEATS)]
    target = Target(world.base(), whole)

    def asked(engine: Any) -> Sequence[Item]:
        found: Samples = engine(target, rows, budget=Budget(), rng=rng)
        return found.items

    draws = {context: [world.base().sample(context, 8, rng=rng) for _ in range(_REPEATS)] for context in problems}
    return {
        "one draw": asked(BestOfN(1)),
        "best of 8": asked(BestOfN(8)),
        "weighted votes of 8": [_voted(group, whole) for own in draws.values() for group in own],
        **{f"beam of {n}": asked(beam) for n, beam in _BEAMS.items()},
        **{
            f"{n} particles": [item for context in problems for item in _filtered(n, Chain(world, context), step, rng)]
            for n in (4, 8)
        },
    }


def _filtered(n: int, chain: Chain, step: Potential, rng: np.random.Generator) -> list[Item]:
    """Particles multiplied after each step; of those left in the end the one of greatest product of steps."""
    engine = Particles(n, resampling="multinomial", threshold=1.0)
    found = engine(Target(chain.table, LogOdds(step, chain)), [chain.context] * _REPEATS, budget=Budget(), rng=rng)
    items = [chain.written(item) for item in found.items]
    score = Steps(step, "product")(items).mean.reshape(_REPEATS, n)
    return [items[n * row + best] for row, best in enumerate(score.argmax(axis=1).tolist())]


def _voted(group: Sequence[Item], whole: Callable[[Sequence[Item]], Scores]) -> Item:
    """The first whose outcome has the greatest sum of probabilities that all steps are right."""
    share: Floats = np.exp(whole(group).mean)
    votes: Counter[str] = Counter()
    for item, own in zip(group, share.tolist(), strict=True):
        votes[_outcome(item)] += own
    return max(group, key=lambda item: votes[_outcome(item)])


def _outcome(item: Item) -> str:
    return item.output[-1].text.split()[-1]


_WAYS = {
    "one draw": "one draw",
    "best of 8": "best of 8 by the product of steps",
    "weighted votes of 8": "most of 8, weighed by the product of steps",
    "beam of 8": "beam of 2 with 4 branches, 8 steps at a time",
    "beam of 16": "beam of 4 with 4 branches, 16 steps at a time",
    "4 particles": "best of 4 particles left",
    "8 particles": "best of 8 particles left",
}

ENTRY = Entry(
    id="001-088",
    title=(
        "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs using Particle-Based Monte Carlo Methods"
    ),
    area="sampling",
    citation="Puri et al. 2025",
    claim=(
        "Chains of five additions, and rewards of steps fitted to faultless marks of 200 solutions to other problems; "
        "right steps look better than wrong ones by 2 standard deviations (good) or 0.75 (noisy). By the noisy reward, "
        "8 particles, multiplied after each step by the odds that it is right, end right more often than a beam that "
        "writes as many steps, than the best of 8 by the product of steps, and 4 particles more often than a beam that "
        "writes four times as many steps. What particles gain on the beam is greater by the noisy reward than by the "
        "good one."
    ),
    configuration=(
        "sampling.Particles (multinomial, resampled at every step) over models.SequenceTable, a token a step, twisted "
        "by log-odds of evidence.Labelled; sampling.StepBeam and BestOfN by evidence.Steps('product')."
    ),
    measures={
        **{
            f"{way}, {name}": f"right outcomes, per cent, {told}, {name} reward"
            for way, told in _WAYS.items()
            for name in _LOOKS
        },
        **{f"gained on beams, {name}": f"8 particles less the beam of 8, points, {name} reward" for name in _LOOKS},
    },
    checks=(
        Check("8 particles, noisy", "beam of 8, noisy", above=0.0),
        Check("8 particles, noisy", "best of 8, noisy", above=0.0),
        Check("4 particles, noisy", "beam of 16, noisy", above=0.0),
        Check("gained on beams, noisy", "gained on beams, good", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The work's rewards are read from a language model and weigh the whole prefix; here each step has its own, so "
        "that weights multiply to the odds that all are right. Its variants with particle Gibbs and islands are not "
        "tried. Two seeds of the quick form were looked at, and one in full was timed, before the claim was run. "
        "Afterwards: how a step looks is fixed, so that whatever goes by the noisy reward finds the same mistakes, the "
        "longer it looks the more of them; votes weighed by it do best, and were no part of the claim."
    ),
)
