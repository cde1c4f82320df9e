"""Adapters: an unmoved one is its base, a trained one leaves its base alone, and merged it says the same."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")
pytest.importorskip("peft", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.models import LocalModel  # noqa: E402
from heedful.training import DPO  # noqa: E402
from heedful.training.adapters import adapted, bare, merged  # noqa: E402
from heedful.training.checkpoints import checkpoints, resume, save  # noqa: E402
from heedful.training.saving import save_merged, save_model  # noqa: E402
from heedful.training.trainer import Recipe, Trainer, scored  # noqa: E402
from models import tiny  # noqa: E402
from training.test_training_trainer import examples  # noqa: E402

RECIPE = Recipe(steps=6, batch=6, learning_rate=1e-2)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request, tmp_path_factory):
    made = getattr(tiny, request.param)(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(made)
    return made


def loaded(folder, adapter=None):
    return LocalModel(str(folder), device="cpu", adapter=None if adapter is None else str(adapter)).loaded


def held(network):
    """The weights that the base has too, by the names that it gives them."""
    own = network.state_dict()
    return {name.replace(".base_layer", ""): value.clone() for name, value in own.items() if "lora_" not in name}


def same(one, other, tolerance):
    return max(abs(a - b).max() for a, b in zip(one, other, strict=True)) <= tolerance


def test_an_adapter_that_has_not_moved_is_its_base(folder):
    network = loaded(folder).network
    before = scored(network, examples(), 10**6)
    policy = adapted(network, rank=4)
    assert same(scored(policy, examples(), 10**6), before, 0.0)
    told = Trainer(policy, examples(), DPO(5.0), RECIPE).step()
    assert told["lead"] == 0.0
    assert told["loss"] == pytest.approx(0.6931472, abs=1e-7)


def test_training_moves_the_adapter_alone_and_the_reference_is_the_base(folder):
    base = loaded(folder).network
    expected, before = held(base), scored(base, examples(), 10**6)
    trainer = Trainer(adapted(copy.deepcopy(base), rank=4), examples(), DPO(5.0), RECIPE)
    trainer.run()
    own = held(trainer.network)
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[name], value) for name, value in expected.items())
    assert not same(scored(trainer.network, examples(), 10**6), before, 0.1)
    # A network that comes with an adapter that has moved has for its reference the base all the same.
    again = Trainer(trainer.network, examples(), DPO(5.0), RECIPE)
    assert same(again.reference, before, 0.0)
    assert again.parameters
    assert not same(scored(trainer.network, examples(), 10**6), before, 0.1)
    with bare(trainer.network) as network:
        assert same(scored(network, examples(), 10**6), before, 0.0)


def test_an_adapter_is_saved_loaded_by_path_and_merged(folder, tmp_path):
    own = loaded(folder)
    trainer = Trainer(adapted(own.network, rank=4), examples(), DPO(5.0), RECIPE)
    trainer.run()
    expected = scored(trainer.network, examples(), 10**6)
    adapter = save_model(trainer.network, own.tokenizer, tmp_path / "adapter")
    assert (adapter / "adapter_config.json").exists()
    assert not (adapter / "model.safetensors").exists()
    assert same(scored(loaded(folder, adapter).network, examples(), 10**6), expected, 1e-5)
    whole = save_merged(folder, adapter, tmp_path / "merged")
    assert not (whole / "adapter_config.json").exists()
    assert same(scored(loaded(whole).network, examples(), 10**6), expected, 1e-5)
    assert same(scored(merged(trainer.network), examples(), 10**6), expected, 1e-5)
    assert [name for name, _ in trainer.network.named_parameters() if "lora" in name] == []


def test_checkpoints_hold_what_is_trained_and_go_on_to_the_same_bits(folder, tmp_path):
    def begun(path=folder, **settings):
        return Trainer(adapted(loaded(path).network, rank=4, **settings), examples(), DPO(5.0), RECIPE)

    whole, first, second = begun(), begun(), begun()
    whole.run()
    first.run(until=3)
    save(first, tmp_path)
    from safetensors.torch import load_file

    names = load_file(checkpoints(tmp_path)[-1] / "state.safetensors")
    kept = [name for name in names if name.startswith("network.")]
    assert kept
    assert all("lora_" in name for name in kept)
    assert resume(second, tmp_path)
    second.run()
    for own, other in zip(second.parameters, whole.parameters, strict=True):
        assert torch.equal(own, other)
    for settings in ({"alpha": 64.0}, {"dropout": 0.5}):  # which no weight shows
        with pytest.raises(InputError, match="network"):
            resume(begun(**settings), tmp_path)
    # What is frozen is not in a checkpoint, so that of another base goes on nowhere.
    (tmp_path / "other").mkdir()
    tiny.tokenizer(getattr(tiny, loaded(folder).network.config.model_type)(tmp_path / "other", seed=1))
    with pytest.raises(InputError, match="network"):
        resume(begun(tmp_path / "other"), tmp_path)


def test_adapters_that_cannot_be_are_refused(folder):
    network = loaded(folder).network
    with pytest.raises(UsageError, match="rank"):
        adapted(network, rank=0)
    with pytest.raises(UsageError, match="dropout"):
        adapted(network, rank=2, dropout=1.0)
    with pytest.raises(UsageError, match="nowhere"):
        adapted(network, rank=2, targets=["nowhere"])
    with pytest.raises(UsageError, match="has an adapter"):
        adapted(adapted(network, rank=2), rank=2)


def test_the_state_of_chance_is_left_as_it_was(folder):
    torch.manual_seed(5)
    expected = torch.get_rng_state()
    one = adapted(loaded(folder).network, rank=2, seed=1)
    assert torch.equal(torch.get_rng_state(), expected)
    other = adapted(loaded(folder).network, rank=2, seed=2)
    pairs = [own for own in zip(one.named_parameters(), other.named_parameters(), strict=True) if "lora_A" in own[0][0]]
    assert pairs
    assert not any(torch.equal(a, b) for (_, a), (_, b) in pairs)
