"""The small model that comes with heedful: what it can, and that what makes it makes one."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.models import LocalModel
from heedful.models.contracts import TokenModelContract
from heedful.worlds.exercises import Exercise
from heedful.worlds.small_model import FOLDER, make, small_model

pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")


class TestSmallModel(TokenModelContract):
    tolerance = 1e-5

    def make(self):
        return small_model()

    def context(self):
        return Exercise("calc", "3+4*2").context

    def contexts(self):
        return self.context(), Exercise("reverse", "hgfedcba").context


def test_it_is_often_right_but_not_always():
    assert all(0.4 < share < 0.9 for share in make.accuracy(100, seed=5).values())


def test_its_lines_are_steps_that_can_be_marked():
    model, own = small_model(), Exercise("calc", "7-2*3+5")
    drawn = model.sample(own.context, 64, rng=np.random.default_rng(1))
    marks = [own.steps(item.output[0].text) for item in drawn]
    assert {len(mark) for mark in marks} >= {4}
    assert 0.6 < np.mean([mark[0] for mark in marks]) < 1.0


def test_the_weights_are_small_and_those_of_the_network_that_make_builds(tmp_path):
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5e6
    make.make(tmp_path, steps=2)
    fresh, shipped = LocalModel(str(tmp_path), max_tokens=48, device="cpu"), small_model()
    assert fresh.vocabulary == shipped.vocabulary
    sizes = [{n: p.shape for n, p in own.loaded.network.named_parameters()} for own in (fresh, shipped)]
    assert sizes[0] == sizes[1]
