"""Likelihoods of what follows, against conditional probabilities of an enumerated language."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Item, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import FollowUps
from heedful.models import SequenceTable
from heedful.target import Target, enumerate_exact

# Whoever got "sun" thanks in most cases; whoever got "rain" seldom does.
TALK = SequenceTable(
    {
        (): {"sun": 0.5, "rain": 0.5},
        ("sun",): {"thanks": 0.8, "no": 0.2},
        ("rain",): {"thanks": 0.1, "no": 0.6, "": 0.3},
        ("thanks",): {"": 1.0},
        ("no",): {"no": 0.25, "": 0.75},
    },
    max_tokens=4,
)
ITEMS = tuple(Item.of("weather?", text) for text in ("sun", "rain", "sun no", "rain thanks"))


class TestFollowUps(PotentialContract):
    def make(self):
        return FollowUps(TALK, ("no",), ("no no",))

    def items(self):
        return [own for own in ITEMS if not own.output[0].text.endswith("thanks")]


def conditional(item: Item, said: str) -> float:
    """P(an output goes on with `said` and ends | it began as the item), from the list of all outputs."""
    long = SequenceTable(TALK.following, max_tokens=8)
    begun, whole = item.output[0].text.split(), (*item.output[0].text.split(), *said.split())
    law = {tuple(own.output[0].text.split()): p for own, p in _listed(long)}
    begins = sum(p for words, p in law.items() if list(words[: len(begun)]) == begun)
    return law.get(whole, 0.0) / begins


def _listed(language: SequenceTable):
    support = language.support(Item.of("weather?").context)
    return zip(support, np.exp(language.log_prob(support)).tolist(), strict=True)


def test_scores_are_differences_of_conditional_log_probabilities() -> None:
    potential = FollowUps(TALK, ("thanks", "no"), ("no no",))
    for item in ITEMS[:2]:
        good = np.mean([np.log(conditional(item, said)) for said in ("thanks", "no")])
        assert potential([item]).mean[0] == pytest.approx(good - np.log(conditional(item, "no no")), abs=1e-9)
    assert FollowUps(TALK, ("thanks",))(ITEMS[:2]).mean == pytest.approx(np.log([0.8, 0.1]))


def test_as_a_target_it_favours_what_people_thank_for() -> None:
    base = SequenceTable({(): {"sun": 0.3, "rain": 0.7}, ("sun",): {"": 1.0}, ("rain",): {"": 1.0}}, max_tokens=1)
    context = ITEMS[0].context
    listed = enumerate_exact(Target(base, FollowUps(TALK, ("thanks",), ("no",))), context)
    odds = 0.3 / 0.7 * (0.8 / 0.2) / (0.1 / 0.6)
    probability = dict(zip([own.output[0].text for own in listed.items], listed.probability, strict=True))
    assert probability["sun"] / probability["rain"] == pytest.approx(odds)


def test_what_cannot_follow() -> None:
    assert FollowUps(TALK, ("sun",))(ITEMS[:1]).mean.tolist() == [-np.inf]
    with pytest.raises(UsageError, match=r"\+inf"):
        FollowUps(TALK, ("thanks",), ("sun",))(ITEMS[:1])
    with pytest.raises(UsageError, match="follow-ups are needed"):
        FollowUps(TALK, ())


def test_a_local_model_scores_follow_ups() -> None:
    pytest.importorskip("transformers")
    from heedful.worlds import exercises
    from heedful.worlds.small_model import small_model

    own = exercises(3, seed=1, kinds=("copy",))
    model = small_model()
    items = [Item(each.context, Item.of("", each.answer).output) for each in own]
    potential = FollowUps(model, ("1",), ("2",))
    follow = [Item((*item.context, *item.output), Item.of("", text).output) for item in items for text in "12"]
    log_prob = model.log_prob(follow).reshape(3, 2)
    assert potential(items).mean == pytest.approx(log_prob[:, 0] - log_prob[:, 1], abs=1e-4)
