"""Style covariates, against counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.core import Item, Part, UsageError
from heedful.models import StyleFeatures, load_encoder
from models.common import made_up

TEXT = """# Title

I’m sorry, but I can't help with that. Maybe you could ask **someone else**?

- See https://example.org/a
- or `print(1)`
2) No! "Never", 42 times"""


def value(text: str, name: str, context: str = "") -> float:
    return float(StyleFeatures((name,)).encode([Item.of(context, text)])[0, 0])


COUNTED = {
    "log_words": 27,
    "log_sentences": 3,  # that. else**? No! and none at the end
    "log_paragraphs": 2,
    "log_list_items": 3,
    "log_headers": 1,
    "log_bold": 1,
    "log_code": 1,
    "log_links": 1,
    "log_questions": 1,
    "log_exclamations": 1,
    "log_quotes": 2,
    "hedges": 2,  # maybe, could
    "refusals": 1,  # I can't
    "apologies": 1,
    "first_person": 2,  # I'm, I
    "second_person": 1,
    "negations": 3,  # can't, no, never
    "courtesies": 0,
}


@pytest.mark.parametrize(("name", "count"), COUNTED.items())
def test_counts_are_logged(name, count):
    assert value(TEXT, name) == pytest.approx(math.log1p(count))


@pytest.mark.parametrize(
    ("text", "name", "truth"),
    [
        ("a1b2", "digit_share", 0.5),
        ("ABcd", "capital_share", 0.5),
        ("ÄBcd", "capital_share", 0.5),
        ("a,b,", "comma_share", 0.5),
        ("a\nb\n", "newline_share", 0.5),
        ("one three\nab", "word_length", 10 / 3),
        ("The cat, the dog", "distinct_words", 3 / 4),
        ("don't don’t", "distinct_words", 1 / 2),
        (" I’d say", "starts_with_i", 1.0),
        ("Indeed", "starts_with_i", 0.0),
        ("No, thanks", "starts_with_no", 1.0),
        ("Nothing", "starts_with_no", 0.0),
        ("Is it? ", "ends_with_question", 1.0),
        ("Is it? Yes.", "ends_with_question", 0.0),
        ("cut off in the", "ends_unfinished", 1.0),
        ("done.", "ends_unfinished", 0.0),
        ('he said "done."', "ends_unfinished", 0.0),
        ("完了。", "ends_unfinished", 0.0),
        ("日本語", "log_characters", math.log(4)),
        ("I cannot. I won't! As an AI, I'm not able to", "refusals", math.log(5)),
    ],
)
def test_shares_and_marks_are_those_of_the_text(text, name, truth):
    assert value(text, name) == pytest.approx(truth)


def test_echo_is_the_share_of_words_taken_from_the_last_turn_of_the_world():
    context = (
        Part("blue green", by="world", role="user"),
        Part("well", by="system", role="assistant"),
        Part("Is the sky blue?", by="world", role="user"),
        Part("Let me see", by="system", role="assistant"),
    )
    encoder = StyleFeatures(("echo",))
    assert encoder.encode([Item(context, (Part("The SKY is green"),))])[0, 0] == 3 / 4
    assert encoder.encode([Item((), (Part("the sky"),))])[0, 0] == 0.0


def test_nothing_written_is_all_zeros_but_finite():
    encoded = StyleFeatures().encode([Item.of("q", ""), Item.of("q", " \n "), Item.of("q", "\ud800 lone")])
    assert np.isfinite(encoded).all()
    assert (encoded[0] == 0).all()


def test_parts_are_read_as_one_text():
    parts = Item((), (Part("Yes?"), Part("{}", kind="tool_call"), Part(kind="media", uri="https://x")))
    assert StyleFeatures(("log_questions", "log_links")).encode([parts])[0].tolist() == [math.log(2)] * 2


def test_rows_depend_on_their_own_item_alone():
    items = [*made_up(20), Item.of("", TEXT), Item.of("", "")]
    whole = StyleFeatures().encode(items)
    alone = np.vstack([StyleFeatures().encode([item]) for item in items[::-1]])[::-1]
    np.testing.assert_array_equal(whole, alone)
    assert StyleFeatures().encode([]).shape == (0, len(StyleFeatures().names))


def test_every_covariate_is_documented_and_can_be_chosen():
    encoder = StyleFeatures()
    assert set(encoder.meaning()) == set(encoder.names)
    assert all(encoder.meaning().values())
    items = made_up(5)
    whole = encoder.encode(items)
    for column, name in enumerate(encoder.names):
        np.testing.assert_array_equal(StyleFeatures((name,)).encode(items)[:, 0], whole[:, column])


@pytest.mark.parametrize("names", [("log_words", "log_words"), (), ("length",)])
def test_wrong_choices_are_refused(names):
    with pytest.raises(UsageError, match="log_characters"):
        StyleFeatures(names)


def test_a_loaded_encoder_is_the_same():
    chosen = StyleFeatures(("hedges", "echo"))
    assert load_encoder(*chosen.state()) == chosen
    assert chosen.fit(made_up(3)) is chosen
