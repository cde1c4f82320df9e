"""`heedful train`: feedback in, a model out, and what it says of the records and of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .posteriors import shorter_is_better
from .test_cli import invoke

pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.models import LocalModel
from heedful.worlds.small_model import FOLDER


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"sort {letters}=", "chosen": "a", "rejected": "b"} for letters in ("ba", "dc", "fe", "hg", "ca")
    ]
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    return path


def test_a_model_is_trained_and_told_about(votes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["train", votes, "--model", FOLDER, "--out", out, "--objective", "dpo", "--set", "strength=2",
             "--steps", 3, "--learning-rate", 0.001, "--held", 0.2, "--device", "cpu"]  # fmt: skip
    code, shown, err = invoke(*asked)
    assert code == 0, err
    assert "dpo (target): 3 steps" in shown
    assert "Records: 4 of 4 used, as 4 examples, 1 more could not be read" in shown
    assert "Loss on 1 examples held out: 0.6931 before" in shown
    assert "step 3: loss" in err
    items = LocalModel(str(out / "model"), device="cpu", max_tokens=8)
    assert items.size == LocalModel(str(FOLDER), device="cpu").size
    code, again, err = invoke(*asked, "--json")
    assert code == 0, err
    assert json.loads(again)["steps"] == 3
    assert "step" not in err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--objective", "magic"], "one of sft, dpo"),
        (["--objective", "dpo", "--set", "beta=0.1"], "no setting of dpo"),
        (["--objective", "kto", "--set", "good=NaN"], "no value of good"),
        (["--objective", "kto", "--set", "good=1", "--set", "good=2"], "told twice"),
        (["--objective", "sft", "--model", "nowhere"], "no such folder"),
        (["--objective", "sft", "--passes", "0"], "passes"),
    ],
)
def test_wrong_flags_are_refused_and_nothing_is_written(votes: Path, tmp_path: Path, changed: list[str], said: str):
    code, _, err = invoke("train", votes, "--model", FOLDER, "--out", tmp_path / "out", *changed)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_feedback_that_teaches_nothing_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "likes.csv"
    path.write_text("prompt,completion,label\nq,a,true\n")
    code, _, err = invoke("train", path, "--model", FOLDER, "--out", tmp_path / "out", "--objective", "dpo")
    assert code == 1
    assert "the only output of its context that its rater graded" in err


def test_a_terminal_shows_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from rich.console import Console

    from heedful.cli.progress import bar

    shown = io.StringIO()
    with bar(Console(file=shown, force_terminal=True, width=120)) as show:
        show({"step": 1, "of": 20, "loss": 0.6931, "lead": 0.1, "held_out": 0.75})
        show({"step": 2, "of": 20, "loss": 0.5, "lead": 0.2})
    last = shown.getvalue().split("\r")[-1]
    assert "2/20" in last
    assert "loss 0.5, held_out 0.75, lead 0.2" in last


def test_a_board_is_refused_where_it_cannot_be_written(
    votes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    code, _, err = invoke(
        "train", votes, "--model", FOLDER, "--out", tmp_path / "out", "--objective", "dpo", "--tensorboard"
    )
    assert code == 2
    assert "heedful[tensorboard]" in err
    assert not (tmp_path / "out").exists()


def test_held_out_records_that_cannot_be_measured_by_are_told(tmp_path: Path) -> None:
    """Which are held out is for a hash of contexts: so it is tried with each of them as the only one that is read."""
    asked = [f"sort {letters}=" for letters in ("ba", "dc", "fe", "hg", "ca")]
    told = []
    for place in range(5):
        rows = [{"prompt": own, "completion": "a", "label": n != place} for n, own in enumerate(asked)]
        path = tmp_path / f"{place}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        code, shown, err = invoke("train", path, "--model", FOLDER, "--out", tmp_path / f"out{place}", "--objective",
                                  "sft", "--steps", 1, "--held", 0.2, "--device", "cpu")  # fmt: skip
        assert code == 0, err
        told.append("None of 1 records held out" in shown and "dropped: 1 it prefers no output" in shown)
    assert sum(told) == 1


def test_a_file_that_cannot_be_read_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    path.write_bytes(b"\x00\xff not json\n")
    code, _, err = invoke("train", path, "--model", FOLDER, "--out", tmp_path / "out", "--objective", "dpo")
    assert code == 2
    assert "no record that can be read" in err
    assert "votes.jsonl" in err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def posterior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shorter is better."""
    texts = ["1", "12 34", "12 34 56 78", "12 34 56 78 90 12 34"]
    return shorter_is_better(texts, tmp_path_factory.mktemp("fit") / "posterior")


def test_a_model_learns_in_rounds_from_its_own_outputs(posterior: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    asked = [f"sort {letters}=" for letters in ("ba", "dc", "fe", "hg", "ca", "ba")]
    prompts.write_text("".join(json.dumps({"prompt": own}) + "\n" for own in asked))
    out = tmp_path / "out"
    given = ["train", "--rounds", 2, "--objective", "grpo", "--set", "clip=0.1", "--evidence", f"{posterior}=2",
             "--prompts", prompts, "--model", FOLDER, "--out", out, "--batch", 2, "-n", 3, "--max-tokens", 8,
             "--learning-rate", 0.001, "--held", 0.2, "--device", "cpu"]  # fmt: skip
    code, shown, err = invoke(*given)
    assert code == 0, err
    assert "grpo (surrogate): 2 rounds" in shown
    assert "Prompts: 4 trained on, 1 held out, of 6 read" in shown
    assert "given more than once: 1" in shown
    assert "Score on prompts held out" in shown
    assert "step 2: score" in err
    assert LocalModel(str(out / "model"), device="cpu", max_tokens=8).size
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    code, again, err = invoke(*given, "--json")
    assert code == 0, err
    told = json.loads(again)
    assert told["last"]["score"] == rows[1]["score"]
    assert told["evidence"][0].startswith(f"--evidence {posterior}=2 ")
    code, _, err = invoke(*given, "--tests", "tests.py", "--unsafe")
    assert (code, "tests.py" in err) == (2, True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--objective", "rloo"], "'rloo' learns from outputs that the model draws in rounds"),
        (["--objective", "dpo", "--rounds", "2"], "with --rounds a model learns from its own outputs"),
        (["--objective", "dpo", "--evidence", "posterior"], "this is of training in --rounds"),
        (["--objective", "dpo", "--otherwise", "0"], "--otherwise"),
    ],
)
def test_flags_of_one_way_to_train_are_none_of_the_other(votes: Path, tmp_path: Path, changed: list[str], said: str):
    code, _, err = invoke("train", votes, "--model", FOLDER, "--out", tmp_path / "out", *changed)
    assert code == 2
    assert said in err
    assert not (tmp_path / "out").exists()


def test_there_is_something_to_learn_from(posterior: Path, tmp_path: Path) -> None:
    given = ["train", "--model", FOLDER, "--out", tmp_path / "out", "--objective"]
    assert "there is no feedback to learn from" in invoke(*given, "dpo")[2]
    assert "there is no evidence" in invoke(*given, "rloo", "--rounds", 1)[2]
    assert "there is no prompt" in invoke(*given, "rloo", "--rounds", 1, "--evidence", posterior)[2]
    assert "whole times" in invoke(*given, "rloo", "--rounds", 1, "--passes", 0.5)[2]
