"""The engines, each at several strengths or sizes, and how they are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import rel_entr, softmax

from heedful.core import Budget, Floats, Item, Parts, Samples
from heedful.evidence import InOneText, term
from heedful.sampling import (
    BestOfN,
    Cascade,
    EarlyBestOfN,
    Guided,
    HillClimb,
    Metropolis,
    PairedScores,
    ParticleGibbs,
    Particles,
    Played,
    Refining,
    Rejection,
    Stage,
    StepBeam,
    StepSearch,
    StepTree,
    Task,
    Tempered,
    TokenBeam,
    TreeSearch,
    ValueGuide,
    one_each,
)
from heedful.sampling.batches import by_context
from heedful.target import Target

from .dealing import Dealt, Drawn, lines_of, plain, text

REPEATS, STRENGTH, WIDTH, TRIES = 24, 2.0, 4, 1000
Made = Callable[["Setting"], Any]


@dataclass(frozen=True, eq=False)
class Setting:
    """What an engine may use: the model, what was drawn of it and of a dearer one, a reward in one text, its scores of
    what was drawn [contexts, outputs]; `base` deals to this engine alone."""

    model: Any
    drawn: Drawn
    dear: Drawn
    reward: Any
    scores: Floats
    base: Dealt
    dear_base: Dealt


@dataclass(frozen=True, eq=False)
class Rung:
    """An engine at a size or strength; `kl` says how its divergence is known, `strength` what it is given of the
    reward. Those that `deal` draw whole outputs or steps, `REPEATS` answers to an exercise; the others write token by
    token, an answer each."""

    engine: str
    at: float
    make: Made
    kl: str = "answers"
    strength: float = 1.0
    deal: bool = True


@dataclass(frozen=True, eq=False)
class Answers:
    """One or more to each context, in their order; `missing` is the share that was answered by a draw of the base."""

    items: Sequence[Item]
    kl: float
    tokens: float
    missing: float = 0.0


def rungs(quick: bool) -> list[Rung]:
    found = [*_whole(), *_stepwise(), *_by_tokens()]
    first: dict[str, Rung] = {}
    for rung in found:
        first.setdefault(rung.engine, rung)
    return list(first.values()) if quick else found


def _whole() -> Iterator[Rung]:
    """Engines of whole outputs."""
    for n in (2, 4, 8, 16, 32, 64):
        yield Rung("best-of-N", n, lambda own, n=n: BestOfN(n), "law")
    for n in (4, 16, 64):
        yield Rung("soft best-of-N", n, lambda own, n=n: BestOfN(n, soft=True), strength=STRENGTH)
        yield Rung("weighted votes", n, lambda own, n=n: Votes(n, weighted=True), strength=STRENGTH)
        yield Rung("Metropolis, draws", n, lambda own, n=n: Metropolis(burn_in=n), strength=STRENGTH)
    for price in (0.3, 0.1, 0.03):
        yield Rung("stopped early", price, lambda own, price=price: EarlyBestOfN(64, price))
        yield Rung("cascade", price, lambda own, price=price: _cascade(own, price))
    for strength in (0.5, 1.0, 2.0):
        yield Rung("rejection", strength, lambda own, strength=strength: _rejection(own, strength), "target", strength)


def _stepwise() -> Iterator[Rung]:
    """Engines of lines."""
    for width, branches in ((1, 2), (2, 2), (2, 4), (4, 8)):
        made = StepBeam(width, branches)
        yield Rung("step beam", width * branches, lambda own, made=made: made)
    for size in (4, 16, 64):
        yield Rung("step search", size, lambda own, size=size: _step_search(own, size))
        yield Rung("hill climb", size, lambda own, size=size: HillClimb(size))
        yield Rung("step tree", size, lambda own, size=size: StepTree(size, widening=0.5))
        yield Rung("refining", size // 2, lambda own, size=size: _refining(own, size // 2))
        yield Rung("tree search", size, lambda own, size=size: TreeSearch(size, size // 2))


def _by_tokens() -> Iterator[Rung]:
    """Engines of tokens."""
    by_sets = Particles(4, resampling="multinomial")
    for strength in (0.5, 1.0, 2.0):
        yield Rung("particles", strength, lambda own: Particles(16), "target", strength, deal=False)
        yield Rung("guided", strength, _guided(strength), "own", strength, deal=False)
        yield Rung("tempered", strength, lambda own: Tempered(8), "target", strength, deal=False)
    for moves in (4, 8, 24):
        edits = Metropolis(burn_in=moves, proposal="edit")
        yield Rung("Metropolis, edits", moves, lambda own, made=edits: made, "target", STRENGTH, deal=False)
        sets = ParticleGibbs(by_sets, burn_in=moves // 4)
        yield Rung("particle Gibbs", moves // 4, lambda own, made=sets: made, "target", STRENGTH, deal=False)
    for width in (2, 4, 8):
        beam = TokenBeam(width, branches=WIDTH)
        yield Rung("token beam", width, lambda own, made=beam: made, "sure", STRENGTH, deal=False)


def votes() -> Iterator[Rung]:
    """What needs no reward."""
    for n in (4, 16, 64):
        yield Rung("votes", n, lambda own, n=n: Votes(n))


def answered(rung: Rung, own: Setting, contexts: Sequence[Parts], rng: np.random.Generator) -> Answers:
    """What the engine answers, its KL to the base in nats and its tokens an answer."""
    rows = [context for context in contexts for _ in range(REPEATS if rung.deal else 1)]
    base = own.base if rung.deal else own.model
    reward = InOneText(own.reward, own.drawn.lines) if rung.deal else own.reward
    reward = reward if rung.strength == 1 else term(reward, rung.strength)
    found = rung.make(own)(Target(base, reward), rows, budget=Budget(), rng=rng)
    found = one_each(found, rng=rng) if len(found.items) > len(rows) else found
    items = dict(zip(found.context_index.tolist(), found.items, strict=True))
    missing = 1 - len(items) / len(rows)
    every = [plain(items.get(row) or base.sample(context, 1, rng=rng)[0]) for row, context in enumerate(rows)]
    tokens = (own.base.tokens + own.dear_base.tokens) / len(rows) + own.drawn.prompt
    tokens = tokens if rung.deal else found.cost["tokens"] / len(rows)
    return Answers(every, _divergence(rung, own, found, every), tokens, missing)


def _divergence(rung: Rung, own: Setting, found: Samples, items: Sequence[Item]) -> float:
    if rung.kl == "law":
        return own.drawn.best_of(int(rung.at), own.reward)
    if rung.kl == "answers":
        return own.drawn.divergence(items)
    if rung.kl == "sure":
        return float(-own.drawn.log_prob(items).mean())
    if rung.kl == "own":
        return float(np.mean([each.value for each in found.kl]))
    weight = softmax(rung.strength * own.scores, axis=1)  # of the target, by all that was drawn
    return float(rel_entr(weight, 1 / weight.shape[1]).sum(axis=1).mean())


@dataclass(frozen=True)
class Votes:
    """One of n draws whose last line most others share; `weighted`, by the exponentials of their scores."""

    n: int
    weighted: bool = False

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        drawn = [item for context in contexts for item in target.base.sample(context, self.n, rng=rng)]
        score = target.scores(drawn).mean.reshape(-1, self.n) * self.weighted
        groups = [drawn[start : start + self.n] for start in range(0, len(drawn), self.n)]
        items = tuple(_agreed(*own) for own in zip(groups, softmax(score, axis=1), strict=True))
        size = len(items)
        return Samples(items, np.arange(size), np.zeros(size), target.scores(items), {})


def _agreed(group: Sequence[Item], worth: Floats) -> Item:
    """The first of those that agree: draws come in random order."""
    votes: Counter[str] = Counter()
    for item, own in zip(group, worth.tolist(), strict=True):
        votes[_last_line(item)] += own
    return max(group, key=lambda item: votes[_last_line(item)])


@dataclass(frozen=True)
class EachContext:
    """An engine of its own for each context."""

    made: Callable[[Parts], Any]

    def __call__(
        self, target: Target, contexts: Sequence[Parts], *, budget: Budget, rng: np.random.Generator
    ) -> Samples:
        items: list[Item] = []
        index: list[int] = []
        for context, rows in by_context(contexts).items():
            found = self.made(context)(target, [context] * len(rows), budget=budget, rng=rng)
            items += found.items
            index += [rows[place] for place in found.context_index.tolist()]
        return Samples(tuple(items), np.array(index), np.zeros(len(items)), target.scores(items), {})


def _last_line(item: Item) -> str:
    return text(item).rpartition("\n")[2]


def _scores(own: Setting, drawn: Drawn, context: Parts) -> Floats:
    """What the reward says of what was drawn."""
    return np.asarray(own.reward(drawn.outputs[context]).mean)


def _rejection(own: Setting, strength: float) -> EachContext:
    """By the greatest score drawn in a context."""
    return EachContext(lambda context: Rejection(strength * float(_scores(own, own.drawn, context).max()), TRIES))


def _step_search(own: Setting, size: int) -> EachContext:
    """For a score that one in four outputs of a context reaches."""

    def made(context: Parts) -> StepSearch:
        return StepSearch(float(np.quantile(_scores(own, own.drawn, context), 0.75)) - 1e-9, size // 2, size)

    return EachContext(made)


def _guided(strength: float) -> Made:
    return lambda own: Guided((ValueGuide(term(own.reward, strength), WIDTH),))


def _cascade(own: Setting, price: float) -> EachContext:
    """A dearer model behind the base, asked up to twice; what it adds is learnt from as many draws of both."""

    def made(context: Parts) -> Cascade:
        after = _scores(own, own.dear, context)
        law = PairedScores(_scores(own, own.drawn, context)[: len(after)], after)
        return Cascade((Stage(own.dear_base, price, law),) * 2)

    return EachContext(made)


def _refining(own: Setting, rounds: int) -> Refining:
    """A critic who says how many lines to keep, at random, and an editor who writes the others anew."""

    def critic(task: Task, rng: np.random.Generator) -> str:
        return str(rng.integers(len(lines_of(text(task.item)))))

    def editor(task: Task, rng: np.random.Generator) -> str:
        steps = lines_of(text(task.item))
        item = Item(task.item.context, steps[: int(task.critique)])
        while not own.base.ended(item):
            (item,) = own.base.continued([item], rng=rng)
        return text(item)

    return Refining(Played(critic), Played(editor), rounds=rounds)


def setting(model: Any, drawn: Drawn, dear: Drawn, reward: Any) -> Setting:
    """The same draws, dealt anew."""
    score = reward([item for items in drawn.outputs.values() for item in items]).mean.reshape(len(drawn.outputs), -1)
    return Setting(model, drawn, dear, reward, score, Dealt(drawn), Dealt(dear))
