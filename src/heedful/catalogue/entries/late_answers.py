"""004-123: the best of many settings, where what a try is worth is told only some tries later."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import HopefulSearch, PhasedExploration
from heedful.preference.gaussian import Gaussian

_POINTS, _TRIES, _NOISE, _WIDTH, _DELAY, _LENGTH = 40, 300, 0.5, 2.0, 40, 0.2
_KERNELS = {"smooth": "squared exponential", "rough": "exponential"}
_WAYS = {
    "phases": "exploration in phases",
    "hopeful": "upper confidence by the answers so far",
    "waiting": "upper confidence, each point tried until it is answered",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    figures: dict[str, float] = {}
    for number, name in enumerate(_KERNELS):
        rng = np.random.default_rng([4123, seed, number])
        kernel = _kernel(name)
        truth = rng.multivariate_normal(np.zeros(_POINTS), kernel, method="svd")
        tries = 30 if quick else _TRIES
        for way in _WAYS:
            regret = {
                delay: _regret(kernel, truth, way, delay, tries, np.random.default_rng([4123, seed, number, delay]))
                for delay in (0, _DELAY)
            }
            figures[f"{name}, {way}"] = regret[_DELAY]
            figures[f"{name}, {way}, for delay"] = regret[_DELAY] - regret[0]
        figures[f"{name}, blind"] = _DELAY * float(truth.max() - truth.mean())
    return figures


def _kernel(name: str) -> Floats:
    """Covariances of points on a line from 0 to 1."""
    places = np.linspace(0, 1, _POINTS)
    away = np.abs(places[:, None] - places) / _LENGTH
    return np.asarray(np.exp(-(away**2) / 2 if name == "smooth" else -away))


def _regret(kernel: Floats, truth: Floats, way: str, delay: int, tries: int, rng: np.random.Generator) -> float:
    """What all tries together lack of the best point; the answer to a try comes a geometric number of tries later."""
    search: PhasedExploration | HopefulSearch = (
        PhasedExploration.start(kernel, noise=_NOISE, horizon=tries, patience=delay, width=_WIDTH)
        if way == "phases"
        else HopefulSearch(Gaussian.prior(kernel), _NOISE, _WIDTH, wait=way == "waiting")
    )
    due: dict[int, list[tuple[int, float]]] = defaultdict(list)
    lacking = 0.0
    for turn in range(tries):
        point, search = search.ask()
        lacking += float(truth.max() - truth[point])
        due[turn + int(rng.geometric(1 / (delay + 1))) - 1].append((turn, truth[point] + _NOISE * rng.normal()))
        for told, value in due.pop(turn, []):
            search = search.tell(told, value)
    return lacking


ENTRY = Entry(
    id="004-123",
    title="Delayed Feedback in Kernel Bandits",
    area="elicitation",
    citation="Vakili et al. 2023",
    claim=(
        "40 points on a line, whose values are drawn from a smooth or a rough Gaussian process of variance 1, answers "
        "with noise of 0.5, and 300 tries; an answer comes 40 tries late on average. What the delay adds to the regret "
        "of exploration in phases is less than 40 tries at random lack, with both kernels; with the rough one, of "
        "which more is to be learnt, it is less than what the delay adds to upper confidence by the answers so far; "
        "and with both, phases have less regret than upper confidence that waits for answers (40 seeds)."
    ),
    configuration="elicitation.PhasedExploration against HopefulSearch, both with bounds of two standard deviations.",
    measures={
        f"{name}, {key}": f"regret of {_TRIES} tries, {what}; {kernel} kernel"
        for name, kernel in _KERNELS.items()
        for key, what in {
            **{way: f"late answers, {how}" for way, how in _WAYS.items()},
            **{f"{way}, for delay": f"that the delay adds, {how}" for way, how in _WAYS.items()},
            "blind": f"of {_DELAY} tries at random, exactly",
        }.items()
    },
    checks=(
        *(Check(f"{name}, blind", f"{name}, phases, for delay", above=0.0) for name in _KERNELS),
        Check("rough, hopeful, for delay", "rough, phases, for delay", above=0.0),
        *(Check(f"{name}, waiting", f"{name}, phases", above=0.0) for name in _KERNELS),
    ),
    miniature=miniature,
    beyond=(
        "Phases are those of batched exploration and are lengthened by the mean delay, which is known, and confidence "
        "is of two standard deviations and not by the work's constants. Bounds say what regret is in the limit; how it "
        "compares after 300 tries they do not."
    ),
)
