"""Folders of local models that are not what they seem: refused with the way out, never answered from at random."""

from __future__ import annotations

import json

import numpy as np
import pytest

from heedful.core import HeedfulError, InputError, Item
from heedful.models import LocalModel, SentenceEncoder, SequenceClassifier
from models import tiny

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `lm` is not installed")

ITEMS = [Item.of("the sun", " and rain")]
SMALL = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "initializer_range": 0.3}
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LOADERS = {
    "AutoModelForCausalLM": lambda folder: LocalModel(folder, max_tokens=8, device="cpu").log_prob(ITEMS),
    "AutoModelForSequenceClassification": lambda folder: SequenceClassifier(folder, device="cpu").encode(ITEMS),
    "AutoModel": lambda folder: SentenceEncoder(folder, device="cpu").encode(ITEMS),
}


@pytest.fixture
def folder(tmp_path):
    tiny.llama(tmp_path)
    tiny.tokenizer(tmp_path, pad="<pad>")
    return tmp_path


def saved(folder, head="AutoModelForCausalLM"):
    """The folder with weights for the class `head`."""
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    getattr(transformers, head).from_config(config).save_pretrained(folder)
    return folder


def told(folder, **options):
    return LocalModel(str(folder), max_tokens=8, device="cpu", **options).log_prob(ITEMS)


def rewrite(path, change):
    """Change the tensors of a file, a dictionary by names."""
    from safetensors.torch import load_file, save_file

    held = load_file(path)
    change(held)
    save_file({name: own.contiguous() for name, own in held.items()}, path, metadata={"format": "pt"})


def halved(held, name):
    held[name] = held[name][: len(held[name]) // 2]


@pytest.mark.parametrize("head", LOADERS)
@pytest.mark.parametrize("fault", [dict.pop, halved])
def test_weights_that_are_missing_or_of_another_shape_are_not_drawn_at_random(folder, head, fault):
    saved(folder, head)
    assert np.isfinite(LOADERS[head](str(folder))).all()
    rewrite(folder / "model.safetensors", lambda held: fault(held, next(own for own in held if "1.mlp.up_proj" in own)))
    with pytest.raises(InputError, match=r"weights lack .*layers\.1\.mlp\.up_proj\.weight"):
        LOADERS[head](str(folder))


def test_a_sentence_encoder_needs_no_pooler_of_its_own(tmp_path):
    tiny.tokenizer(tmp_path, pad="<pad>")
    transformers.BertModel(transformers.BertConfig(**SMALL, **SIZES)).save_pretrained(tmp_path)
    whole = SentenceEncoder(str(tmp_path), device="cpu").encode(ITEMS)
    rewrite(tmp_path / "model.safetensors", lambda held: [held.pop(own) for own in list(held) if "pooler" in own])
    np.testing.assert_allclose(SentenceEncoder(str(tmp_path), device="cpu").encode(ITEMS), whole)


@pytest.fixture
def adapter(folder, tmp_path_factory):
    peft = pytest.importorskip("peft", reason="the extra `lm` is not installed")
    own = tmp_path_factory.mktemp("adapter")
    network = transformers.AutoModelForCausalLM.from_pretrained(folder)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], init_lora_weights=False)
    peft.get_peft_model(network, config).save_pretrained(own)
    return own


def renamed(held):
    for name in list(held):
        held[name.replace("layers", "blocks")] = held.pop(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, r"no place for the adapter's .*blocks\.0"),
        (lambda held: held.pop(next(own for own in held if "1.self_attn.q_proj.lora_B" in own)), "lack .*lora_B"),
        (lambda held: held.pop(next(own for own in held if "lm_head" in own)), "cannot put this adapter .*lm_head"),
        (lambda held: halved(held, next(own for own in held if "lora_B" in own)), "cannot put this adapter"),
    ],
)
def test_adapters_that_do_not_fit_are_refused(folder, adapter, change, said):
    assert abs(told(folder, adapter=str(adapter)) - told(folder)) > 0.01
    rewrite(adapter / "adapter_model.safetensors", change)
    with pytest.raises(InputError, match=said):
        told(folder, adapter=str(adapter))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "IA3"}, "its type is 'IA3'"),
        ({"peft_type": None}, "its type is None"),
        ({"r": "two"}, "cannot put this adapter"),
        ({"target_modules": ["nope"]}, "cannot put this adapter"),
    ],
)
def test_adapters_of_other_kinds_are_refused(folder, adapter, changes, said):
    tiny.change(adapter, "adapter_config.json", **changes)
    with pytest.raises(InputError, match=said):
        told(folder, adapter=str(adapter))


def test_pickled_weights_of_an_adapter_are_not_read(folder, adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "other.safetensors")
    (adapter / "adapter_model.bin").write_bytes(b"a pickle")
    with pytest.raises(InputError, match=r"should be in adapter_model\.safetensors"):
        told(folder, adapter=str(adapter))


def named(name, config=None, **options):
    """A network of transformers by its class, and the options of its configuration."""
    kind = getattr(transformers, name)
    return kind(getattr(transformers, config or kind.config_class.__name__)(**SMALL | options))


JAMBA = {"num_hidden_layers": 4, "num_key_value_heads": 1, "use_mamba_kernels": False, "num_experts": 2}
GEMMA = {"num_hidden_layers": 3, "num_key_value_heads": 1, "lru_width": 32, "attention_window_size": 16}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("BertLMHeadModel", SIZES),  # looks both ways
        ("RwkvForCausalLM", {"hidden_size": 32, "num_hidden_layers": 2}),  # ignores the cache
        ("RecurrentGemmaForCausalLM", SIZES | GEMMA),
        ("JambaForCausalLM", SIZES | JAMBA | {"attn_layer_period": 2, "attn_layer_offset": 1}),
        ("MambaForCausalLM", {"hidden_size": 32, "num_hidden_layers": 2}),  # fails with this cache
        ("OpenAIGPTLMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 2}),
    ],
)
def test_networks_that_do_not_read_on_as_they_read_are_refused(tmp_path, name, options):
    torch.manual_seed(0)
    named(name, **options).save_pretrained(tmp_path)
    tiny.tokenizer(tmp_path)
    with pytest.raises(InputError, match=rf"a {name} (gives other laws|cannot be read)"):
        told(tmp_path)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_a_causal_network_is_read_in_numbers_of_every_width(tmp_path, dtype):
    """The same architecture as one refused, where it looks back only."""
    torch.manual_seed(0)
    named("BertLMHeadModel", is_decoder=True, **SIZES).save_pretrained(tmp_path)
    tiny.tokenizer(tmp_path)
    np.testing.assert_allclose(told(tmp_path, dtype=dtype), told(tmp_path), rtol=0.05)


def test_a_window_of_few_tokens_is_no_hindrance(tmp_path):
    tiny.gpt2(tmp_path, n_positions=5)
    tiny.tokenizer(tmp_path)
    model = LocalModel(str(tmp_path), max_tokens=2, device="cpu")
    assert np.isfinite(model.log_prob([Item.of("s", "u")])).all()


@pytest.mark.parametrize("head", LOADERS)
@pytest.mark.parametrize(
    "settings",
    [
        {"attn_implementation": "somebody/attention"},
        {"_attn_implementation": "somebody/attention@main:forward"},
        {"_attn_implementation_internal": "paged|somebody/attention"},
        {"attn_implementation": {"": "eager", "text_config": "somebody/attention"}},
        {"text_config": {"experts_implementation": "somebody/experts"}},
        {"layers": [{"_experts_implementation": "deepgemm"}]},
        {"attn_implementation": "flash_attention_2"},
        {"attribute_map": {"own": "_attn_implementation"}, "own": "somebody/attention"},
    ],
)
def test_code_from_elsewhere_is_refused_before_anything_is_loaded(folder, head, settings):
    (folder / "model.safetensors").write_bytes(b"never read")
    tiny.change(folder, "config.json", **settings)
    with pytest.raises(InputError, match="code from elsewhere"):
        LOADERS[head](str(folder))


def test_implementations_that_come_with_transformers_are_let_be(folder):
    tiny.change(folder, "config.json", attn_implementation="eager")
    assert LocalModel(str(folder), device="cpu").loaded.network.config._attn_implementation == "eager"


@pytest.mark.parametrize("head", LOADERS)
def test_code_in_the_folder_is_not_run(folder, head):
    """Nor is anybody asked on the terminal whether it should be."""
    (folder / "own.py").write_text("raise SystemExit('run')")
    own = {"AutoConfig": "own.Config", head: "own.Network"}
    tiny.change(folder, "config.json", model_type="own", auto_map=own)
    with pytest.raises(InputError, match="cannot load it"):
        LOADERS[head](str(folder))


@pytest.mark.parametrize("head", LOADERS)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "[]"),
        ("config.json", "[" * 100_000),
        ("tokenizer.json", "[]"),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "[]"),
        ("config.json", {"vocab_size": "many"}),
        ("config.json", {"hidden_size": "wide"}),
        ("config.json", {"model_type": "nothing"}),
    ],
)
def test_broken_folders_are_named(folder, head, name, text):
    saved(folder, head)
    if isinstance(text, dict):
        tiny.change(folder, name, **text)
    else:
        (folder / name).write_text(text)
    with pytest.raises(InputError, match=folder.name):
        LOADERS[head](str(folder))


@pytest.mark.parametrize(("name", "text"), [("modules.json", "{}"), ("modules.json", "[1]"), ("modules.json", "[{}]")])
def test_broken_pipelines_of_sentence_encoders_are_named(folder, name, text):
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=name):
        SentenceEncoder(str(folder))
    (folder / name).write_text("[]")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": "long"}))
    with pytest.raises(InputError, match="makes no sense"):
        SentenceEncoder(str(folder))


@pytest.mark.parametrize(("ends", "kept"), [([1, 350], (1,)), ([350], (1,)), ([-3, 20], (20, 1)), (-1, (1,))])
def test_ends_are_tokens_that_can_be_written(tmp_path, ends, kept):
    """Of a network with more tokens than its tokenizer."""
    tiny.llama(tmp_path, vocab_size=400)
    tiny.tokenizer(tmp_path)
    tiny.change(tmp_path, "generation_config.json", eos_token_id=ends)
    model = LocalModel(str(tmp_path), max_tokens=4, device="cpu")
    assert model.loaded.ends == kept
    np.testing.assert_allclose(np.exp(model.begin([ITEMS[0].context]).logprobs).sum(), 1.0, atol=1e-5)


@pytest.mark.parametrize("text", ["[1]", '{"eos_token_id": "x"}', '{"eos_token_id": -3}', '{"eos_token_id": [350]}'])
def test_ends_that_are_none_are_refused_where_there_is_no_other(folder, text):
    tiny.change(folder, "tokenizer_config.json", eos_token=None)
    (folder / "generation_config.json").write_text(text)
    tiny.change(folder, "config.json", eos_token_id=None)
    with pytest.raises(HeedfulError, match=folder.name):
        told(folder)


def test_no_device_of_that_name(folder):
    with pytest.raises(InputError, match="cannot be put on the device"):
        LocalModel(str(folder), device="abacus").loaded  # noqa: B018
