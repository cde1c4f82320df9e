"""Hypothesis strategies for feedback records of every kind."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from heedful.feedback import CHOICES, KINDS, Record

# Every character that UTF-8 can hold, the mark of parts and awkward ones for CSV and JSON often.
characters = st.one_of(
    st.characters(exclude_categories=["Cs"]), st.sampled_from(["\x1e", "\u2028", '"', ",", "\n", "\r", "\\", "é", "😀"])
)
texts = st.text(characters, max_size=12)
marked = st.one_of(texts, texts.map(lambda text: "\x1e" + text))
names = st.text(characters, min_size=1, max_size=6)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=1e-9, max_value=1e9)
fraction = st.floats(min_value=0, max_value=1)
times = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), finite, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


parts = st.fixed_dictionaries(
    {
        "text": texts,
        "kind": st.sampled_from(["text", "tool_call", "tool_result", "media", "array"]),
        "by": st.sampled_from(["system", "world"]),
        "role": optional(names),
        "uri": optional(texts),
        "sha256": optional(texts),
    }
)
contents = st.one_of(marked, st.lists(parts, max_size=3))
candidates = st.fixed_dictionaries({"output": optional(contents), "system": optional(texts)})
addresses = st.fixed_dictionaries(
    {"kind": st.sampled_from(["whole", "turn", "step", "span", "stage", "scope"])},
    optional={
        "index": st.integers(0, 9),
        "start": st.integers(0, 99),
        "end": st.integers(0, 99),
        "name": texts,
    },
)


@st.composite
def scaled_ratings(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted(draw(st.tuples(st.integers(-100, 100), st.integers(-100, 100)).filter(lambda p: p[0] != p[1])))
    return {"rating": draw(st.floats(low, high)), "scale": (low, high), "step": draw(optional(positive))}


@st.composite
def values(draw: st.DrawFn, kind: str, n: int) -> dict[str, Any]:
    """What a record of this kind about n candidates says, and now and then more."""
    needed: dict[str, st.SearchStrategy[dict[str, Any]]] = {
        "comparison": st.fixed_dictionaries(
            {"choice": st.sampled_from(CHOICES), "degree": optional(positive), "share": optional(fraction)}
        ),
        "ranking": st.fixed_dictionaries(
            {"ranks": st.lists(optional(st.integers(1, 9)), min_size=n, max_size=n).filter(lambda ranks: any(ranks))}
        ),
        "best_of": st.permutations(range(n)).flatmap(
            lambda order: st.fixed_dictionaries({"best": st.just(order[0]), "worst": optional(st.just(order[-1]))})
        ),
        "rating": scaled_ratings(),
        "label": st.fixed_dictionaries({"label": st.booleans()}),
        "steps": st.fixed_dictionaries({"steps": st.lists(optional(finite), max_size=4)}),
        "critique": st.fixed_dictionaries({"text": texts}),
        "implicit": st.fixed_dictionaries({"signal": texts, "amount": finite}),
    }
    said = draw(needed.get(kind, st.just({})))
    return {"text": draw(optional(texts)), **said}


@st.composite
def records(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, **fixed: st.SearchStrategy[Any]) -> Record:
    """Any valid record; `fixed` gives strategies for fields by name. The id is drawn elsewhere."""
    kind = draw(st.sampled_from(kinds))
    n = {"comparison": 2, "edit": 2}.get(kind) or (draw(st.integers(2, 4)) if kind in ("ranking", "best_of") else 1)
    each = fixed.pop("candidate", candidates)
    fields: dict[str, Any] = {
        "kind": kind,
        "context": draw(fixed.pop("context", optional(contents))),
        "candidates": draw(st.lists(each, min_size=n, max_size=n)),
        "order": draw(st.sampled_from(["shown", "unknown"])),
        "address": draw(fixed.pop("address", addresses)),
        "criterion": draw(fixed.pop("criterion", names)),
        "value": draw(values(kind, n)),
        "rater": draw(
            fixed.pop(
                "rater",
                optional(
                    st.fixed_dictionaries(
                        {"id": names, "kind": st.sampled_from(["person", "model", "rule", "simulated"])}
                    )
                ),
            )
        ),
        "protocol": draw(optional(texts)),
        "propensity": draw(optional(st.floats(1e-6, 1))),
        "position": draw(optional(st.integers(0, 99))),
        "policy": draw(optional(texts)),
        "time": draw(optional(times)),
        "seconds": draw(optional(st.floats(0, 1e6))),
        "licence": draw(optional(texts)),
        "consent": draw(optional(st.booleans())),
        "personal": draw(optional(st.booleans())),
        "extra": draw(fixed.pop("extra", st.dictionaries(texts, json_values, max_size=2))),
    }
    assert not fixed, f"no such fields: {list(fixed)}"
    try:
        return Record.model_validate(fields)
    except ValidationError:  # an item against itself, now and then
        fields["candidates"] = [{**one, "system": f"s{place}"} for place, one in enumerate(fields["candidates"])]
        return Record.model_validate(fields)


def tables_of(each: st.SearchStrategy[Record], *, max_size: int = 6) -> st.SearchStrategy[list[Record]]:
    """Lists of records with ids of their own."""

    def named(several: list[Record]) -> list[Record]:
        return [record.model_copy(update={"id": f"r{place}"}) for place, record in enumerate(several)]

    return st.lists(each, min_size=1, max_size=max_size).map(named)
