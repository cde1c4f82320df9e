"""Where a system fails: which of its answers to have checked, so that patterns of failure come to light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError, UsageError
from heedful.elicitation.beliefs import Indices
from heedful.elicitation.determinantal import draw_determinantal


@dataclass(frozen=True, eq=False)
class FailureSearch:
    """Instances [n], those `asked` about and whether each `failed`; `tell` gives the search that follows.

    `similarity` [n, n] in [0, 1], 1 on its diagonal, symmetric and positive semi-definite: how much an answer about one
    instance counts as one about the other. The probability that an instance fails is that of Beta(strength · share + f,
    strength · (1 − share) + c), f and c the similarities to those that failed and that did not, summed: where
    similarities are 0 or 1, exact (Goetschalckx et al. 2011, "Continuous correlated beta processes"). A `share` of all
    is expected to fail beforehand, which counts as much as `strength` answers.

    A batch is drawn by a determinantal point process of kernel √p_i similarity_ij √p_j, so that it holds likely
    failures and they differ: new patterns are looked for and found ones confirmed (after Nguyen and Nguyen 2023,
    "Efficient failure pattern identification of predictive algorithms", whose probabilities are a Gaussian process's).
    """

    similarity: Floats
    asked: Indices
    failed: Floats
    share: float = 0.1
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 0 < self.strength < np.inf:
            what = f"a share of {self.share} of strength {self.strength}"
            raise UsageError(what, where="FailureSearch", fix="a share between 0 and 1, a strength above 0")
        n = len(self.similarity)
        if self.similarity.shape != (n, n) or ((self.similarity < 0) | (self.similarity > 1)).any():
            raise InputError("similarities are numbers [n, n] between 0 and 1", where="FailureSearch")

    @classmethod
    def of(cls, points: Floats, scale: float, *, share: float = 0.1, strength: float = 1.0) -> FailureSearch:
        """Nothing asked yet; similarity exp(−|x − y|² / (2 scale²)) of points [n, d]."""
        if points.ndim != 2 or not np.isfinite(points).all() or not 0 < scale < np.inf:
            raise InputError("finite points [n, d] and a scale above 0 are needed", where="FailureSearch.of")
        norm = (points**2).sum(axis=1)
        away = np.maximum(norm[:, None] + norm - 2 * points @ points.T, 0.0)
        np.fill_diagonal(away, 0.0)
        return cls(np.exp(-away / (2 * scale**2)), np.zeros(0, np.intp), np.zeros(0), share, strength)

    @property
    def probability(self) -> Floats:
        """That each instance fails [n], asked about or not."""
        near = self.similarity[:, self.asked]
        failures = self.strength * self.share + near @ self.failed
        return np.asarray(failures / (self.strength + near.sum(axis=1)))

    @property
    def left(self) -> Indices:
        """The instances not asked about."""
        return np.setdiff1d(np.arange(len(self.similarity)), self.asked)

    def ask(self, batch: int, rng: np.random.Generator) -> Indices:
        """`batch` instances to have checked next. Raises InputError where not so many different ones are left."""
        left = self.left
        root = np.sqrt(self.probability[left])
        kernel = root[:, None] * self.similarity[np.ix_(left, left)] * root
        return np.asarray(left[draw_determinantal(kernel, batch, rng)])

    def tell(self, instances: ArrayLike, failed: ArrayLike) -> FailureSearch:
        """The search after these [k] were checked. Raises InputError where one is unknown or was checked before."""
        numbers, found = np.asarray(instances, dtype=np.intp), np.asarray(failed, dtype=np.float64)
        if numbers.ndim != 1 or numbers.shape != found.shape or not np.isin(found, (0, 1)).all():
            what = f"{numbers.shape} instances and {found.shape} outcomes"
            raise InputError(what, where="FailureSearch.tell", fix="give for each whether it failed (1) or not (0)")
        if len(np.unique(numbers)) < len(numbers) or not np.isin(numbers, self.left).all():
            raise InputError("only instances that are left are checked, each once", where="FailureSearch.tell")
        return replace(self, asked=np.append(self.asked, numbers), failed=np.append(self.failed, found))
