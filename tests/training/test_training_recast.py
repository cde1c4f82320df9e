"""Examples made of feedback on examples."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import UsageError  # noqa: E402
from heedful.training.examples import Example, batch_of  # noqa: E402
from heedful.training.objectives import asked, conditioned, hindsight, judged, refined, tried  # noqa: E402


def said(*tokens):
    return np.array(tokens, dtype=np.intp)


EXAMPLE = Example((1, 2), (said(10, 11), said(20)), {"prefer": 1.0, "weight": 0.5})


def seen(examples):
    assert all(one.said == {"weight": 0.5} for one in examples)
    return [(one.prompt, [own.tolist() for own in one.outputs]) for one in examples]


def test_values_of_tokens_are_placed_though_outputs_differ_in_length():
    examples = [Example((1,), (said(2, 3), said(4)), {"focus": ([1.0, 0.5], [0.25]), "scope": 1.0})] * 2
    mask = torch.tensor([[[True, True], [True, False]]] * 2)
    batch = batch_of(examples, mask)
    assert batch.focus.tolist() == [[[1.0, 0.5], [0.25, 0.0]]] * 2
    assert batch.scope.tolist() == [1.0, 1.0]


def test_words_stand_before_each_output():
    words = [said(7), said(8, 9)]
    assert seen(conditioned(EXAMPLE, words)) == [((1, 2, 7), [[10, 11]]), ((1, 2, 8, 9), [[20]])]
    assert seen(conditioned(EXAMPLE, words, first=True)) == [((7, 1, 2), [[10, 11]]), ((8, 9, 1, 2), [[20]])]
    with pytest.raises(UsageError, match="1 are given words for 2 outputs"):
        conditioned(EXAMPLE, words[:1])


def test_a_criterion_ends_the_prompt_and_nothing_else_changes():
    found = asked(EXAMPLE, said(7, 8))
    assert found.prompt == (1, 2, 7, 8)
    assert (found.outputs, found.said) == (EXAMPLE.outputs, EXAMPLE.said)


def test_hindsight_is_the_likelihood_of_the_whole_chain():
    """Each output token is foretold once, by all that stands before it in the chain, and no word of feedback is."""
    chain = [1, 2, 7, 10, 11, 8, 9, 20]
    made = hindsight(EXAMPLE, [said(7), said(8, 9)])
    foretold = [
        (one.prompt + tuple(one.outputs[0][:place]), int(token))
        for one in made
        for place, token in enumerate(one.outputs[0])
    ]
    assert foretold == [(tuple(chain[:place]), chain[place]) for place in (3, 4, 7)]
    assert all(one.said == {"weight": 0.5} for one in made)


def test_refinements_train_the_policy_and_what_refines():
    one = Example((1, 2), (said(10),), {"label": (0.0,), "weight": 0.5})
    assert seen(refined(one, said(5, 6), said(30))) == [((1, 2), [[30]]), ((1, 2, 10, 5, 6), [[30]])]
    with pytest.raises(UsageError, match="one output is refined, not 2"):
        refined(EXAMPLE, said(5), said(30))


def test_what_was_tried_is_learnt_with_its_verdict_and_its_errors():
    found = tried(EXAMPLE, [said(91), said(90)], [said(), said(5, 6)])
    assert seen(found) == [((91, 1, 2), [[10, 11]]), ((90, 1, 2), [[20, 5, 6]])]


def test_judges_write_their_critique_before_their_verdict():
    found = judged(EXAMPLE, said(40), [said(5), said()], [said(91), said(90)])
    assert seen(found) == [((1, 2, 10, 11, 40), [[5, 91]]), ((1, 2, 20, 40), [[90]])]
