"""003-062: a reward that asks a calculator whether an answer is right, beside one that must learn to add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import misordered, small_networks, without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.preference.heads import Votes

_RIGHT, _MANNER = 2.0, 0.5
_DIGITS, _NOISE = (1, 2, 3), 0.1
_NOISES = (0.0, _NOISE, 0.3)
_WRONG = "fresh pairs in the wrong order, per cent"


@dataclass(frozen=True)
class Sums:
    """Answers in pairs to sums of two numbers, one right and one off by 1 to 3: rows r and n + r are of one sum."""

    design: Floats
    right: np.ndarray
    utility: Floats

    @classmethod
    def of(cls, n: int, digits: int, rng: np.random.Generator) -> Sums:
        terms = np.tile(rng.integers(10**digits, size=(n, 2)), (2, 1))
        right = rng.permuted(np.tile([True, False], (n, 1)), axis=1).T.ravel()
        off = rng.integers(1, 4, size=2 * n) * rng.choice([-1, 1], size=2 * n)
        answer, manner = terms.sum(axis=1) + np.where(right, 0, off), rng.normal(size=2 * n)
        numbers = np.column_stack([terms, answer]) / 10**digits
        design = np.column_stack([(numbers - [0.5, 0.5, 1.0]) * np.sqrt([12, 12, 6]), manner])
        return cls(design, right, _RIGHT * right + _MANNER * manner)

    def asked(self, noise: float, rng: np.random.Generator) -> Floats:
        """The design and what a calculator says of each answer: 1 where its sum, wrong at times, is the answer."""
        agrees = self.right & (rng.random(len(self.right)) >= noise)
        return np.column_stack([self.design, agrees])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3062, seed])
    n = 60 if quick else 250
    figures = {}
    for digits in _DIGITS:
        seen, fresh = Sums.of(n, digits, rng), Sums.of(1000, digits, rng)
        won = rng.random(n) < expit(seen.utility[:n] - seen.utility[n:])
        votes = Votes.of(np.arange(n), np.arange(n, 2 * n), won)
        true = expit(fresh.utility[:1000] - fresh.utility[1000:])
        designs = {"plain": (seen.design, fresh.design)}
        for noise in _NOISES if digits == _DIGITS[-1] else (_NOISE,):
            designs[f"noise {noise:g}"] = seen.asked(noise, rng), fresh.asked(noise, rng)
        for name, (x, new) in designs.items():
            mean = small_networks(quick=quick).fit(x, votes, rng=rng).mean(new)
            figures[f"errors, {name}, {digits} digits"] = misordered(true, expit(mean[:1000] - mean[1000:]))
        plain, tool = (figures[f"errors, {name}, {digits} digits"] for name in ("plain", f"noise {_NOISE:g}"))
        figures[f"gain, {digits} digits"] = plain - tool
    return figures


ENTRY = Entry(
    id="003-062",
    title="Tool-Augmented Reward Modeling",
    area="preference/sampling",
    citation="Li et al. 2024",
    claim=(
        "250 comparisons of a right answer to a sum with one that is off by 1 to 3, by people who also care for its "
        "manner. Where the numbers have three digits, a network that also sees whether a calculator agrees, itself "
        "wrong one time in ten, puts at least 10 points fewer fresh pairs in the wrong order than one that sees the "
        "numbers alone; the gain is greater than with one digit; and there is a gain still where the calculator is "
        "wrong three times in ten."
    ),
    configuration=(
        "preference.heads.Networks on the scaled numbers and the manner, with and without a column that a noisy "
        "calculator fills: an encoder that calls a tool."
    ),
    measures={
        **{f"errors, plain, {digits} digits": f"{_WRONG}, numbers alone, {digits} digits" for digits in _DIGITS},
        **{
            f"errors, noise {noise:g}, {digits} digits": f"{_WRONG}, calculator wrong at {noise:g}, {digits} digits"
            for digits in _DIGITS
            for noise in (_NOISES if digits == _DIGITS[-1] else (_NOISE,))
        },
        **{
            f"gain, {digits} digits": f"points fewer by a calculator wrong at {_NOISE:g}, {digits} digits"
            for digits in _DIGITS
        },
    },
    checks=(
        Check("gain, 3 digits", above=10.0),
        Check("gain, 3 digits", "gain, 1 digits", above=0.0),
        Check("errors, plain, 3 digits", "errors, noise 0.3, 3 digits", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "The work's model writes when to call a tool, with which arguments, and what it makes of the answer; here each "
        "answer is put to one tool, and the head learns what its word is worth. Rationales are left out. "
        "From 250 comparisons the network learns hardly anything of sums even with one digit, so that there is little "
        "for the gain to grow from."
    ),
    missing=without_torch,
)
