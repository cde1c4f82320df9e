"""Whom to recruit for each instance, by the skills that it takes and who has them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from heedful.core import Floats, InputError, UsageError
from heedful.elicitation.beliefs import Indices


@dataclass(frozen=True, eq=False)
class SkillProfiles:
    """How often each of m models, or raters, was right [m, s] and wrong [m, s] where a skill was needed (Chen et al.
    2025, "Symbolic mixture-of-experts: adaptive skill-based routing for heterogeneous reasoning"); `tell` gives the
    profiles that follow.

    Under a uniform prior, that model m is right where skill s is needed alone has a probability of Beta(1 + right_ms,
    1 + wrong_ms). An instance takes skills [s] of any weights; it counts once in all, each of its skills taking its
    share, and the probability on it is the mean over its skills, so weighted. The work sums right less wrong instead,
    so that a model tried more often on a skill is taken to have more of it.
    """

    right: Floats
    wrong: Floats

    @classmethod
    def none(cls, models: int, skills: int) -> SkillProfiles:
        """Nothing known yet. Raises UsageError unless there is one of each."""
        if models < 1 or skills < 1:
            raise UsageError(f"{models} models with {skills} skills", where="SkillProfiles.none", fix="at least 1 each")
        return cls(np.zeros((models, skills)), np.zeros((models, skills)))

    def tell(self, model: ArrayLike, skills: ArrayLike, right: ArrayLike) -> SkillProfiles:
        """After n answers: of which `model` [n], on instances that take `skills` [n, s], whether `right` [n].

        Raises InputError where lengths differ, or there is no such model.
        """
        who, share, won = np.asarray(model), self._shares(skills), np.asarray(right, dtype=np.float64)
        if who.shape != won.shape or who.shape != share.shape[:1]:
            what = f"{who.shape} models, {share.shape[:1]} instances and {won.shape} outcomes"
            raise InputError(what, where="SkillProfiles.tell", fix="give one of each for each answer")
        if not np.issubdtype(who.dtype, np.integer) or ((who < 0) | (who >= len(self.right))).any():
            raise InputError(f"models are numbered from 0 to {len(self.right) - 1}", where="SkillProfiles.tell")
        if not ((won >= 0) & (won <= 1)).all():
            raise InputError("an answer is right (1), wrong (0) or between", where="SkillProfiles.tell")
        gained, lost = self.right.copy(), self.wrong.copy()
        np.add.at(gained, who, won[:, None] * share)
        np.add.at(lost, who, (1 - won)[:, None] * share)
        return replace(self, right=gained, wrong=lost)

    def scores(self, skills: ArrayLike) -> Floats:
        """The mean probability that each model is right on each instance [n, m]; skills [n, s]."""
        mean = (1 + self.right) / (2 + self.right + self.wrong)
        return np.asarray(self._shares(skills) @ mean.T)

    def draws(self, skills: ArrayLike, rng: np.random.Generator) -> Floats:
        """As `scores`, by profiles drawn anew for each instance [n, m]."""
        share = self._shares(skills)
        drawn = rng.beta(1 + self.right, 1 + self.wrong, (len(share), *self.right.shape))
        return np.asarray(np.einsum("nms,ns->nm", drawn, share))

    def recruit(self, skills: ArrayLike, count: int = 1, *, rng: np.random.Generator | None = None) -> Indices:
        """The `count` models for each instance [n, count], best first, of equals the earlier; skills [n, s].

        By mean probability; with `rng` by that drawn for the instance, so that those of whom little is known are tried
        as well (Thompson sampling). Raises UsageError where there are not so many.
        """
        if not 1 <= count <= len(self.right):
            raise UsageError(f"{count} of {len(self.right)} cannot be recruited", where="SkillProfiles.recruit")
        score = self.scores(skills) if rng is None else self.draws(skills, rng)
        return np.asarray(np.argsort(-score, axis=1, kind="stable")[:, :count])

    def _shares(self, skills: ArrayLike) -> Floats:
        weight = np.asarray(skills, dtype=np.float64)
        if weight.ndim != 2 or weight.shape[1] != self.right.shape[1]:
            what = f"skills have the shape [n, {self.right.shape[1]}], not {list(weight.shape)}"
            raise InputError(what, where="SkillProfiles")
        total = weight.sum(axis=1, keepdims=True)
        if not (np.isfinite(weight) & (weight >= 0)).all() or not (total > 0).all():
            raise InputError("every instance takes a skill, and weights are 0 or more", where="SkillProfiles")
        return np.asarray(weight / total)
