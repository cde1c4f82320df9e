"""004-051: an agent that acts by draws of what it believes, and asks about its walks only where draws disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.games import Drawn
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.catalogue.walking import START, SYMBOLS, Walked, slippery
from heedful.core import Floats, Item
from heedful.elicitation import Disagreement
from heedful.preference.heads import Linear, Votes
from heedful.worlds import GridWorld

_EPISODES, _BATCH, _SPREAD, _DRAWS = 150, 5, 0.5, 128
_THRESHOLDS, _MAIN = (0.5, 1.0, 2.0), 1.0
_ITEMS = tuple(Item(system=f"walk {number}") for number in range(2 * _BATCH))
_POOL = list(zip(_ITEMS[::2], _ITEMS[1::2], strict=True))

# Which of a batch's pairs of walks people see: from how many episodes there were before, and the posterior of walks.
Asked = Callable[[int, Drawn, np.random.Generator], Sequence[tuple[Item, ...]]]


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4051, seed])
    world, wanted = slippery(seed), _SPREAD * rng.normal(size=SYMBOLS)
    episodes = 3 * _BATCH if quick else _EPISODES

    def played(asked: Asked) -> tuple[float, int]:
        return _played(world, wanted, asked, episodes, np.random.default_rng([4051, seed, 1]))

    ruled = {least: played(_where_draws_disagree(least)) for least in _THRESHOLDS}
    labels = ruled[_MAIN][1]
    return {
        "regret, always": played(_at(np.arange(episodes)))[0],
        **{f"regret, {least:g}": regret for least, (regret, _) in ruled.items()},
        **{f"labels, {least:g}": float(count) for least, (_, count) in ruled.items()},
        "regret, first": played(_at(np.arange(labels)))[0],
        "regret, random": played(_at(rng.permutation(episodes)[:labels]))[0],
    }


def _where_draws_disagree(least: float) -> Asked:
    rule = Disagreement(_BATCH, least)
    return lambda before, believed, rng: rule(believed, _POOL, rng=rng).items


def _at(episodes: Whole) -> Asked:
    """In these episodes."""
    return lambda before, believed, rng: [pair for place, pair in enumerate(_POOL) if before + place in episodes]


def _played(
    world: GridWorld, wanted: Floats, asked: Asked, episodes: int, rng: np.random.Generator
) -> tuple[float, int]:
    """What the policies of all episodes lack of the best one, in nats, on average, and how many labels there were.

    Each episode has a policy that is best for a draw of the reward and of where moves lead, and compares a walk of it
    with one of the policy before.
    """
    process, walked = world.process(), Walked(world)
    best = float(process.successor_features(process.best(wanted))[START] @ wanted)
    rows, won, lacking = np.zeros((0, SYMBOLS)), np.zeros(0), []
    drawn = _SPREAD * rng.normal(size=(_DRAWS, SYMBOLS))
    last = walked.drawn(rng).best(drawn[0])
    for before in range(0, episodes, _BATCH):
        policies = [walked.drawn(rng).best(drawn[rng.integers(_DRAWS)]) for _ in range(_BATCH)]
        lacking += [best - float(process.successor_features(policy)[START] @ wanted) for policy in policies]
        tried = np.array([policy for pair in zip(policies, [last, *policies], strict=False) for policy in pair])
        last = policies[-1]
        gathered = walked.walk(tried, rng)
        shown = asked(before, Drawn(_ITEMS, drawn @ gathered.T), rng)
        own = gathered[[_ITEMS.index(item) for pair in shown for item in pair]].reshape(-1, SYMBOLS)
        rows = np.concatenate([rows, own])
        won = np.concatenate([won, rng.random(len(shown)) < expit((own[::2] - own[1::2]) @ wanted)])
        if len(shown):
            votes = Votes.of(np.arange(0, len(rows), 2), np.arange(1, len(rows), 2), won)
            drawn = Linear(_SPREAD, pairs=_DRAWS // 2).fit(rows, votes, rng=rng).drawn
    return float(np.mean(lacking)), len(won)


ENTRY = Entry(
    id="004-051",
    title="Making RL with Preference-based Feedback Efficient via Randomization",
    area="elicitation/control",
    citation="Wu and Sun 2023",
    claim=(
        "Grids of 4 × 4 with five symbols on which one slips, rewards N(0, 0.5²) for each, 150 episodes, each with the "
        "policy that is best for a draw of the reward and of where moves lead; a walk of it may be compared with one "
        "of the policy before. Asking only where two draws disagree by more than 1 nat about the two walks takes less "
        "than half of the labels of asking always, and regret is no more than 1.2 times as much; equally many labels "
        "at random episodes leave more regret (30 seeds)."
    ),
    configuration=(
        "elicitation.Disagreement; preference.heads.Linear on what walks gather; models.DecisionProcess solved for "
        "draws of reward and transitions (Dirichlet); worlds.GridWorld."
    ),
    measures={
        "regret, always": "regret of an episode, nats, asked always",
        **{f"regret, {least:g}": f"regret, asked where draws disagree by {least:g} nats" for least in _THRESHOLDS},
        **{f"labels, {least:g}": f"labels, asked where draws disagree by {least:g} nats" for least in _THRESHOLDS},
        "regret, first": f"regret, as many labels as at {_MAIN:g} nat, in the first episodes",
        "regret, random": f"regret, as many labels as at {_MAIN:g} nat, in random episodes",
    },
    checks=(
        Check("labels, 1", below=_EPISODES / 2),
        Check("regret, 1", "regret, always", factor=1.2, below=0.0),
        Check("regret, random", "regret, 1", above=0.0),
    ),
    miniature=miniature,
    seeds=tuple(range(30)),
    beyond=(
        "This is the model-based variant, with exact posteriors: the linear one perturbs a least-squares value "
        "iteration. The abstract does not say that the disagreement is a mean over pairs of draws, nor that each "
        "policy is compared with the one before. Beliefs change after each five episodes."
    ),
)
