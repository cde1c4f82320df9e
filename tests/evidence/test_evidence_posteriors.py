"""A fitted posterior in expressions, targets and picks."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from heedful.core import Budget, Item, ScaleError
from heedful.core.contracts import PotentialContract
from heedful.evidence import conjunction, constraint, pessimistic
from heedful.feedback import Candidate, Record, Table, Value
from heedful.models import StyleFeatures, TableModel
from heedful.preference import fit
from heedful.sampling import BestOfN, pick
from heedful.target import Target, enumerate_exact

ANSWERS = ("no.", "yes, of course!", "yes", "sorry, no! never!", "maybe?", "well, maybe yes.")
ITEMS = tuple(Item.of("q0", answer) for answer in ANSWERS)


@functools.cache
def posterior():
    """People who like commas and dislike exclamation marks, with some noise."""
    rng = np.random.default_rng(0)
    records = []
    for row in range(300):
        pair = rng.choice(len(ANSWERS), 2, replace=False)
        liking = [ANSWERS[number].count(",") - ANSWERS[number].count("!") for number in pair]
        first_wins = rng.random() < 1 / (1 + np.exp(liking[1] - liking[0]))
        records.append(
            Record(
                kind="comparison",
                context=f"q{row % 30}",
                candidates=[Candidate(output=ANSWERS[number]) for number in pair],
                value=Value(choice="first" if first_wins else "second"),
            )
        )
    encoder = StyleFeatures(("comma_share", "log_exclamations", "log_questions"))
    return fit(Table.of(records), utility="features", features=encoder, seed=1, draws=100)


class TestPosteriorInAnExpression(PotentialContract):
    def make(self):
        return 2.0 * posterior().potential() + 0.5 * pessimistic(posterior().potential(), 1.0)

    def items(self):
        return ITEMS


class TestPosteriorInLogic(PotentialContract):
    def make(self):
        liked = posterior().potential(scale="log_prob", reference=ITEMS[:1])
        return conjunction(liked, constraint(lambda item: len(item.output[0].text) < 12, "short"))

    def items(self):
        return ITEMS


def test_strengths_act_on_every_draw_of_the_posterior():
    potential = posterior().potential()
    drawn = potential(ITEMS).draws
    assert drawn.std() > 0
    np.testing.assert_allclose((2.0 * potential + potential / 2)(ITEMS).draws, 2.5 * drawn)
    np.testing.assert_allclose((potential - posterior().potential())(ITEMS).draws, 0.0, atol=1e-12)


def test_a_posterior_tilts_a_base_and_best_of_n_improves_it():
    base = TableModel.of({"q0": dict.fromkeys(ANSWERS, 1 / len(ANSWERS))})
    context = ITEMS[0].context
    target = Target(base, 1.0 * posterior().potential())
    listed = enumerate_exact(target, context)
    assert listed.items[listed.log_prob.argmax()] == ITEMS[posterior()(ITEMS).mean.argmax()]
    kept = BestOfN(8)(target, [context] * 50, budget=Budget(samples=400), rng=np.random.default_rng(0))
    assert kept.scores.mean.mean() > posterior()(ITEMS).mean.mean()
    assert kept.scores.draws.shape == (100, 50)


def test_a_posterior_picks_among_candidates():
    (made,) = pick(posterior(), [ITEMS])
    assert made.best == posterior()(ITEMS).mean.argmax()
    assert 0 < made.probability_best <= 1
    assert all(interval.low <= mean <= interval.high for interval, mean in zip(made.intervals, made.mean, strict=True))


def test_a_utility_in_logic_is_refused():
    with pytest.raises(ScaleError, match="reference"):
        conjunction(posterior().potential())
