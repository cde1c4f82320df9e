"""The main job on a small simulated world, where the truth is known and can be told at the end.

Run with `make demo` or `python examples/demo.py [folder]`. No network, no outside file; the same numbers every time.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import heedful
from heedful import BestOfN, Estimate, ExpectedInformationGain, Item, Table, Target
from heedful.core import Budget, Scores, encode_parts, render
from heedful.elicitation import Random, item_pairs
from heedful.stats import mean_estimate, paired_difference
from heedful.worlds import LanguageWorld, SimulatedRaters, answer, collect, davidson_limit

SEED = 0
# Ten systems: one base model, tilted toward or away from what people want, and toward words that say nothing.
SYSTEMS = {
    "plain": {},
    "focused": {"relevance": 1.0},
    "keen": {"relevance": 0.6, "courtesy": 0.4},
    "polite": {"courtesy": 1.2},
    "chatty": {"padding": 0.5},
    "windy": {"padding": 0.9, "relevance": 0.4},
    "terse": {"padding": -0.8},
    "vague": {"relevance": -0.8},
    "astray": {"digression": 0.6},
    "smooth": {"courtesy": 0.8, "padding": 0.4},
}
RATERS, LONG_LOVERS, CARELESS = 24, 8, 2


def main(folder: str = "demo-report") -> None:
    start = time.perf_counter()
    world = LanguageWorld(systems=SYSTEMS, prompts=240, seed=SEED)
    raters = a_crowd(np.random.default_rng(SEED))
    votes = gather(world, raters)
    decision = heedful.run(
        votes,
        out=folder,
        candidates=some_candidates(world),
        utility="features",
        seed=SEED,
        title="Ten simulated systems",
    )
    said(decision.summary)
    ask_about_newcomers(raters)
    improve(world, decision.posterior)
    tell_the_truth(world, raters, decision.summary)
    print(f"\nThe report: {folder}/report.html   ({time.perf_counter() - start:.0f} s in all)")


def a_crowd(rng: np.random.Generator) -> SimulatedRaters:
    """People who waver, differ from each other, and in part like length or do not look."""
    number = np.arange(RATERS)
    return SimulatedRaters(
        RATERS,
        temperature=rng.lognormal(0.0, 0.3, RATERS),
        position_bias=rng.normal(0.2, 0.2, RATERS),
        length_bias=np.where(number < LONG_LOVERS, 1.5, 0.0),
        carelessness=np.where(number >= RATERS - CARELESS, 0.5, 0.0),
        disagreement=0.3,
        tie=0.3,
        tie_law="threshold",
        seed=SEED,
    )


def gather(world: LanguageWorld, raters: SimulatedRaters) -> Table:
    title("1. Feedback is collected")
    votes = collect(world, 2400, raters=raters, rng=np.random.default_rng(SEED + 1), votes=2)
    print(f"  {len(votes):,} comparisons of the answers of {len(SYSTEMS)} systems to {world.prompts} prompts.")
    print(f"  {RATERS} raters: {LONG_LOVERS} prefer long answers, {CARELESS} answer half of the time without looking,")
    print("  all waver, differ in taste and lean a little toward the answer shown first.")
    return votes


def some_candidates(world: LanguageWorld) -> list[tuple[Item, ...]]:
    """Up to eight different answers of the base to each of three prompts."""
    base, rng = world.base(), np.random.default_rng(SEED + 2)
    return [tuple(dict.fromkeys(base.sample(context, 8, rng=rng))) for context in world.contexts[:3]]


def said(summary: dict[str, Any]) -> None:
    title("2. What was inferred, and how well it predicts votes on prompts it has not seen")
    held, controls = summary["held_out"], summary["controls"]
    print(f"  {held['n']:,} votes held out: accuracy {shown(held['accuracy'], held['accuracy_interval'])}")
    for name, what in (("length_only", "the longer answer"), ("random", "a coin")):
        control = controls[name]
        gap = shown(control["difference"], control["difference_interval"], "+")
        print(f"  null control, {what}: accuracy {control['accuracy']:.3f}; the model less it: {gap}")


def ask_about_newcomers(raters: SimulatedRaters) -> None:
    title("3. Asking: two new systems arrive; which questions place them?")
    losses = {"expected information": [], "at random": []}
    rules = {"expected information": ExpectedInformationGain(batch=15), "at random": Random(batch=15)}
    seeds, rounds = range(40), 3
    for seed, (name, rule) in itertools.product(seeds, rules.items()):
        losses[name].append(newcomers_loss(rule, raters, seed, rounds))
    for name, values in losses.items():
        print(f"  {rounds} rounds of 15 questions, {name}: held-out loss {number(mean_estimate(values))} nats per vote")
    gain, p = paired_difference(losses["at random"], losses["expected information"])
    print(f"  saved by asking well, {len(seeds)} worlds paired: {number(gain, '+')} nats per vote (p = {p:.2g})")


def newcomers_loss(rule: Any, raters: SimulatedRaters, seed: int, rounds: int) -> float:
    """Mean -log P of fresh votes on the two newcomers, after the rounds. The eight others have 400 votes already."""
    world, rng = LanguageWorld(systems=SYSTEMS, prompts=600, seed=seed), np.random.default_rng(seed)
    items = world.items()
    new, old = items[:2], items[2:]
    table = answer(world, [tuple(old[i] for i in rng.permutation(8)[:2]) for _ in range(400)], raters=raters, rng=rng)
    first = answer(world, list(itertools.product(new, old[:2])), raters=raters, rng=rng)
    fresh = answer(world, list(itertools.product(new, old)) * 60, raters=raters, rng=np.random.default_rng(1000 + seed))
    table = Table.concat([table, first])
    for _ in range(rounds):
        posterior = heedful.fit(table, seed=seed)
        asked = rule(posterior, item_pairs(items, rng=rng, table=table, posterior=posterior), rng=rng)
        table = Table.concat([table, answer(world, asked.items, raters=raters, rng=rng)])
    return float(-np.mean(heedful.fit(table, seed=seed).predict(fresh).log_prob))


def improve(world: LanguageWorld, posterior: Any) -> None:
    title("4. Improving: of N answers of the base, the best by what was inferred")
    base, best = world.base(), world.utility.max(axis=1).mean()
    before = float((np.exp(world.log_prob) * world.utility).sum(axis=1).mean())
    print(f"  true utility of the base: {before:+.3f} nats (exact); of the best answers there are: {best:+.3f}")
    rewards = {
        "what was inferred": posterior.potential(),
        "length (null control)": Length(),
        "truth": world.potential(),
    }
    reached: dict[str, np.ndarray] = {}
    for n, (name, reward) in itertools.product((4, 16, 64), rewards.items()):
        budget, rng = Budget(samples=n * world.prompts), np.random.default_rng(SEED + n)
        reached[name] = world.truth(BestOfN(n)(Target(base, reward), world.contexts, budget=budget, rng=rng).items)
        way = (reached[name].mean() - before) / (best - before)
        utility = number(mean_estimate(reached[name]), "+")
        print(f"  best of {n:>2} by {name:<21} {utility}  {way:4.0%} of the way to the best")
    ahead, p = paired_difference(reached["what was inferred"], reached["length (null control)"])
    print(f"  best of 64, inferred less length, prompt by prompt: {number(ahead, '+')} nats (p = {p:.2g})")


@dataclass(frozen=True)
class Length:
    """A reward that knows nothing but how long an answer is."""

    scale: str = "utility"
    under: None = None

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([float(len(render(encode_parts(item.output, "system")))) for item in items]))


def tell_the_truth(world: LanguageWorld, raters: SimulatedRaters, summary: dict[str, Any]) -> None:
    title("5. Where the truth lay")
    truths = {"the truth": world.system_truth(), "endless votes": endless_votes(world, raters)}
    scores = {by: dict(zip(world.systems, values, strict=True)) for by, values in truths.items()}
    ranks = {by: ranked(values) for by, values in scores.items()}
    print(f"  {'system':<10}{'inferred':>14}{'true rank':>12}{'rank by endless votes of these raters':>40}")
    for row in summary["ranking"]:
        name, (low, high) = row["item"], row["rank_interval"]
        inferred = f"{row['rank']} ({low} to {high})"
        print(f"  {name:<10}{inferred:>14}{ranks['the truth'][name]:>12}{ranks['endless votes'][name]:>40}")
    for by in truths:
        covered = sum(covers(row["interval"], scores[by][row["item"]]) for row in summary["ranking"])
        placed = sum(covers(row["rank_interval"], ranks[by][row["item"]]) for row in summary["ranking"])
        print(f"  of 10 systems, {covered} score and {placed} rank intervals cover {by}")
    print("  Intervals speak of what endless votes of such raters would say, not of faults that all votes share.")


def covers(interval: Any, value: float) -> bool:
    low, high = (interval["low"], interval["high"]) if isinstance(interval, dict) else interval
    return bool(low <= value <= high)


def endless_votes(world: LanguageWorld, raters: SimulatedRaters) -> np.ndarray:
    """The strengths that a fit to very many votes of these raters finds."""
    votes = collect(world, 400_000, raters=raters, rng=np.random.default_rng(SEED + 3)).frame
    place = {name: row for row, name in enumerate(world.systems)}
    first, second = (votes["systems"].list.get(side).replace_strict(place).to_numpy() for side in (0, 1))
    counts = np.zeros((3, len(place), len(place)))
    for outcome, choice in enumerate(("first", "second", "tie")):
        chosen = (votes["choice"].cast(str) == choice).to_numpy()
        np.add.at(counts[outcome], (first[chosen], second[chosen]), 1)
        np.add.at(counts[(1, 0, 2)[outcome]], (second[chosen], first[chosen]), 1)
    return davidson_limit(counts / np.maximum(counts.sum(axis=0), 1))[0]


def ranked(values: dict[str, float]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(sorted(values, key=values.__getitem__, reverse=True), 1)}


def title(text: str) -> None:
    print(f"\n{text}")


def shown(value: float, interval: Any, sign: str = "") -> str:
    """A number with its interval and level, or word that there is none; with `sign` "+", signed."""
    if interval is None:
        return f"{value:{sign}.3f} (no interval)"
    return f"{value:{sign}.3f} ({interval['level']:.0%}: {interval['low']:{sign}.3f} to {interval['high']:{sign}.3f})"


def number(estimate: Estimate, sign: str = "") -> str:
    return shown(estimate.value, None if estimate.interval is None else asdict(estimate.interval), sign)


if __name__ == "__main__":
    # Hundreds of small fits: threads that wait for each other would take several times as long.
    with threadpool_limits(1):
        main(*sys.argv[1:2])
