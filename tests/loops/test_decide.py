"""The steps of a decision: what each may see, what is refused, what is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import heedful
from heedful.core import FitError, Item, UsageError
from heedful.evaluation import hold_out
from heedful.feedback import Table, read
from heedful.loops import Options, choose_criterion, convert, decide, next_questions, pick_best, rank_systems
from heedful.loops import fitting as fitting_module
from heedful.models import StyleFeatures


def arena(pairs: list[tuple[str, str, str]], **columns: list[str]) -> Table:
    first, second, winner = zip(*pairs, strict=True)
    rows = {"model_a": first, "model_b": second, "winner": winner, **columns}
    return read(pl.DataFrame(rows)).table


def votes_on_texts(n: int = 120) -> Table:
    """Longer answers win more often; every prompt is asked about once."""
    rng = np.random.default_rng(1)
    length = rng.integers(2, 20, (n, 2))
    wins = rng.random(n) < 1 / (1 + np.exp((length[:, 1] - length[:, 0]) / 4))
    rows = [
        {
            "prompt": f"question {number}",
            "chosen": " ".join(["word"] * int(length[number, 0 if wins[number] else 1])),
            "rejected": " ".join(["word"] * int(length[number, 1 if wins[number] else 0])),
        }
        for number in range(n)
    ]
    return read(rows).table


UNDEFEATED = [("a", "b", "model_a")] * 6 + [("b", "c", "model_a")] * 5 + [("b", "c", "model_b")] * 4


def test_the_encoder_learns_from_training_texts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    learnt: list[set[str]] = []

    class Watched(StyleFeatures):
        def fit(self, items):  # type: ignore[no-untyped-def]
            learnt.append({item.context[0].text for item in items})
            return super().fit(items)

    monkeypatch.setattr(fitting_module, "default_encoder", lambda *_, **__: Watched())
    table = votes_on_texts()
    decide(read(table), options=Options(utility="features"))
    train, test = hold_out(table, seed=0)
    assert learnt[0] <= set(train.column("context"))
    assert not learnt[0] & set(test.column("context"))


def test_what_the_judgements_do_not_place_gets_no_number() -> None:
    table = arena(UNDEFEATED)
    fitted = heedful.fit(table)
    groups = [[Item(system="a"), Item(system="b")], [Item(system="b"), Item(system="c")]]
    findings: list[heedful.Finding] = []
    unknown, known = pick_best(fitted, groups, findings=findings)
    assert unknown["best_index"] is None
    assert unknown["probability_best"] is None
    assert unknown["candidates"][0]["score"] is None
    assert known["best_index"] == 0
    assert 0.5 < known["probability_best"] < 1
    assert [finding.code for finding in findings] == ["picks.unplaced"]


def test_unknown_systems_and_missing_texts_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'new'.*--utility features"):
        pick_best(heedful.fit(arena(UNDEFEATED)), [[Item(system="new")]])
    of_texts = heedful.fit(votes_on_texts(), utility="features", features=StyleFeatures())
    with pytest.raises(UsageError, match="has no text"):
        pick_best(of_texts, [[Item(system="a")]])


def test_questions_show_outputs_that_no_system_names() -> None:
    rows = [{"prompt": "q", "chosen": "yes", "rejected": "no"}] * 6 + [
        {"prompt": "q", "chosen": "no", "rejected": "yes"}
    ] * 4
    table = read(rows).table
    asked = next_questions(heedful.fit(table), table, count=1)
    assert {item["output"] for item in asked[0]["items"]} == {"yes", "no"}


def test_nothing_to_ask_is_said() -> None:
    rows = [{"prompt": f"q{n}", "completion": "word " * (n + 1), "label": n % 3 > 0} for n in range(30)]
    table = read(rows).table
    findings: list[heedful.Finding] = []
    fitted = heedful.fit(table, utility="features", features=StyleFeatures())
    assert next_questions(fitted, table, findings=findings) == []
    assert findings[0].code == "ask.none"


def test_an_item_that_rests_on_one_prompt_is_ranked_without_interval() -> None:
    rng = np.random.default_rng(0)
    pairs, prompts = [], []
    for prompt in range(40):
        for _ in range(4):
            a, b = rng.permutation(4)[:2]
            pairs.append((f"m{a}", f"m{b}", "model_a" if rng.random() < 0.5 + 0.1 * (b - a) else "model_b"))
            prompts.append(f"q{prompt}")
    for number in range(20):
        pairs.append(("x", "m0", "model_a" if number % 2 else "model_b"))
        prompts.append("q0")
    ranked = rank_systems(arena(pairs, prompt=prompts))["ranking"]
    rows = {row["item"]: row for row in ranked}
    assert rows["x"]["score"] is not None
    assert rows["x"]["interval"] is None
    assert rows["x"]["rank_interval"] == [1, 5]
    assert rows["m0"]["interval"] is not None


def test_the_most_frequent_criterion_is_reported_and_others_named() -> None:
    rows = [
        {
            "kind": "rating",
            "candidates": [{"system": f"s{n % 3}"}],
            "criterion": "clarity" if n % 4 else "style",
            "value": {"rating": 1 + n % 5, "scale": [1, 5], "step": 1},
        }
        for n in range(80)
    ]
    table = read(rows).table
    assert choose_criterion(table) == "clarity"
    with pytest.raises(UsageError, match="clarity, style"):
        choose_criterion(table, "wit")
    summary = decide(read(table)).summary
    assert summary["model"]["criterion"] == "clarity"
    assert "criterion.others" in {finding["code"] for finding in summary["findings"]}


def test_nothing_recurs_is_nothing_ranked() -> None:
    with pytest.raises(FitError, match="nothing can be ranked"):
        rank_systems(votes_on_texts(20))


def votes_on_systems(n: int = 240) -> Table:
    """Votes on the texts of systems a > b > c, on 20 prompts that recur."""
    rng = np.random.default_rng(2)
    first = rng.integers(0, 3, n)
    second = (first + rng.integers(1, 3, n)) % 3
    wins = rng.random(n) < 1 / (1 + np.exp(1.5 * (first - second)))
    return arena(
        [("abc"[i], "abc"[j], "model_a" if won else "model_b") for i, j, won in zip(first, second, wins, strict=True)],
        prompt=[f"question {number % 20}" for number in range(n)],
        response_a=[" ".join(["word"] * int(length)) for length in rng.integers(2, 20, n)],
        response_b=[" ".join(["word"] * int(length)) for length in rng.integers(2, 20, n)],
    )


def test_a_ranking_beside_a_fit_to_texts_has_no_prior() -> None:
    """The width of the prior of weights, chosen on contexts held out, is none of the systems' utilities."""
    table = votes_on_systems()
    summary = decide(read(table), options=Options(utility="features")).summary
    assert summary["model"]["prior"].endswith("chosen on contexts held out")
    alone = rank_systems(table)["ranking"]
    assert [row["score"] for row in summary["ranking"]] == pytest.approx([row["score"] for row in alone])
    assert {row["interval"]["promise"] for row in summary["ranking"]} == {row["interval"]["promise"] for row in alone}


def test_convert_does_not_overwrite_what_it_reads(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\na,b,model_a\nb,b,tie\n")
    with pytest.raises(UsageError, match="the file that is read"):
        convert([str(path)], str(path))
    out = tmp_path / "votes.jsonl"
    result = convert([str(path)], str(out))
    assert (result["read"], result["written"], result["rejected"]) == (2, 1, 1)
    assert len((tmp_path / "votes.jsonl.rejects.jsonl").read_text().splitlines()) == 1
