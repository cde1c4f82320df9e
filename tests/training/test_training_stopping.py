"""Stopping: when, at which weights, and the same after a kill."""

from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.training import DPO  # noqa: E402
from heedful.training.checkpoints import resume, save  # noqa: E402
from heedful.training.stopping import Stopping  # noqa: E402
from heedful.training.trainer import Recipe, Trainer  # noqa: E402
from training.test_training_trainer import examples, network, weights  # noqa: E402, F401


def begun(network, losses, *, every=2, patience=2, steps=20):  # noqa: F811
    trainer = Trainer(copy.deepcopy(network), examples(), DPO(5.0), Recipe(steps=steps, batch=6, learning_rate=1e-3))
    told = iter(losses)
    return trainer, Stopping(lambda: next(told), every, patience)


def run(trainer, stopping, until=100):
    seen = {}
    if not stopping.losses:
        stopping(trainer)
        seen[0] = weights(trainer.network)
    while trainer.done < min(until, trainer.recipe.steps) and not stopping.over:
        trainer.step()
        stopping(trainer)
        seen[trainer.done] = weights(trainer.network)
    return seen


@pytest.mark.parametrize(
    ("losses", "best", "last"),
    [
        ([5.0, 4.0, 3.0, 3.5, 3.0, 9.9], 4, 8),  # an equal loss is no gain
        ([5.0, 4.0, math.nan, 3.0, 3.1, 3.2], 6, 10),
        ([1.0, 2.0, 3.0], 0, 4),  # what was given was best
        ([math.nan, math.nan, math.nan], 0, 4),
        ([float(-own) for own in range(11)], 20, 20),
    ],
)
def test_it_stops_when_patience_is_gone_and_has_the_best_weights(network, losses, best, last):  # noqa: F811
    trainer, stopping = begun(network, losses)
    seen = run(trainer, stopping)
    assert (stopping.least[0], trainer.done) == (best, last)
    stopping.put_back(trainer)
    assert torch.equal(weights(trainer.network), seen[best])


def test_without_patience_it_measures_alone(network):  # noqa: F811
    trainer, stopping = begun(network, [1.0, 2.0, 3.0, 4.0], patience=None, every=3, steps=7)
    seen = run(trainer, stopping)
    assert [step for step, _ in stopping.losses] == [0, 3, 6, 7]
    stopping.put_back(trainer)
    assert torch.equal(weights(trainer.network), seen[7])


def test_what_was_stopped_on_the_way_ends_alike(network, tmp_path):  # noqa: F811
    losses = [5.0, 4.0, 3.0, 3.5, 3.2, 9.9]
    whole, expected = begun(network, losses)
    run(whole, expected)
    first, known = begun(network, losses)
    run(first, known, until=5)
    save(first, tmp_path, known)
    second, again = begun(network, losses[3:])
    assert resume(second, tmp_path, again)
    assert again.losses == known.losses
    run(second, again)
    assert again.losses == expected.losses
    for own, other in ((whole, expected), (second, again)):
        other.put_back(own)
    assert torch.equal(weights(second.network), weights(whole.network))
    trainer, other = begun(network, losses, patience=3)
    with pytest.raises(InputError, match="rule of stopping"):
        resume(trainer, tmp_path, other)


def test_rules_that_cannot_be_are_refused():
    for every, patience in ((0, 1), (1, 0)):
        with pytest.raises(UsageError, match="1 or more"):
            Stopping(lambda: 0.0, every, patience)
