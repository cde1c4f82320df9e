"""An afternoon of ten raters: what is asked, answered and learnt, round by round, until nothing is worth asking.

    python examples/afternoon.py [folder] [picture.svg]

The raters are simulated and the truth is known; the files are those that people would open. The same numbers each time.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import heedful
from heedful.core import Floats, Item
from heedful.feedback import HiredRater, read, read_raters, write, write_questions
from heedful.loops import Wanted, ask, fit_to_ask
from heedful.report.charts import Frame, Point, chart, points, straight, to_file
from heedful.report.scales import spanning
from heedful.worlds import LanguageWorld, SimulatedRaters, answer, davidson_limit, judge

SYSTEMS = {
    "plain": {},
    "focused": {"relevance": 2.0},
    "polite": {"courtesy": 2.0},
    "chatty": {"padding": 1.0},
    "windy": {"padding": 1.5, "relevance": 1.0},
    "vague": {"relevance": -2.0},
    "astray": {"digression": 1.5},
    "smooth": {"courtesy": 1.0, "relevance": 1.0},
}
SEED, BUDGET, LEAST = 0, 40.0, 0.0125


@dataclass(frozen=True)
class Round:
    """What was known before a round: votes, distance of the scores from the truth (nats, root mean square), share of
    pairs in the wrong order, and the most that any answer is expected to tell (nats)."""

    votes: int
    error: float
    misplaced: float
    gain: float


def main(folder: str = "afternoon", picture: str | None = None) -> list[Round]:
    place, rng = Path(folder), np.random.default_rng(SEED)
    place.mkdir(parents=True, exist_ok=True)
    world = LanguageWorld(systems=SYSTEMS, prompts=120, seed=SEED)
    people = SimulatedRaters(10, temperature=rng.lognormal(0.0, 0.2, 10), seed=SEED)
    answers = what_they_wrote(world, rng)
    truth = endless_votes(world, answers)
    pairs = [tuple(group[n] for n in rng.permutation(len(SYSTEMS))[:2]) for group in answers[:30]]
    write(answer(world, pairs, raters=people, rng=rng, name="morning"), place / "votes.jsonl")
    raters = hired(people, place / "raters.csv")
    files, rounds = [str(place / "votes.jsonl")], list[Round]()
    while True:
        votes = read(files).table
        posterior = fit_to_ask(votes, utility="items", seed=SEED)
        asked = ask(posterior, votes, answers, Wanted(budget=BUDGET, raters=raters, least=LEAST, seed=len(files)))
        rounds.append(measured(len(votes), posterior, truth, asked.most))
        told(rounds[-1], len(asked.questions), len(files))
        if not asked.questions:
            break
        name = place / f"round-{len(files)}.csv"
        name.unlink(missing_ok=True)
        write_questions(asked.questions, name)
        filled_in(name, [question.items for question in asked.questions], world, people, rng)
        files.append(str(name))
    print(f"\n{asked.reason}")
    heedful.run(files, out=str(place / "report"), utility="items", seed=SEED, title="An afternoon of ten raters")
    print(f"The report: {place}/report/report.html")
    if picture:
        to_file(drawn(rounds), picture)
    return rounds


def what_they_wrote(world: LanguageWorld, rng: np.random.Generator) -> list[tuple[Item, ...]]:
    """An answer of every system to each prompt."""
    bases = {name: world.base(name) for name in SYSTEMS}
    return [
        tuple(Item(context, base.sample(context, 1, rng=rng)[0].output, name) for name, base in bases.items())
        for context in world.contexts
    ]


def endless_votes(world: LanguageWorld, answers: Sequence[Sequence[Item]]) -> dict[str, float]:
    """The score of each system that endless votes on these answers would give it, in nats."""
    utility = np.array([world.truth(group) for group in answers])
    gap = utility[:, :, None] - utility[:, None, :]
    wins = (1 / (1 + np.exp(-gap))).mean(axis=0)
    strengths = davidson_limit(np.stack([wins, wins.T, np.zeros_like(wins)]))[0]
    return dict(zip(SYSTEMS, strengths.tolist(), strict=True))


def hired(people: SimulatedRaters, file: Path) -> tuple[HiredRater, ...]:
    """Ten raters, some dearer than others, each with time for four questions a round."""
    lines = [f"{rater},{1 + number % 3 / 2},4" for number, rater in enumerate(people.ids)]
    file.write_text("\n".join(["rater,cost,capacity", *lines]) + "\n", "utf-8")
    return read_raters(str(file))


def filled_in(
    file: Path,
    shown: Sequence[tuple[Item, ...]],
    world: LanguageWorld,
    people: SimulatedRaters,
    rng: np.random.Generator,
) -> None:
    """The question file with the choices of its raters in it."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    who = np.array([people.ids.index(row["rater"]) for row in rows])
    votes = judge(world.show(shown, rng=rng), raters=people, rng=rng, kind="comparison", rater=who)
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"choice": said} for row, said in zip(rows, votes.column("choice"), strict=True))


def measured(count: int, posterior: heedful.FittedPosterior, truth: dict[str, float], gain: float) -> Round:
    scores = dict(zip(posterior.names, posterior.mean.tolist(), strict=True))
    found, right = (centred([values.get(name, 0.0) for name in SYSTEMS]) for values in (scores, truth))
    wrong = [(found[a] > found[b]) != (right[a] > right[b]) for a, b in itertools.combinations(range(len(SYSTEMS)), 2)]
    return Round(count, float(np.sqrt(np.mean((found - right) ** 2))), float(np.mean(wrong)), gain)


def centred(values: Sequence[float]) -> Floats:
    return np.array(values) - np.mean(values)


def told(now: Round, questions: int, number: int) -> None:
    print(
        f"round {number:>2}: {now.votes:>4} votes, scores off by {now.error:.2f} nats, {now.misplaced:4.0%} of pairs "
        f"misplaced, an answer tells at most {now.gain:.4f} nats; {questions} questions asked"
    )


def drawn(rounds: Sequence[Round]) -> tuple[str, ...]:
    """The error and the gain against the votes, as two charts."""
    x = spanning([0.0, *(float(one.votes) for one in rounds)])
    charts = []
    for key, y_title, values in (
        ("error", "Scores off by, nats", [one.error for one in rounds]),
        ("gain", "An answer tells at most, nats", [one.gain for one in rounds]),
    ):
        frame = Frame(x, spanning([0.0, 1.1 * max(values)]))
        course = points(frame, [Point(one.votes, y) for one, y in zip(rounds, values, strict=True)], joined=True)
        least = straight(frame, (x.low, LEAST), (x.high, LEAST), "least worth asking for") if key == "gain" else None
        told = f"{y_title}, from {values[0]:.3g} to {values[-1]:.3g} over {len(rounds)} rounds."
        charts.append(
            chart(key, frame, least, course, title=y_title, description=told, x_title="Votes", y_title=y_title)
        )
    return tuple(charts)


if __name__ == "__main__":
    with threadpool_limits(1):
        main(*sys.argv[1:3])
