"""What a step keeps for its backward pass, what following it takes, and how much is read at once where none follows."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.models import LocalModel  # noqa: E402
from heedful.training.head_objectives import reward  # noqa: E402
from heedful.training.heads import load_head  # noqa: E402
from heedful.training.inputs import inputs  # noqa: E402
from heedful.training.trainer import Recipe, Trainer, scored  # noqa: E402
from models import tiny  # noqa: E402
from training.test_training_trainer import examples  # noqa: E402

RECIPE = Recipe(steps=2, batch=12)


@pytest.fixture
def folder(tmp_path):
    tiny.tokenizer(tiny.llama(tmp_path))
    return tmp_path


@pytest.fixture
def trainer(folder):
    return Trainer(load_head(folder, "cpu").network, examples(prefer=lambda rng: 0.8), reward(), RECIPE)


def kept(work):
    """Bytes that some work keeps for the backward pass, each storage once."""
    held = {}

    def pack(value):
        held[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        work()
    return sum(own.untyped_storage().nbytes() for own in held.values())


def test_a_step_on_rewards_keeps_hardly_more_than_its_network_does(trainer):
    """No logits over the vocabulary, no hidden states of other layers, no copies in other numbers."""
    (part,) = trainer._parts()
    network = kept(lambda: trainer.network.base_model(**inputs(trainer.network, part.rows)))
    assert network < kept(trainer.step) < 1.1 * network


def test_following_a_gradient_makes_no_copies_of_the_weights(trainer):
    trainer.step()  # which makes what the optimiser keeps
    for own in trainer.parameters:
        own.grad = torch.ones_like(own)
    with torch.profiler.profile(profile_memory=True) as profile:
        trainer.optimiser.step()
    made = sum(max(0, own.self_cpu_memory_usage) for own in profile.events())
    assert made < 0.05 * sum(own.nbytes for own in trainer.parameters)


def test_a_processor_scores_some_tokens_after_the_others(folder):
    network, many, read = LocalModel(str(folder), device="cpu").loaded.network, examples(200), []
    network.base_model.register_forward_pre_hook(
        lambda module, given, named: read.append(named["input_ids"].numel()), with_kwargs=True
    )
    scored(network, many, tokens=1 << 16)
    assert max(read) <= 1 << 11 < sum(read)
