"""Every engine of heedful.sampling, and what it is held to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

from conforming import checks
from conforming.checks import Case
from conforming.worlds import BOUND, PEAKED, ROUGH, SMOOTH, TIED, WORLDS, World, said
from heedful.core import Floats, Item, Part, Parts
from heedful.evidence import PrefixValue, Rule
from heedful.models import SequenceTable, StepModel
from heedful.sampling import (
    RESAMPLING,
    BestOfN,
    Cascade,
    Deepening,
    EarlyBestOfN,
    Guided,
    HillClimb,
    KnownScores,
    Metropolis,
    PairedScores,
    ParticleGibbs,
    Particles,
    Played,
    Refining,
    Rejection,
    Stage,
    StepBeam,
    StepTree,
    Task,
    Tempered,
    TokenBeam,
    TokenGuide,
    TreeSearch,
    ValueGuide,
    WordGuide,
    exact,
)
from heedful.target import Enumerated, Target

PESSIMISM, PRICE = 1.0, 0.1
NATS = {"b": 1.2, "a": -0.7}


@cache
def other(words: str) -> SequenceTable:
    """Another model of the same tokens."""
    share = np.arange(1.0, len(words) + 2)
    return SequenceTable({(): dict(zip([*words, ""], share / share.sum(), strict=True))}, 3)


def cases() -> dict[str, Case]:
    found = [*_exact(), *_proper(), *_consistent(), *_best(), *_own_laws()]
    return {f"{case.engine}, {case.name}, {case.world}": case for case in found}


def laws(world: World) -> checks.Laws:
    return {context: world.law(context) for context in world.contexts}


def _case(engine: str, name: str, world: World, honesty: str, check: Any, *given: Any) -> Case:
    return Case(engine, name, world.name, honesty, partial(check, *given))


def _exact() -> Iterator[Case]:
    for world in WORLDS:
        top = max(world.scores.values())
        soft = world.target("soft")
        guided = Guided((ValueGuide(soft.expression),))
        for engine, made, target in (
            ("exact", exact, world.whole),
            ("Rejection", Rejection(top), world.whole),
            ("Guided", guided, soft),
        ):
            name = "soft value" if engine == "Guided" else "draws"
            yield _case(engine, name, world, made.honesty, checks.law_told, made, target, laws(world))


def _proper() -> Iterator[Case]:
    yield from (_scheme(name) for name in RESAMPLING)
    guides = {"none": (), "model": (TokenGuide(other(SMOOTH.words), 0.4),)}
    for guide, given in guides.items():
        yield _particles(f"no twist, guide {guide}", SMOOTH, "none", guides=given)
        for scheme, threshold in itertools.product(RESAMPLING, (0.5, 1.0)):
            name = f"{scheme}, guide {guide}, threshold {threshold:g}"
            yield _particles(name, SMOOTH, "guess", guides=given, threshold=threshold, resampling=scheme)
    values = (ValueGuide(SMOOTH.potential("guess")), WordGuide({"a": 0.3}))
    yield _particles("systematic, guided by values", SMOOTH, "guess", guides=values, threshold=1.0)
    yield _particles("every other token", SMOOTH, "guess", every=2, threshold=1.0)
    yield _particles("tempered by place", SMOOTH, "guess", tempering=(0.3, 0.6), threshold=1.0)
    for world in WORLDS:
        rising = Tempered(4, schedule=(0.2, 0.5, 1.0), threshold=0.9)
        yield _case(
            "Tempered", "schedule given", world, rising.honesty, checks.proper_told, rising, world, world.target()
        )
    for world in (BOUND, PEAKED):
        yield _particles("no twist", world, "none")
        for scheme in ("systematic", "multinomial"):
            yield _particles(f"{scheme}, threshold 1", world, "guess", threshold=1.0, resampling=scheme)
    variants = {
        "plain": Particles(8, threshold=1.0),
        **{scheme: Particles(8, threshold=1.0, resampling=scheme) for scheme in RESAMPLING if scheme != "systematic"},
        "threshold": Particles(8, threshold=0.5),
        "tempering": Particles(8, threshold=1.0, tempering=(0.3,)),
        "every": Particles(8, threshold=1.0, every=2),
        "guides": Particles(8, threshold=1.0, guides=guides["model"]),
        "twist": Particles(8, threshold=1.0, twist=SMOOTH.potential("soft")),
    }
    target = SMOOTH.target("guess")
    yield _case("Particles", "options", SMOOTH, "proper", checks.options_told, variants, target, SMOOTH.contexts)


def _particles(name: str, world: World, twist: str, **options: Any) -> Case:
    made = Particles(4, **options)
    return _case("Particles", name, world, made.honesty, checks.proper_told, made, world, world.target(twist))


def _scheme(name: Any) -> Case:
    """Copies of weighted particles; the systematic scheme and no other rounds each number of copies up or down."""
    weights = np.array([0.05, 0.4, 0.02, 0.13, 0.3, 0.1])
    check = partial(checks.counts_told, RESAMPLING[name], weights, name == "systematic")
    return Case("resampling", name, "six weights", "proper", check)


def _consistent() -> Iterator[Case]:
    def of(n: int) -> Particles:
        return Particles(n, resampling="multinomial", threshold=1.0)

    for world in WORLDS:
        guess, edited = world.target("guess"), world.target()
        for engine, name, target, made in (
            ("BestOfN", "soft, n", world.whole, {n: BestOfN(n, soft=True) for n in (1, 8, 64, 512)}),
            ("Particles", "drawn by weight, n", guess, {n: Particles(n) for n in (1, 4, 16, 64)}),
            ("ParticleGibbs", "moves", guess, {n: ParticleGibbs(of(3), burn_in=n) for n in (0, 1, 4, 16)}),
            ("Metropolis", "independent, moves", world.whole, {n: Metropolis(burn_in=n) for n in (0, 4, 16, 128)}),
            ("Tempered", "adaptive, n", edited, {n: Tempered(n, threshold=0.7) for n in (1, 8, 128)}),
            ("Metropolis", "edit, moves", edited, {n: Metropolis(1, n, 1, "edit") for n in (0, 2, 8, 48)}),
        ):
            efforts = {str(effort): one for effort, one in made.items()}
            yield _case(engine, name, world, "consistent", checks.growing_told, efforts, target, laws(world))


def biases(size: checks.Size) -> dict[str, checks.Told]:
    """Ẑ / Z of adaptive tempering by the number of outputs, which is exempt from being unbiased."""
    made = {n: Tempered(n, threshold=0.7) for n in (2, 4, 16)}
    return {f"n = {n}": checks.proper_told(one, SMOOTH, SMOOTH.target(), size) for n, one in made.items()}


def _best() -> Iterator[Case]:
    """Maximisers: the best of what they met, by laws in closed form; beams wide enough for all there is."""
    listed = {context: TIED.listed[context] for context in TIED.contexts}
    mass = {context: np.exp(own.base_log_prob) for context, own in listed.items()}
    for name, (target, values) in {
        "best of 3": checks.uncertain(TIED, 0.0),
        "best of 3, pessimistic": checks.uncertain(TIED, PESSIMISM),
    }.items():
        doubt = PESSIMISM if "pessimistic" in name else 0.0
        made = BestOfN(3, pessimism=doubt)
        law = {
            c: dict(zip(own.items, checks.best_of_law(values[c], mass[c], 3).tolist(), strict=True))
            for c, own in listed.items()
        }
        yield _case("BestOfN", name, TIED, made.honesty, checks.law_told, made, target, law)
        yield _case(
            "BestOfN", f"{name}: met", TIED, made.honesty, checks.best_met_told, made, target, TIED.contexts, doubt
        )
    first = TIED.contexts[0]
    known = KnownScores.of(listed[first].scores.mean, mass[first] / mass[first].sum())
    early, bar = EarlyBestOfN(6, PRICE, known), known.reservation(PRICE)
    own = checks.stopped_law(listed[first].scores.mean, mass[first], 6, bar)
    stopped = {first: dict(zip(listed[first].items, own.tolist(), strict=True))}
    yield _case("EarlyBestOfN", "stops at its bar", TIED, early.honesty, checks.law_told, early, TIED.whole, stopped)
    unlearnt = EarlyBestOfN(12, PRICE)
    yield _case(
        "EarlyBestOfN", "met", TIED, early.honesty, checks.best_met_told, unlearnt, TIED.whole, TIED.contexts, 0.0
    )
    dear = Stage(TIED.whole.base, 0.05, PairedScores(np.array([-2.0, 0.0, 1.0]), np.array([0.0, 2.0, 1.0])))
    cascade = Cascade((dear, dear))
    yield _case("Cascade", "met", TIED, cascade.honesty, checks.best_met_told, cascade, TIED.whole, TIED.contexts, 0.0)
    critic, editor = Played(lambda task, rng: "again"), Played(_anew)
    for subject in ("each", "best"):
        refining = Refining(critic, editor, 2, 1, 2, 2, subject)
        given = checks.best_met_told, refining, TIED.whole, TIED.contexts, 0.0
        yield _case("Refining", f"{subject}: met", TIED, refining.honesty, *given)
    for world in WORLDS:
        beam, likeliest = TokenBeam(len(world.soft)), _worth(world, lambda own: own.log_prob)
        target = world.target("guess")
        yield _case("TokenBeam", "as wide as all", world, beam.honesty, checks.best_told, beam, target, likeliest)
    yield from _searches()


def _searches() -> Iterator[Case]:
    """Searches over steps, so long that they find the greatest there is; short ones keep the best of what they met."""
    for engine, name, world, made in (
        ("StepBeam", "as wide as all", PEAKED, StepBeam(40, 60)),
        ("HillClimb", "long", PEAKED, HillClimb(600)),
        ("HillClimb", "level by level", PEAKED, HillClimb(300, (2, 3))),
        *(("TreeSearch", "long", world, TreeSearch(1000, 100, 3.0)) for world in (PEAKED, ROUGH)),
        ("StepTree", "long, by values", ROUGH, StepTree(1500, 3, 4.0, 0.5)),
        ("StepTree", "long, by roll-outs", ROUGH, StepTree(1500, 3, 4.0, 0.5, "max", 1, 1.0)),
    ):
        greatest = _worth(world, lambda own: own.scores.mean)
        yield _case(engine, name, world, made.honesty, checks.best_told, made, _steps(world), greatest)
    for engine, made in (
        ("HillClimb", HillClimb(6)),
        ("TreeSearch", TreeSearch(6, 2)),
        ("StepTree", StepTree(9, 2, rollouts=1)),
    ):
        given = checks.best_met_told, made, _steps(ROUGH), ROUGH.contexts, 0.0
        yield _case(engine, "met", ROUGH, made.honesty, *given)


def _anew(task: Task, rng: np.random.Generator) -> str:
    """An editor who writes another answer."""
    return " ".join(said(TIED.whole.base.sample(task.item.context, 1, rng=rng)[0]))


def _worth(world: World, values: Callable[[Enumerated], Floats]) -> dict[Parts, dict[tuple[str, ...], float]]:
    return {
        context: {said(item): value for item, value in zip(own.items, values(own).tolist(), strict=True)}
        for context, own in world.listed.items()
    }


def _own_laws() -> Iterator[Case]:
    for world in (SMOOTH, PEAKED):
        made, law = Guided((WordGuide(NATS),)), {c: checks.word_law(world, c, NATS) for c in world.contexts}
        yield _case("Guided", "rule: its own law", world, made.honesty, checks.law_told, made, world.target(), law)

    for world in (SMOOTH, PEAKED):
        law = {context: checks.deepened_law(world, context, "b") for context in world.contexts}
        for n in (1, 3):
            deepened = Deepening(n, "b", first=1)
            best = {context: _best_law(world, own, n) for context, own in law.items()}
            name = f"best of {n}, looking again: its own law"
            yield _case("Deepening", name, world, deepened.honesty, checks.law_told, deepened, world.target(), best)


def _best_law(world: World, law: dict[Item, float], n: int) -> dict[Item, float]:
    """Of the best of n outputs of a law."""
    score, mass = np.array([world.scores[item] for item in law]), np.array([*law.values()])
    return dict(zip(law, checks.best_of_law(score, mass, n).tolist(), strict=True))


def _steps(world: World) -> Target:
    """The same language with a word a step, prefixes valued by their soft value."""

    def following(context: Any, steps: Any) -> Any:
        if len(steps) == 3:
            return (), ()
        row = world.base.next_tokens(context, tuple(part.text for part in steps))
        return tuple(Part(word) for word in row), tuple(row.values())

    def value(item: Item) -> float:
        return world.soft[world.base.write(item.context, said(item))]

    return Target(StepModel(following), PrefixValue(Rule(value, "value"), "terminal"))
