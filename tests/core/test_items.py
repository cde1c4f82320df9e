"""Content survives being written as one string."""

from heedful.core import Item, Part, decode_parts, encode_parts, render


def test_plain_text_is_stored_as_itself() -> None:
    assert encode_parts((Part("hello"),), "system") == "hello"
    assert decode_parts("hello", "system") == (Part("hello"),)


def test_an_author_other_than_the_usual_is_kept() -> None:
    parts = (Part("hello", by="world"),)
    assert decode_parts(encode_parts(parts, "system"), "system") == parts


def test_text_that_begins_with_the_mark_survives() -> None:
    for text in ("\x1e", "\x1e[]", "\x1e\x1e", "\x1enot json"):
        encoded = encode_parts((Part(text),), "system")
        assert decode_parts(encoded, "system") == (Part(text),)
        assert render(encoded) == text


def test_key_tells_items_apart() -> None:
    keys = {Item.of("q", "a").key, Item.of("q", "b").key, Item.of("r", "a").key, Item.of("q", "a", "m").key}
    assert len(keys) == 4
