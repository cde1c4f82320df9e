"""Encoders joined, put on one scale, saved and loaded; and the default one on real preferences."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save
from sklearn.linear_model import LogisticRegression

from heedful.core import InputError, Item, UsageError
from heedful.models import (
    Encoder,
    NgramFeatures,
    Stacked,
    Standardised,
    StyleFeatures,
    blocks_of,
    default_encoder,
    load_encoder,
)
from heedful.models.remembered import Remembered
from models.common import harmless_pairs, made_up

ITEMS = made_up(80)
LIGHT = Stacked.of(style=StyleFeatures(("log_words", "log_bold")), ngrams=NgramFeatures(dimensions=40, min_items=2))


def test_encoders_satisfy_the_protocol():
    for encoder in (StyleFeatures(), NgramFeatures().fit(ITEMS), LIGHT.fit(ITEMS), Standardised(LIGHT).fit(ITEMS)):
        assert isinstance(encoder, Encoder)
        assert encoder.encode(ITEMS).shape == (80, len(encoder.names))
        assert sum(blocks_of(encoder)) == len(encoder.names)
        json.dumps(encoder.describe())


def test_stacked_columns_are_those_of_each_encoder_under_its_label():
    stacked = LIGHT.fit(ITEMS)
    parts = StyleFeatures(("log_words", "log_bold")), NgramFeatures(dimensions=40, min_items=2).fit(ITEMS)
    np.testing.assert_array_equal(stacked.encode(ITEMS), np.hstack([part.encode(ITEMS) for part in parts]))
    assert stacked.names[:3] == ("style.log_words", "style.log_bold", "ngrams.component_0")


def test_columns_of_their_own_get_mean_zero_and_spread_one():
    encoder = Standardised(StyleFeatures(("log_words", "log_bold", "distinct_words"))).fit(ITEMS)
    features = encoder.encode(ITEMS)
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(features.std(axis=0), [1, 0, 1])
    assert encoder.describe()["constant_columns"] == 1
    # A column constant in training is centred only, so a new value shows at its own size.
    assert encoder.encode([Item.of("", "**bold**")])[0, 1] == pytest.approx(np.log(2))


def test_a_block_shares_one_scale_and_a_bounded_variance():
    encoder = Standardised(LIGHT).fit(ITEMS)
    features, plain = encoder.encode(ITEMS), LIGHT.fit(ITEMS).encode(ITEMS)
    block = slice(2, None)
    assert features[:, block].var(axis=0).sum() == pytest.approx(30)
    ratio = features[:, block].std(axis=0) / plain[:, block].std(axis=0)
    np.testing.assert_allclose(ratio, ratio[0])
    small = Standardised(NgramFeatures(dimensions=4, min_items=2)).fit(ITEMS).encode(ITEMS)
    assert small.var(axis=0).sum() == pytest.approx(4)


def test_training_items_alone_set_the_scale():
    encoder = Standardised(LIGHT).fit(ITEMS[:40])
    shifted = encoder.encode(ITEMS[40:])
    again = Standardised(LIGHT).fit(ITEMS[:40]).encode(ITEMS)
    np.testing.assert_array_equal(again[40:], shifted)


@pytest.mark.parametrize("made", [Standardised(LIGHT), Stacked.of(a=Standardised(StyleFeatures()), b=LIGHT)])
def test_a_loaded_encoder_encodes_alike_to_the_last_bit(made):
    encoder = made.fit(ITEMS)
    arrays, state = encoder.state()
    loaded = load_encoder(load(save(arrays)), json.loads(json.dumps(state)))
    np.testing.assert_array_equal(loaded.encode(ITEMS), encoder.encode(ITEMS))
    assert loaded.names == encoder.names
    assert loaded.describe() == encoder.describe()


def test_wrong_use_is_refused():
    with pytest.raises(UsageError, match="no items"):
        Standardised(StyleFeatures()).fit([])
    with pytest.raises(UsageError, match="not fitted"):
        Standardised(StyleFeatures()).encode(ITEMS)
    with pytest.raises(InputError, match="'embedding'"):
        load_encoder({}, {"encoder": "embedding"})
    for labels in (("a", "a"), ("a",), ("a", "b.c")):
        with pytest.raises(UsageError, match="own label"):
            Stacked((StyleFeatures(), StyleFeatures()), labels)
    with pytest.raises(UsageError, match="at least one"):
        Stacked((), ())


def test_the_default_predicts_real_preferences_on_contexts_it_has_not_seen():
    """Accuracy on a fifth of HH-RLHF harmless-base: linear models of light features reach about 0.62 to 0.66."""
    pairs = harmless_pairs()
    numbers: dict = {}
    group = np.array([numbers.setdefault(first.context, len(numbers)) for first, _ in pairs])
    test = np.random.default_rng(0).permutation(len(numbers))[group] < len(numbers) / 5
    train_items = [item for pair, held in zip(pairs, test, strict=True) if not held for item in pair]
    encoder = Standardised(default_encoder()).fit(train_items)
    features = encoder.encode([item for pair in pairs for item in pair])
    difference = features[::2] - features[1::2]
    both = np.vstack([difference[~test], -difference[~test]])
    label = np.repeat([1, 0], len(both) // 2)
    # Half the square of a prior standard deviation of 0.1, since every pair stands there both ways.
    weights = LogisticRegression(C=0.005, fit_intercept=False).fit(both, label).coef_[0]
    assert (difference[test] @ weights > 0).mean() > 0.60
    length = difference[:, list(encoder.names).index("style.log_characters")]
    assert max((length[test] > 0).mean(), (length[test] < 0).mean()) < 0.58


def test_a_remembered_encoder_fits_and_encodes_once():
    calls = []

    class Counting(StyleFeatures):
        def encode(self, items):
            calls.append(len(items))
            return super().encode(items)

    plain = Stacked.of(style=Counting(), ngrams=NgramFeatures(dimensions=40, min_items=2))
    truth = Standardised(plain).fit(ITEMS[:60]).encode(ITEMS)
    calls.clear()
    remembered = Remembered(plain)
    first = Standardised(remembered).fit(ITEMS[:60])
    again = Standardised(remembered).fit(ITEMS[:60])  # a second fit of the same part
    np.testing.assert_array_equal(first.encode(ITEMS), truth)
    np.testing.assert_array_equal(again.encode(ITEMS), truth)
    assert blocks_of(remembered) == blocks_of(first)
    assert sum(calls) == len(set(ITEMS))
    loaded = load_encoder(*first.state())
    np.testing.assert_array_equal(loaded.encode(ITEMS), truth)
