"""The beam over tokens against the likeliest output by enumeration, and against the rule written out word by word."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import PrefixValue, constraint
from heedful.models import SequenceTable
from heedful.sampling import TokenBeam, token_beam
from heedful.target import Target, enumerate_exact

from .language import BASE, CONTEXTS, Liked, Plain, Soft, words

# As the language shared by other engines, without its ties.
UNTIED = SequenceTable(
    {
        (): {"a": 0.4, "b": 0.3, "c": 0.3},
        ("a",): {"a": 0.12, "b": 0.5, "c": 0.21, "": 0.17},
        ("b",): {"a": 0.31, "b": 0.1, "c": 0.4, "": 0.19},
        ("c",): {"a": 0.25, "b": 0.45, "": 0.3},
    },
    max_tokens=3,
)
TARGET = Target(UNTIED, 1.5 * Liked())


class TestTokenBeamKeepsTheContract(SamplingEngineContract):
    def make(self):
        return TokenBeam(2, groups=2, diversity=1.0)

    def target(self):
        return TARGET

    def contexts(self):
        return [CONTEXTS[0], CONTEXTS[1], CONTEXTS[0]]


def run(engine, target=TARGET, contexts=CONTEXTS, budget=None):
    return engine(target, list(contexts), budget=budget or Budget(), rng=np.random.default_rng(0))


def value(grown, whole):
    """What 1.5 · Liked says of words, whole or not."""
    if not whole:
        return 1.5 * 0.7 * grown.count("b")
    return 1.5 * (1.2 * grown.count("b") - 0.8 * len(grown) + (grown[-1:] == ["a"]))


def by_hand(context, width, groups, diversity):
    """Beams as lists of (log-probability, words, whether it has ended), best first."""
    beams = [[(0.0, [], False)] for _ in range(groups)]
    while not all(ended for beam in beams for *_, ended in beam):
        used, grown_beams = {}, []
        for beam in beams:
            grown = []
            for log_prob, so_far, ended in beam:
                if ended:
                    grown.append((log_prob + value(so_far, True), 0.0, log_prob, so_far, True, None))
                    continue
                for token, p in UNTIED.next_tokens(context, tuple(so_far)).items():
                    longer = [*so_far, token] if token else so_far
                    over = not token or len(longer) == UNTIED.max_tokens
                    rank = log_prob + np.log(p) + value(longer, over)
                    grown.append((rank, diversity * used.get(token, 0), log_prob + np.log(p), longer, over, token))
            best = sorted(grown, key=lambda one: one[1] - one[0])[:width]
            for *_, token in best:
                if token is not None:
                    used[token] = used.get(token, 0) + 1
            grown_beams.append([(log_prob, longer, over) for _, _, log_prob, longer, over, _ in best])
        beams = grown_beams
    return [max(beam, key=lambda one: one[0] + value(one[1], True))[1] for beam in beams]


@pytest.mark.parametrize("how", [(1, 1, 0.0), (2, 1, 0.0), (1, 3, 2.0), (2, 2, 0.6), (3, 4, 1.0)])
def test_it_follows_the_rule_word_by_word(how):
    found = run(TokenBeam(*how))
    wanted = [told for context in CONTEXTS for told in by_hand(context, *how)]
    assert [words(item) for item in found.items] == wanted
    assert found.context_index.tolist() == [number for number in range(2) for _ in range(how[1])]


@pytest.mark.parametrize("target", [TARGET, Target(BASE, 1.5 * Soft(1.5))], ids=["a guess", "a soft value"])
def test_a_beam_for_all_prefixes_finds_the_likeliest_output(target):
    found = run(TokenBeam(40), target)
    for item, context in zip(found.items, CONTEXTS, strict=True):
        listed = enumerate_exact(target, context)
        assert item == listed.items[int(listed.log_prob.argmax())]


def test_forgetting_what_the_prefix_cost_is_noticed(monkeypatch):
    """A planted bug: the last token ranks, not all of them."""

    class Forgetful(token_beam.ValueGuide):
        def logits(self, state):
            return super().logits(state) - state.log_prob[:, None]

    monkeypatch.setattr(token_beam, "ValueGuide", Forgetful)
    right = [told for context in CONTEXTS for told in by_hand(context, 2, 1, 0.0)]
    assert [words(item) for item in run(TokenBeam(2)).items] != right


def test_groups_differ_and_branches_narrow():
    found = run(TokenBeam(1, groups=3, diversity=5.0), contexts=CONTEXTS[:1])
    assert len({words(item)[0] for item in found.items if words(item)}) >= 2
    assert len(set(found.items)) == 3
    greedy = run(TokenBeam(1, branches=1), contexts=CONTEXTS[:1]).items[0]
    likeliest, so_far = [], ()
    while token := max(row := UNTIED.next_tokens(CONTEXTS[0], so_far), key=row.get):
        so_far = (*so_far, token)
        likeliest.append(token)
    assert words(greedy) == likeliest


def test_what_is_ruled_out_counts_for_nothing():
    no_b = Target(UNTIED, 1.5 * Liked() + constraint(lambda item: "b" not in words(item), "no b"))
    assert not any("b" in words(item) for item in run(TokenBeam(40), no_b).items)

    no = PrefixValue(constraint(lambda item: False, "nothing"), "terminal")
    never = run(TokenBeam(2, groups=2, diversity=1.0), Target(UNTIED, 1.0 * no))
    assert (never.log_weights == -np.inf).all()
    assert len(never.items) == 4


def test_cost_is_known_and_capped():
    engine = TokenBeam(2, groups=2, diversity=1.0)
    with pytest.raises(BudgetExceededError, match="tokens"):
        run(engine, budget=Budget(tokens=18))
    budget = Budget(tokens=19)  # contexts of three tokens, and two times four outputs, of which at most two are read
    cost = run(engine, budget=budget).cost
    assert cost["samples"] == 8
    assert cost["tokens"] == budget.spent["tokens"] <= 3 + 8 * 2


def test_wrong_use_is_said():
    with pytest.raises(UsageError, match="all the same"):
        TokenBeam(2, groups=2)
    for wrong in ({"width": 0}, {"groups": 0}, {"diversity": -1.0}, {"diversity": np.inf}):
        with pytest.raises(UsageError, match="TokenBeam"):
            TokenBeam(**{"width": 2, **wrong})
    with pytest.raises(UsageError, match="scores unfinished"):
        run(TokenBeam(2), Target(BASE, 1.0 * Plain()))
