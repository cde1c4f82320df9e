"""004-050: duels of responses in contexts, by imitating how votes scatter, under right and wrong links."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.special import expit, ndtr

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import DoubleThompson, Perturbed, Random, context_pairs
from heedful.preference.heads import HeadPosterior, Linear, Votes

_FEATURES, _ARMS, _CONTEXTS, _ROUNDS = 6, 8, 10, 12
_LINKS: Mapping[str, Callable[[Floats], Floats]] = {"logistic": expit, "probit": lambda gap: ndtr(gap)}
_RULES: Mapping[str, tuple[AcquisitionRule, str]] = {
    "CoLSTIM": (Perturbed(_CONTEXTS, noise=1.0, bonus=1.0), "the best under noise against the most hopeful"),
    "Thompson": (DoubleThompson(_CONTEXTS), "double Thompson sampling"),
    "random": (Random(_CONTEXTS), "random pairs"),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4050, seed])
    truth = rng.normal(size=_FEATURES)
    arms = rng.normal(size=(3 if quick else _ROUNDS, _CONTEXTS, _ARMS, _FEATURES))
    return {
        f"{link}, {name}": _regret(rule, law, truth, arms, np.random.default_rng([4050, seed, 1]))
        for link, law in _LINKS.items()
        for name, (rule, _) in _RULES.items()
    }


def _regret(
    rule: AcquisitionRule, law: Callable[[Floats], Floats], truth: Floats, arms: Floats, rng: np.random.Generator
) -> float:
    """What the two of a duel lack on average of the best of their context, in nats, over the second half of rounds."""
    rows = arms.reshape(-1, _FEATURES)
    utility, names = rows @ truth, [f"arm {row}" for row in range(len(rows))]
    lacking = np.repeat(utility.reshape(-1, _ARMS).max(axis=1), _ARMS) - utility
    items = [Item.of(f"context {row // _ARMS}", name) for row, name in enumerate(names)]
    groups = [items[start : start + _ARMS] for start in range(0, len(items), _ARMS)]
    encoder, number = Given.by_output(names, rows), {item: row for row, item in enumerate(items)}
    pairs, share = np.zeros((0, 2), dtype=np.intp), np.zeros(0)
    for turn in range(len(arms)):
        pool = context_pairs(groups[turn * _CONTEXTS : (turn + 1) * _CONTEXTS], rng=rng)
        asked = [pool[int(place)] for place in rng.choice(len(pool), _CONTEXTS, replace=False)]
        if turn:
            fitted = Linear(1.0, pairs=64).fit(rows, Votes.of(pairs[:, 0], pairs[:, 1], share), rng=rng)
            asked = [(a, b) for a, b in rule(HeadPosterior(encoder, fitted), pool, rng=rng).items]
        places = np.array([[number[item] for item in pair] for pair in asked])
        won = rng.random(len(asked)) < law(utility[places[:, 0]] - utility[places[:, 1]])
        pairs, share = np.concatenate([pairs, places]), np.append(share, won.astype(np.float64))
    return float(lacking[pairs[len(pairs) // 2 :]].mean())


ENTRY = Entry(
    id="004-050",
    title="Stochastic Contextual Dueling Bandits under Linear Stochastic Transitivity Models",
    area="elicitation",
    citation="Bengs et al. 2022",
    claim=(
        "120 duels, one in each of ten contexts with eight arms of six features, after each ten a new fit; regret is "
        "what the two arms of a duel lack of the best of their context, in the second half. With utilities linear in "
        "features, duels of the best under imitated noise against the most hopeful challenger have less regret than "
        "double Thompson sampling, and less than half of that of random pairs; so also where votes are probit and the "
        "fit takes them for logistic."
    ),
    configuration="elicitation.Perturbed(noise=1, bonus=1), DoubleThompson and Random; preference.heads.Linear.",
    measures={
        f"{link}, {name}": f"regret in nats, {what}; {link} votes"
        for link in _LINKS
        for name, (_, what) in _RULES.items()
    },
    checks=tuple(
        check
        for link in _LINKS
        for check in (
            Check(f"{link}, Thompson", f"{link}, CoLSTIM", above=0.0),
            Check(f"{link}, random", f"{link}, CoLSTIM", factor=2.0, above=0.0),
        )
    ),
    miniature=miniature,
    beyond=(
        "Means and standard deviations are those of a Bayesian fit and not of a perturbed maximum-likelihood estimate; "
        "both weights are 1. The first ten duels are random for all."
    ),
)
