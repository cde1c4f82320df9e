"""001-072: feedback with the way from what may be rewritten to the end, beside words carried back call by call."""

from __future__ import annotations

from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.relays import Relay, edited, relay_program, relay_splits
from heedful.catalogue.rewriters import Paid, Taken
from heedful.catalogue.verdicts import Check
from heedful.core import Budget
from heedful.evidence import Rule
from heedful.rewriting import (
    Failures,
    Improving,
    Mutated,
    PerCall,
    Rewriter,
    Subgraph,
    Untraced,
    Worth,
    incumbent,
)

_CALLS, _ROUNDS, _BATCH, _EXAMPLES = 22, 8, 3, 24
_WAYS = {
    "trace": f"feedback and the way shown, {_CALLS} calls",
    "words": f"words carried back call by call, {_CALLS} calls",
    "untraced": f"feedback alone shown, {_CALLS} calls",
    "score": f"the score alone: {_CALLS} random edits",
    "trace, rounds": f"feedback and the way shown, {_ROUNDS} rounds",
    "words, rounds": f"words carried back call by call, {_ROUNDS} rounds",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([1072, seed])
    relay = Relay.drawn(rng)
    start, examples = relay.start(rng), relay_splits(_EXAMPLES, rng)

    def reached(name: str) -> tuple[float, Paid]:
        by, _, fair = name.partition(", ")
        rounds = 2 if quick else _ROUNDS if fair else _CALLS
        paid = Paid(relay.models(), np.inf if fair else rounds)
        proposer: Any = (
            Mutated(lambda _, program, rng: edited(program, rng)) if by == "score" else Rewriter(paid("editor"))
        )
        rule: Any = {"trace": Subgraph(), "words": PerCall(paid("critic"))}.get(by, Untraced())
        engine = Improving(
            proposer,
            rule,
            Failures(says=relay.says),
            rounds,
            _BATCH,
            gate=Taken(),
            select=incumbent,
            trials=None,
            concurrency=1,
        )
        worth, own = Worth(Rule(relay.share, "letters in place"), (0, 1)), np.random.default_rng([72, seed])
        done = engine(relay_program(start), worth, examples, budget=Budget(), rng=own)
        return 100 * relay.expected({**start, **done.values}), paid

    found = {name: reached(name) for name in _WAYS}
    figures = {"start": 100 * relay.expected(start)} | {name: share for name, (share, _) in found.items()}
    for by in ("trace", "words"):
        paid = found[f"{by}, rounds"][1]
        figures |= {f"{by}, calls": float(paid.calls.total()), f"{by}, read": float(paid.characters.total()) / 1000}
    return figures


ENTRY = Entry(
    id="001-072",
    title="Trace is the New AutoDiff -- Unlocking Efficient Optimization of Computational Workflows",
    area="rewriting",
    citation="Cheng, Nie & Swaminathan 2024",
    claim=(
        "Three programs of two operations in a row, the second another for texts of even and of odd length; half of "
        "the operations are drawn anew, and feedback says of three texts a round what should have come of them. With "
        f"{_CALLS} calls of models, enough for a round of words carried back call by call, an editor that is shown "
        "feedback and the way from the programs to the end brings more letters to their places than one that is shown "
        "feedback alone, and than random edits kept by their score, by more than 20 points; and than one that is told "
        f"these words. In {_ROUNDS} rounds, whatever they cost, words are not better by 15 points; they take more than "
        "five times the calls, and models read more than three times as much."
    ),
    configuration=(
        "rewriting.Improving with rewriting.Rewriter and rewriting.Subgraph; PerCall or Untraced in its place; "
        "Mutated. Every change that does no worse on its batch is kept. catalogue.relays plays critic and editor."
    ),
    measures={
        "start": "letters in their places, per cent, at the start, exactly",
        **{name: f"letters in their places, per cent, exactly: {what}" for name, what in _WAYS.items()},
        "trace, calls": f"calls of models, the way shown, {_ROUNDS} rounds",
        "words, calls": f"calls of models, words carried back, {_ROUNDS} rounds",
        "trace, read": f"thousands of characters that models read, the way shown, {_ROUNDS} rounds",
        "words, read": f"thousands of characters that models read, words carried back, {_ROUNDS} rounds",
    },
    checks=(
        Check("trace", "untraced", above=20.0),
        Check("trace", "score", above=20.0),
        Check("trace", "words", above=0.0),
        Check("words, rounds", "trace, rounds", below=15.0),
        Check("trace, calls", "words, calls", factor=0.2, below=0.0),
        Check("trace, read", "words, read", factor=1 / 3, below=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Models are played: critic and editor see rightly what one program should have been given nine times in ten, "
        "whether they are asked of each call or read the whole way at once, so that the rules differ in what they cost "
        "and show, and not in how well models think. Without the way, an editor cannot tell which program did what to "
        "which text, and edits at random. Calls are those of critic and editor; programs run for nothing. Of three "
        "full runs before this one of the same form held in all (68 against 36 and 36), with other draws; two were "
        "inconclusive: 40 calls and an editor that replaced one token at a time gained 19, 21 "
        "and 11 points (30 seeds) where 10 were claimed; 16 calls, which four rounds of words in forty exceed, and an "
        "editor that replaces a program, as here, 27, 29 and 18."
    ),
)
