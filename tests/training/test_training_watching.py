"""What is written of steps: each once, also after a kill at any place of a line."""

from __future__ import annotations

import json
import sys

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.core import MissingExtraError  # noqa: E402
from heedful.training.watching import refuse_board, written  # noqa: E402


def steps(folder):
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_each_line_is_there_before_the_next_step(tmp_path):
    with written(tmp_path, -1) as write:
        for step in range(4):
            write({"step": step, "loss": 0.5 / (step + 1)})
            assert steps(tmp_path) == list(range(step + 1))
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[1]) == {"step": 1, "loss": 0.25}


def test_a_line_that_lost_its_end_alone_is_a_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}')
    with written(tmp_path, 2) as write:
        write({"step": 3})
    assert steps(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("cut", [0, 3, 15])
def test_steps_that_are_taken_again_are_told_once(tmp_path, cut):
    with written(tmp_path, -1) as write:
        for step in range(1, 6):
            write({"step": step, "loss": 1.0})
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text()[: -cut or None])
    with written(tmp_path, 3) as write:
        for step in range(4, 8):
            write({"step": step, "loss": 2.0})
    assert steps(tmp_path) == list(range(1, 8))
    with written(tmp_path, -1):
        assert steps(tmp_path) == []


def test_a_board_without_its_package_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"heedful\[tensorboard\]"):
        refuse_board()


def test_a_board_holds_each_step_once(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for after, own in ((-1, range(1, 6)), (3, range(4, 8))):
        with written(tmp_path, after, board=True) as write:
            for step in own:
                write({"step": step, "loss": float(step)})
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(own.step, own.value) for own in read.Scalars("loss")] == [(step, step) for step in range(1, 8)]
