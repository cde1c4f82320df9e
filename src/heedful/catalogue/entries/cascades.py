"""004-012: a program of calls as one distribution: thoughts summed out, and a verifier that answers are weighed by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit, log_softmax, softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.verdicts import Check
from heedful.core import Base, Budget, Floats, Item, Parts
from heedful.core.items import text_parts
from heedful.evidence import Rule
from heedful.models import CallModel, TableModel
from heedful.sampling import BestOfN, Rejection, minimum_bayes_risk
from heedful.target import Target, enumerate_exact
from heedful.worlds import law_test

_QUESTIONS, _THOUGHTS, _ANSWERS, _CHAINS, _DRAWS = 25, 6, 5, 16, 200


@dataclass(frozen=True, eq=False)
class _World:
    """A call writes one of six thoughts on a question, the next an answer by question and thought, a third says whether
    that is good. Some thoughts lead to the right answer more surely than others, and each errs in its own way."""

    thought: TableModel
    answer: TableModel
    good: Mapping[str, float]
    blind: Mapping[str, float]
    right: tuple[str, ...]

    @classmethod
    def drawn(cls, questions: int, rng: np.random.Generator) -> _World:
        thought, answer = dict[str, dict[str, float]](), dict[str, dict[str, float]]()
        good, blind = dict[str, float](), dict[str, float]()
        right = rng.integers(_ANSWERS, size=questions)
        for number, true in enumerate(right.tolist()):
            is_right = np.arange(_ANSWERS) == true
            thought[f"{number}"] = _shares(rng.normal(size=_THOUGHTS))
            for way in thought[f"{number}"]:
                answer[f"{number} {way}"] = _shares(rng.normal(1.0, 1.5) * is_right + rng.normal(size=_ANSWERS))
                errs = rng.normal(size=_ANSWERS)
                for says, known in ((good, np.where(is_right, 1.5, -1.5)), (blind, 0.0)):
                    told = enumerate(log_expit(known + errs).tolist())
                    says |= {f"{number} {way} {own}": log_share for own, log_share in told}
        return cls(TableModel.of(thought), TableModel.of(answer), good, blind, tuple(map(str, right.tolist())))

    def call(self, context: Parts, parts: Parts) -> tuple[Base, Parts] | None:
        """What is asked next in a chain of a thought and an answer."""
        if not parts:
            return self.thought, context
        return (self.answer, text_parts(_text((*context, *parts)), "world")) if len(parts) == 1 else None


def _says(verdicts: Mapping[str, float]) -> Rule:
    """log P(the third call says that it is good)."""
    return Rule(lambda item: verdicts[_text((*item.context, *item.output))], "verified", "log_prob")


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([412, seed])
    world = _World.drawn(3 if quick else _QUESTIONS, rng)
    program = CallModel(world.call)
    verified, blind = (Target(program, _says(own)) for own in (world.good, world.blind))
    found: dict[str, list[bool]] = {name: [] for name in _WAYS}
    for number, right in enumerate(world.right):
        context = text_parts(f"{number}", "world")
        chains = program.sample(context, _CHAINS, rng=rng)
        listed, unseen = enumerate_exact(verified, context), enumerate_exact(blind, context)
        answers = {
            "greedy": _answer(_greedy(program, context)),
            "one": _answer(chains[0]),
            "votes": _likeliest(chains, np.zeros(_CHAINS)),
            "summed": _likeliest(listed.items, listed.base_log_prob),
            "best": _answer(BestOfN(_CHAINS)(verified, [context], budget=Budget(), rng=rng).items[0]),
            "weighted": _likeliest(chains, verified.log_weight(chains)),
            "verified": _likeliest(listed.items, listed.log_prob),
            "blind": _likeliest(unseen.items, unseen.log_prob),
        }
        for name, own in answers.items():
            found[name].append(own == right)
    figures = {name: 100 * float(np.mean(own)) for name, own in found.items()}
    drawn = Rejection(0.0)(verified, [context] * _DRAWS, budget=Budget(), rng=rng)
    law = dict(zip(listed.items, listed.probability.tolist(), strict=True))
    return {**figures, "apart": law_test(drawn.items, law, rng=rng, runs=99).ratio}


def _shares(logits: Floats) -> dict[str, float]:
    return {str(place): share for place, share in enumerate(softmax(logits).tolist())}


def _text(parts: Parts) -> str:
    return " ".join(part.text for part in parts)


def _answer(item: Item) -> str:
    return item.output[-1].text


def _likeliest(items: Sequence[Item], log_weight: Floats) -> str:
    """The answer of most weight, thoughts summed out."""
    answers = np.array([_answer(item) for item in items])
    (taken,) = minimum_bayes_risk(log_softmax(log_weight)[None], answers[:, None] != answers)
    return str(answers[taken])


def _greedy(program: CallModel, context: Parts) -> Item:
    """The likeliest part at each call."""
    item = Item(context)
    while call := program.call(context, item.output):
        base, asked = call
        parts = base.support(asked)  # type: ignore[attr-defined]
        item = Item(context, (*item.output, *parts[int(np.argmax(base.log_prob(parts)))].output))
    return item


_WAYS = {
    "greedy": "the likeliest thought, then the likeliest answer",
    "one": "one chain drawn",
    "votes": f"the most frequent answer of {_CHAINS} chains",
    "summed": "the likeliest answer, thoughts summed out exactly",
    "best": f"the chain of {_CHAINS} that the verifier finds likeliest to be good",
    "weighted": f"the answer of most weight among {_CHAINS} chains, weighed by the verifier",
    "verified": "the likeliest answer given that the verifier says good, thoughts summed out exactly",
    "blind": "the same, where what the verifier says has nothing to do with what is right",
}
ENTRY = Entry(
    id="004-012",
    title="Language Model Cascades",
    area="rewriting/context",
    citation="Dohan et al. 2022",
    claim=(
        "A thought, an answer by it, a verifier of both: three calls as one distribution. Of 25 questions more are "
        "answered rightly by the likeliest answer with thoughts summed out than by the likeliest thought and then the "
        f"likeliest answer, by more than 3 points; by the most frequent answer of {_CHAINS} chains than by one, by "
        "more than 10; given that the verifier says good than without it, by more than 3, both exactly and by "
        f"{_CHAINS} chains with weights; and not by more than 3 given what a blind verifier says. Chains that the "
        "verifier accepts follow the law that is listed: at most 1.15 times as far from it as exact draws are."
    ),
    configuration=(
        "models.CallModel of models.TableModel; target.enumerate_exact; sampling.minimum_bayes_risk on chains, with "
        "weights of target.Target.log_weight or none; sampling.Rejection and BestOfN with the verifier as evidence."
    ),
    measures={
        **{name: f"questions answered rightly, per cent: {what}" for name, what in _WAYS.items()},
        "apart": "distance of accepted chains from the law listed, as a multiple of that of exact draws",
    },
    checks=(
        Check("summed", "greedy", above=3.0),
        Check("votes", "one", above=10.0),
        Check("verified", "summed", above=3.0),
        Check("weighted", "votes", above=3.0),
        Check("blind", "summed", below=3.0),
        Check("apart", below=1.15),
    ),
    miniature=miniature,
    beyond=(
        "Calls are tables drawn at random, small enough to be listed, in the place of language models. Of the forms "
        "that the work names these are scratchpads and verifiers; STaR, whose step is the same law given the right "
        "answer, is not here. Eight other seeds were seen before the claim was written."
    ),
)
