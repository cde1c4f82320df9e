"""From prompts and evidence to a trained model: what is stopped goes on, what is ruled out and spent is told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import BudgetExceededError, FitError, InputError, Item, UsageError  # noqa: E402
from heedful.evidence import Rule  # noqa: E402
from heedful.loops.practice import Practice, practise  # noqa: E402
from heedful.models.texts import joined  # noqa: E402
from heedful.training.named import DRAWN  # noqa: E402
from heedful.worlds import exercises  # noqa: E402
from heedful.worlds.exercises import right_answer  # noqa: E402
from heedful.worlds.small_model import FOLDER  # noqa: E402

RIGHT = Rule(lambda item: float(right_answer(item)), "right")
SHORT = Rule(lambda item: -0.3 * len(joined(item.output)), "short")
EARLY = Rule(lambda item: 0.0 if len(joined(item.output)) < 10 else -np.inf, "early")
PROMPTS = [own.context for own in exercises(24, seed=3, held_out=False)]


def how(objective="rloo", **options):
    given = {"rounds": 3, "prompts": 4, "outputs": 3, "max_tokens": 16, "learning_rate": 1e-3, "held": 0.25}
    return Practice(str(FOLDER), objective, **{**given, "device": "cpu", **options})


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def rows(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_policy_learns_what_is_measured_on_prompts_held_out(tmp_path):
    asked = [own.context for own in exercises(62, seed=3, held_out=False)]
    asking = how(rounds=4, prompts=8, outputs=4, held=0.5, learning_rate=2e-3)
    found = practise(asked, SHORT, asking, tmp_path / "out", gold=SHORT)
    score = found["held_out"]["score"]
    assert score["change"]["interval"]["low"] > 0
    assert score["after"]["value"] - score["before"] == pytest.approx(score["change"]["value"])
    assert score["before"] == pytest.approx(found["first"]["score"], abs=4 * found["first"]["score_se"])
    assert "probe_change" in found["last"]
    assert found == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert found["prompts"]["trained"] + found["prompts"]["held"] == len(set(asked))
    # The model in the folder is the one that was measured.
    after = practise(asked, SHORT, replace(asking, model=found["folder"], rounds=1), tmp_path / "again")
    assert after["held_out"]["score"]["before"] == pytest.approx(score["after"]["value"], abs=1e-9)


@pytest.mark.parametrize("objective", ["rloo", "ppo"])
def test_what_was_stopped_goes_on_to_the_same_weights(objective, tmp_path):
    whole = practise(PROMPTS, SHORT, how(objective), tmp_path / "whole")

    def stop(told):
        if told["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        practise(PROMPTS, SHORT, how(objective), tmp_path / "stopped", watch=stop)
    told = []
    again = practise(PROMPTS, SHORT, how(objective), tmp_path / "stopped", watch=told.append)
    assert [own["step"] for own in told] == [3]
    assert [own["step"] for own in rows(tmp_path / "stopped")] == [1, 2, 3]
    assert again["last"] == whole["last"]
    assert again["held_out"] == whole["held_out"]
    for name, own in weights(tmp_path / "whole").items():
        assert torch.equal(own, weights(tmp_path / "stopped")[name]), name
    assert not any("value_head" in name for name in weights(tmp_path / "whole"))
    for other in (how("grpo"), how(objective, names=("other",)), how(objective, outputs=4)):
        with pytest.raises(InputError, match="another objective"):
            practise(PROMPTS, SHORT, other, tmp_path / "stopped")
    with pytest.raises(InputError, match="other examples or prompts"):
        practise(PROMPTS[1:], SHORT, how(objective), tmp_path / "stopped")


@pytest.mark.parametrize("objective", DRAWN)
def test_every_objective_that_is_named_takes_a_round(objective, tmp_path):
    found = practise(PROMPTS, RIGHT, how(objective, rounds=1, passes=2, held=0.0, right=0.5), tmp_path / "out")
    assert found["rounds"] == 1
    assert found["held_out"] == {}
    assert found["last"]["gradient"] > 0
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()


def test_what_the_evidence_rules_out_earns_what_is_told(tmp_path):
    with pytest.raises(FitError, match="rules out"):
        practise(PROMPTS, EARLY, how(), tmp_path / "refused")
    found = practise(PROMPTS, EARLY, how(rounds=1, otherwise=-2.0), tmp_path / "out")
    first = found["first"]
    assert 0 < first["ruled_out"] < 1
    assert first["score"] == pytest.approx(-2.0 * first["ruled_out"])


def test_rounds_end_where_the_budget_does(tmp_path):
    each = 3 * 16  # tokens that a prompt may take
    most = each * (2 * 6 + 4 + 4)  # measured before and after, and two rounds at most
    found = practise(PROMPTS, SHORT, how(rounds=50, budget=most), tmp_path / "out")
    assert "tokens are written" in found["stopped"]
    assert 0 < found["rounds"] < 50
    assert found["written"] <= most
    with pytest.raises(BudgetExceededError, match="a round"):
        practise(PROMPTS, SHORT, how(budget=each * 15), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_prompts_that_cannot_be_answered_are_told(tmp_path):
    long = Item.of("7+" * 400).context
    found = practise([*PROMPTS, PROMPTS[0], long], SHORT, how(rounds=1), tmp_path / "out")
    assert found["prompts"]["again"] == 1
    assert sum(found["prompts"]["dropped"].values()) == 1
    (lost,) = [json.loads(line) for line in (tmp_path / "out" / "lost.jsonl").read_text().splitlines()]
    assert lost["line"] == 26
    with pytest.raises(FitError, match="no prompt can be answered"):
        practise([long], SHORT, how(), tmp_path / "none")


def test_wrong_calls_are_refused(tmp_path):
    with pytest.raises(UsageError, match="feedback as it stands"):
        practise(PROMPTS, SHORT, how("dpo"), tmp_path / "out")
    with pytest.raises(UsageError, match="6 prompts held out has no interval"):
        practise(PROMPTS, SHORT, how(), tmp_path / "out", gold=RIGHT)
    with pytest.raises(UsageError, match="held out"):
        replace(how(), held=1.0)
    assert not (tmp_path / "out").exists()
