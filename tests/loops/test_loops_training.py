"""From feedback to a trained model: what is learnt holds on contexts not seen, what is stopped goes on."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import FitError, InputError, UsageError  # noqa: E402
from heedful.feedback import Table  # noqa: E402
from heedful.feedback.record import Record  # noqa: E402
from heedful.loops.training import Training, train  # noqa: E402
from heedful.models import LocalModel  # noqa: E402
from heedful.models.texts import joined  # noqa: E402
from heedful.worlds import exercises  # noqa: E402
from heedful.worlds.small_model import FOLDER  # noqa: E402


def shown(n=60, seed=1):
    """Sums with their answers alone, which the model is not used to give without working them out."""
    asked = exercises(n, seed=seed, held_out=False, kinds=("calc",))
    return [(joined(own.context), own.answer) for own in asked]


def demonstrations(n=60):
    return Table.of(
        [Record(kind="demonstration", context=asked, candidates=[{"output": own}]) for asked, own in shown(n)]
    )


def votes(n=60):
    made = []
    for asked, own in shown(n):
        pair = [{"output": own}, {"output": own + "0"}]  # ten times as much
        made.append(Record(kind="comparison", context=asked, candidates=pair, value={"choice": "first"}))
    return Table.of(made)


def how(objective="sft", **options):
    given = {"learning_rate": 1e-3, "passes": 3.0, "batch": 10, "held": 0.5, "device": "cpu"} | options
    return Training(str(FOLDER), objective, **given)


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def test_what_was_shown_is_likelier_on_contexts_not_seen(tmp_path):
    told = []
    found = train(demonstrations(160), how(), tmp_path / "out", watch=told.append)
    held = found["held_out"]
    assert held["change"]["interval"]["high"] < 0
    assert held["p_value"] < 0.01
    assert held["after"]["value"] - held["before"] == pytest.approx(held["change"]["value"], abs=1e-9)
    assert [own["step"] for own in told] == list(range(1, found["steps"] + 1))
    assert found == json.loads((tmp_path / "out" / "summary.json").read_text())
    # The model in the folder is the one that was measured.
    trained, base = (LocalModel(str(folder), device="cpu", max_tokens=48) for folder in (found["folder"], FOLDER))
    items = [next(iter(record.items())) for record in demonstrations(160).records()]
    assert trained.log_prob(items).mean() > base.log_prob(items).mean() + 0.1


def test_votes_train_with_their_objectives(tmp_path):
    for objective in ("dpo", "kto", "lipo"):
        found = train(votes(), how(objective, settings=("strength=2",), passes=1.0), tmp_path / objective)
        assert found["held_out"]["change"]["value"] < 0, objective
        assert found["data"]["used"] + found["held_out"]["data"]["used"] == 60


def test_what_was_stopped_goes_on_to_the_same_weights(tmp_path):
    whole = train(votes(), how("dpo"), tmp_path / "whole")

    def stop(told):
        if told["step"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(votes(), how("dpo"), tmp_path / "stopped", watch=stop)
    told = []
    again = train(votes(), how("dpo"), tmp_path / "stopped", watch=told.append)
    assert 1 < told[0]["step"] <= 5
    assert again["held_out"]["after"] == whole["held_out"]["after"]
    for name, own in weights(tmp_path / "whole").items():
        assert torch.equal(own, weights(tmp_path / "stopped")[name]), name
    with pytest.raises(InputError, match="another objective"):
        train(votes(), how("ipo"), tmp_path / "stopped")


def test_every_record_that_was_not_used_is_written_down(tmp_path):
    both = Table.concat([votes(20), demonstrations(20)])
    found = train(both, how("dpo", held=0.0, steps=1), tmp_path / "out")
    lost = [json.loads(line) for line in (tmp_path / "out" / "lost.jsonl").read_text().splitlines()]
    assert found["data"]["dropped"] == {"a demonstration names no output better than another": 20}
    assert [own["line"] for own in lost] == list(range(1, 21))
    assert "before" not in found["held_out"]


def test_wrong_calls_are_refused_before_anything_is_written(tmp_path):
    place = tmp_path / "out"
    with pytest.raises(FitError, match="demonstrations, edits"):
        train(votes().take([]), how(), place)
    with pytest.raises(UsageError, match="one of sft, dpo"):
        train(votes(), how("magic"), place)
    with pytest.raises(UsageError, match="no setting of dpo"):
        train(votes(), how("dpo", settings=("beta=0.1",)), place)
    with pytest.raises(UsageError, match="no value of strength"):
        train(votes(), how("dpo", settings=("strength=much",)), place)
    with pytest.raises(UsageError, match="strength"):
        train(votes(), how("dpo", settings=("strength=-1",)), place)
    assert not place.exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="something else"):
        train(votes(), how("dpo"), tmp_path / "full")
    with pytest.raises(UsageError, match="passes"):
        how(passes=0.0)
