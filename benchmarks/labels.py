"""How many labels a rule of asking saves: held-out log loss against labels, beside asking at random.

    python benchmarks/labels.py [--quick] [--out FILE] [--seeds N] [--data NAME ...] [--rules NAME ...] [--summary]

Labels that a set holds already are revealed when its rule asks for them: a question is a pair of items, its answer a
vote on that pair not yet seen. All rules begin with the same labels, asked at random. Utilities are linear with a
Gaussian prior (one feature an item where systems are compared), its width chosen at every third fit, by the evidence
(PandaLM, whose contexts recur: by contexts held out);
features of texts are style and n-grams, or, with a sentence encoder (see heads.py), its embeddings beside them. Every
rule of `heedful.elicitation.RULES` is run; one that does not apply is left out with the reason. Of systems, expected
information is also asked for by a posterior under a prior so wide that it is about none.

Two numbers a rule, each paired with asking at random over seeds: the mean log loss along the curve (over log labels),
less that of asking at random; and the labels that it takes to reach the loss that asking at random reaches, on average,
with half the labels, as a multiple of those that random takes (the end of the curve, where it is not reached).
Intervals are t intervals over seeds; seeds split a real set anew, so there the variance is corrected for overlap
(Nadeau and Bengio 2003).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

import heedful
from heads import DATA, interval, sentences
from heedful.core import Floats, HeedfulError, Item, Scores, UsageError
from heedful.elicitation import RULES
from heedful.evaluation.rows import contexts
from heedful.feedback import Table
from heedful.models import NgramFeatures, Stacked, Standardised, StyleFeatures
from heedful.preference.heads import Linear, Votes
from heedful.preference.heads.base import FittedHead
from heedful.preference.heads.votes import folds
from heedful.preference.observations import observe
from heedful.worlds import ArenaWorld, LanguageWorld, SimulatedRaters, collect

# The default rule was chosen on these, before the others were looked at.
CHOSEN_ON = ("ArenaWorld", "PandaLM")
PARTS, POINTS = 3, 10  # one of three parts of the contexts is held out; fits a curve
_WIDTH_EVERY = 3


# Asking on a posterior whose prior has this width (nats), about as none would; what is learnt is measured as ever.
WIDE, WIDE_PRIOR = "information, wide prior", 10.0
_BEST = "it looks for the best item, and here all are to be known"
_AS_INFORMATION = "asked of anyone in one kind of question, it is expected information"
OTHER_AIM = {
    **dict.fromkeys(("thompson", "upper confidence", "boltzmann", "perturbed", "undominated", "copeland"), _BEST),
    "mixed": "expected information with a share at random, for inference that weighs by propensity",
    "gain per cost": _AS_INFORMATION,
}


@dataclass(frozen=True)
class Pool:
    """Features [n, d] of the items, the votes that can be asked for, and those held out, which have no ties.

    `systems`: each feature is an item. `width`: how the width of the prior is chosen; see `Linear`.
    """

    x: Floats
    asked: Votes
    held: Votes
    systems: bool = False
    width: Literal["evidence", "held out"] = "evidence"

    def within(self, first: int, most: int) -> tuple[int, int]:
        """Labels at both ends of the curve, as far as there are so many."""
        return first, min(most, len(self.asked))


@dataclass(frozen=True)
class Known:
    """A fitted head as the posterior that rules ask, over items named by their number."""

    head: FittedHead
    x: Floats

    def __call__(self, items: Sequence[Item]) -> Scores:
        rows = self.x[[int(item.system or "") for item in items]]
        return Scores(self.head.mean(rows), self.head.draws(rows))


@dataclass(frozen=True)
class Course:
    """What one rule did on one seed: labels and held-out loss at each fit; `seconds` of the processor, choices' share
    among them."""

    labels: list[int]
    loss: list[float]
    seconds: float
    choosing: float


# Sets


@cache
def read_set(name: str) -> tuple[Floats, Votes]:
    """Features of the items of a real set, and all its votes, each in the group of its context."""
    if name == "llmfao":
        table = heedful.read(str(DATA / "llmfao" / "crowd-comparisons.csv")).table
        seen = observe(table, "overall")
        return np.eye(len(seen.names)), votes_of(seen, table)
    table = heedful.read(str(DATA / {"PandaLM": "pandalm", "HH-RLHF": "hh-rlhf", "GSM8K": "gsm8k"}[name])).table
    if name == "GSM8K":
        table = pairs_of_verdicts(table)
    seen = observe(table, "overall", identity="content")
    return encoded(seen.items()), votes_of(seen, table)


def votes_of(seen: Any, table: Table) -> Votes:
    return Votes.read(seen, contexts(table).rank("dense").to_numpy().astype(np.intp))


def encoded(items: Sequence[Item]) -> Floats:
    """Style and n-grams of texts, standardised; embeddings of sentences beside them, where there is an encoder."""
    light = Standardised(Stacked.of(style=StyleFeatures(), ngrams=NgramFeatures())).fit(items).encode(items)
    deep = sentences(tuple(items))
    if deep is None:
        return light
    centred = deep - deep.mean(axis=0)
    return np.hstack([light, centred / math.sqrt(centred.var(axis=0).sum() / 30)])


def pairs_of_verdicts(table: Table) -> Table:
    """Two solutions of each question, the first two by a fixed shuffle, as a comparison by whether they are right."""
    rows = table.frame.select("context", "label", pl.col("outputs").list.first(), pl.col("systems").list.first())
    two = rows.sample(fraction=1.0, shuffle=True, seed=0).group_by("context", maintain_order=True).head(2)
    pairs = two.group_by("context", maintain_order=True).all().filter(pl.col("label").list.len() == 2)
    right = [pl.col("label").list.get(place).cast(pl.Int8) for place in (0, 1)]
    choice = pl.when(right[0] > right[1]).then(pl.lit("first")).when(right[0] < right[1]).then(pl.lit("second"))
    columns = (pl.lit("comparison").alias("kind"), choice.otherwise(pl.lit("tie")).alias("choice"))
    ids = pl.int_range(pl.len()).cast(pl.String).alias("id")
    return Table.shaped(pairs.with_columns(ids, *columns).drop("label"))


def real(name: str, seed: int) -> Pool:
    """A real set, a third of its contexts held out."""
    x, votes = read_set(name)
    part = folds(votes.groups, PARTS, np.random.default_rng(seed))
    width: Any = "held out" if name == "PandaLM" else "evidence"  # its contexts recur: see Linear
    return Pool(x, votes.take(part != 0), votes.take((part == 0) & ~votes.tied), name == "llmfao", width)


def arena(name: str, seed: int) -> Pool:
    """20 systems; every pair's true probability is what is to be predicted."""
    world, rng = ArenaWorld(20, prompts=10**6, seed=seed), np.random.default_rng(seed)
    seen = observe(collect(world, 3000, raters=SimulatedRaters(100, seed=seed), rng=rng), "overall")
    votes = Votes.read(seen, np.arange(3000))
    first, second = np.triu_indices(20, 1)
    truth = world.win_probability([seen.names[row] for row in first], [seen.names[row] for row in second])
    return Pool(np.eye(20), votes, Votes.of(first, second, truth), True)


def language(name: str, seed: int) -> Pool:
    """Answers of a small language by six raters' votes; style and n-grams of the answers."""
    world, rng = LanguageWorld(prompts=6, seed=seed), np.random.default_rng(seed)
    table = collect(world, 3000, raters=SimulatedRaters(100, seed=seed), rng=rng)
    seen = observe(table, "overall", identity="content")
    votes = Votes.read(seen, np.arange(3000))
    light = Standardised(Stacked.of(style=StyleFeatures(), ngrams=NgramFeatures())).fit(seen.items())
    return Pool(light.encode(seen.items()), votes.take(np.arange(3000) < 2000), votes.take(np.arange(3000) >= 2000))


# How each set is made, with the labels at the beginning and at the end of its curves.
SETS: dict[str, tuple[Callable[[str, int], Pool], int, int]] = {
    "ArenaWorld": (arena, 20, 400),
    "PandaLM": (real, 40, 300),
    "llmfao": (real, 60, 600),
    "HH-RLHF": (real, 40, 300),
    "GSM8K": (real, 40, 300),
    "LanguageWorld": (language, 40, 300),
}


# Curves


def course(pool: Pool, rule: str, labels: Sequence[int], seed: int) -> Course:
    """Ask by the rule until there are as many labels as the last of `labels`, fitting at each."""
    rng, start, choosing = np.random.default_rng(seed), time.process_time(), 0.0
    if rule in OTHER_AIM:
        raise UsageError(OTHER_AIM[rule])
    if rule == WIDE and not pool.systems:
        raise UsageError("the width of a prior on weights of texts is not one of utilities")
    waiting = _by_pair(pool.asked, rng)
    seen = [_reveal(waiting, pair) for pair in rng.choice(list(waiting), labels[0], replace=False)]
    fitted = _fitted(pool, seen, None, rng)
    losses = [_loss(fitted, pool)]
    for place, wanted in enumerate(labels[1:], 1):
        begun = time.process_time()
        known = Known(_fitted(pool, seen, WIDE_PRIOR, rng) if rule == WIDE else fitted, pool.x)
        seen += _answers(RULES[rule.split(",")[0]], known, waiting, wanted - len(seen), rng)
        choosing += time.process_time() - begun
        kept = None if place % _WIDTH_EVERY == 0 else fitted.facts["prior"]["sd"]
        fitted = _fitted(pool, seen, kept, rng)
        losses.append(_loss(fitted, pool))
    return Course(list(labels), losses, time.process_time() - start, choosing)


def _fitted(pool: Pool, seen: Sequence[int], width: float | None, rng: np.random.Generator) -> FittedHead:
    """Linear utilities of the votes seen, under a prior of this width; None lets the votes choose it."""
    return Linear(prior_sd=width, width=pool.width).fit(pool.x, pool.asked.take(np.array(seen)), rng=rng)


Pairs = dict[tuple[int, int], list[int]]


def _by_pair(votes: Votes, rng: np.random.Generator) -> Pairs:
    """The votes of each pair of items, in random order."""
    waiting: Pairs = {}
    ends = np.sort(np.stack([votes.first, votes.second], axis=1), axis=1)
    for row in rng.permutation(len(votes)).tolist():
        waiting.setdefault((int(ends[row, 0]), int(ends[row, 1])), []).append(row)
    return waiting


def _reveal(waiting: Pairs, pair: Any) -> int:
    """A vote on the pair that has not been seen."""
    low, high = (int(end) for end in pair)
    row = waiting[low, high].pop()
    if not waiting[low, high]:
        del waiting[low, high]
    return row


def _answers(rule: Any, posterior: Known, waiting: Pairs, count: int, rng: np.random.Generator) -> list[int]:
    """The votes that the rule's questions reveal, `count` in all; no pair twice before every other was asked about."""
    found: list[int] = []
    while len(found) < count:
        pool = [(Item(system=str(low)), Item(system=str(high))) for low, high in waiting]
        asked = rule(batch=min(count - len(found), len(pool)))(posterior, pool, rng=rng)
        pairs = [tuple(sorted(int(item.system or "") for item in pair)) for pair in asked.items]
        found += [_reveal(waiting, pair) for pair in pairs]
    return found


def _loss(fitted: FittedHead, pool: Pool) -> float:
    gap = fitted.gap(pool.x[pool.held.first], pool.x[pool.held.second])
    return float(gap.log_loss(pool.held.share, temperature=1.0).mean())


def measured(name: str, rules: Sequence[str], seed: int, points: int, scale: float) -> dict[str, Any]:
    """The courses of all rules on one seed; for a rule that does not apply, why."""
    make, first, most = SETS[name]
    if not rules:
        return {}
    pool = make(name, seed)
    first, most = pool.within(first, round(most * scale))
    labels = np.unique(np.geomspace(first, most, points).round().astype(int)).tolist()
    found: dict[str, Any] = {}
    for rule in rules:
        try:
            found[rule] = vars(course(pool, rule, labels, seed))
        except (HeedfulError, TypeError) as error:
            found[rule] = {"skipped": str(error)}
    return found


# Summaries


def area(labels: Sequence[int], loss: Sequence[float]) -> float:
    """The mean loss along a curve over log labels."""
    at = np.log(labels)
    return float(np.trapezoid(loss, at) / (at[-1] - at[0]))


def needed(labels: Sequence[int], loss: Sequence[float], target: float) -> float:
    """Labels at which the curve first reaches the target, linear in log labels; infinite where it does not."""
    for place, value in enumerate(loss):
        if value <= target:
            if place == 0:
                return float(labels[0])
            share = (loss[place - 1] - target) / (loss[place - 1] - value)
            return float(math.exp(np.interp(share, [0, 1], np.log(labels[place - 1 : place + 1]))))
    return math.inf


def summarised(courses: Sequence[dict[str, Any]], overlap: float) -> list[dict[str, Any]]:
    """One row a rule: mean loss along the curve and labels needed, each beside asking at random on the same seed."""
    base = [one["random"] for one in courses]
    labels = base[0]["labels"]
    mean = np.mean([one["loss"] for one in base], axis=0)
    target = float(np.interp(math.log(labels[-1] / 2), np.log(labels), mean))
    return [
        {"rule": rule, **found} if "skipped" in found else _row(rule, courses, labels, target, overlap)
        for rule, found in courses[0].items()
    ]


def _row(
    rule: str, courses: Sequence[dict[str, Any]], labels: Sequence[int], target: float, overlap: float
) -> dict[str, Any]:
    """One rule on the seeds that it was run on. A curve that does not reach the target is taken to do so at its end."""
    both = [(one[rule], one["random"]) for one in courses if rule in one]
    areas = np.array([[area(labels, one["loss"]) for one in pair] for pair in both])
    takes = np.array([[needed(labels, one["loss"], target) for one in pair] for pair in both])
    less = (areas[:, 0] - areas[:, 1]).tolist()
    times = np.log(np.minimum(takes, labels[-1])) @ [1, -1]
    return {
        "rule": rule,
        "seeds": len(both),
        "mean loss": float(areas[:, 0].mean()),
        "less random's": interval(less, overlap),
        "target": target,
        "labels, times random's": np.exp(interval(times.tolist(), overlap)).tolist(),
        "reached": np.isfinite(takes).sum(axis=0).tolist(),
        "seconds": float(np.median([one["seconds"] for one, _ in both])),
        "choosing": float(np.median([one["choosing"] for one, _ in both])),
    }


HEAD = ("data", "rule", "seeds", "mean log loss", "less random's", "labels, times random's", "reached", "seconds")


def row_of(name: str, row: dict[str, Any]) -> str:
    """A row of the table, as Markdown."""
    if "skipped" in row:
        return f"| {name} | {row['rule']} | | | left out: {row['skipped']} | | | |"
    less, times = row["less random's"], row["labels, times random's"]
    return (
        f"| {name} | {row['rule']} | {row['seeds']} | {row['mean loss']:.4f} | "
        f"{less[0]:+.4f} [{less[1]:+.4f}, {less[2]:+.4f}] | {times[0]:.2f} [{times[1]:.2f}, {times[2]:.2f}] | "
        f"{row['reached'][0]} | {row['seconds']:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="the arena and, where there is data, PandaLM; short curves"
    )
    parser.add_argument("--out", type=Path, help="a JSON file to add to what is not yet in it, and to summarise")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--rules", nargs="+", choices=[*RULES, WIDE], default=[*RULES, WIDE])
    parser.add_argument("--summary", action="store_true", help="only summarise --out")
    options = parser.parse_args()
    names = [
        name for name in (CHOSEN_ON if options.quick else options.data) if SETS[name][0] is not real or DATA.is_dir()
    ]
    for name in (name for name in options.data if name not in names and not options.quick):
        print(f"{name} skipped: no data at {DATA} (set HEEDFUL_DATA)")
    rules = list(dict.fromkeys(["random", *options.rules]))
    kept: dict[str, Any] = json.loads(options.out.read_text()) if options.out and options.out.is_file() else {}
    for name in () if options.summary else names:
        seeds, points, scale = (2, 3, 0.2) if options.quick else (options.seeds, POINTS, 1.0)
        courses = kept.setdefault(name, {}).setdefault("courses", {})
        for seed in range(seeds):
            own = courses.setdefault(str(seed), {})
            own |= measured(name, [rule for rule in rules if rule not in own], seed, points, scale)
            _write(kept, options.out)
    for name, found in kept.items():
        found["summary"] = summarised(
            list(found["courses"].values()), 1 / (PARTS - 1) if SETS[name][0] is real else 0.0
        )
    print("\n".join([f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]))
    for name, found in kept.items():
        print("\n".join(row_of(name, row) for row in found["summary"]))
    _write(kept, options.out)


def _write(kept: dict[str, Any], out: Path | None) -> None:
    if out:
        out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
