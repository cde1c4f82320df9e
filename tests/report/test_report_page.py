from __future__ import annotations

import base64
import hashlib
import random
import re
from itertools import pairwise
from typing import Any

import examples
import pytest
from report_page import read

from heedful.core import InputError
from heedful.report import render
from heedful.report.palette import DARK, LIGHT, MARK_PAIRS, TEXT_PAIRS, contrast

PAGES = {name: render(make()) for name, make in examples.EXAMPLES.items()}


@pytest.fixture(params=sorted(PAGES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Form


def test_tags_balance_and_references_resolve(name: str) -> None:
    page = read(PAGES[name])
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    fragments = [value[1:] for value in page.values("href")]
    labels = [part for value in page.values("aria-labelledby") for part in value.split()]
    assert set(fragments + labels) <= set(ids)


def test_headings_and_landmarks_are_in_order(name: str) -> None:
    page = read(PAGES[name])
    levels = [int(e.name[1]) for e in page.elements if re.fullmatch("h[1-6]", e.name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.named(landmark)) == 1
    assert page.named("html")[0].attributes["lang"] == "en"
    assert page.named("a")[0].attributes == {"href": "#main", "class": "skip"}


def test_charts_are_described(name: str) -> None:
    page = read(PAGES[name])
    for svg in page.named("svg"):
        described = svg.attributes.get("role") == "img" and svg.attributes.get("aria-labelledby")
        assert described or svg.attributes.get("aria-hidden") == "true"
    assert len(page.named("desc")) == sum(svg.attributes.get("role") == "img" for svg in page.named("svg"))
    assert len(page.named("caption")) == len(page.named("table"))


def test_nothing_is_loaded_from_elsewhere(name: str) -> None:
    page = read(PAGES[name])
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & {e.name for e in page.elements}
    assert not page.values("src") + page.values("srcset") + page.values("action")
    assert all(value.startswith("#") for value in page.values("href") + page.values("xlink:href"))
    assert not re.search(r"url\(|@import|//|\bfetch\b|XMLHttp|import\(", page.raw["style"])
    assert not re.search(r"https?:|\bfetch\b|XMLHttp|import\(|eval", page.raw["script"])


def test_policy_admits_exactly_the_style_and_script_of_the_page(name: str) -> None:
    page = read(PAGES[name])
    assert len(page.named("style")) == len(page.named("script")) == 1
    assert not page.values("style")
    policy = next(e.attributes["content"] for e in page.named("meta") if "http-equiv" in e.attributes) or ""
    assert policy.startswith("default-src 'none'")
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_same_summary_gives_the_same_page(name: str) -> None:
    assert render(examples.EXAMPLES[name]()) == PAGES[name]


def test_a_hundred_items_stay_below_400_kilobytes() -> None:
    assert len(render(examples.arena(100)).encode()) < 400_000


def test_long_rankings_are_folded_and_whole() -> None:
    page = read(render(examples.arena(2000)))
    rows = [e for e in page.named("tr") if e.attributes.get("class") == "beyond"]
    assert len(rows) == 1998 - 50
    assert "Show all 1,998 systems" in page.text


# Colours


def test_contrast_agrees_with_published_ratios() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the well-known grey that just fails
    assert contrast("#0000ff", "#ffffff") == pytest.approx(8.59, abs=0.005)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_reach_aa(palette: dict[str, str]) -> None:
    for front, back in TEXT_PAIRS:
        assert contrast(palette[front], palette[back]) >= 4.5, (front, back)
    for front, back in MARK_PAIRS:
        assert contrast(palette[front], palette[back]) >= 3.0, (front, back)


def test_the_style_uses_only_colours_of_the_palette() -> None:
    style = read(PAGES["arena"]).raw["style"]
    written = style.split("--serif", 1)[1]
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?=[;\s}])", written)
    assert set(re.findall(r"var\(--(\w+)\)", written)) <= {*LIGHT, "serif", "sans", "mono", "measure"}
    assert LIGHT.keys() == DARK.keys()


# Contents


def test_every_finding_is_told(name: str) -> None:
    text = read(PAGES[name]).text
    for finding in examples.EXAMPLES[name]()["findings"]:
        assert finding["message"].rstrip(".") in text
        assert finding["fix"].rstrip(".") in text
        assert finding["code"] in text


def test_every_ranked_item_is_told_with_its_interval() -> None:
    summary = examples.arena()
    page = read(PAGES["arena"])
    for item in summary["ranking"]:
        assert item["item"] in page.text
        if item["identified"]:
            score, low, high = item["score"], item["interval"]["low"], item["interval"]["high"]
            shown = f"{score:.2f} {low:.2f} to {high:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")
            assert shown in page.text
        else:
            assert item["note"] in page.text


def test_problems_come_first() -> None:
    summary = examples.arena()
    summary["findings"].reverse()
    text = read(render(summary)).text
    told = text[text.index("A problem can make") :]
    at = [told.index(f["code"]) for f in sorted(summary["findings"], key=lambda f: "pwn".index(f["severity"][0]))]
    assert at == sorted(at)


def test_the_opening_names_the_leader_and_its_rivals() -> None:
    text = read(PAGES["arena"]).text
    assert "Heron 7B leads, but 2 others cannot be told apart from the best" in text
    alone = examples.arena()
    for item in alone["ranking"][1:]:
        if item["rank_interval"]:
            item["rank_interval"][0] = max(item["rank_interval"][0], 2)
    alone["ranking"][0]["rank_interval"] = [1, 1]
    assert "Heron 7B is the best" in read(render(alone)).text


def test_verdicts_follow_the_intervals() -> None:
    summary = examples.dialogues()
    assert "not demonstrably better than by length alone" in read(render(summary)).text
    summary["controls"]["length_only"]["difference_interval"] = examples.interval(0.0327, 0.01)
    assert "it is more than length" in read(render(summary)).text
    summary["held_out"]["accuracy_interval"] = examples.interval(0.52, 0.04)
    assert "It is not shown that this feedback holds anything" in read(render(summary)).text


def test_calibration_is_judged_by_its_null_band() -> None:
    summary = examples.dialogues()
    assert "differ by more than chance" in read(render(summary)).text
    summary["held_out"]["ece"] = 0.02
    assert "no larger than chance alone" in read(render(summary)).text
    summary["held_out"]["ece_null_band"] = None
    assert "What chance alone would make of it is not known" in read(render(summary)).text


def test_what_is_missing_is_explained_by_its_finding() -> None:
    text = read(PAGES["broken"]).text
    assert text.count("No judgement of a kind that can be fitted was found") >= 4
    assert "\u2014" not in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_counts_that_do_not_add_up_are_told() -> None:
    summary = examples.arena()
    summary["feedback"]["accepted"] -= 5
    assert "5 judgements are unaccounted for" in read(render(summary)).text


def test_long_texts_are_folded_and_what_is_cut_is_counted() -> None:
    summary = examples.dialogues()
    summary["ask"][0]["items"][0]["output"] = "word " * 5000
    page = read(render(summary))
    assert "5,000 further characters of this text are not shown here" in page.text
    assert "25,000 characters" in page.text


def test_what_stands_only_in_the_summary_is_counted() -> None:
    summary = examples.dialogues()
    summary["ask"] = summary["ask"] * 10
    summary["picks"] = summary["picks"] * 30
    text = read(render(summary)).text
    assert "30 further questions stand in summary.json" in text
    assert "20 further picks stand in summary.json" in text


def test_each_interval_says_what_it_promises() -> None:
    summary = examples.arena()
    for item in summary["ranking"]:
        if item["interval"]:
            item["interval"]["promise"] = "at least"
    assert "hold the true value at least 95% of the time" in read(render(summary)).text


# Hostile and broken input


def _strings_replaced(value: Any, hostile: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {k: _strings_replaced(v, hostile, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_strings_replaced(v, hostile, key) for v in value]
    return hostile if isinstance(value, str) and key not in ("severity", "promise") else value


HOSTILE = (
    "<script>alert(1)</script>",
    "</style></script></title><img src=x onerror=alert(1)>",
    '" onload="alert(1)" x=\'',
    "' onmouseover='alert(1)",
    "--><svg/onload=alert(1)><!--",
    "{0} {name} %s &lt;b&gt; &amp;",
    "\u202eright to left\u202c \x00\x1b[31m \ud800 \ufffe",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("kind", ["arena", "dialogues"])
def test_no_text_can_break_out(hostile: str, kind: str) -> None:
    html = render(_strings_replaced(examples.EXAMPLES[kind](), hostile))
    page = read(html)
    allowed = {e.name for text in PAGES.values() for e in read(text).elements}
    assert {e.name for e in page.elements} <= allowed
    attributes = {name for e in page.elements for name in e.attributes}
    assert attributes <= {name for text in PAGES.values() for e in read(text).elements for name in e.attributes}
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert all(value.startswith("#") for value in page.values("href"))
    shown = hostile.translate({0: "\u2400", 0x1B: "\u241b", 0xD800: "\ufffd", 0xFFFE: "\ufffd"})
    assert shown in page.text
    html.encode("utf-8")


def _nulled(value: Any, rng: random.Random, share: float, key: str = "") -> Any:
    """The summary with fields made null here and there; `schema` stays, and so do the members of lists."""
    if isinstance(value, dict):
        kept = {k: _nulled(v, rng, share, k) for k, v in value.items()}
        return {k: (None if rng.random() < share and k != "schema" else v) for k, v in kept.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_nulled(v, rng, share) for v in value]
    return value


@pytest.mark.parametrize("seed", range(24))
def test_any_part_may_be_null(seed: int) -> None:
    rng = random.Random(seed)
    summary = _nulled(examples.EXAMPLES[("arena", "dialogues")[seed % 2]](), rng, (0.05, 0.2, 0.5)[seed % 3])
    page = read(render(summary))
    assert "None" not in page.text
    assert "nan" not in page.text.lower().split()


@pytest.mark.parametrize("empty", [None, [], {}])
def test_each_part_may_be_empty(empty: Any) -> None:
    for part, value in examples.arena().items():
        if part != "schema" and (empty is None or type(value) is type(empty)):
            read(render({**examples.arena(), part: empty}))


@pytest.mark.parametrize("score", [0.0, 1e9, 1e-12])
def test_degenerate_scores_can_be_drawn(score: float) -> None:
    item = {"item": "a", "score": score, "interval": None, "rank": 1, "rank_interval": None, "n": 1, "identified": True}
    page = read(render({"schema": 1, "ranking": [item, {**item, "item": "b"}]}))
    assert "no interval" in page.text


def test_a_summary_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="not a summary"):
        render({})
    with pytest.raises(InputError, match="upgrade"):
        render({"schema": 2})
    with pytest.raises(InputError, match=r"ranking\.0\.score"):
        render({"schema": 1, "ranking": [{"item": "a", "score": "high"}]})
    with pytest.raises(InputError, match="low <= high"):
        render({"schema": 1, "ranking": [{"item": "a", "score": 1.0, "interval": {"low": 2, "high": 1}}]})
