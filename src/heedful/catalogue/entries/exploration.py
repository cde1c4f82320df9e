"""000-007: which pairs of responses to ask about, so that the best of many is found with few labels."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.verdicts import Check
from heedful.core import AcquisitionRule, Floats, Item
from heedful.elicitation import Boltzmann, DoubleThompson, ExpectedInformationGain, Random, context_pairs
from heedful.preference.heads import HeadPosterior, Linear, Votes

_FEATURES, _SPREAD, _CANDIDATES, _PROMPTS, _ROUNDS, _FRESH = 12, 2.0, 20, 8, 8, 300
_WIDTH = _SPREAD / np.sqrt(_FEATURES)
_RULES: dict[str, tuple[AcquisitionRule, str]] = {
    "passive": (Random(batch=1), "random pairs"),
    "Boltzmann": (Boltzmann(batch=1), "draws of the softmax of the mean reward"),
    "infomax": (ExpectedInformationGain(batch=1, diversity=False), "the pairs whose answers tell most of the reward"),
    "double Thompson": (DoubleThompson(batch=1), "the best of one draw of the reward against that of another"),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([7, seed])
    truth = rng.normal(size=_FEATURES) * _WIDTH
    asked = rng.normal(size=(3 if quick else _ROUNDS, _PROMPTS, _CANDIDATES, _FEATURES))
    fresh = rng.normal(size=(_FRESH, _CANDIDATES, _FEATURES))
    lost = {}
    for name, (rule, _) in _RULES.items():
        learnt = _learnt(rule, truth, asked, np.random.default_rng([7, seed, 1]))
        picked = np.take_along_axis(fresh @ truth, (fresh @ learnt).argmax(axis=1)[:, None], axis=1)[:, 0]
        lost[name] = float(((fresh @ truth).max(axis=1) - picked).mean())
    return lost


def _learnt(rule: AcquisitionRule, truth: Floats, asked: Floats, rng: np.random.Generator) -> Floats:
    """The mean weights of the reward after one duel on each prompt of each round; those of the first round random."""
    rows = asked.reshape(-1, _FEATURES)
    items = [Item.of(f"prompt {row // _CANDIDATES}", f"response {row}") for row in range(len(rows))]
    number = {item: row for row, item in enumerate(items)}
    encoder = Given.by_output([f"response {row}" for row in range(len(rows))], rows)
    head = Linear(_WIDTH, pairs=64)
    pairs, share = np.zeros((0, 2), dtype=np.intp), np.zeros(0)
    for turn in range(len(asked)):
        posterior = (
            HeadPosterior(encoder, head.fit(rows, Votes.of(pairs[:, 0], pairs[:, 1], share), rng=rng)) if turn else None
        )
        for prompt in range(turn * _PROMPTS, (turn + 1) * _PROMPTS):
            pool = context_pairs([items[prompt * _CANDIDATES : (prompt + 1) * _CANDIDATES]], rng=rng)
            pair = pool[int(rng.integers(len(pool)))]
            if posterior is not None:
                ((first, second),) = rule(posterior, pool, rng=rng).items
                pair = first, second
            places = np.array([number[item] for item in pair])
            won = rng.random() < expit((rows[places[0]] - rows[places[1]]) @ truth)
            pairs, share = np.concatenate([pairs, places[None]]), np.append(share, float(won))
    return np.asarray(head.fit(rows, Votes.of(pairs[:, 0], pairs[:, 1], share), rng=rng).weights)


ENTRY = Entry(
    id="000-007",
    title="Efficient Exploration for LLMs",
    area="elicitation/preference",
    citation="Dwaracherla et al. 2024",
    claim=(
        "64 comparisons, eight on the prompts of each of eight rounds with the reward fitted anew after each; picking "
        "the best of 20 responses to fresh prompts by the mean reward. After double Thompson sampling the pick lacks "
        "less utility of the truly best than after random pairs, by a tenth of that or more, and less than after "
        "Boltzmann exploration and after the most informative pairs."
    ),
    configuration=(
        "elicitation.DoubleThompson, Random, Boltzmann and ExpectedInformationGain on draws of "
        "preference.heads.HeadPosterior(Linear); one duel per prompt."
    ),
    measures={name: f"utility lacking, nats, after duels of {what}" for name, (_, what) in _RULES.items()},
    checks=(
        Check("passive", "double Thompson", factor=1 / 0.9, above=0.0),
        Check("Boltzmann", "double Thompson", above=0.0),
        Check("infomax", "double Thompson", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "Rewards are linear in 12 features, so that the uncertainty of the reward is that of its weights, computed and "
        "not learnt by an epistemic network; the person's utility is linear too, with a standard deviation of 2 nats "
        "among responses. The most informative pair is by mutual information; the work takes the variance of the "
        "probability. The first eight pairs are random for all. The most informative pairs did best here, unlike in "
        "the work: with 12 weights, whatever is learnt on one prompt holds on all, and pairs of likely best responses "
        "tell little of it."
    ),
)
