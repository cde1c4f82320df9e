"""Feedback in the form that each objective takes, by simulated raters with a fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from heedful.core import Floats, UsageError
from heedful.worlds import Shown, SimulatedRaters
from heedful.worlds.raters import Whole

Form = Literal["chosen", "pair", "soft", "margin", "thumb", "beside", "marks", "ranking", "scores", "advantages"]
JUDGED: Mapping[Form, int] = {"chosen": 2, "pair": 2, "soft": 2, "margin": 2, "thumb": 1, "beside": 1}
"""How many outputs a rater sees at once, where not four."""
READ: Mapping[Form, int] = {**JUDGED, "chosen": 1, "beside": 2}
"""How many outputs a record holds, where not four."""
GROUP, VOTES, DEGREE = 4, 4, 1.0
_SIGNED = ("thumb", "beside", "marks", "scores", "advantages")


@dataclass(frozen=True)
class Fault:
    """What is wrong with feedback.

    flips   the share of votes, marks, orders and scores that are turned around
    ties    the share of differences (of single outputs: from 0) too small to be noticed
    alone   what is called "good" (a score above 0) or "bad" alone is told
    copies  how often each record stands in the data, which are then of fewer different ones
    wrong   raters want something else
    """

    flips: float = 0.0
    ties: float = 0.0
    alone: Literal["", "good", "bad"] = ""
    copies: int = 1
    wrong: bool = False


FAULTS: Mapping[str, Fault] = {
    "20 % turned around": Fault(flips=0.2),
    "half ties": Fault(ties=0.5),
    "good alone": Fault(alone="good"),
    "bad alone": Fault(alone="bad"),
    "each five times": Fault(copies=5),
    "wrong reward": Fault(wrong=True),
}
CLEAN = Fault()


@dataclass(frozen=True, eq=False)
class Records:
    """Records by number: outputs [r, k] of p groups of four count from 0 to 4p − 1, those absent are −1; and what was
    said of them, fields of `Batch`."""

    outputs: Whole
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> Whole:
        """The output [r] whose prompt is the record's: the first, or another where that is absent."""
        return np.where(self.outputs[:, 0] >= 0, self.outputs[:, 0], self.outputs.max(axis=1))

    def __len__(self) -> int:
        return len(self.outputs)


def judged(form: Form, worth: Floats, fault: Fault, rng: np.random.Generator) -> Records:
    """Records of all outputs, whose worth to raters is [p, 4] nats, 0 being what is expected of the base.

    Raises UsageError where the form holds no single sign.
    """
    if fault.alone and form not in _SIGNED:
        raise UsageError(f"feedback of the form {form!r} holds both signs", where="judged")
    seen = JUDGED.get(form, GROUP)
    outputs = np.arange(worth.size).reshape(-1, seen)[: worth.size // seen // fault.copies]
    found = _FORMS[form](worth.ravel()[outputs], fault, rng)
    said = {name: value for name, value in found.items() if name not in ("chosen", "good")}
    if form == "chosen":
        outputs = np.take_along_axis(outputs, found["chosen"][:, None], axis=1)
    if fault.alone:
        outputs = np.where(found["good"] == (fault.alone == "good"), outputs, -1)
    if form == "beside":
        outputs = np.concatenate([outputs, (outputs + GROUP) % worth.size], axis=1)
        said["label"] = np.repeat(said["label"], 2, axis=1)
    kept = np.repeat(np.flatnonzero((outputs[:, :seen] >= 0).any(axis=1)), fault.copies)
    return Records(outputs[kept], {name: value[kept] for name, value in said.items()})


def _raters(**faults: Any) -> SimulatedRaters:
    return SimulatedRaters(tie_law="threshold", **faults)


def _by(raters: SimulatedRaters, kind: str, worth: Floats, rng: np.random.Generator) -> Any:
    """What raters say of outputs [n, k]."""
    n, k = worth.shape
    none = np.zeros((n, k, 0))
    shown = Shown(worth, none.astype(np.int64), none, np.zeros((n, k)), np.arange(n))
    return getattr(raters, kind)(shown, rng.integers(raters.count, size=n), np.zeros(n), rng)


def _turned(n: int, fault: Fault, rng: np.random.Generator) -> Any:
    return rng.random(n) < fault.flips


def _noticed(differences: Floats, fault: Fault, rng: np.random.Generator) -> float:
    """How large a difference [n] with a rater's noise must be not to be among the share that is not noticed."""
    return float(np.quantile(np.abs(differences + rng.logistic(size=len(differences))), fault.ties)) * (fault.ties > 0)


def _vote(worth: Floats, fault: Fault, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """P(first is preferred) as voted, and the degree, 0 for a tie."""
    tie = _noticed(worth[:, 0] - worth[:, 1], fault, rng)
    outcome, degree = _by(_raters(tie=tie, degree_step=DEGREE), "compare", worth, rng)
    prefer = np.array([1.0, 0.0, 0.5])[outcome]
    return np.where(_turned(len(worth), fault, rng), 1 - prefer, prefer), degree


def _pair(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    return {"prefer": _vote(worth, fault, rng)[0]}


def _chosen(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    prefer, _ = _vote(worth, fault, rng)
    return {"chosen": (prefer < rng.random(len(prefer))).astype(np.int64)}


def _soft(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    return {"prefer": np.mean([_vote(worth, fault, rng)[0] for _ in range(VOTES)], axis=0)}


def _margin(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    prefer, degree = _vote(worth, fault, rng)
    return {"prefer": prefer, "margin": (2 * prefer - 1) * degree / 3}


def _marks(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    """Good (1), bad (0) or neither (1/2), of each output by itself; a score as well."""
    each = worth.reshape(-1, 1)
    cut = _noticed(each[:, 0], fault, rng)
    cuts = (-cut, cut) if cut else (0.0,)
    mark = (_by(_raters(rating_cuts=cuts), "rate", each, rng) - 1) / len(cuts)
    label = np.where(_turned(len(mark), fault, rng), 1 - mark, mark).reshape(worth.shape)
    return {"label": label, "score": label, "good": label > 0.5}


def _thumb(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    return {name: value for name, value in _marks(worth, fault, rng).items() if name != "score"}


def _ranking(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    tie = _noticed(worth[:, 0] - worth[:, 1], fault, rng)
    rank = _by(_raters(tie=tie), "rank", worth, rng).astype(float)
    return {"score": np.where(_turned(len(rank), fault, rng)[:, None], rank, -rank)}


def _scores(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    """Worth with normal noise of 1 nat."""
    score = worth + rng.normal(size=worth.shape)
    score = np.where(np.abs(score) < np.quantile(np.abs(score), fault.ties), 0.0, score)
    score = np.where(_turned(score.size, fault, rng).reshape(score.shape), -score, score)
    return {"score": score, "good": score > 0}


def _advantages(worth: Floats, fault: Fault, rng: np.random.Generator) -> dict[str, Any]:
    found = _scores(worth, fault, rng)
    return found | {"score": found["score"] - found["score"].mean(axis=1, keepdims=True)}


_FORMS: Mapping[Form, Any] = {
    "chosen": _chosen,
    "pair": _pair,
    "soft": _soft,
    "margin": _margin,
    "thumb": _thumb,
    "beside": _thumb,
    "marks": _marks,
    "ranking": _ranking,
    "scores": _scores,
    "advantages": _advantages,
}
