"""N-gram features, against their definition and a dense singular value decomposition."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from safetensors.numpy import load, save

from heedful.core import Item, UsageError
from heedful.models import NgramFeatures, load_encoder
from models.common import harmless_pairs, made_up

ITEMS = [*made_up(60, per_context=3), Item.of("q0", "Ünïcödé ÜNÏCÖDÉ sun"), Item.of("q1", "日本語の文字 日本語の文字")]
SMALL = NgramFeatures(size=3, dimensions=5, min_items=2)


def oracle(items):
    """Weights worked out by hand from the definition, of the n-grams in sorted order."""
    grams = [Counter(ngrams_of(item.output[0].text)) for item in items]
    held = Counter(gram for counts in grams for gram in counts)
    names = sorted(gram for gram, n in held.items() if n >= 2)
    rarity = np.array([np.log((1 + len(items)) / (1 + held[gram])) + 1 for gram in names])
    counts = np.array([[counts[gram] for gram in names] for counts in grams], float)
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * rarity
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(length > 0, length, 1), names


def ngrams_of(text: str) -> list[str]:
    """3-grams within words set off by spaces; a word too short for one stands whole."""
    words = [f" {word} " for word in text.lower().split()]
    return [word[place : place + 3] for word in words for place in range(max(1, len(word) - 2))]


def test_weights_follow_their_definition():
    encoder = SMALL.fit(ITEMS)
    weights, names = oracle(ITEMS)
    assert list(encoder.ngrams) == names
    ours = encoder.weights([item.output[0].text for item in ITEMS]).toarray()
    np.testing.assert_allclose(ours, weights, atol=1e-14)


@pytest.mark.parametrize(("n", "per_context"), [(60, 1), (60, 3), (60, 60), (300, 1), (300, 3), (300, 300)])
def test_components_are_the_singular_vectors_within_contexts(n, per_context):
    items = made_up(n, per_context=per_context)
    weights, names = oracle(items)
    group = np.arange(n) // per_context
    centred = weights.copy()
    if per_context > 1:
        for number in range(n // per_context):
            centred[group == number] -= centred[group == number].mean(axis=0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    encoder = SMALL.fit(items)
    assert list(encoder.ngrams) == names
    ours = encoder.components
    assert (np.diff(values[:6]) < -1e-3).all(), "directions are unique only where values differ"
    np.testing.assert_allclose(np.abs((ours * vectors[:5]).sum(axis=1)), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.abs(encoder.encode(items)), np.abs(weights @ vectors[:5].T), atol=1e-6)


def test_a_loaded_encoder_encodes_alike_to_the_last_bit():
    encoder = NgramFeatures(size=3, dimensions=7, min_items=2, seed=3).fit(ITEMS)
    arrays, state = encoder.state()
    loaded = load_encoder(load(save(arrays)), json.loads(json.dumps(state)))
    np.testing.assert_array_equal(loaded.encode(ITEMS), encoder.encode(ITEMS))
    assert loaded.describe() == encoder.describe()
    assert loaded.names == encoder.names


def test_rows_depend_on_their_own_item_alone():
    encoder = SMALL.fit(ITEMS)
    whole = encoder.encode(ITEMS)
    np.testing.assert_array_equal(encoder.encode(ITEMS[::-1])[::-1], whole)
    np.testing.assert_array_equal(np.vstack([encoder.encode([item]) for item in ITEMS]), whole)
    assert encoder.encode([]).shape == (0, 5)


def test_case_and_white_space_do_not_matter():
    encoder = SMALL.fit(ITEMS)
    one, other = encoder.encode([Item.of("q", "Sun and RAIN"), Item.of("q", "  sun\n and\train ")])
    np.testing.assert_array_equal(one, other)


def test_the_rarest_are_left_out_beyond_the_cap():
    encoder = NgramFeatures(size=3, dimensions=2, min_items=1, max_ngrams=10).fit(ITEMS)
    assert encoder.describe()["ngrams"] == 10
    found = Counter(gram for item in ITEMS for gram in ngrams_of(item.output[0].text))
    least = min(found[gram] for gram in encoder.ngrams)
    assert sum(count > least for count in found.values()) < 10


def test_large_training_sets_are_sampled_by_context():
    encoder = NgramFeatures(size=3, dimensions=2, fit_on=20).fit(made_up(100, per_context=4))
    assert encoder.describe()["fitted_on"] == 20
    again = NgramFeatures(size=3, dimensions=2, fit_on=20).fit(made_up(100, per_context=4))
    np.testing.assert_array_equal(again.components, encoder.components)
    one_context = NgramFeatures(size=3, dimensions=2, fit_on=20).fit(made_up(100, per_context=100))
    assert one_context.describe()["fitted_on"] == 20


@pytest.mark.parametrize(
    "items",
    [
        [Item.of("q", "")],
        [Item.of("q", "alone")],
        [Item.of("q", "same words"), Item.of("q", "same words"), Item.of("q", "same words")],
        [Item.of("q", text) for text in ("all", "quite", "different")],
        [Item.of("q", "\ud800")] * 4,
    ],
)
def test_too_little_text_gives_no_columns_but_works(items):
    encoder = NgramFeatures().fit(items)
    assert encoder.encode(items).shape == (len(items), len(encoder.names))
    assert np.isfinite(encoder.encode(items)).all()
    assert len(encoder.names) < len(items)


def test_a_text_with_no_known_ngram_is_all_zeros():
    assert (SMALL.fit(ITEMS).encode([Item.of("q", "zzz"), Item.of("q", "")]) == 0).all()


def test_use_before_fitting_and_wrong_settings_are_refused():
    with pytest.raises(UsageError, match=r"\.fit\(training_items\)"):
        NgramFeatures().encode(ITEMS)
    with pytest.raises(UsageError, match="not fitted"):
        NgramFeatures().names  # noqa: B018
    with pytest.raises(UsageError, match="1 or more"):
        NgramFeatures(dimensions=0)


def test_real_answers_are_fitted_in_a_blink():
    items = [item for pair in harmless_pairs() for item in pair]
    encoder = NgramFeatures().fit(items)
    features = encoder.encode(items)
    assert features.shape == (len(items), 64)
    # The directions are those along which answers differ most: the first holds more than the last.
    spread = (features[::2] - features[1::2]).std(axis=0)
    assert spread[0] > 1.5 * spread[-1] > 0
