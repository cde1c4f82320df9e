"""003-094: rewards of steps from labels of outcomes alone, as log-ratios of a policy to its reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import spearmanr

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, KnownScores, listed
from heedful.catalogue.solving import best_of, seen, solution_table, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Parts, Potential
from heedful.evaluation import best_threshold, first_error_f1, first_errors, step_scores
from heedful.evidence import ImplicitReward, Steps, prefixes
from heedful.feedback import Table, prefix_labels
from heedful.models import StepChoices, TableModel
from heedful.preference import fit_implicit
from heedful.worlds import CHAIN_FEATURES, ChainWorld, SimulatedRaters, completion_marks, marks, outcomes

_LABELLED, _COMPLETIONS, _BETA = 300, 8, 3.0
_TAUGHT, _ASKED = range(40), range(40, 48)
_REWARDS = {
    "implicit": "implied by a policy fitted to 300 outcomes",
    "ORM": "a reward of whole solutions fitted to 300 outcomes",
    "Monte Carlo": "rewards of steps from 8 completions each of the steps of 8 solutions",
    "marks": "rewards of steps from people's marks of 300 solutions",
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3094, seed])
    world = ChainWorld(steps=5, problems=48, seed=seed)
    base = solution_table(world, _ASKED[:1] if quick else _ASKED)
    contexts = tuple(base.rows)
    right = {context: world.value(base.support(context)) for context in contexts}
    drawn = world.draw(_LABELLED, rng=rng, problems=_TAUGHT)
    solutions = [drawn[row] for row in rng.permutation(len(drawn))]
    ends = outcomes(world, solutions, rng=rng)
    implicit = ImplicitReward(fit_implicit(ends, world.base(), seen(world), beta=_BETA), _BETA, "base")
    orm = verifier(ends, seen(world)).posterior.potential()
    few = solutions[: _LABELLED // (_COMPLETIONS * world.steps) + 1]
    completed = completion_marks(world, few, world, completions=_COMPLETIONS, rng=rng)
    marked = marks(world, solutions, raters=SimulatedRaters(5), certainty=3.0, rng=rng)
    steps = {"Monte Carlo": _steps(world, completed), "marks": _steps(world, marked)}
    wholes: dict[str, Potential] = {"implicit": implicit, "ORM": orm, **steps}
    figures = {"off": _off(implicit, base, contexts[0])}
    for name, reward in wholes.items():
        scores = KnownScores.of(reward, listed(base, contexts))
        figures[f"picks, {name}"] = best_of(base, scores, right, 8)
    tried, fresh = (world.draw(60 if quick else 200, rng=rng, problems=problems) for problems in (_TAUGHT, _ASKED))
    in_view = Steps(verifier(prefix_labels(marked), _against_others(world)), "product")
    for name, reward in {**wholes, "marks in view": in_view}.items():
        known, new = (_gains(reward, items) for items in (tried, fresh))
        found = first_errors(new, best_threshold(known, world.first_error(tried)))
        figures[f"F1, {name}"] = 100 * first_error_f1(found, world.first_error(fresh), np.full(len(fresh), world.steps))
    unfinished = [own for item in fresh for own in prefixes(item)[:-1]]
    true = world.value(unfinished)
    figures |= {
        f"rank, {name}": float(spearmanr(wholes[name](unfinished).mean, true)[0]) for name in ("implicit", "ORM")
    }
    return figures


def _against_others(world: ChainWorld) -> Given:
    """What the world shows of prefixes, and that less its mean over what the base might have written last."""
    base, plain = world.base(), seen(world)

    def measure(items: Sequence[Item]) -> Floats:
        laws = StepChoices.of(base, plain, items)
        others = (np.exp(laws.log_reference)[:, :, None] * laws.features).sum(axis=1)
        own, last = world.features(items), [len(item.output) - 1 for item in items]
        against = own - others[laws.place[np.arange(len(items)), last]] if laws.place.size else np.zeros(own.shape)
        return np.hstack([own, against])

    return Given((*CHAIN_FEATURES, *(f"{name} against others" for name in CHAIN_FEATURES)), measure)


def _steps(world: ChainWorld, table: Table) -> Steps:
    return Steps(verifier(prefix_labels(table), seen(world)), "product")


def _gains(reward: Potential, items: tuple[Item, ...]) -> Floats:
    """What each step adds to the score of its prefix [n, steps]."""
    before = reward([Item(item.context) for item in items]).mean
    return np.diff(step_scores(reward, items), axis=1, prepend=before[:, None])


def _off(reward: ImplicitReward, base: TableModel, context: Parts) -> float:
    """The most by which a partial sum misses the soft value of its prefix, by enumeration, in nats."""
    items = base.support(context)
    log_prob, whole = base.log_prob(items), reward(items).mean
    begun = sorted({own.output for item in items for own in prefixes(item)}, key=len)
    soft = []
    for steps in begun:
        after = np.array([item.output[: len(steps)] == steps for item in items])
        soft.append(logsumexp(log_prob[after] + whole[after] / _BETA) - logsumexp(log_prob[after]))
    return float(np.abs(reward.prefix([Item(context, steps) for steps in begun]).mean - _BETA * np.array(soft)).max())


ENTRY = Entry(
    id="003-094",
    title="Free Process Rewards without Process Labels",
    area="preference/sampling",
    citation="Yuan et al. 2024",
    claim=(
        "A log-linear policy of steps fitted by cross-entropy to the outcomes of 300 chains of five additions, its "
        "reward 3 log π/π_ref. Its partial sums are the exact soft values of the reward. What each step adds finds "
        "first wrong steps better (F1, thresholds tuned on other solutions) than what it adds to a reward fitted to "
        "the same outcomes as a function of the whole, and than rewards of steps from about as many completions (8 of "
        "each step of 8 solutions); by the sum, best-of-8 is right more often than by the latter; and it ranks "
        "unfinished solutions more like their exact values than the reward of the whole does."
    ),
    configuration=(
        "preference.fit_implicit: models.LogLinearSteps by cross-entropy; evidence.ImplicitReward, of kind soft; "
        "evidence.Steps('product') on completion_marks and marks; evaluation.first_error_f1; sampling.best_of_n_law."
    ),
    measures={
        "off": "the most by which a partial sum misses the soft value of its prefix, nats",
        **{
            f"{measure}, {name}": f"{what}, {reward}"
            for name, reward in _REWARDS.items()
            for measure, what in {
                "picks": "right outcomes among best of 8, per cent",
                "F1": "F1 of first wrong steps, per cent",
            }.items()
        },
        "F1, marks in view": "F1, per cent, rewards of steps from these marks that see what else could be written",
        **{
            f"rank, {name}": f"rank correlation with exact values of unfinished solutions, {_REWARDS[name]}"
            for name in ("implicit", "ORM")
        },
    },
    checks=(
        Check("off", below=1e-8),
        Check("F1, implicit", "F1, ORM", above=0.0),
        Check("F1, implicit", "F1, Monte Carlo", above=0.0),
        Check("picks, implicit", "picks, Monte Carlo", above=0.0),
        Check("rank, implicit", "rank, ORM", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The form of the partial sums is not in the abstract: it follows from the policy being normalised at each "
        "step, holds for any weights, and is tested by enumeration. With β small, E[exp(r/β)] = 1 keeps the reward of "
        "such short solutions near 0, where the work's long ones leave it free: hence 3. "
        "The policy's normaliser sees every step that might have been written, of which one is right; the rewards it "
        "is compared with see the one that was. That it finds more errors than marks do comes from there: with "
        "the alternatives in view, added after the first run and in no check, marks find about as many. After the "
        "first run, test problems were cut from 12 to 8 and solutions from 300 to 200, for time: it was reproduced "
        "before, too."
    ),
)
