"""Hidden states and classifiers as encoders: the numbers that transformers gives each item alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from heedful.core import InputError, Item, Part, UsageError
from heedful.core.contracts import PotentialContract
from heedful.evidence import Readout
from heedful.models import HiddenStates, LocalModel, SequenceClassifier, StyleFeatures, load_encoder
from models import tiny

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `lm` is not installed")

TEXTS = ["", "s", "sun", " and snow.\n", "3+4*2=11", "rain " * 4]
ITEMS = [Item.of(context, text) for text in TEXTS for context in ("rain", "the sun and the rain")]


def reward_model(folder, *, labels=1, pad: int | None = 2, chat=False):
    """A random Llama with a head, whose padding is <pad>, </s> or none."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 128}
    config = LlamaConfig(vocab_size=300, num_attention_heads=4, initializer_range=0.3, num_labels=labels, **sizes)
    config.pad_token_id, config.eos_token_id, config.bos_token_id = pad, 1, 0
    torch.manual_seed(0)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tiny.tokenizer(folder, chat=chat)
    return str(folder)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("network", [tiny.llama, tiny.gpt2])
def test_hidden_states_are_those_of_each_row_alone(tmp_path, network, pooling, end):
    network(tmp_path)
    tiny.tokenizer(tmp_path, letters=True)
    model = LocalModel(str(tmp_path), max_tokens=30, batch_size=5, device="cpu")
    encoder = HiddenStates(model, pooling, end)
    truth = []
    for item, output in zip(ITEMS, model.encode(ITEMS), strict=True):
        prompt = model.loaded.prompt(item.context, None)[1]
        with torch.no_grad():
            read = output.tolist() if end else [own for own in output.tolist() if own != model.end]
            whole = torch.tensor([[*prompt, *read]])
            hidden = model.loaded.network(input_ids=whole, output_hidden_states=True).hidden_states[-1][0]
        truth.append((hidden[-1] if pooling == "last" else hidden[-max(len(read), 1) :].mean(0)).numpy())
    np.testing.assert_allclose(encoder.encode(ITEMS), truth, atol=1e-5)
    assert encoder.encode([]).shape == (0, 32) == (0, *encoder.blocks)
    arrays, state = encoder.state()
    loaded = load_encoder(arrays, json.loads(json.dumps(state)))
    np.testing.assert_allclose(loaded.encode(ITEMS[:2]), truth[:2], atol=1e-5)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match="not the one"):
        load_encoder(arrays, state)


@pytest.mark.parametrize("pad", [2, 1, None])
@pytest.mark.parametrize("chat", [False, True])
def test_a_classifier_says_of_each_item_what_it_says_of_it_alone(tmp_path, pad, chat):
    encoder = SequenceClassifier(reward_model(tmp_path, labels=3, pad=pad, chat=chat), batch_size=5, device="cpu")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    truth = []
    for item in ITEMS:
        context, output = (parts[0].text if parts else "" for parts in (item.context, item.output))
        said = f"<s>assistant\n{output}</s>\n" if output else ""
        text = f"<s>user\n{context}</s>\n{said}" if chat else context + output
        numbers = tokenizer(text, add_special_tokens=False)["input_ids"]
        if not chat:  # a pair is tokenised apart
            numbers = [own for part in (context, output) for own in tokenizer(part)["input_ids"]]
        with torch.no_grad():
            truth.append(network(input_ids=torch.tensor([numbers])).logits[0].numpy())
    np.testing.assert_allclose(encoder.encode(ITEMS), truth, atol=1e-5)
    assert encoder.names == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert encoder.encode([]).shape == (0, 3)
    arrays, state = encoder.state()
    np.testing.assert_allclose(load_encoder(arrays, state).encode(ITEMS[:1]), truth[:1], atol=1e-5)


def test_a_classifier_that_was_none_and_items_it_cannot_read_are_refused(tmp_path):
    tiny.llama(tmp_path)
    tiny.tokenizer(tmp_path)
    with pytest.raises(InputError, match=r"weights lack score\.weight"):
        SequenceClassifier(str(tmp_path), device="cpu").encode(ITEMS)
    encoder = SequenceClassifier(reward_model(tmp_path / "reward"), device="cpu")
    with pytest.raises(InputError, match="reads at most 128"):
        encoder.encode([Item.of("sun", "q" * 200)])
    with pytest.raises(InputError, match="of the kind 'media' cannot be read"):
        encoder.encode([Item((), (Part("", kind="media", uri="a.png"),))])
    with pytest.raises(InputError, match="no such folder"):
        SequenceClassifier(str(tmp_path / "absent"))


class TestReadout(PotentialContract):
    def make(self):
        return Readout(StyleFeatures(), "log_words")

    def items(self):
        return ITEMS


def test_a_reward_is_a_potential(tmp_path):
    encoder = SequenceClassifier(reward_model(tmp_path), device="cpu")
    scores = (2.0 * Readout(encoder, encoder.names[0]))(ITEMS)
    np.testing.assert_allclose(scores.mean, 2.0 * encoder.encode(ITEMS)[:, 0])
    with pytest.raises(UsageError, match="no column 'reward'"):
        Readout(encoder, "reward")(ITEMS)
    with pytest.raises(UsageError, match="no pooling"):
        HiddenStates(None, "first")
