"""004-062: labels of steps from completions, from a judge, and where both agree, by picks and by errors found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import KnownScores, listed
from heedful.catalogue.solving import best_of, seen, solution_table, verifier
from heedful.catalogue.verdicts import Check
from heedful.evaluation import best_threshold, first_error_f1, first_errors, step_scores
from heedful.evidence import Steps
from heedful.feedback import agreeing, prefix_labels, until_first_error
from heedful.worlds import ChainWorld, SimulatedRaters, completion_marks, marks

_LABELLED, _WEAK_SLIP, _COMPLETIONS, _CERTAINTY = 300, -0.2, 8, 1.8
_TAUGHT, _ASKED = range(40), range(40, 52)
_SOURCES = {"Monte Carlo": "completions", "judge": "a judge", "consensus": "the judge where both agree"}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4062, seed])
    world = ChainWorld(steps=5, problems=52, seed=seed)
    base = solution_table(world, _ASKED[:2] if quick else _ASKED)
    contexts = tuple(base.rows)
    right = {context: world.value(base.support(context)) for context in contexts}
    sound = {c: np.asarray(world.right(base.support(c)).all(axis=1), np.float64) for c in contexts}
    solutions = world.draw(_LABELLED, rng=rng, problems=_TAUGHT)
    completer = replace(world, slip=_WEAK_SLIP)
    completed = completion_marks(world, solutions, completer, completions=_COMPLETIONS, rng=rng)
    judged = marks(world, solutions, raters=SimulatedRaters(1), certainty=_CERTAINTY, rng=rng)
    tables = {"Monte Carlo": completed, "judge": judged, "consensus": agreeing(judged, completed)}
    figures = {"kept": 100 * len(tables["consensus"]) / _LABELLED}
    tried, fresh = (world.draw(300, rng=rng, problems=problems) for problems in (_TAUGHT, _ASKED))
    length = np.full(len(fresh), world.steps)
    for name, table in tables.items():
        step = verifier(prefix_labels(until_first_error(table)), seen(world))
        threshold = best_threshold(step_scores(step, tried), world.first_error(tried))
        found = first_errors(step_scores(step, fresh), threshold)
        figures[f"F1, {name}"] = 100 * first_error_f1(found, world.first_error(fresh), length)
        scores = KnownScores.of(Steps(step, "product"), listed(base, contexts))
        figures[f"picks, {name}"] = best_of(base, scores, right, 8)
        figures[f"flawed, {name}"] = figures[f"picks, {name}"] - best_of(base, scores, sound, 8)
    for measure in ("F1", "picks"):
        figures[f"gap, {measure}"] = figures[f"{measure}, judge"] - figures[f"{measure}, Monte Carlo"]
    return figures


ENTRY = Entry(
    id="004-062",
    title="The Lessons of Developing Process Reward Models in Mathematical Reasoning",
    area="preference/evaluation",
    citation="Zhang et al. 2025",
    claim=(
        "Marks of the steps of 300 chains of five additions up to the first wrong one: by 8 completions of a writer "
        "weaker than theirs (right where any ends right), and by a judge right about 86 % of steps. Rewards of steps "
        "fitted to the judge's marks find first wrong steps better (F1, thresholds tuned on other solutions) than "
        "those fitted to completions; those fitted where both agree do so by more than 2 points, and lose less than 2 "
        "to all of the judge's. Best-of-8 by the product of steps is right more often by consensus than by "
        "completions; it shows less of the gap between judge and completions than F1 does; and completions pick more "
        "right answers with wrong steps than the judge."
    ),
    configuration=(
        "worlds.completion_marks and marks; feedback.agreeing, until_first_error and prefix_labels; "
        "evidence.Labelled and Steps('product'); evaluation.first_error_f1; sampling.best_of_n_law."
    ),
    measures={
        "kept": "solutions on whose first wrong step both agree, per cent",
        **{
            f"{measure}, {name}": f"{what}, steps marked by {who}"
            for name, who in _SOURCES.items()
            for measure, what in {
                "F1": "F1 of first wrong steps, per cent",
                "picks": "right outcomes among best of 8, per cent",
                "flawed": "picks of right outcome with a wrong step, per cent",
            }.items()
        },
        "gap, F1": "F1 by the judge less by completions, points",
        "gap, picks": "right outcomes by the judge less by completions, points",
    },
    checks=(
        Check("F1, judge", "F1, Monte Carlo", above=0.0),
        Check("F1, consensus", "F1, Monte Carlo", above=2.0),
        Check("F1, judge", "F1, consensus", below=2.0),
        Check("picks, consensus", "picks, Monte Carlo", above=0.0),
        Check("gap, F1", "gap, picks", above=0.0),
        Check("flawed, Monte Carlo", "flawed, judge", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "That agreement is on the first wrong step, and that later steps are left out, is not in the abstract. Judge "
        "and completions err independently here, which favours their consensus. A wrong step is off by one, and a "
        "weak writer's slips undo it readily: some of 8 completions of most early wrong steps end right, so that "
        "completions find far fewer errors than in the work."
    ),
)
