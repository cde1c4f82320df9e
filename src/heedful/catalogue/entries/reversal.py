"""004-143: answers ranked by how well a model that reads backwards recovers the question from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import separation
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item, Potential
from heedful.evidence import LogProb, Rule
from heedful.models import SequenceTable
from heedful.sampling import best_of_n_law
from heedful.target import Target

_TOPICS, _OWN, _LENGTH, _PAIRS, _SMOOTHING, _DRAWS = 8, 4, 3, 600, 0.02, 16
_FLUENT = ("well that depends", "many people ask", "it is hard", "there are reasons")
_REPEATING = ("you ask {}", "{} you say", "about {} then")
_RANKINGS = {
    "nothing": "one draw",
    "forward": "best of 16 by log P(answer | question)",
    "reverse": "best of 16 by log P(question | answer)",
    "both": "best of 16 by the sum of both",
    "truth": "best of 16 by the truth",
}


@dataclass(frozen=True, eq=False)
class Corpus:
    """What is asked and answered. A topic is asked about by its name, and answered in three of its words.

    The first word of a topic is also the last one's of the topic before. Topics are asked about unequally. An answer
    keeps to the topic, is fluent and says nothing, is of a topic at random (as often as it is asked about), or repeats
    the question, in these `shares`.
    """

    words: Floats
    popular: Floats
    shares: tuple[float, float, float, float]

    @classmethod
    def of(cls, repeating: float, rng: np.random.Generator) -> Corpus:
        popular = 1 / np.arange(1, _TOPICS + 1)
        shares = (0.45 - repeating / 2, 0.35 - repeating / 2, 0.2, repeating)
        return cls(rng.dirichlet(np.full(_OWN, 2.0), _TOPICS), popular / popular.sum(), shares)

    def vocabulary(self, topic: int) -> tuple[str, ...]:
        after = (topic + 1) % _TOPICS
        return (*(f"w{topic}{own}" for own in range(_OWN - 1)), f"w{after}0")

    def told(self, topic: int, rng: np.random.Generator) -> str:
        """Words of a topic."""
        return " ".join(rng.choice(self.vocabulary(topic), _LENGTH, p=self.words[topic]).tolist())

    def answer(self, topic: int, rng: np.random.Generator) -> str:
        kind = int(rng.choice(4, p=self.shares))
        if kind == 1:
            return str(rng.choice(_FLUENT))
        if kind == 3:
            return str(rng.choice(_REPEATING)).format(f"name{topic}")
        return self.told(topic if kind == 0 else int(rng.choice(_TOPICS, p=self.popular)), rng)

    def pairs(self, count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
        topics = rng.choice(_TOPICS, count, p=self.popular).tolist()
        return [(f"q{topic}", self.answer(topic, rng)) for topic in topics]

    def on_topic(self, item: Item) -> float:
        """The share of words that are of the topic asked about."""
        own = self.vocabulary(int(item.context[0].text[1:]))
        return sum(word in own for word in item.output[0].text.split()) / _LENGTH


def _reversed(text: str) -> str:
    return " ".join(text.split()[::-1])


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4143, seed])
    plain, repeating = (_measured(Corpus.of(share, rng), quick, rng) for share in (0.0, 0.1))
    return plain | {f"{name}, repeating": repeating[name] for name in ("picked, forward", "picked, reverse")}


def _measured(corpus: Corpus, quick: bool, rng: np.random.Generator) -> dict[str, float]:
    pairs = corpus.pairs(_PAIRS // 4 if quick else _PAIRS, rng)
    texts = [f"{question} {answer}" for question, answer in pairs]
    base = SequenceTable.from_texts(texts, order=_LENGTH, max_tokens=_LENGTH)
    forward = SequenceTable.from_texts(texts, order=_LENGTH, max_tokens=_LENGTH, smoothing=_SMOOTHING)
    backward = SequenceTable.from_texts(map(_reversed, texts), order=_LENGTH, max_tokens=1, smoothing=_SMOOTHING)

    def recovered(item: Item) -> float:
        question, answer = item.context[0].text, item.output[0].text
        return float(backward.log_prob([Item.of(_reversed(answer), question)])[0])

    reverse = Rule(recovered, "reverse", "log_prob")
    asked = sorted({question for question, _ in pairs})
    rankings: dict[str, Potential] = {
        "forward": LogProb(forward),
        "reverse": reverse,
        "both": 1.0 * LogProb(forward) + 1.0 * reverse,
        "truth": Rule(corpus.on_topic, "truth"),
    }
    figures = {"picked, nothing": _picked(base, rankings["truth"], corpus, asked, 1)}
    figures |= {f"picked, {name}": _picked(base, own, corpus, asked, _DRAWS) for name, own in rankings.items()}
    documents = [(topic, corpus.told(topic, rng)) for topic in range(_TOPICS) for _ in range(5)]
    for name in ("forward", "reverse"):
        figures[f"found, {name}"] = _found(rankings[name], documents, asked)
    return figures


def _picked(base: SequenceTable, potential: Potential, corpus: Corpus, asked: Sequence[str], n: int) -> float:
    laws = [best_of_n_law(Target(base, potential), Item.of(question).context, n) for question in asked]
    right = [np.exp(law.log_prob) @ [corpus.on_topic(item) for item in law.items] for law in laws]
    return float(100 * np.mean(right))


def _found(potential: Potential, documents: Sequence[tuple[int, str]], asked: Sequence[str]) -> float:
    """P(a document on the topic asked about scores above another), per cent, mean over questions."""
    topics = np.array([topic for topic, _ in documents])
    scores = [potential([Item.of(question, text) for _, text in documents]).mean for question in asked]
    found = [separation(own, topics == int(question[1:])) for own, question in zip(scores, asked, strict=True)]
    return float(np.mean(found))


ENTRY = Entry(
    id="004-143",
    title="Time-Reversal Provides Unsupervised Feedback to LLMs",
    area="sampling/preference",
    citation="Varun et al. 2024",
    claim=(
        "Eight topics with words of their own, asked about unequally; 55 % of answers are fluent and empty or of "
        "another topic. From 600 questions with answers, n-grams of four are fitted forward and, from scratch, in "
        "reverse order of tokens. The best of 16 answers of the forward model by log P(question | answer) has more "
        "words on the topic than the best by log P(answer | question), by more than 10 points, and than one draw; and "
        "of fresh documents, it puts those on the topic asked about above others more often, by more than 2 points."
    ),
    configuration=(
        "models.SequenceTable.from_texts on texts and on reversed texts; evidence.LogProb and Rule; "
        "sampling.best_of_n_law over all answers of the forward model."
    ),
    measures={
        **{f"picked, {name}": f"words on the topic, per cent, {how}" for name, how in _RANKINGS.items()},
        **{
            f"picked, {name}, repeating": f"the same where a tenth of answers repeat the question, {_RANKINGS[name]}"
            for name in ("forward", "reverse")
        },
        **{
            f"found, {name}": f"documents on the topic above others, per cent, by log {how}"
            for name, how in {"forward": "P(document | question)", "reverse": "P(question | document)"}.items()
        },
    },
    checks=(
        Check("picked, reverse", "picked, forward", above=10.0),
        Check("picked, reverse", "picked, nothing", above=0.0),
        Check("found, reverse", "found, forward", above=2.0),
    ),
    miniature=miniature,
    beyond=(
        "Models are n-grams in place of transformers, and answers three words long, so that best-of-16 is exact. "
        "Filters of unsafe questions by questions written backwards are left out. Answers that repeat the question are "
        "no part of the work: they are what a score of this kind must like. With a tenth of them, beside and in no "
        "check, what it picks has few more words on the topic than one draw has."
    ),
)
