"""What is trusted is what was measured; fits and reports say so where questions were chosen by earlier answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from heedful.core import Item, UsageError
from heedful.evaluation import ranking, win_rates
from heedful.feedback import Record, Table, read, write
from heedful.feedback.asked import Question
from heedful.feedback.choosing import chosen_by_answers
from heedful.loops import rank_systems
from heedful.preference import fit
from heedful.preference.trust import ESTIMANDS, FIXED, PROVED, trusted

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "adaptive_coverage.json"


def votes(rule: str | None, n: int = 400) -> Table:
    """Comparisons of four systems, the last half asked by a rule."""
    rng = np.random.default_rng(0)
    first = rng.integers(4, size=n)
    second = (first + rng.integers(1, 4, size=n)) % 4
    won = rng.random(n) < 1 / (1 + np.exp((second - first) / 2))
    extra = json.dumps({"asked": {"rule": rule, "posterior": "0f"}, "comment": "rule"}) if rule else None
    columns = {
        "id": [str(row) for row in range(n)],
        "kind": ["comparison"] * n,
        "systems": [[f"s{a}", f"s{b}"] for a, b in zip(first, second, strict=True)],
        "choice": np.where(won, "first", "second"),
        "extra": [None] * (n // 2) + [extra] * (n // 2),
    }
    return Table.shaped(pl.DataFrame(columns))


def held(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The estimands that no row speaks against."""
    own = {e: [row for row in rows if row["estimand"] == e] for e in ESTIMANDS}
    return tuple(e for e, told in own.items() if told and all(row["checked"] and row["p"] > 0.01 for row in told))


def test_the_table_of_what_is_trusted_is_what_the_benchmark_found() -> None:
    rows = json.loads(RESULTS.read_text())["rows"]
    for row in rows:
        promised = row["inference"] in PROVED and (row["inference"] != "prior" or row["truth"] == "prior")
        assert not promised or row["p"] > 1e-4, row
    fixed = {}
    for inference in {row["inference"] for row in rows} - set(PROVED):
        own = [row for row in rows if row["inference"] == inference]
        assert set(held([row for row in own if row["stopping"] == "data"])) < {row["estimand"] for row in own}
        for rule in {row["rule"] for row in own}:
            fixed[rule, inference] = held([row for row in own if row["rule"] == rule and row["stopping"] == "fixed"])
    assert {key: estimands for key, estimands in fixed.items() if estimands} == FIXED


def test_what_is_proved_holds_for_every_rule_and_the_rest_where_measured() -> None:
    assert trusted("some new rule", "prior", "best") == "credible"
    assert trusted("some new rule", "running", "decision") == trusted("thompson", "direct", "best") == "at least"
    assert trusted("some new rule", "maximum likelihood", "difference", stopping="fixed") is None
    assert trusted("information", "maximum likelihood", "difference", stopping="fixed") == "confidence"
    assert trusted("information", "maximum likelihood", "difference") is None
    assert trusted("uncertainty", "maximum likelihood", "win rate", stopping="fixed") is None
    for word in ({"inference": "guess"}, {"estimand": "luck"}, {"stopping": "never"}):
        given: Any = {"inference": "prior", "estimand": "best"} | word
        with pytest.raises(UsageError, match=next(iter(word.values()))):
            trusted("random", **given)


def test_records_say_which_rule_asked() -> None:
    assert chosen_by_answers(votes("information")) == {"information": 200}
    assert chosen_by_answers(votes("information"), np.arange(10)) == {}
    assert chosen_by_answers(votes("random")) == chosen_by_answers(votes(None)) == {}


def test_an_answered_question_says_which_rule_asked_with_which_probability() -> None:
    question = Question((Item(system="a"), Item(system="b")), "overall", "mixed", "0f", 0.1, propensity=0.3)
    answered = Table.of([Record.model_validate(question.record() | {"value": {"choice": "first"}})])
    assert chosen_by_answers(answered) == {"mixed": 1}
    assert answered.column("propensity").to_list() == [0.3]


def test_rule_and_propensity_pass_through_files_and_change_no_estimate(tmp_path: Path) -> None:
    logged = Table.shaped(votes("mixed").frame.with_columns(propensity=np.linspace(0.1, 1.0, 400)))
    for name in ("votes.jsonl", "votes.parquet"):
        write(logged, tmp_path / name)
        again = read(tmp_path / name).table
        assert again.column("propensity").to_list() == logged.column("propensity").to_list()
        assert chosen_by_answers(again) == {"mixed": 200}
    np.testing.assert_array_equal(fit(logged, prior_sd=1.0).mean, fit(votes(None), prior_sd=1.0).mean)


def test_a_fit_without_a_prior_to_questions_chosen_by_answers_has_no_interval() -> None:
    plain, chosen = fit(votes(None)), fit(votes("information"))
    np.testing.assert_array_equal(chosen.mean, plain.mean)
    assert plain.model["promise"] == fit(votes("random")).model["promise"] == "confidence"
    assert chosen.model["promise"] is None
    [finding] = [each for each in chosen.findings if each.code == "intervals.chosen_by_answers"]
    assert finding.count == 200
    assert "information" in finding.message
    for row in ranking(chosen, rng=np.random.default_rng(0)):
        assert row["score"] is not None
        assert row["interval"] is row["rank_interval"] is None


def test_a_fit_with_a_prior_keeps_its_promise() -> None:
    fitted = fit(votes("information"), prior_sd=1.0)
    assert fitted.model["promise"] == "credible"
    assert [each.code for each in fitted.findings if "chosen" in each.code] == ["fit.chosen_by_answers"]
    assert all(row["interval"]["promise"] == "credible" for row in ranking(fitted, rng=np.random.default_rng(0)))


def test_the_ranking_of_a_report_says_so_instead_of_an_interval() -> None:
    result = rank_systems(votes("information"))
    assert all(row["interval"] is None for row in result["ranking"] + result["win_rates"])
    codes = {finding["code"] for finding in result["findings"]}
    assert {"intervals.chosen_by_answers", "win_rates.chosen_by_answers"} <= codes
    assert all(row["interval"] for row in win_rates(votes("random")))
