"""`heedful export`: what was trained, whole or as an adapter, says what the trained model says."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from .test_cli import invoke

pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("peft", reason="the extra `lm` is not installed")

from heedful.core import Item
from heedful.models import LocalModel
from heedful.worlds.small_model import FOLDER

ITEMS = [Item.of("sort ba=", "a"), Item.of("sort ba=", "ab")]


def scores(folder, adapter=None):
    return LocalModel(str(folder), device="cpu", max_tokens=8, adapter=adapter).log_prob(ITEMS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An adapter, and a model trained whole."""
    place = tmp_path_factory.mktemp("trained")
    rows = [{"prompt": f"sort {own}=", "chosen": "a", "rejected": "b"} for own in ("ba", "dc", "fe", "hg", "ca")]
    (place / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, flags in (("lora", ["--lora", 4]), ("whole", [])):
        code, shown, err = invoke(
            "train", place / "votes.jsonl", "--model", FOLDER, "--out", place / name, "--objective", "dpo", "--steps",
            3, "--learning-rate", 0.01, "--held", 0.2, "--device", "cpu", *flags,
        )  # fmt: skip
        assert code == 0, err
        assert ("Adapter of" in shown) == (name == "lora")
    return place


def test_an_adapter_is_taken_out_or_merged(trained, tmp_path):
    for to, name in (("adapter", "a"), ("transformers", "t")):
        code, shown, err = invoke("export", trained / "lora", "--to", to, "--out", tmp_path / name)
        assert code == 0, err
        assert str(tmp_path / name) in shown
    merged, beside = scores(tmp_path / "t"), scores(FOLDER, str(tmp_path / "a"))
    np.testing.assert_allclose(merged, beside, atol=1e-5)
    assert abs(merged - scores(FOLDER)).max() > 1e-3


def test_a_whole_model_is_copied(trained, tmp_path):
    code, shown, err = invoke("export", trained / "whole", "--to", "transformers", "--out", tmp_path / "t", "--json")
    assert code == 0, err
    assert json.loads(shown)["objective"] == "dpo"
    np.testing.assert_array_equal(scores(tmp_path / "t"), scores(trained / "whole" / "model"))


def test_what_cannot_be_exported_is_refused(trained, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").touch()
    other = shutil.copytree(FOLDER, tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    cases = [
        ([trained / "whole", "--to", "adapter", "--out", tmp_path / "a"], "the whole model was trained"),
        ([tmp_path / "nowhere", "--to", "adapter", "--out", tmp_path / "a"], "summary.json is missing"),
        ([trained / "lora", "--to", "adapter", "--out", full], "something in this place"),
        ([trained / "lora", "--to", "transformers", "--out", tmp_path / "a", "--model", other], "not the model that"),
    ]
    for asked, said in cases:
        code, _, err = invoke("export", *asked)
        assert code == 2, err
        assert said in err
        assert not (tmp_path / "a").exists()


def test_a_folder_beside_is_left_alone(trained, tmp_path, monkeypatch):
    (tmp_path / "a.part").mkdir()
    code, _, err = invoke("export", trained / "lora", "--to", "adapter", "--out", tmp_path / "a")
    assert code == 0, err
    assert (tmp_path / "a.part").is_dir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, err = invoke("export", trained / "lora", "--to", "adapter", "--out", ".")
    assert code == 0, err
    assert (tmp_path / "here" / "adapter_config.json").exists()


def test_a_folder_without_what_was_trained_is_told(trained, tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    code, _, err = invoke("export", tmp_path, "--to", "transformers", "--out", tmp_path / "t")
    assert code == 2
    assert "no summary of training" in err
    shutil.copy(trained / "whole" / "summary.json", tmp_path)
    code, _, err = invoke("export", tmp_path, "--to", "transformers", "--out", tmp_path / "t")
    assert code == 2
    assert "not here any more" in err
