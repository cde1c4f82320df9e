"""004-103: planted principles of style, found again in preferences, and what they rebuild."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.rewriting import Preferred, Principle, compress, rebuilt, style_principles

_TRAIN, _HELD_OUT, _RULES, _COINS = 300, 300, 4, 10
# Nats by which an answer is better that keeps to the principle more than the other.
_PLANTED = {
    "Prefer the answer that hedges less.": 1.5,
    "Prefer the answer that has more items in lists.": 1.2,
    "Prefer the answer that is more courteous.": 0.9,
    "Prefer the answer that is shorter.": 0.6,
}
_PLAIN = (
    "The train leaves at noon.", "The museum is closed on Mondays.", "Water boils at lower heat in the mountains.",
    "A map shows the way.", "The bridge was built of stone.", "Bread needs time to rise.", "The lake is deep and cold.",
)  # fmt: skip
_EXTRA = {  # what may stand in an answer, and how probably each time
    "Perhaps the road is open.": 0.35,
    "It might rain, probably.": 0.35,
    "- take a coat\n- take a lamp": 0.35,
    "I am glad to help.": 0.35,
    "Thank you, and welcome!": 0.25,
    "I am sorry for that.": 0.25,
    "Have you been there?": 0.35,
    "You will like your walk!": 0.35,
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4103, seed])
    train, held = (_pairs(80 if quick else size, rng) for size in (_TRAIN, _HELD_OUT))
    candidates = _candidates()
    length = [own for own in candidates if own.sentence.endswith(("is longer.", "is shorter."))]
    found, plain = compress(train, candidates, rng=rng), compress(train, length, rng=rng)
    loudest = _of_most_votes(train, candidates)
    done, of_votes = (rebuilt(own, plain, held) for own in (found, compress(train, loudest, alpha=0.999, rng=rng)))
    best = np.where(_chance(held) > 0.5, held.won, 1 - held.won)
    return {
        "found": _planted([own.principle for own in found.kept]),
        "others": len(found.kept) - _planted([own.principle for own in found.kept]),
        "found by votes": _planted(loudest),
        "constitution": 100 * done.accuracy.value,
        "over length": 100 * done.over_rule.value,
        "by votes": 100 * of_votes.accuracy.value,
        "planted": 100 * float(best.mean()),
        "of coins": float(np.mean([_of_coins(train, candidates, rng) for _ in range(1 if quick else _COINS)])),
    }


@cache
def _candidates() -> tuple[Principle, ...]:
    """The same for all seeds: they learn nothing, and encode each answer once."""
    return style_principles()


def _pairs(n: int, rng: np.random.Generator) -> Preferred:
    first, second = ([_answer(rng) for _ in range(n)] for _ in range(2))
    drawn = Preferred(first, second, np.zeros(n))
    return Preferred(first, second, (rng.random(n) < _chance(drawn)).astype(np.float64))


def _answer(rng: np.random.Generator) -> Item:
    extra = [text for text, chance in _EXTRA.items() if rng.random() < chance]
    parts = [*rng.choice(_PLAIN, int(rng.integers(2, 7)), replace=False).tolist(), *extra]
    return Item.of("Where shall we go?", "\n".join(parts[place] for place in rng.permutation(len(parts))))


def _chance(pairs: Preferred) -> Floats:
    """P(the first is preferred) [n] by what is planted."""
    votes = {own.sentence: own.votes(pairs.first, pairs.second) for own in _candidates() if own.sentence in _PLANTED}
    return np.asarray(expit(sum(nats * votes[sentence] for sentence, nats in _PLANTED.items())))


def _of_most_votes(pairs: Preferred, candidates: Sequence[Principle]) -> list[Principle]:
    """Those of most net votes, each by itself."""
    net: Mapping[Principle, float] = {
        own: float(own.votes(pairs.first, pairs.second) @ (2 * pairs.won - 1)) for own in candidates
    }
    return sorted(candidates, key=lambda own: -net[own])[:_RULES]


def _planted(principles: Sequence[Principle]) -> float:
    return float(sum(own.sentence in _PLANTED for own in principles))


def _of_coins(pairs: Preferred, candidates: Sequence[Principle], rng: np.random.Generator) -> int:
    """How many principles coins have that decide these pairs."""
    won = rng.integers(2, size=len(pairs)).astype(np.float64)
    return len(compress(Preferred(pairs.first, pairs.second, won), candidates, rng=rng).kept)


ENTRY = Entry(
    id="004-103",
    title="Inverse Constitutional AI: Compressing Preferences into Principles",
    area="rewriting/preference",
    citation="Findeis et al. 2024",
    claim=(
        "300 preferences that keep to four of thirty candidate principles of style, with weights of 0.6 to 1.5 nats. "
        "On 300 pairs held out the constitution is right more often than length alone by more than 5 points, and less "
        "often than the planted weights themselves by fewer than 3. Choosing by what is not yet explained finds more "
        "of the planted principles than are among the four of most net votes. Of coins that decide the same "
        "pairs, fewer than 0.15 principles are made."
    ),
    configuration="rewriting.style_principles, compress and rebuilt.",
    measures={
        "found": "planted principles in the constitution, of four",
        "others": "principles in it that were not planted",
        "found by votes": "planted principles among the four of most net votes, each by itself",
        "constitution": "pairs held out on whose right side the constitution is, per cent",
        "over length": "how much more that is than by length alone, in the direction that training pairs tell, points",
        "by votes": "pairs on whose right side those four are, weighted together, per cent",
        "planted": "pairs on whose right side the planted weights are, per cent",
        "of coins": "principles chosen where coins decided, mean of ten times",
    },
    checks=(
        Check("over length", above=5.0),
        Check("planted", "constitution", below=3.0),
        Check("found", "found by votes", above=0.0),
        Check("of coins", below=0.15),
    ),
    miniature=miniature,
    beyond=(
        "Candidates are a grammar of style and its measures, where the work has a model propose principles for each "
        "pair and vote by them; so nothing is clustered. The work chooses by net votes and relevance; here the next is "
        "that of most net votes which principles before leave unexplained, by a test. Texts are made of a dozen "
        "sentences, so that length goes together with what is planted."
    ),
)
