"""001-056: outputs made to check themselves when a growing budget is used, and then voted on."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Item
from heedful.evidence import Rule
from heedful.models import SequenceTable
from heedful.sampling import Deepening
from heedful.target import Target

_PROBLEMS, _REPEATS, _VOTERS, _PLAIN, _HARD = 12, 15, 4, 8, 0.4
_ANSWERS = ("right", "wrong", "worse")
_SILENT = Rule(lambda item: 0.0, "silent")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1056, seed])
    count, repeats = (4, 3) if quick else (_PROBLEMS, _REPEATS)
    chance = np.linspace(0.1, 0.7, count)
    solvers = [_solver(own, float(rng.uniform(0.2, 0.5))) for own in chance.tolist()]
    engines = {
        "growing": Deepening(_VOTERS, "check", first=4, growth=2.0, times=2, answer=_last),
        "equal": Deepening(_VOTERS, "check", first=4, growth=1.0, times=2, answer=_last),
        "late": Deepening(_VOTERS, "check", first=99, times=2, answer=_last),
        "plain": Deepening(_PLAIN, "check", first=99, times=0, answer=_last),
    }
    figures: dict[str, float] = {}
    for name, engine in engines.items():
        right, tokens = np.zeros(count), 0.0
        for place, solver in enumerate(solvers):
            contexts = [Item.of("problem").context] * repeats
            found = engine(Target(solver, _SILENT), contexts, budget=Budget(), rng=rng)
            right[place] = np.mean([_last(item) == "right" for item in found.items])
            tokens += found.cost["tokens"] / (count * repeats)
        figures |= {
            f"right, {name}": float(100 * right.mean()),
            f"hard, {name}": float(100 * right[chance < _HARD].mean()),
            f"tokens, {name}": tokens,
        }
    return figures


def _last(item: Item) -> str:
    return item.output[-1].text.split()[-1]


def _solver(chance: float, mended: float) -> SequenceTable:
    """A solver that works for four words on average, answers and ends; told to check, it answers once more.

    It is right with this chance at first. After a check it mends a wrong answer with chance `mended`, and spoils a
    right one with chance 0.1. In the midst of work a check changes nothing. One answer in twenty it checks unasked.
    """
    first = {"right": 0.2 * chance, "wrong": 0.12 * (1 - chance), "worse": 0.08 * (1 - chance)}
    again = {
        "right": {"right": 0.9, "wrong": 0.06, "worse": 0.04},
        "wrong": {"right": mended, "wrong": 1 - mended},
        "worse": {"right": mended, "worse": 1 - mended},
    }
    working = {"work": 0.8, **first}
    rows: dict[tuple[str, ...], dict[str, float]] = {(): working, ("work", "check"): working}
    for answer in _ANSWERS:
        rows[(answer,)] = {"": 0.95, "check": 0.05}
        rows[(answer, "check")] = again[answer]
    return SequenceTable(rows, max_tokens=40)


ENTRY = Entry(
    id="001-056",
    title="Iterative Deepening Sampling for Large Language Models",
    area="sampling/curation",
    citation="Chen, Koenig & Dilkina 2025",
    claim=(
        "Solvers that are right at first with chances from 0.1 to 0.7; told to check, they mend wrong answers with a "
        "chance between 0.2 and 0.5 and spoil right ones with chance 0.1. Four outputs that are made to check twice, "
        "after 4 tokens and twice as many more or where they would end, write no more tokens than eight plain ones; "
        "by majority they are right more often, by 5 points or more on problems with a first chance below 0.4; and "
        "budgets that grow do better than equal ones."
    ),
    configuration=(
        "sampling.Deepening with answer= (votes) on models.SequenceTable; without triggers, the vote of plain outputs."
    ),
    measures={
        f"{what}, {name}": f"{shown}, {how}"
        for name, how in {
            "growing": "four outputs, two checks, after 4 tokens and 8 more",
            "equal": "the same, after 4 tokens and 4 more",
            "late": "the same, where outputs would end",
            "plain": "eight outputs, no check asked for",
        }.items()
        for what, shown in {
            "right": "majorities that are right, per cent",
            "hard": "the same on problems with a first chance below 0.4",
            "tokens": "tokens a problem",
        }.items()
    },
    checks=(
        Check("tokens, plain", "tokens, growing", above=0.0),
        Check("right, growing", "right, plain", above=0.0),
        Check("hard, growing", "hard, plain", above=5.0),
        Check("right, growing", "right, equal", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "How often a check mends and spoils is put in, and not what a model has learnt: the miniature says what the "
        "engine makes of a model that can correct itself, not whether one can. A check in the midst of work changes "
        "nothing but the budget. The work's sentence is a word here. Checks put in only where outputs would end, in no "
        "check of the claim, do best: a budget that is used in the midst of work spends its check on nothing."
    ),
    seeds=tuple(range(30)),
)
