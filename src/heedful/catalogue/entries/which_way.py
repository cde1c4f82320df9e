"""004-126: feedback that says which way, given, made out from the history, or none, on functions of two numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.models import FunctionWriter
from heedful.models.marked import block
from heedful.rewriting import Contrasted, Directed, Number, ProcessSurrogate, Proposer, Rewriter, Slopes, search
from heedful.worlds.played import stream

_TRIALS, _STARTS, _GOOD = 20, 2, 0.9
_WAYS = {
    "given": "told the sign of the slope",
    "slopes": "told what a Gaussian process of the history makes of it",
    "contrasted": "told what a model makes of the history",
    "none": "told the score alone",
    "chance": "told directions by a fair coin",
}
_BLOCK = re.compile(r"<([0-9a-f]{12}(?:-\d+)?)>\n(.*?)\n</\1>", re.DOTALL)


@dataclass(frozen=True, eq=False)
class _Function:
    """A function of x and y in a box, its least value, and how far above that it is as far from the best as not."""

    of: Callable[[float, float], float]
    x: tuple[float, float]
    y: tuple[float, float]
    least: float
    half: float

    def __call__(self, values: Mapping[str, Any]) -> float:
        """1 at the least value, one half as far above it as `half`."""
        return 1 / (1 + max(self.of(values["x"], values["y"]) - self.least, 0.0) / self.half)

    def numbers(self, rng: np.random.Generator) -> tuple[Number, ...]:
        """The two, from a random start."""
        return tuple(
            Number(float(rng.uniform(low, high)), name, low=low, high=high)
            for name, (low, high) in (("x", self.x), ("y", self.y))
        )

    def way(self, values: Mapping[str, Any]) -> str:
        """Which way is down, by central differences."""
        x, y = values["x"], values["y"]
        slopes = {"x": self.of(x + 1e-5, y) - self.of(x - 1e-5, y), "y": self.of(x, y + 1e-5) - self.of(x, y - 1e-5)}
        return " ".join(_said(name, slope < 0) for name, slope in slopes.items() if slope)


def _said(name: str, greater: bool) -> str:
    return f"{name} should be {'greater' if greater else 'less'}."


_FUNCTIONS = (
    _Function(lambda x, y: (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2, (-10, 10), (-10, 10), 0.0, 50.0),  # Booth
    _Function(
        lambda x, y: math.sin(x + y) + (x - y) ** 2 - 1.5 * x + 2.5 * y + 1, (-1.5, 4), (-3, 4), -1.9132230, 2.0
    ),  # McCormick
    _Function(lambda x, y: 100 * (y - x**2) ** 2 + (1 - x) ** 2, (-2, 2), (-1, 3), 0.0, 20.0),  # Rosenbrock
    _Function(
        lambda x, y: (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2,
        (-3, 3),
        (-2, 2),
        -1.0316285,
        1.0,
    ),  # six-hump camel
)


@dataclass(frozen=True, eq=False)
class _Editor:
    """Plays a model that rewrites numbers: those of which a way is said go that way, or, where none is, all go any way;
    how far is drawn anew each time, from a 100th to 3 tenths of the range, all magnitudes alike."""

    function: _Function

    def __call__(self, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]) -> str:
        text, rng = str(messages[0]["content"]), stream(messages, parameters)
        ways = dict(re.findall(r"\b([xy]) should be (greater|less)", text))
        marks = [mark for mark, _ in _BLOCK.findall(text) if "-" in mark]
        values = [float(own) for mark, own in _BLOCK.findall(text) if "-" in mark]
        answer = []
        for name, mark, value in zip("xy", marks, values, strict=True):
            low, high = getattr(self.function, name)
            sign = {"greater": 1, "less": -1}.get(ways.get(name, ""), 0 if ways else rng.choice([-1, 1]))
            step = sign * (high - low) * math.exp(rng.uniform(math.log(0.01), math.log(0.3)))
            answer.append(block(repr(float(np.clip(value + step, low, high))), mark))
        return "\n".join(answer)


def _contrast(messages: Sequence[Mapping[str, Any]], _: Mapping[str, Any]) -> str:
    """Plays a model that compares: a plane through the best eight that it is shown says which way is up."""
    text = str(messages[0]["content"])
    shown, mark = _BLOCK.findall(text)[0][1], _BLOCK.findall(text)[0][0]
    x, y, earned = (re.findall(rf"^{name} ?(-?[\d.e-]+)", shown, re.MULTILINE)[-8:] for name in ("x:", "y:", "earned"))
    rows = np.column_stack([np.ones(len(earned)), *np.array([x, y], dtype=np.float64)])
    slopes = np.linalg.lstsq(rows, np.array(earned, dtype=np.float64))[0][1:]
    return block(" ".join(_said(name, slope > 0) for name, slope in zip("xy", slopes, strict=True) if slope), mark)


def _ways(function: _Function, rng: np.random.Generator) -> dict[str, tuple[Proposer, Callable[..., str]]]:
    """What proposes, and what is said of the best so far."""
    tell = Rewriter(FunctionWriter(_Editor(function)))
    process = ProcessSurrogate(lengths=(0.2, 0.5, 1.0), sds=(0.1, 0.3), noise=0.01)

    def score(values: Mapping[str, Any]) -> str:
        return f"It earned {function(values):.3f} of 1."

    def coin(values: Mapping[str, Any]) -> str:
        return " ".join(_said(name, rng.random() < 0.5) for name in "xy")

    return {
        "given": (tell, function.way),
        "slopes": (Directed(tell, Slopes(process, size=0.02)), score),
        "contrasted": (Directed(tell, Contrasted(FunctionWriter(_contrast))), score),
        "none": (tell, score),
        "chance": (tell, coin),
    }


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4126, seed])
    trials, names = 6 if quick else _TRIALS, list(_WAYS)
    lacks, steps = np.zeros((2, len(names), len(_FUNCTIONS), _STARTS))
    for place, function in enumerate(_FUNCTIONS):
        for start in range(_STARTS):
            numbers = function.numbers(rng)
            for number, (proposer, says) in enumerate(_ways(function, rng).values()):
                done = search(numbers, proposer, function, trials=trials, says=says, rng=rng)
                best = np.maximum.accumulate([own.mean for own in done])
                lacks[number, place, start] = 1 - best[-1]
                steps[number, place, start] = np.argmax(np.append(best, 1.0) >= _GOOD)
    apart = np.abs(lacks[..., 0] - lacks[..., 1])
    told = {"": lacks.mean(axis=(1, 2)), ", steps": steps.mean(axis=(1, 2)), ", apart": apart.mean(axis=1)}
    return {f"{name}{of}": float(own[number]) for of, own in told.items() for number, name in enumerate(names)}


ENTRY = Entry(
    id="004-126",
    title="The Importance of Directional Feedback for LLM-based Optimizers",
    area="rewriting",
    citation="Nie et al. 2024",
    claim=(
        "Two numbers of the functions of Booth, McCormick and Rosenbrock and of the six-hump camel, 20 trials from "
        "random starts. What the best so far lacks of 1 is less where the direction is given than where the score "
        "alone is told. Where the score alone is told, it is less with a direction made out from the history, by the "
        "slope of a Gaussian process or by a model that is shown it, than without; 0.9 is reached in fewer trials; "
        "results of two starts are nearer to each other; and directions by chance are worse than those made out."
    ),
    configuration=(
        "rewriting.search with Rewriter; Directed(Rewriter, Slopes(ProcessSurrogate)); Directed(Rewriter, Contrasted)."
    ),
    measures={
        f"{name}{of}": f"{what}, {told}"
        for of, what in {
            "": "what the best of 20 trials lacks of 1",
            ", steps": "trials before 0.9 is reached, 20 where it is not",
            ", apart": "how far what is lacking differs between two starts",
        }.items()
        for name, told in _WAYS.items()
    },
    checks=(
        Check("none", "given", above=0.0),
        Check("none", "slopes", above=0.0),
        Check("none", "contrasted", above=0.0),
        Check("none, steps", "slopes, steps", above=0.0),
        Check("none, apart", "slopes, apart", above=0.0),
        Check("chance", "slopes", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The models are played: the editor follows every direction that it is told and none else, with steps of any "
        "size; the one that is shown the history lays a plane through the best of it. Functions are mapped to (0, 1] "
        "with 1 at their least. Poems are left out. A direction by chance moves each number any way, as no direction "
        "does, so that the two differ by luck alone."
    ),
    seeds=SEEDS[:30],
)
