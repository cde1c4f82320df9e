"""003-035: preferences between steps of annotated trees, fitted as a policy whose log-ratios choose steps of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, Whole
from heedful.catalogue.solving import seen, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, PrefixPotential
from heedful.evidence import ImplicitReward, PrefixValue, Readout
from heedful.preference import fit_dpo
from heedful.preference.heads.linear import Linear
from heedful.preference.heads.votes import Votes
from heedful.sampling import BestOfN, StepBeam
from heedful.target import Target
from heedful.worlds import ChainWorld, completion_shares, outcomes

_STEPS, _TREES, _CHILDREN, _COMPLETIONS, _LABELLED, _BRANCHES = 4, 60, 3, 8, 600, 4
_TAUGHT, _ASKED, _REPEATS = range(40), range(40, 60), 3
_AGENTS = {"own": "the policy that the trees were drawn from", "other": "another policy, whose steps slip less"}
_WAYS = {
    "alone": "one draw",
    "outcomes": "best of 4 by a reward fitted to 600 outcomes",
    "regression": "at each step the best of 4 by Q regressed on the estimates",
    "preferences": "at each step the best of 4 by the log-ratios of a policy fitted to preferences",
}


@dataclass(frozen=True, eq=False)
class Trees:
    """Prefixes with an estimate of their value [n], and the numbers of the best and worst that go on alike [p]."""

    prefixes: tuple[Item, ...]
    value: Floats
    best: Whole
    worst: Whole

    @classmethod
    def drawn(cls, world: ChainWorld, count: int, rng: np.random.Generator) -> Trees:
        """From each prefix of `count` solutions a few steps, each with completions; the solution takes the first."""
        base, found = world.base(), list[Item]()
        nodes = tuple(Item(world.contexts[_TAUGHT[place % len(_TAUGHT)]]) for place in range(count))
        for _ in range(world.steps):
            children = base.continued([node for node in nodes for _ in range(_CHILDREN)], rng=rng)
            nodes = children[::_CHILDREN]
            found += children
        value = completion_shares(found, world, completions=_COMPLETIONS, rng=rng)
        groups = value.reshape(-1, _CHILDREN)
        apart = np.flatnonzero(groups.max(axis=1) > groups.min(axis=1))
        best, worst = (_CHILDREN * apart + own[apart] for own in (groups.argmax(axis=1), groups.argmin(axis=1)))
        return cls(tuple(found), value, best, worst)

    def preferred(self, world: ChainWorld) -> ImplicitReward:
        chosen, rejected = ([self.prefixes[row] for row in rows] for rows in (self.best, self.worst))
        return ImplicitReward(fit_dpo(chosen, rejected, world.base(), seen(world)), 1.0)

    def regressed(self, world: ChainWorld, rng: np.random.Generator) -> PrefixValue:
        """The log-odds of the value, by the likelihood of the completions."""

        def design(items: Sequence[Item]) -> Floats:
            return np.column_stack([world.features(items), np.ones(len(items))])

        n, known = len(self.value), design(self.prefixes)
        votes = Votes.of(np.arange(n), np.full(n, n), self.value, weight=np.full(n, float(_COMPLETIONS)))
        fitted = Linear(prior_sd=1.0, pairs=2).fit(np.vstack([known, 0 * known[:1]]), votes, rng=rng)
        value = Given(("Q",), lambda items: fitted.mean(design(items))[:, None])
        return PrefixValue(Readout(value, "Q"), "mean", "base")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3035, seed])
    world = ChainWorld(steps=_STEPS, problems=60, carry=0.0, aftermath=1.5, words=True, seed=seed)
    trees = Trees.drawn(world, 15 if quick else _TREES, rng)
    solutions = world.draw(100 if quick else _LABELLED, rng=rng, problems=_TAUGHT)
    whole = PrefixValue(verifier(outcomes(world, solutions, rng=rng), seen(world)), "terminal")
    values: dict[str, PrefixPotential] = {
        "regression": trees.regressed(world, rng),
        "preferences": trees.preferred(world),
    }
    contexts = [world.contexts[number] for number in _ASKED] * (1 if quick else _REPEATS)
    figures = {}
    for agent, own in {"own": world, "other": replace(world, slip=-2.2)}.items():

        def right(engine: StepBeam | BestOfN, potential: PrefixPotential, base: ChainWorld = own) -> float:
            found = engine(Target(base.base(), potential), contexts, budget=Budget(), rng=rng)
            return float(100 * base.value(found.items).mean())

        figures[f"{agent}, alone"] = right(BestOfN(1), whole)
        figures[f"{agent}, outcomes"] = right(BestOfN(_BRANCHES), whole)
        figures |= {f"{agent}, {name}": right(StepBeam(1, _BRANCHES), value) for name, value in values.items()}
    return figures


ENTRY = Entry(
    id="003-035",
    title="Enhancing Decision-Making for LLM Agents via Step-Level Q-Value Models",
    area="sampling/preference",
    citation="Zhai et al. 2024",
    claim=(
        "Chains of four additions in which a rough step makes the next one slip. Of 60 solutions three steps are tried "
        "at each prefix, with 8 completions each, and the best preferred to the worst. At each step the best of 4 by "
        "the log-ratios of a policy fitted to these preferences (DPO) ends right more often than the policy alone, by "
        "more than 10 points, and than the best of 4 whole solutions by a reward fitted to 600 outcomes; and, as it "
        "is, does so for another policy, whose steps slip less: more often than that alone by more than 5 points, and "
        "than its best of 4."
    ),
    configuration=(
        "worlds.completion_shares; preference.fit_dpo on prefixes that differ in their last step; "
        "evidence.ImplicitReward in sampling.StepBeam of one prefix; BestOfN by evidence.Labelled."
    ),
    measures={
        f"{agent}, {way}": f"right outcomes, per cent, {how}, {who}"
        for agent, who in _AGENTS.items()
        for way, how in _WAYS.items()
    },
    checks=(
        Check("own, preferences", "own, alone", above=10.0),
        Check("own, preferences", "own, outcomes", above=0.0),
        Check("other, preferences", "other, alone", above=5.0),
        Check("other, preferences", "other, outcomes", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "That Q is β log π/π_ref is not in the abstract. Since the two steps of a pair follow the same prefix, the fit "
        "is that of Bradley and Terry to the features of prefixes, which a test of fit_dpo shows. Trees go on by the "
        "policy's own steps: there is no selection as in a Monte Carlo tree search. Regression on the same estimates "
        "stands beside and enters no check: the abstract claims nothing of it."
    ),
)
