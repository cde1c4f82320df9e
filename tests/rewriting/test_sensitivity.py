"""How much hangs on wording: by closed forms, and with an interval that covers them."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, BudgetExceededError, InputError, UsageError
from heedful.evidence import Rule
from heedful.rewriting import Runner, Text, Worth, draw, reworded, sensitivity, trace


def test_differences_are_those_of_all_pairs() -> None:
    earned = np.random.default_rng(0).random((3, 2, 5))
    found = sensitivity(earned)
    for place in range(5):
        own = earned[:, :, place]
        pairs = [abs(a - b) for j in range(3) for k in range(j) for a in own[j] for b in own[k]]
        assert found.apart[place] == pytest.approx(np.mean(pairs))
        assert found.noise[place] == pytest.approx(np.mean([abs(own[j, 0] - own[j, 1]) for j in range(3)]))
    np.testing.assert_allclose(found.earned, earned.mean(axis=(1, 2)))


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_the_excess_of_right_answers_is_half_the_squared_differences_of_their_rates(spread: float) -> None:
    """E|a − b| = p(1 − q) + q(1 − p) for rates p and q, less p(1 − p) + q(1 − q) is (p − q)²; covered nine times in ten
    or more where 95 % are promised, over 300 sets of examples."""
    rng, covered, scores = np.random.default_rng(1), 0, []
    rates = 0.5 + spread * np.array([-1.0, 0.0, 1.0])
    true = np.mean([(rates[j] - rates[k]) ** 2 for j in range(3) for k in range(j)])
    for _ in range(300):
        found = sensitivity(rng.random((3, 2, 60)) < rates[:, None, None])
        interval = found.excess.interval
        assert interval is not None
        covered += interval.low <= true <= interval.high
        scores.append(found.score.value)
    assert covered >= 0.91 * 300
    by_chance = np.mean([rates[j] * (1 - rates[k]) + rates[k] * (1 - rates[j]) for j in range(3) for k in range(j)])
    assert np.mean(scores) == pytest.approx(by_chance, abs=0.01)


def test_a_program_is_run_with_each_wording_and_draw() -> None:
    prompt = Text("Say yes.", "prompt")
    seen: list[tuple[str, int]] = []

    def program(question: str) -> str:
        seen.append((prompt.now, draw()))
        return "yes" if "yes" in prompt.now else question

    worth = Worth(Rule(lambda item: float(item.output[0].text == "yes"), "yes"), (0, 1))
    wordings = [{}, {"prompt": "Please say yes."}, {"prompt": "Agree."}]
    examples = [{"question": "yes"}, {"question": "no"}]
    budget = Budget(runs=12)
    with Runner(trace(program), 1) as runner:
        found = reworded(runner, wordings, examples, worth, budget=budget)
        with pytest.raises(BudgetExceededError):
            reworded(runner, wordings, examples, worth, budget=budget)
        with pytest.raises(UsageError, match="known only against a start"):
            reworded(runner, wordings, examples, Worth(worth.evidence))
    assert sorted(set(seen)) == sorted(
        (own, number) for own in ("Say yes.", "Please say yes.", "Agree.") for number in (0, 1)
    )
    assert len(seen) == 12
    np.testing.assert_allclose(found.apart, [0, 2 / 3])
    np.testing.assert_allclose(found.noise, [0, 0])
    np.testing.assert_allclose(found.earned, [1, 1, 0.5])


def test_fewer_than_two_of_each_are_refused() -> None:
    for shape in ((1, 2, 3), (2, 1, 3), (2, 2, 0), (2, 2)):
        with pytest.raises(InputError, match="two or more"):
            sensitivity(np.zeros(shape))
    with pytest.raises(InputError, match="finite"):
        sensitivity(np.full((2, 2, 3), np.nan))
