"""Reward against divergence against tokens: where more optimisation stops paying, by engine and by reward.

    python benchmarks/over_optimisation.py [--quick] [--out FILE] [--figure FILE.svg]

The base is the small model of exercises; what is wanted is a right answer whose steps are right too. Rewards:

    true     the share of right lines, and 2 more for a right answer
    fitted   a linear utility of style and n-grams, fitted to 400 noisy comparisons of the model's own outputs by the
             true reward, on other exercises
    wrong    the length of the output

Each engine draws one answer to each held-out exercise: best-of-N, of the fitted reward with and without pessimism, soft
best-of-N and particles at several strengths (of the true reward, particles are weighed by the lines they hold so far).
Told: the mean true reward and the share of right answers less those of the base on the same exercises (t intervals over
exercises), KL(answers ‖ base) in nats (best-of-N: its upper bound; particles: of the target, estimated from the
weights), and model tokens an answer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from heedful.core import Budget, Floats, Item, Potential, Scores
from heedful.core.algebra import Expressible
from heedful.evidence import Rule, term
from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import NgramFeatures, Stacked, StyleFeatures
from heedful.models.texts import joined
from heedful.preference import fit
from heedful.report.charts import Frame, Point, chart, points, straight, to_file
from heedful.report.scales import spanning
from heedful.sampling import BestOfN, Particles, one_each
from heedful.target import Target
from heedful.worlds.exercises import Exercise, exercises
from heedful.worlds.small_model import small_model

SIZES = (2, 4, 8, 16, 32, 64)
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
PARTICLES = 32
PESSIMISM = 1.0


def true_reward(item: Item) -> float:
    """Right lines as a share of all, and 2 for a right answer."""
    exercise, output = Exercise.read(item.context), joined(item.output)
    steps = exercise.steps(output)
    return sum(steps) / len(steps) + 2.0 * exercise.right(output)


class TrueReward(Expressible):
    """The same as a potential that also scores what is not finished: by its whole lines, as if it ended right if they
    are right."""

    scale, under, kind = "utility", None, "twist"

    def __call__(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([true_reward(item) for item in items]))

    def prefix(self, items: Sequence[Item]) -> Scores:
        return Scores(np.array([self._of_lines(item) for item in items]))

    def _of_lines(self, item: Item) -> float:
        whole, line_end, _ = joined(item.output).rpartition("\n")
        steps = Exercise.read(item.context).steps(whole) if line_end else ()
        return 3.0 * sum(steps) / len(steps) if steps else 3.0


def fitted_reward(comparisons: int, seed: int) -> Potential:
    """From comparisons of two outputs of the model to each exercise, decided by the true reward and noise."""
    rng = np.random.default_rng(seed)
    model, records = small_model(), []
    for row, exercise in enumerate(exercises(comparisons, seed=seed, held_out=False)):
        first, second = model.sample(exercise.context, 2, rng=rng)
        gap = true_reward(first) - true_reward(second)
        records.append(
            Record(
                kind="comparison",
                context=f"{exercise.kind} {exercise.given}=",
                candidates=[Candidate(output=joined(first.output)), Candidate(output=joined(second.output))],
                value=Value(choice="first" if rng.random() < 1 / (1 + np.exp(-1.5 * gap)) else "second"),
                id=str(row),
            )
        )
    encoder = Stacked.of(style=StyleFeatures(), words=NgramFeatures())
    return fit(Table.of(records), utility="features", features=encoder, seed=seed).potential()


def told(found: Any, base: Floats, right: Floats, tokens: float) -> dict[str, Any]:
    """How the answers compare with the base's, on the same exercises."""
    gain = np.array([true_reward(item) for item in found.items]) - base
    more = np.array([float(Exercise.read(i.context).right(joined(i.output))) for i in found.items]) - right
    return {
        "gain": _interval(gain),
        "right": _interval(more),
        "kl": float(np.mean([each.value for each in found.kl])),
        "tokens": tokens / len(found.items),
    }


def _interval(values: Floats) -> list[float]:
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return [float(values.mean()), float(values.mean() - half), float(values.mean() + half)]


def measured(contexts: Sequence[Any], rewards: dict[str, Potential], sizes: Sequence[int], seed: int) -> list[Any]:
    """A row an engine, size or strength, and reward."""
    model, rows = small_model(batch_size=256), []
    answers = [model.sample(context, 16, rng=_rng(seed, row)) for row, context in enumerate(contexts)]
    base = np.array([np.mean([true_reward(item) for item in own]) for own in answers])
    right = np.array([np.mean([Exercise.read(i.context).right(joined(i.output)) for i in own]) for own in answers])
    each = float(np.mean([len(tokens) for own in answers for tokens in model.encode(own)]))
    rows.append(
        {"engine": "base", "reward": "", "at": 1, "level": [float(base.mean()), float(right.mean())], "tokens": each}
    )
    for name, reward in rewards.items():
        for engine, at, made, potential in engines(reward, name == "fitted", sizes):
            rng = _rng(seed, 1)
            found = made(Target(model, potential), contexts, budget=Budget(), rng=rng)
            found = one_each(found, rng=rng) if isinstance(made, Particles) else found
            rows.append({"engine": engine, "reward": name, "at": at, **told(found, base, right, found.cost["tokens"])})
            print(_line(rows[-1]), flush=True)
    return rows


def engines(reward: Potential, uncertain: bool, sizes: Sequence[int]) -> Any:
    """Name, size or strength, engine and expression."""
    for n in sizes:
        yield "best-of-N", n, BestOfN(n), term(reward)
        if uncertain:
            yield "best-of-N, pessimistic", n, BestOfN(n, pessimism=PESSIMISM), term(reward)
    for strength in STRENGTHS[:: 1 if len(sizes) > 2 else 3]:
        yield "soft best-of-N", strength, BestOfN(max(sizes), soft=True), term(reward, strength)
        yield "particles", strength, Particles(min(PARTICLES, max(sizes))), term(reward, strength)


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _line(row: dict[str, Any]) -> str:
    gain, right = ("{:+.3f} [{:+.3f}, {:+.3f}]".format(*row[key]) for key in ("gain", "right"))
    return f"{row['reward']:8}{row['engine']:26}{row['at']:>6}  {gain}  {right}{row['kl']:8.2f}{row['tokens']:9.0f}"


def drawn(rows: Sequence[dict[str, Any]]) -> list[Any]:
    """A chart of best-of-N for each reward, and one of the fitted reward with pessimism."""
    shown = [
        ("best-of-N", "true"),
        ("best-of-N", "fitted"),
        ("best-of-N, pessimistic", "fitted"),
        ("best-of-N", "wrong"),
    ]
    found = [[row for row in rows if (row["engine"], row["reward"]) == one] for one in shown]
    every = [row for own in found for row in own]
    x = spanning([0.0, *(row["kl"] for row in every)], margin=0.02)
    y = spanning([0.0, *(value for row in every for value in row["gain"])], margin=0.05)
    charts = []
    for number, (own, (engine, reward)) in enumerate(zip(found, shown, strict=True)):
        title = f"{engine}, {reward} reward"
        told = f"{title}: true reward less the base's, from {own[0]['gain'][0]:+.2f} to {own[-1]['gain'][0]:+.2f}."
        frame, even = Frame(x, y), (x.ticks[0], x.ticks[-1])
        layers = (
            straight(frame, (even[0], 0.0), (even[1], 0.0), "the base"),
            points(frame, [Point(row["kl"], *row["gain"]) for row in own], joined=True),
        )
        y_title = " ".join(["Gained by the", *engine.split(", ")[1:], reward, "reward"])
        words = {"title": title, "description": told, "x_title": "KL to the base, nats at most", "y_title": y_title}
        charts.append(chart(f"reward-{number}", frame, *layers, **words))
    return charts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few exercises and sizes, to see that it runs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path, help="draw best-of-N as SVG")
    options = parser.parse_args()
    number, comparisons, sizes = (6, 40, (2, 4)) if options.quick else (120, 400, SIZES)
    begun = time.process_time()
    contexts = [exercise.context for exercise in exercises(number, seed=1)]
    rewards = {
        "true": TrueReward(),
        "fitted": fitted_reward(comparisons, seed=0),
        "wrong": Rule(lambda item: len(joined(item.output)) / 4, "length"),
    }
    head = f"{'reward':8}{'engine':26}{'at':>6}  {'true reward, less base':26}{'right, less base':23}"
    print(f"{head}{'KL':>8}{'tokens':>9}")
    rows = measured(contexts, rewards, sizes, seed=0)
    seconds = time.process_time() - begun
    print("base: true reward {:.3f}, right {:.3f}".format(*rows[0]["level"]), f"({seconds:.0f} s of the processor)")
    if options.figure:
        to_file(drawn(rows), options.figure)
    if options.out:
        options.out.write_text(
            json.dumps({"exercises": number, "seconds": seconds, "rows": rows}, indent=1) + "\n", "utf-8"
        )


if __name__ == "__main__":
    main()
