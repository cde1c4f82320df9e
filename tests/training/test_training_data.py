"""From feedback to examples: what each kind of record teaches, and that none is lost without a word."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.feedback import Table  # noqa: E402
from heedful.feedback.record import Record  # noqa: E402
from heedful.models import LocalModel  # noqa: E402
from heedful.training import DPO, Batch  # noqa: E402
from heedful.training.data import data_of  # noqa: E402
from models import tiny  # noqa: E402

FORMS = ("wanted", "called", "paired", "ordered")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny.gpt2(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(folder)
    return LocalModel(str(folder), device="cpu", max_tokens=20)


def record(kind, value, outputs=("a", "b"), context="q", rater="ann", **more):
    candidates = [{"output": own} for own in outputs]
    about = {} if rater is None else {"rater": {"id": rater}}
    return {"kind": kind, "context": context, "candidates": candidates, "value": value} | about | more


def table_of(*records):
    return Table.of([Record(**own) for own in records])


def read(model, form, *records, **options):
    """The examples of records as (texts of outputs, what was said), and the whole of what was found."""
    data = data_of(table_of(*records), model.loaded, form, **options)
    assert data.account()["used"] + len(data.dropped) == data.read == len(records)
    texts = [model.loaded.texts([own[:-1].tolist() for own in one.outputs]) for one in data.examples]
    return [(tuple(own), dict(one.said)) for own, one in zip(texts, data.examples, strict=True)], data


RANKING = record("ranking", {"ranks": [2, 1, 2, None]}, "abcd")
BEST = record("best_of", {"best": 1, "worst": 2}, "abc")
EDIT = record("edit", {}, ("old", "new"))
LABEL = record("label", {"label": True}, "a")
BAD = record("label", {"label": False}, "a")
RATING = record("rating", {"rating": 4, "scale": [1, 5]}, "a")
FIRST = record("comparison", {"choice": "first"})
TIE = record("comparison", {"choice": "tie"})
BOTH_BAD = record("comparison", {"choice": "both_bad"})
SHARE = record("comparison", {"choice": "first", "share": 0.7})
SHOWN = record("demonstration", {}, "a")


def wanted(*outputs):
    return [((own,), {"weight": pytest.approx(1 / len(outputs))}) for own in outputs]


def called(**labels):
    weight = pytest.approx(1 / len(labels))
    return [((own,), {"label": (pytest.approx(label),), "weight": weight}) for own, label in labels.items()]


def paired(*pairs, prefer=1.0):
    weight = pytest.approx(1 / max(1, len(pairs)))
    return [((one, other), {"prefer": pytest.approx(prefer), "weight": weight}) for one, other in pairs]


def ordered(outputs, *scores):
    return [(tuple(outputs), {"score": scores, "weight": 1.0})]


@pytest.mark.parametrize(
    ("record", "of_wanted", "of_called", "of_paired", "of_ordered"),
    [
        (FIRST, wanted("a"), called(a=1, b=0), paired(("a", "b")), ordered("ab", 1.0, 0.0)),
        (TIE, [], [], paired(("a", "b"), prefer=0.5), []),
        (BOTH_BAD, [], called(a=0, b=0), [], []),
        (SHARE, wanted("a"), called(a=0.7, b=0.3), paired(("a", "b"), prefer=0.7), ordered("ab", 1.0, 0.0)),
        (EDIT, wanted("new"), called(old=0, new=1), paired(("new", "old")), ordered(["old", "new"], 0.0, 1.0)),
        (LABEL, wanted("a"), called(a=1), [], []),
        (BAD, [], called(a=0), [], []),
        (RATING, [], called(a=0.75), [], []),
        (SHOWN, wanted("a"), called(a=1), [], []),
        (
            BEST,
            wanted("b"),
            called(b=1, c=0),
            paired(("a", "c"), ("b", "a"), ("b", "c")),
            ordered("abc", 0.0, 1.0, -1.0),
        ),
        (
            RANKING,
            wanted("b"),
            [],
            paired(("a", "d"), ("b", "a"), ("b", "c"), ("b", "d"), ("c", "d")),
            ordered("abcd", -2.0, -1.0, -2.0, -3.0),
        ),
    ],
    ids=["first", "tie", "both bad", "share", "edit", "good", "bad", "rating", "demonstration", "best of", "ranking"],
)
def test_each_record_teaches_what_it_says_and_no_more(model, record, of_wanted, of_called, of_paired, of_ordered):
    for form, expected in zip(FORMS, (of_wanted, of_called, of_paired, of_ordered), strict=True):
        found, data = read(model, form, record)
        assert found == expected, form
        assert bool(data.dropped) == (not expected)
        assert all(lost.why and lost.id and lost.line == 1 for lost in data.dropped)


def test_grades_of_one_rater_are_an_order_and_those_of_two_are_not(model):
    def rated(output, rating, rater="ann", **more):
        return record("rating", {"rating": rating, "scale": [1, 5]}, [output], rater=rater, **more)

    same = rated("a", 5), rated("b", 2), rated("c", 2), rated("b", 4)
    found, data = read(model, "ordered", *same)
    assert found == ordered("abc", 1.0, 0.25, 0.25)
    assert [lost.why for lost in data.dropped] == ["its rater had graded this output before"]
    assert read(model, "paired", *same)[0] == paired(("a", "b"), ("a", "c"))
    apart = rated("a", 5), rated("b", 2, "bob"), rated("c", 2, context="other"), rated("d", 2, criterion="style")
    found, data = read(model, "paired", *apart)
    assert found == []
    assert {lost.why for lost in data.dropped} == {"the only output of its context that its rater graded"}
    assert {lost.why for lost in read(model, "ordered", rated("a", 3), rated("b", 3))[1].dropped} == {
        "it orders no outputs"
    }


def test_votes_on_the_same_outputs_are_one_example_of_their_weight(model):
    turned = record("comparison", {"choice": "first"}, ("b", "a"), rater="bob")
    systems = record("comparison", {"choice": "first"}) | {
        "candidates": [{"output": "a", "system": "x"}, {"output": "b", "system": "y"}]
    }
    found, data = read(model, "paired", FIRST, turned, systems, TIE)
    assert found == [(("a", "b"), {"prefer": pytest.approx((1 + 0 + 1 + 0.5) / 4), "weight": 4.0})]
    assert data.merged == 3
    found, _ = read(model, "called", LABEL, BAD, RATING)
    assert found == [(("a",), {"label": (pytest.approx(1.75 / 3),), "weight": 3.0})]
    assert read(model, "ordered", RANKING, RANKING, BEST)[1].merged == 1
    assert read(model, "wanted", FIRST, SHOWN)[0] == [(("a",), {"weight": 2.0})]


def test_what_is_merged_has_the_gradient_of_what_it_was_made_of():
    policy = torch.tensor([[-1.0, -2.5]], dtype=torch.float64, requires_grad=True)
    votes = torch.tensor([1.0, 0.0, 1.0, 0.5], dtype=torch.float64)

    def gradient(**fields):
        n = len(fields["prefer"])
        batch = Batch.of(torch.ones(n, 2, 1, dtype=torch.bool), **fields)
        reference = torch.zeros(n, 2, 1, dtype=torch.float64)
        lost, units = DPO(3.0)(policy.expand(n, 2)[:, :, None], reference, batch).total(batch)
        return torch.autograd.grad(lost / units, policy)[0]

    merged = gradient(prefer=votes.mean()[None], weight=torch.tensor([4.0], dtype=torch.float64))
    torch.testing.assert_close(merged, gradient(prefer=votes), atol=1e-12, rtol=0)


def test_tokens_are_those_that_the_model_writes_and_reads(model):
    _, data = read(model, "paired", record("comparison", {"choice": "first"}, ("sun", " and rain"), "the "))
    (one,) = data.examples
    items = table_of(record("comparison", {"choice": "first"}, ("sun", " and rain"), "the "))
    given = next(iter(items.records())).items()
    assert one.prompt == model.prompts(given)[0][1]
    for own, expected in zip(one.outputs, model.encode(given), strict=True):
        np.testing.assert_array_equal(own, expected)
        assert own[-1] == model.end


def test_what_cannot_be_used_is_named(model):
    no_output = record("comparison", {"choice": "first"}) | {"candidates": [{"system": "x"}, {"output": "b"}]}
    span = record("label", {"label": True}, "a", address={"kind": "span", "start": 0, "end": 1})
    ended = record("label", {"label": True}, ["a</s>b"])
    refused = record("label", {"label": True}, "a", consent=False)
    style = record("label", {"label": True}, "a", criterion="style")
    media = record("label", {"label": True}, "a", [{"kind": "media", "uri": "x.png"}])
    found, data = read(model, "called", no_output, span, ended, refused, style, media, LABEL, criterion="overall")
    assert len(found) == 1
    assert [lost.line for lost in data.dropped] == [1, 2, 3, 4, 5, 6]
    assert [lost.why.split(":")[0] for lost in data.dropped] == [
        "its outputs are not known",
        "about a span, not the whole output",
        "an output has a character without a token, or an end in it",
        "given without consent to its use",
        "judged by 'style'",
        "its context cannot be read",
    ]
    assert sum(data.account()["dropped"].values()) == 6


def test_nothing_is_cut_but_where_it_is_asked_for_and_then_only_prompts(model):
    long = record("demonstration", {}, ["sun and rain"], "x" * 40)
    whole = read(model, "wanted", long, SHOWN)[1]
    assert not whole.cut
    most = whole.examples[0].tokens - 10
    found, data = read(model, "wanted", long, SHOWN, longest=most)
    assert len(found) == 1
    assert [lost.why for lost in data.dropped] == [f"longer than {most} tokens"]
    found, data = read(model, "wanted", long, SHOWN, longest=most, cut=True)
    assert [lost.line for lost in data.cut] == [1]
    assert data.examples[0].prompt == whole.examples[0].prompt[10:]
    np.testing.assert_array_equal(data.examples[0].outputs[0], whole.examples[0].outputs[0])
    assert read(model, "wanted", long, longest=4, cut=True)[1].dropped


def test_nothing_is_longer_than_the_network_reads(model):
    window = model.loaded.window
    (lost,) = read(model, "wanted", record("demonstration", {}, ["sun"], "x" * window))[1].dropped
    assert lost.why == f"longer than {window} tokens"


def test_others_are_outputs_of_another_context(model):
    asked = [record("label", {"label": place % 2 == 0}, [f"out {place}"], f"q{place // 2}") for place in range(6)]
    found, _ = read(model, "called", *asked, others=True)
    for place, ((own, other), said) in enumerate(found):
        assert own == f"out {place}"
        assert int(other[-1]) // 2 == (place // 2 + 1) % 3
        assert said["label"] == (float(place % 2 == 0), 0.0)
    (alone,) = read(model, "called", LABEL, others=True)[1].examples
    assert len(alone.outputs[1]) == 0


def test_a_record_that_is_used_in_part_is_told(model):
    long = record("ranking", {"ranks": [1, 2, 3]}, ("a", "b", "a" * 40))
    found = data_of(table_of(long), model.loaded, "paired", longest=20)
    assert found.account()["weight"] == pytest.approx(1 / 3)
    assert (found.account()["used"], found.account()["dropped"]) == (1, {})
    assert found.account()["partly"] == {"longer than 20 tokens": 1}
    assert data_of(table_of(long), model.loaded, "paired").account()["partly"] == {}


def graded(label, output="sun and rain", **address):
    return record("label", {"label": label}, [output], "the ", address=address)


def focused(model, *records, form="called", **options):
    """Each example's tokens of outputs with what was said of each, and the whole of what was found."""
    found, data = read(model, form, *records, addressed=True, **options)
    words = model.vocabulary
    told = [
        [
            [(words[n], float(value)) for n, value in zip(own, values, strict=True)]
            for own, values in zip(one.outputs, said["focus"], strict=True)
        ]
        for one, (_, said) in zip(data.examples, found, strict=True)
    ]
    return told, found, data


def test_characters_that_were_judged_are_tokens(model):
    """Merged tokens that share a character with the span are meant whole; the end is meant with whole outputs alone."""
    told, found, data = focused(
        model, graded(True, kind="span", start=0, end=3), graded(False, kind="span", start=2, end=5), graded(True)
    )
    words = ["sun", " and", " rain", ""]
    expected = [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]
    assert told == [[list(zip(words, map(float, own), strict=True))] for own in expected]
    assert [said["label"] for _, said in found] == [(1.0,), (0.0,), (1.0,)]
    assert not data.dropped


def test_characters_that_were_judged_are_letters_of_a_tokenizer_of_letters(tmp_path):
    tiny.tokenizer(tiny.gpt2(tmp_path), letters=True)
    letters = LocalModel(str(tmp_path), device="cpu")
    (((told,),), _, _) = focused(letters, graded(True, "sun rain", kind="span", start=2, end=5))
    assert [own for own, value in told if value] == ["n", " ", "r"]
    assert [value for _, value in told] == [0, 0, 1, 1, 1, 0, 0, 0, 0]


def test_marks_of_steps_are_lessons_of_their_tokens_that_share_the_record(model):
    """Blank lines between steps are of none; a step that nobody marked teaches nothing."""
    steps = [{"text": own} for own in ("sun", "snow", " and", " rain")]
    marks = record("steps", {"steps": [1.0, None, 0.25, 0.0]}, [steps], "the ")
    told, found, data = focused(model, marks)
    assert ["".join(word for word, value in own[0] if value) for own in told] == ["sun", " and", " rain"]
    assert [said["label"] for _, said in found] == [(1.0,), (0.25,), (0.0,)]
    assert data.account()["weight"] == pytest.approx(1.0)
    one = record("label", {"label": False}, [steps], "the ", address={"kind": "step", "index": 0})
    _, found, data = focused(model, marks, one)  # another rater on the first step: it is the same lesson
    assert found[0][1]["label"] == (pytest.approx((1 / 3) / (4 / 3)),)
    assert data.merged == 1


def test_pairs_of_steps_and_spans_have_a_focus_in_both(model):
    pair = [[{"text": "sun"}, {"text": own}] for own in (" rain", " and")]
    step = record("comparison", {"choice": "second"}, pair, "the ", address={"kind": "step", "index": 1})
    rated = [
        record(
            "rating", {"rating": own, "scale": [1, 5]}, [text], "the ", address={"kind": "span", "start": 0, "end": 3}
        )
        for own, text in ((2, "sun rain"), (4, "sun and"))
    ]
    told, found, _ = focused(model, step, *rated, form="paired")
    assert [["".join(word for word, value in own if value) for own in both] for both in told] == [
        [" rain", " and"],
        ["sun", "sun"],
    ]
    assert [(texts, said["prefer"]) for texts, said in found][1] == (("sun and", "sun rain"), 1.0)
    assert found[0][1]["prefer"] == 0.0


def test_addresses_that_mean_nothing_in_an_output_are_told(model):
    two = [{"text": "sun"}, {"text": ""}]
    wrong = {
        "its span goes beyond the output": graded(True, kind="span", start=0, end=13),
        "its span has no beginning or no end": graded(True, kind="span", start=0),
        "its address holds no character of the output": graded(True, kind="span", start=3, end=3),
        "its step is no part of the output": graded(True, kind="step", index=1),
        "about a turn, not the output or a part of it": graded(True, kind="turn", index=0),
        "its marks are not one for each part of its output": record("steps", {"steps": [1, 0]}, ["sun rain"]),
        "its marks of steps are not from 0, wrong, to 1, right": record("steps", {"steps": [-1.0]}, ["sun rain"]),
        "none of its steps is marked": record("steps", {"steps": [None]}, ["sun rain"]),
        "marks of steps, about a stage": record("steps", {"steps": [1]}, ["sun"], address={"kind": "stage"}),
    }
    _, found, data = focused(model, *wrong.values())
    assert found == []
    assert [lost.why for lost in data.dropped] == list(wrong)
    empty = record("steps", {"steps": [1, 0]}, [two])
    assert [lost.why for lost in focused(model, empty)[2].dropped] == ["its address holds no character of the output"]
