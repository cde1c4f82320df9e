"""004-046: queries rewritten to the words in which people who began with them ended well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.rewriting import Reformulations, Session

# An intent has words that are understood, two that are near to them, and four far from them.
_INTENTS, _NEAR, _FAR = 40, 2, 4
_UNDERSTOOD, _ASTRAY = (0.9, 0.4, 0.1), 0.02  # how often, of one's own intent and of another's
_GIVES_UP, _WANDERS = 0.35, 0.05
# Where people go who were not understood and go on: from the words that are understood, from near and from far ones.
_ON = np.array([[0.0, 0.7, 0.3], [0.6, 0.2, 0.2], [0.1, 0.6, 0.3]])
_BEGIN = np.array([0.4, 0.3, 0.3])
_SIZES, _SEEN = (400, 4000), 5


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4046, seed])
    world = _World.made()
    figures = {"defects, none": world.figures({})["defects"]}
    for size in _SIZES:
        sessions = [world.session(rng) for _ in range(size // 10 if quick else size)]
        ways = {
            "chain": {own.query: own.to for own in Reformulations.of(sessions).rewrites(seen=_SEEN).values()},
            "pairs": _pairs(sessions),
        }
        for name, rewrites in ways.items():
            figures |= {f"{what}, {name}, {size}": own for what, own in world.figures(rewrites).items()}
    return figures


@dataclass(frozen=True, eq=False)
class _World:
    """Numbers of the words of each intent [i, 7], those understood first, then near and far ones, by `level` [7]; half
    of the far words stand for two intents. `share` [i, 7] is how often people begin with each for each."""

    words: Whole
    level: Whole
    share: Floats

    @classmethod
    def made(cls) -> _World:
        level = np.repeat([0, 1, 2], [1, _NEAR, _FAR])
        words = np.arange(_INTENTS * len(level)).reshape(_INTENTS, -1)
        words[:, -1] = np.roll(words[:, -2], -1)
        popular = 1 / np.arange(1.0, _INTENTS + 1)
        share = np.outer(popular / popular.sum(), (_BEGIN / np.bincount(level))[level])
        return cls(words, level, share)

    def session(self, rng: np.random.Generator) -> Session:
        intent, level = int(rng.choice(_INTENTS, p=self.share.sum(1))), int(rng.choice(3, p=_BEGIN))
        said = list[str]()
        while True:
            said.append(str(rng.choice(self.words[intent, self.level == level])))
            if rng.random() < _UNDERSTOOD[level]:
                return Session(tuple(said), True)
            if rng.random() < _GIVES_UP:
                return Session(tuple(said), False)
            intent = int(rng.integers(_INTENTS)) if rng.random() < _WANDERS else intent
            level = int(rng.choice(3, p=_ON[level]))

    def understood(self, rewrites: Mapping[str, str]) -> Floats:
        """How often what people begin with is understood [i, 7]."""
        become = np.vectorize(lambda word: int(rewrites.get(str(word), word)))(self.words)
        same = become[:, :, None] == self.words[:, None, :]
        own = np.array(_UNDERSTOOD)[self.level[same.argmax(2)]]
        return np.where(same.any(2), own, _ASTRAY)

    def figures(self, rewrites: Mapping[str, str]) -> dict[str, float]:
        """Shares of people, per cent, who are not understood at first, and who are more and less often than without."""
        before, after = self.understood({}), self.understood(rewrites)
        shares = {"defects": 1 - after, "won": after > before, "lost": after < before}
        return {name: float(100 * (self.share * np.asarray(own, np.float64)).sum()) for name, own in shares.items()}


def _pairs(sessions: Sequence[Session]) -> Mapping[str, str]:
    """Each query by the one, itself or the next, in which sessions ended well most often right after it."""
    ends = Counter[tuple[str, str]]()
    for session in sessions:
        if session.success:
            *before, last = session.queries
            ends.update({(last, last): 1, **({(before[-1], last): 1} if before else {})})
    best: dict[str, str] = {}
    for (query, end), _ in sorted(ends.items(), key=lambda own: (own[1], own[0][0] == own[0][1])):
        best[query] = end
    return {query: end for query, end in best.items() if query != end}


_WAYS = {"chain": "rewritten by the absorbing chain", "pairs": "rewritten to the next query that most often ended well"}
_WHAT = {
    "defects": "not understood at first",
    "won": "understood more often than without rewrites",
    "lost": "understood less often than without rewrites",
}

ENTRY = Entry(
    id="004-046",
    title="Feedback-Based Self-Learning in Large-Scale Conversational AI Agents",
    area="feedback/rewriting",
    citation="Ponnusamy et al. 2020",
    claim=(
        "40 intents of seven wordings each, half of the worst shared by two intents; people who are not understood say "
        "it in other words, give up, or go astray. From 4,000 sessions, queries are rewritten to the words in which "
        "people who began with them most probably end well. Of people who come next, less than 0.85 as many as before "
        "are not understood at first, by 3 points fewer than where queries are rewritten to the next query that most "
        "often ended well; and more than three are understood more often for each that is understood less often."
    ),
    configuration="rewriting.Reformulations on rewriting.Session, rewrites of queries that were said 5 times or more.",
    measures={
        "defects, none": "people who are not understood at first, per cent, without rewrites",
        **{
            f"{what}, {way}, {size}": f"people, per cent, {told}, queries {how}, {size} sessions"
            for size in _SIZES
            for way, how in _WAYS.items()
            for what, told in _WHAT.items()
        },
    },
    checks=(
        Check("defects, chain, 4000", "defects, none", factor=0.85, below=0.0),
        Check("defects, chain, 4000", "defects, pairs, 4000", below=-3.0),
        Check("won, chain, 4000", "lost, chain, 4000", factor=3.0, above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work's states are what a parser made of an utterance; here they are the words. People do not change for "
        "being rewritten, and one batch of sessions is learnt from. A query whose own words end well more often than "
        "any others are reached is left alone, though others would be understood better still: the chain counts those "
        "who gave up before they came there. That the claim is of 4,000 sessions was settled on other seeds, where "
        "at 400 the next query did as well (43.6 for 44.0 per cent)."
    ),
)
