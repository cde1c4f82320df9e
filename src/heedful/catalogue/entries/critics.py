"""002-019: critics with different blind spots, and what to make of all their marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes
from heedful.preference.marks import fit_marks
from heedful.stats import overlap

_CRITICS, _KINDS, _CUES, _LINES = 5, 4, 3, 12
_SEEING, _BLIND = 0.85, 0.1
_HEAD = Linear(prior_sd=1.0, pairs=2)


@dataclass(frozen=True)
class Lines:
    """Lines of toy programs: the `kind` of construct [n], whether `faulty` [n], and features [n, d] of what shows it:
    a constant and cues, for each kind apart."""

    kind: np.ndarray
    faulty: np.ndarray
    features: Floats

    @classmethod
    def drawn(cls, count: int, weights: Floats, rng: np.random.Generator) -> Lines:
        """`weights` [k, cues + 1]: logits of a fault."""
        kind = rng.integers(_KINDS, size=count)
        cues = np.column_stack([rng.normal(size=(count, _CUES)), np.ones(count)])
        faulty = rng.random(count) < 1 / (1 + np.exp(-(cues * weights[kind]).sum(axis=1)))
        apart = (kind[:, None] == np.arange(_KINDS))[:, :, None] * cues[:, None, :]
        return cls(kind, faulty, apart.reshape(count, -1))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2019, seed])
    programs = 15 if quick else 60
    weights = np.column_stack([rng.normal(0, 2, (_KINDS, _CUES)), np.full(_KINDS, -2.5)])
    lines, fresh = Lines.drawn(programs * _LINES, weights, rng), Lines.drawn(2000, weights, rng)
    blind = np.argsort(rng.random((_CRITICS, _KINDS)), axis=1) < _KINDS // 2
    hit, alarm = np.where(blind, _BLIND, _SEEING), rng.uniform(0.02, 0.2, _CRITICS)
    rate = np.where(lines.faulty[:, None], hit.T[lines.kind], alarm)
    marks = (rng.random(rate.shape) < rate).astype(np.float64)
    labels = {
        "one": marks[:, 0],
        "union": marks.max(axis=1),
        "vote": np.asarray(marks.mean(axis=1) > 0.5, np.float64),
        "weighted": fit_marks(marks, lines.kind).probability,
    }
    figures: dict[str, float] = {}
    for name, label in labels.items():
        figures[f"labels, {name}"] = 100 * overlap(label > 0.5, lines.faulty)
        figures[f"tagger, {name}"] = 100 * overlap(_tagged(lines, label, fresh, rng), fresh.faulty)
    return figures | _ranked(marks, labels["weighted"], lines.faulty, rng)


def _tagged(lines: Lines, label: Floats, fresh: Lines, rng: np.random.Generator) -> np.ndarray:
    """Which fresh lines a tagger trained on these labels takes for faulty: each line against one of no features."""
    n = len(label)
    design = np.vstack([lines.features, np.zeros(lines.features.shape[1])])
    tagger = _HEAD.fit(design, Votes.of(np.arange(n), np.full(n, n), label), rng=rng)
    return np.asarray(tagger.mean(fresh.features) > 0)


def _ranked(marks: Floats, weighted: Floats, faulty: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """How often each way to score critiques orders two of one program as their true F1 does, per cent; ties half."""
    right: dict[str, list[float]] = {"another critic": [], "all critics": [], "weighted": []}
    for own in np.split(np.arange(len(faulty)), len(faulty) // _LINES):
        first, second, judge = rng.permutation(_CRITICS)[:3]
        pair = marks[own][:, [first, second]].T
        truth = np.diff([overlap(critique, faulty[own]) for critique in pair])[0]
        if truth == 0:
            continue
        references = (marks[own, judge], marks[own].mean(axis=1), weighted[own])
        for name, reference in zip(right, references, strict=True):
            found = np.diff([overlap(critique, reference) for critique in pair])[0]
            right[name].append(50 + 50 * float(np.sign(found * truth)))
    return {f"ranked, {name}": float(np.mean(values)) for name, values in right.items()}


_LABELS = {
    "one": "one critic's marks",
    "union": "every line that some critic marked",
    "vote": "lines that most critics marked",
    "weighted": "probability of a fault given all marks and the critics' fitted rates",
}

ENTRY = Entry(
    id="002-019",
    title="Training Language Models to Critique With Multi-agent Feedback",
    area="preference/curation",
    citation="",
    claim=(
        "Five critics mark faulty lines of 60 toy programs; each is blind to two of four kinds of faults and marks 2 "
        "to 20 % of the sound lines. F1 against true faults: labels by fitted reliability exceed those by vote and by "
        "union, each by more than 5 points, and a tagger trained on them exceeds taggers trained on one critic, on the "
        "union and on the vote. And agreement of a critique with these labels orders two critiques of one program by "
        "their true F1 more often than agreement with another critic does."
    ),
    configuration=(
        "preference.marks.fit_marks (Dawid and Skene, rates by critic and kind of line) for the labels; "
        "preference.heads.Linear on lines against an empty one, with soft labels, as the tagger; stats.overlap for F1 "
        "and for agreement."
    ),
    measures={
        **{f"labels, {name}": f"F1 of the labels, per cent: {what}" for name, what in _LABELS.items()},
        **{f"tagger, {name}": f"F1 on fresh lines, per cent, trained on: {what}" for name, what in _LABELS.items()},
        "ranked, another critic": "pairs of critiques in the order of true F1, per cent, by agreement with a third",
        "ranked, all critics": "the same, by agreement with the share of critics who mark a line",
        "ranked, weighted": "the same, by agreement with the probability of a fault",
    },
    checks=(
        Check("labels, weighted", "labels, vote", above=5.0),
        Check("labels, weighted", "labels, union", above=5.0),
        Check("tagger, weighted", "tagger, one", above=0.0),
        Check("tagger, weighted", "tagger, union", above=0.0),
        Check("tagger, weighted", "tagger, vote", above=0.0),
        Check("ranked, weighted", "ranked, another critic", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The abstract does not say how critiques are joined; here they are taken apart into marks of lines, whose "
        "reliability is fitted from the marks alone. A critic is a table of rates, and the kind of each line is known, "
        "as it would be from the category a critique names. Reinforcement learning is left out."
    ),
)
