"""Regular expressions and JSON as hard constraints, on whole outputs and on prefixes."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.core import Budget, InputError, Item
from heedful.core.contracts import PotentialContract, PrefixPotentialContract
from heedful.evidence import Matching, valid_json
from heedful.models import LocalModel, SequenceTable
from heedful.sampling import Guided, Particles, ValueGuide
from heedful.target import Target, enumerate_exact

BASE = SequenceTable({(): {"a": 0.4, "b": 0.3, "": 0.3}}, max_tokens=5)
CONTEXT = Item.of("q").context
PATTERN = "a( b)+( a)?"


def item(text: str) -> Item:
    return Item.of("q", text)


class TestMatching(PrefixPotentialContract):
    def make(self) -> Matching:
        return Matching(PATTERN)

    def items(self) -> list[Item]:
        return [item(text) for text in ("a b", "a b b a", "b", "a", "")]


class TestValidJson(PotentialContract):
    def make(self) -> object:
        return valid_json({"type": "object", "required": ["n"]})

    def items(self) -> list[Item]:
        return [item(text) for text in ('{"n": 1}', "{}", "nonsense", "")]


def test_prefixes_are_ruled_out_exactly_where_no_output_that_begins_so_matches() -> None:
    matching = Matching(PATTERN)
    support = BASE.support(CONTEXT)
    whole = matching(support).mean == 0
    texts = [own.output[0].text if own.output else "" for own in support]
    for prefix in dict.fromkeys(texts):
        begun = [own == prefix or own.startswith(f"{prefix} ") or not prefix for own in texts]
        can = bool((whole & np.array(begun)).any())
        told = matching.prefix([item(prefix)]).mean[0] == 0
        # The table ends at five words: a prefix that would need a sixth is kept, as the pattern alone allows it.
        assert told or not can, prefix
        if len(prefix.split()) < 4:
            assert told == can, prefix


def test_particles_and_guides_meet_a_constraint_without_loss() -> None:
    target = Target(BASE, 1.0 * Matching(PATTERN))
    listed = enumerate_exact(target, CONTEXT)
    assert 0.02 < np.exp(listed.log_normalizer) < 0.2  # seldom met by chance
    found = Particles(8)(target, [CONTEXT] * 1500, budget=Budget(), rng=np.random.default_rng(0))
    ratio = np.exp(found.log_normalizer - listed.log_normalizer)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(ratio))
    alone = Particles(8, threshold=0.0)(target, [CONTEXT] * 300, budget=Budget(), rng=np.random.default_rng(0))
    missed = [np.isneginf(own.log_normalizer).mean() for own in (found, alone)]
    assert missed[0] < 0.6 * missed[1]
    guide = ValueGuide(1.0 * Matching(PATTERN))
    drawn = Guided((guide,))(target, [CONTEXT] * 50, budget=Budget(), rng=np.random.default_rng(0))
    assert (drawn.scores.mean == 0).mean() > 0.9


def test_json_is_what_the_standard_says() -> None:
    plain = valid_json()
    good, bad = ("1", '"x"', "[1, {}]", " null "), ("", "{'a': 1}", "NaN", "[Infinity]", "[1,]", "{} {}")
    assert np.isfinite(plain([item(text) for text in good]).mean).all()
    assert np.isneginf(plain([item(text) for text in bad]).mean).all()
    ages = valid_json({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})
    found = ages([item(text) for text in ('{"age": 3}', '{"age": "3"}', "{}", "[]")]).mean
    assert np.isfinite(found).tolist() == [True, False, False, False]


def test_json_too_deep_to_be_read_is_ruled_out_and_ends_nothing() -> None:
    deep = ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000]
    assert np.isneginf(valid_json()([item(text) for text in deep]).mean).all()
    lists = valid_json({"type": "array", "items": {"$ref": "#"}})
    assert lists([item("[[], [[]]]"), item("[[1]]"), item("[" * 900 + "]" * 900)]).mean.tolist()[:2] == [0.0, -np.inf]
    with pytest.raises(InputError, match="leads back to itself"):
        valid_json({"$ref": "#"})


def test_prefixes_that_end_within_a_character_are_kept(tmp_path) -> None:
    """Of a model that writes bytes: each prefix of an output that matches must be able to become it."""
    pytest.importorskip("torch", reason="the extra `lm` is not installed")
    from models import tiny

    tiny.llama(tmp_path)
    tiny.tokenizer(tmp_path)
    model = LocalModel(str(tmp_path), max_tokens=30, device="cpu")
    matching = Matching("(ö|🙂| so)+")
    state = model.begin([CONTEXT])
    for token in model.encode([item("ö so🙂ö")])[0]:
        assert matching.prefix(state.items()).mean[0] == 0
        state.append(np.array([token]))
    assert matching(state.items()).mean[0] == 0
    for text, told in (("o\ufffd", -np.inf), ("ö\ufffdö", -np.inf), ("ö\ufffd", 0.0)):
        assert matching.prefix([item(text)]).mean[0] == told
    assert np.isneginf(matching([item("ö\ufffd")]).mean).all()


def test_nothing_is_fetched() -> None:
    inside = {"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"}
    assert valid_json(inside)([item("3")]).mean[0] == 0
    with pytest.raises(InputError, match="leads out of it"):
        valid_json({"$ref": "http://localhost:9/schema.json"})([item("3")])


def test_wrong_patterns_and_schemas_are_said() -> None:
    with pytest.raises(InputError, match="no regular expression"):
        Matching("(a")
    with pytest.raises(InputError, match="no JSON Schema"):
        valid_json({"type": "thing"})
