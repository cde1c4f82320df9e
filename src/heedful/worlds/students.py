"""Students who learn a function from examples in view, as Bayes' rule says, each from beliefs of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from heedful.core import Floats, InputError
from heedful.worlds.raters import Whole


@dataclass(frozen=True, eq=False)
class Students:
    """s students over h functions of whole numbers.

    functions  values [h, x], from 0 up, of each function at each input
    prior      what each student holds each function for before it is shown anything [s, h]; rows sum to 1
    noise      the share of shown values that students take to be any value at random
    """

    functions: Whole
    prior: Floats
    noise: float = 0.1

    def __post_init__(self) -> None:
        functions, prior = np.asarray(self.functions), np.asarray(self.prior)
        if functions.ndim != 2 or prior.ndim != 2 or prior.shape[1] != len(functions) or (functions < 0).any():
            what = f"functions {functions.shape} and priors {prior.shape}"
            raise InputError(what, where="Students", fix="give values [h, x] of 0 or more and priors [s, h]")
        if not (0 < self.noise <= 1 and (prior >= 0).all() and np.allclose(prior.sum(axis=1), 1)):
            raise InputError("noise lies above 0 and up to 1, and each prior sums to 1", where="Students")

    @property
    def values(self) -> int:
        return int(self.functions.max()) + 1

    def beliefs(self, inputs: Whole, shown: Whole) -> Floats:
        """P(function | examples) [n, s, h] after each of n sets of `shown` values [n, k] at these inputs [k]."""
        agree = self.functions[:, inputs] == shown[:, None]  # [n, h, k]
        chance = self.noise / self.values
        likelihood = np.where(agree, 1 - self.noise + chance, chance).prod(axis=2)
        joint = likelihood[:, None] * self.prior
        return np.asarray(joint / joint.sum(axis=2, keepdims=True))

    def answers(self, inputs: Whole, shown: Whole, asked: Whole) -> Floats:
        """P(answer) [n, s, q, values] to questions about the inputs `asked` [q], after each set of examples."""
        says = (self.functions[:, asked, None] == np.arange(self.values)).astype(np.float64)
        return np.asarray(np.einsum("nsh,hqv->nsqv", self.beliefs(inputs, shown), says))

    def right(self, inputs: Whole, shown: Whole, asked: Whole, truth: Whole) -> Floats:
        """P(right answer) [n, s, q], the true values being `truth` [q]: what a rationale is worth to be taught by."""
        answers = self.answers(inputs, shown, asked)
        return np.asarray(answers[:, :, np.arange(len(asked)), truth])


def lines(modulus: int) -> NDArray[np.int64]:
    """Every function a · x + b modulo a number, over the inputs from 0 up to it [modulus², modulus]."""
    slope, start, place = np.ogrid[:modulus, :modulus, :modulus]
    return ((slope * place + start) % modulus).reshape(-1, modulus)
