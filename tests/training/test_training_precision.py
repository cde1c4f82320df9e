"""Mixed precision: near the plain loss, with weights, gradients and log-probabilities in single precision."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.models import LocalModel  # noqa: E402
from heedful.training import DPO, Supervised  # noqa: E402
from heedful.training.head_objectives import Valued, reward  # noqa: E402
from heedful.training.heads import reader  # noqa: E402
from heedful.training.precision import Mixed, in_precision, precision_of  # noqa: E402
from heedful.training.trainer import Recipe, Trainer, scored  # noqa: E402
from models import tiny  # noqa: E402
from training.test_training_heads import scores, scoring, valuing  # noqa: E402
from training.test_training_trainer import examples  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tiny.llama(tmp_path_factory.mktemp("model"), initializer_range=0.02)
    tiny.tokenizer(made)
    return made


@pytest.mark.parametrize("objective", [DPO(5.0), Supervised(), reward(), Valued()])
def test_the_loss_is_near_and_what_is_summed_is_in_single_precision(folder, objective):
    from heedful.training.experience import experienced

    network = LocalModel(str(folder), device="cpu").loaded.network
    data = examples(outputs=1 if isinstance(objective, Supervised) else 2)
    if isinstance(objective, Valued):
        network = valuing(folder).float()
        data = experienced(network, examples(score=scores(2)), 10**6)
    elif objective == reward():
        network = scoring(folder).float()
    told = {}
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(copy.deepcopy(network), data, objective, Recipe(2, batch=12, precision=precision))
        assert isinstance(trainer.read, Mixed) == (precision == "bfloat16")
        seen = []
        trainer.run(seen.append)
        told[precision] = seen[-1]["loss"]
        part = next(trainer._parts())
        found = trainer.read(part.rows)
        assert found.dtype == torch.float32
        found.sum().backward()
        assert {own.dtype for own in trainer.parameters} == {torch.float32}
        assert {own.grad.dtype for own in trainer.parameters if own.grad is not None} == {torch.float32}
    assert told["bfloat16"] == pytest.approx(told["float32"], abs=1e-2 * max(1.0, told["float32"]))
    assert told["bfloat16"] != told["float32"] or isinstance(objective, DPO)


def test_a_policy_that_has_not_moved_is_its_reference_in_any_precision(folder):
    network = LocalModel(str(folder), device="cpu").loaded.network
    first = Trainer(network, examples(), DPO(5.0), Recipe(1, precision="bfloat16")).step()
    assert first["lead"] == pytest.approx(0.0, abs=1e-6)


def test_a_processor_computes_in_single_precision_where_nothing_is_asked(folder):
    network = LocalModel(str(folder), device="cpu").loaded.network
    assert precision_of(network, None) == "float32"
    assert not isinstance(in_precision(reader(network), network, None), Mixed)
    half = scored(network, examples(), 10**6, "bfloat16")
    assert {str(own.dtype) for own in half} == {"float32"}
