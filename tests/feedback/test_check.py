"""Findings say what is there, stay silent where nothing is, and those that test raise few false alarms."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from heedful.feedback import Feedback, Record, Reject, Source, Table, chance
from heedful.feedback.check import check
from heedful.feedback.counts import summarise
from heedful.feedback.questions import asked

Rng = np.random.Generator
START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def record(number: int = 0, **fields: Any) -> Record:
    base: dict[str, Any] = {
        "id": f"r{number}",
        "kind": "comparison",
        "context": f"question {number}",
        "candidates": [{"output": "4", "system": "a"}, {"output": "22", "system": "b"}],
        "value": {"choice": "first"},
        "rater": {"id": f"w{number % 3}"},
    }
    return Record.model_validate({**base, **fields})


def found(*records: Record, rejects: tuple[Reject, ...] = ()) -> dict[str, Any]:
    """The findings on these records by code."""
    return {finding.code: finding for finding in check(Feedback(Table.of(records), rejects))}


# What is the same question, and the same answer


def hashes(*records: Record) -> pl.DataFrame:
    return asked(Table.of(records))


def test_a_turned_comparison_is_the_same_question() -> None:
    straight = record(1)
    sides = [{"output": "22", "system": "b"}, {"output": "4", "system": "a"}]
    turned = record(2, context="question 1", candidates=sides, value={"choice": "second"})
    contrary = record(3, context="question 1", value={"choice": "second"})
    frame = hashes(straight, turned, contrary)
    assert frame["question"].n_unique() == 1
    assert frame["answer"][0] == frame["answer"][1] != frame["answer"][2]
    assert (frame["first"][0], frame["second"][0]) == (frame["second"][1], frame["first"][1])


@pytest.mark.parametrize(
    "other",
    [
        {"context": "else"}, {"context": None}, {"criterion": "style"}, {"address": {"kind": "turn", "index": 1}},
        {"candidates": [{"output": "4", "system": "a"}, {"output": "22", "system": "c"}]},
        {"candidates": [{"output": "4", "system": "a"}, {"output": "23", "system": "b"}]},
        {"candidates": [{"output": "a", "system": "4"}, {"output": "22", "system": "b"}]},
        {"candidates": [{"output": "4", "system": "b"}, {"output": "22", "system": "a"}]},
        {"kind": "best_of", "value": {"best": 0}},
    ],
)  # fmt: skip
def test_other_questions(other: dict[str, Any]) -> None:
    assert hashes(record(1), record(2, **{"context": "question 1", **other}))["question"].n_unique() == 2


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("ranking", [{"ranks": [1, 2]}, {"ranks": [2, 1]}]),
        ("ranking", [{"ranks": [1, 2]}, {"ranks": [1, None]}]),
        ("best_of", [{"best": 0}, {"best": 1}]),
        ("best_of", [{"best": 0}, {"best": 0, "worst": 1}]),
        ("comparison", [{"choice": "tie"}, {"choice": "both_bad"}]),
    ],
)
def test_other_answers(kind: str, values: list[dict[str, Any]]) -> None:
    frame = hashes(*(record(n, context="q", kind=kind, value=value) for n, value in enumerate(values)))
    assert (frame["question"].n_unique(), frame["answer"].n_unique()) == (1, 2)


def test_the_same_order_by_other_numbers_is_the_same_answer() -> None:
    three = [{"output": text, "system": text} for text in "abc"]
    orders = [[2, None, 1], [9, None, 4], [2, 3, 1]]
    said = (record(n, context="q", kind="ranking", candidates=three, value={"ranks": o}) for n, o in enumerate(orders))
    assert hashes(*said)["answer"].rank("dense").to_list() in ([1, 1, 2], [2, 2, 1])


def test_a_remark_beside_an_answer_is_not_the_answer() -> None:
    with_text = {"choice": "first", "text": "because"}
    frame = hashes(record(1, context="q"), record(2, context="q", value=with_text))
    assert frame["answer"].n_unique() == 1


# Findings of fact


def test_nothing_at_all() -> None:
    assert set(found()) == {"feedback.empty"}


def test_signals_of_unknown_exposure_are_counted() -> None:
    def signal(n: int, **exposure: Any) -> Record:
        return record(n, kind="implicit", candidates=[{"output": "a"}], value={"signal": "c", "amount": 1}, **exposure)

    known = [signal(0, position=0), signal(1, propensity=0.5)]
    assert "feedback.unknown_exposure" not in found(*known)
    finding = found(*known, signal(2), signal(3), record(4))["feedback.unknown_exposure"]
    assert (finding.severity, finding.count, finding.message[:32]) == ("note", 2, "2 of 4 implicit signals say neit")


def test_rejects_are_told_by_reason() -> None:
    rejects = (Reject("a.csv", 2, "no winner"), Reject("a.csv", 5, "no winner"), Reject("b.csv", 1, "not JSON"))
    finding = found(record(1), rejects=rejects)["feedback.rejected"]
    assert finding.severity == "problem"
    assert finding.count == 3
    assert finding.examples == ("2 x no winner (first: a.csv, line 2)", "1 x not JSON (first: b.csv, line 1)")
    assert "3 of 4" in finding.message
    many = [record(n) for n in range(400)]
    assert found(*many, rejects=rejects)["feedback.rejected"].severity == "note"


def test_repeated_answers_and_contradictions() -> None:
    def by(n: int, rater: str, choice: str) -> Record:
        return record(n, context="q", rater={"id": rater}, value={"choice": choice})

    findings = found(by(1, "ann", "first"), by(2, "ann", "first"), by(3, "ann", "first"), by(4, "bo", "first"),
                     by(5, "cy", "first"), by(6, "cy", "second"))  # fmt: skip
    assert (findings["feedback.duplicates"].count, findings["feedback.duplicates"].examples) == (2, ("ann",))
    assert (findings["feedback.contradictions"].count, findings["feedback.contradictions"].examples) == (1, ("cy",))
    assert "1 of 2 cases (50%)" in findings["feedback.contradictions"].message
    apart = found(record(1, rater=None, context="q"), record(2, rater=None, context="q"))
    assert not {"feedback.duplicates", "feedback.contradictions"} & set(apart)


def test_raters_unknown_or_alone() -> None:
    assert found(record(1, rater=None))["feedback.no_raters"].severity == "note"
    assert found(record(1, rater=None), record(2))["feedback.some_raters_unknown"].count == 1
    alone = found(*(record(n, rater={"id": "ann"}) for n in range(4)))["feedback.one_rater"]
    assert (alone.severity, alone.examples) == ("warning", ("ann",))
    assert not {"feedback.no_raters", "feedback.one_rater"} & set(found(record(1), record(2)))


def test_ties() -> None:
    ties = [record(n, value={"choice": choice}) for n, choice in enumerate(["tie", "both_bad", "incomparable", "tie"])]
    assert found(*ties)["feedback.all_ties"].severity == "problem"
    assert found(*ties, record(5), record(6))["feedback.many_ties"].count == 4
    assert not {"feedback.all_ties", "feedback.many_ties"} & set(found(ties[0], record(5), record(6)))


def test_labels_or_ratings_without_variation() -> None:
    labels = [record(n, kind="label", candidates=[{"output": "x"}], value={"label": True}) for n in range(12)]
    assert "All 12 labels of 'overall' are yes" in found(*labels)["feedback.one_answer"].message
    assert "feedback.one_answer" not in found(*labels[:9])
    no = labels[0].model_copy(update={"id": "n", "value": labels[0].value.model_copy(update={"label": False})})
    assert "feedback.one_answer" not in found(*labels, no)


def test_mixed_scales() -> None:
    def rated(n: int, criterion: str, high: int) -> Record:
        return record(n, kind="rating", candidates=[{"output": "x"}], criterion=criterion,
                      value={"rating": 1, "scale": [1, high]})  # fmt: skip

    finding = found(rated(1, "a", 5), rated(2, "a", 10), rated(3, "b", 5))["feedback.mixed_scales"]
    assert finding.examples == ("a: 1 to 5", "a: 1 to 10")
    assert "feedback.mixed_scales" not in found(rated(1, "a", 5), rated(2, "b", 10))


def test_empty_unknown_and_identical_outputs() -> None:
    empty = record(1, candidates=[{"output": ""}, {"output": "x"}])
    unknown = record(2, candidates=[{}, {"output": "x"}])
    same = record(3, candidates=[{"output": "x", "system": "a"}, {"output": "x", "system": "b"}])
    tied = record(
        4, candidates=[{"output": "x", "system": "a"}, {"output": "x", "system": "b"}], value={"choice": "tie"}
    )
    findings = found(empty, unknown, same, tied)
    assert findings["feedback.empty_outputs"].count == 1
    assert (findings["feedback.unknown_outputs"].count, findings["feedback.unknown_outputs"].severity) == (1, "problem")
    assert findings["feedback.identical"].count == 1
    assert not {"feedback.empty_outputs", "feedback.unknown_outputs", "feedback.identical"} & set(
        found(record(1), tied)
    )
    only_systems = record(5, candidates=[{"system": "a"}, {"system": "b"}])
    assert not {"feedback.unknown_outputs", "feedback.identical"} & set(found(only_systems))


def test_hasty_judgements() -> None:
    hasty = [record(n, seconds=0.2) for n in range(10)]
    calm = [record(20 + n, seconds=30.0) for n in range(900)]
    assert found(*hasty, *calm)["feedback.fast"].count == 10
    assert "feedback.fast" not in found(*hasty[:9], *calm)


def test_personal_data_consent_and_ids() -> None:
    findings = found(record(1, personal=True), record(2, personal=False, consent=False), record(3, id="r1"))
    assert findings["feedback.personal"].count == 1
    assert findings["feedback.no_consent"].count == 1
    assert (findings["feedback.repeated_ids"].count, findings["feedback.repeated_ids"].examples) == (1, ("r1",))


def test_problems_come_first_and_messages_can_be_read() -> None:
    records = [record(n, id="same", value={"choice": "tie"}, personal=True) for n in range(3)]
    findings = check(Feedback(Table.of(records), (Reject("a", 1, "why"),)))
    order = ["problem", "warning", "note"]
    assert [order.index(finding.severity) for finding in findings] == sorted(order.index(f.severity) for f in findings)
    for finding in findings:
        assert finding.message.endswith(".")
        assert finding.message[0].isupper() or finding.message[0].isdigit()
        assert finding.fix


def test_the_summary_adds_up() -> None:
    gpt = {"id": "gpt-4", "kind": "model"}
    label = record(5, kind="label", candidates=[{"output": "x"}], value={"label": True}, criterion="style")
    unknown = record(4, rater=None, context=None)
    records = [record(1), record(2, context="question 1"), record(3, rater=gpt), unknown, label]
    rejects = (Reject("a.csv", 7, "no winner"), Reject("a.csv", 2, "not JSON"), Reject("a.csv", 9, "no winner"))
    summary = summarise(Feedback(Table.of(records), rejects, (Source("a.csv", "arena", "d", 8, 5),)))
    assert summary == {
        "read": 8, "accepted": 5, "rejected": 3,
        "by_kind": {"comparison": 4, "label": 1}, "by_criterion": {"overall": 4, "style": 1},
        "raters": 3, "rater_kinds": {"person": 2, "model": 1}, "replicates": 1, "contexts": 3, "systems": 2,
        "sources": [{"path": "a.csv", "format": "arena", "read": 8, "accepted": 5}],
        "reject_reasons": [
            {"reason": "no winner", "count": 2, "source": "a.csv", "line": 7},
            {"reason": "not JSON", "count": 1, "source": "a.csv", "line": 2},
        ],
    }  # fmt: skip


def test_rare_reasons_are_told_together() -> None:
    rejects = tuple(Reject("a", n, f"reason {n}") for n in range(60))
    reasons = summarise(Feedback(Table.of([]), rejects))["reject_reasons"]
    assert (len(reasons), reasons[-1]["reason"], sum(one["count"] for one in reasons)) == (51, "other reasons", 60)


# The tests themselves, against enumeration and simulation


@pytest.mark.parametrize("weights", [[1] * 12, [5, 3, 2, 2, 1, 1, 1, 1, 1, 1], [9, 1, 1, 1]])
def test_the_bound_on_signs_holds_by_enumeration(weights: list[int]) -> None:
    """Over all sign patterns, p <= a at most a of the time, for every a."""
    groups = np.repeat(np.arange(len(weights)), weights)
    signs = list(itertools.product([-1.0, 1.0], repeat=len(weights)))
    p = np.array([chance.p_of_signs(np.repeat(pattern, weights), groups) for pattern in signs])
    for level in np.unique(p):
        assert (p <= level + 1e-12).mean() <= level + 1e-12


def test_the_bound_on_signs_is_near_the_binomial() -> None:
    """On single votes it costs at most the factor 3.2 and finds what the exact test finds a little later."""
    n = 1000
    for wins in (550, 560, 580):
        leans = np.concatenate([np.ones(wins), -np.ones(n - wins)])
        bound = chance.p_of_signs(leans, np.arange(n))
        exact = stats.binomtest(wins, n).pvalue
        assert exact <= bound <= 4 * exact


def test_votes_on_one_question_count_as_one() -> None:
    leans = np.ones(400)
    assert chance.p_of_signs(leans, np.arange(400)) < 1e-80
    assert chance.p_of_signs(leans, np.repeat([0, 1], 200)) > 0.05


def test_the_pairs_variance_is_the_dyadic_one() -> None:
    """Against the definition: the sum over all pairs of dyads that share a member."""
    rng = np.random.default_rng(0)
    firsts, seconds = rng.integers(0, 6, 40), rng.integers(6, 12, 40)
    leans = rng.normal(size=40)
    pairs = chance.codes(firsts * 100 + seconds)
    share = [[len({firsts[i], seconds[i]} & {firsts[j], seconds[j]}) > 0 for j in range(40)] for i in range(40)]
    dyadic = float((np.outer(leans, leans) * share).sum())
    independent = float((chance.sums(leans, pairs) ** 2).sum())
    p = chance.p_of_pairs(leans, pairs, firsts, seconds)
    expected = 3.178 * math.erfc(abs(leans.sum()) / math.sqrt(2 * max(dyadic, independent)))
    assert p == pytest.approx(min(1.0, expected))


def test_halves_by_rater() -> None:
    order = np.array([5, 1, 9, 2, 2.5, 7, 8])
    raters = np.array([0, 0, 0, 1, 1, 1, 1])
    assert chance.halves(order, raters).tolist() == [0, -1, 1, -1, -1, 1, 1]


def clean_votes(rng: Rng, n: int, *, texts: bool) -> pl.DataFrame:
    """Votes without any lean: quality decides, order is drawn by coin, lengths are drawn apart from quality.

    Raters differ in how often they tie; questions recur; systems differ in quality and in how long they write.
    """
    systems = 6
    quality, wordy = rng.normal(size=systems), rng.uniform(5, 40, systems)
    contexts = rng.integers(0, max(n // 4, 2), n)
    a = rng.integers(0, systems, n)
    b = (a + rng.integers(1, systems, n)) % systems
    lengths = rng.poisson(wordy, size=(contexts.max() + 1, systems)) + 1
    depth = rng.normal(size=(contexts.max() + 1, systems)) + quality
    raters = rng.integers(0, 15, n)
    ties = rng.uniform(size=n) < rng.uniform(0.05, 0.4, 15)[raters]
    first = rng.uniform(size=n) < 1 / (1 + np.exp(depth[contexts, b] - depth[contexts, a]))
    columns: dict[str, Any] = {
        "id": [f"v{k}" for k in range(n)],
        "kind": ["comparison"] * n,
        "context": [f"c{k}" for k in contexts],
        "systems": [[f"s{x}", f"s{y}"] for x, y in zip(a, b, strict=True)],
        "choice": np.where(ties, "tie", np.where(first, "first", "second")).tolist(),
        "shown": [True] * n,
        "rater": [f"w{k}" for k in raters],
        "time": [START + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**7, n)],
    }
    if texts:
        columns["outputs"] = [
            ["x" * lengths[c, x], "y" * lengths[c, y]] for c, x, y in zip(contexts, a, b, strict=True)
        ]
    return pl.DataFrame(columns)


RATE = 1e-3  # the rate of false alarms that findings promise
TESTED = {"feedback.position", "feedback.length", "feedback.drift", "feedback.constant_raters"}


def test_clean_votes_raise_no_alarm() -> None:
    """160 whole data sets, four tests each: at 1e-3 per test, more than five alarms have a chance of 4e-5."""
    alarms = 0
    for seed in range(160):
        frame = clean_votes(np.random.default_rng(seed), 150, texts=True)
        alarms += len(TESTED & {finding.code for finding in check(Feedback(Table.shaped(frame)))})
    assert alarms <= 5


def test_alarms_are_raised_at_the_rate_promised() -> None:
    assert chance.ALARM <= RATE


def test_alarm_rates_hold_in_many_simulations() -> None:
    """The statistics behind position, length and drift, on correlated votes: at most 1e-3 (binomial, p > 1e-4)."""
    rng = np.random.default_rng(1)
    trials, questions, votes = 20_000, 60, 3
    groups = np.repeat(np.arange(questions), votes)
    alarms = np.zeros(3)
    for _ in range(trials):
        # Position: one coin per question, and votes on a question agree more than by chance.
        sign = np.repeat(rng.choice([-1.0, 1.0], questions), votes)
        alarms[0] += chance.p_of_signs(sign * rng.choice([1.0, 1.0, -1.0], len(groups)), groups) < RATE
        # Length: quality and length of every output drawn apart; each output meets two others.
        quality, length = rng.normal(size=questions), rng.normal(size=questions)
        first = np.arange(questions)
        second = (first + 1) % questions
        leans = np.sign(quality[first] - quality[second] + rng.logistic(size=questions)) * np.sign(
            length[first] - length[second]
        )
        alarms[1] += chance.p_of_pairs(leans, first, first, second) < RATE
        # Drift: votes of five raters with habits of their own, in random order.
        rater = rng.integers(0, 5, questions)
        value = (rng.uniform(size=questions) < 0.2 + 0.1 * rater).astype(float)
        later = chance.halves(rng.uniform(size=questions), rater)
        alarms[2] += chance.p_of_signs(chance.centred(value, rater) * later, first) < RATE
    assert (stats.binom.sf(alarms - 1, trials, RATE) > 1e-4).all(), alarms


# And what leans is found


def leaning(seed: int, **lean: float) -> set[str]:
    """Findings on 600 votes where the first shown, or the longer, or the later one is favoured."""
    rng = np.random.default_rng(seed)
    frame = clean_votes(rng, 600, texts=True)
    first = frame["choice"].to_numpy().astype(object)
    lengths = [frame["outputs"].list.get(place).str.len_chars().to_numpy() for place in (0, 1)]
    if "position" in lean:
        first = np.where(rng.uniform(size=600) < lean["position"], "first", first)
    if "length" in lean:
        longer = np.where(lengths[0] > lengths[1], "first", "second")
        first = np.where(rng.uniform(size=600) < lean["length"], longer, first)
    if "drift" in lean:
        late = (frame["time"] > START + dt.timedelta(seconds=5 * 10**6)).to_numpy()
        first = np.where(late & (rng.uniform(size=600) < lean["drift"]), "tie", first)
    frame = frame.with_columns(choice=pl.Series(first.tolist()))
    if "constant" in lean:
        frame = frame.with_columns(
            choice=pl.when(pl.col("rater") == "w3").then(pl.lit("second")).otherwise(pl.col("choice"))
        )
    return TESTED & {finding.code for finding in check(Feedback(Table.shaped(frame)))}


@pytest.mark.parametrize(
    ("lean", "code"),
    [
        ({"position": 0.3}, "feedback.position"),
        ({"length": 0.4}, "feedback.length"),
        ({"drift": 0.4}, "feedback.drift"),
        ({"constant": 1}, "feedback.constant_raters"),
    ],
)
def test_leans_are_found(lean: dict[str, float], code: str) -> None:
    hits = [leaning(seed, **lean) for seed in range(5)]
    assert all(code in hit for hit in hits)


def test_systems_that_write_more_and_better_are_no_lean_to_length() -> None:
    """The better system is always the longer one: within the pair nothing is left of it."""
    rng = np.random.default_rng(0)
    records = [
        record(n, candidates=[{"output": "x" * rng.poisson(60), "system": "good"},
                              {"output": "y" * rng.poisson(20), "system": "bad"}],
               value={"choice": "first" if rng.uniform() < 0.8 else "second"})
        for n in range(400)
    ]  # fmt: skip
    assert "feedback.length" not in found(*records)
    without = [r.model_copy(update={"candidates": [c.model_copy(update={"system": None}) for c in r.candidates]})
               for r in records]  # fmt: skip
    finding = found(*without)["feedback.length"]
    assert finding.severity == "warning"
    assert "the longer output is preferred" in finding.message


def test_length_counts_the_text_of_parts() -> None:
    def parts(n: int) -> list[dict[str, Any]]:
        return [{"text": "x" * n, "role": "assistant"}]

    records = [record(n, candidates=[{"output": parts(n % 7 + 9)}, {"output": "y" * 8}]) for n in range(60)]
    assert "feedback.length" in found(*records)


def test_without_order_or_times_nothing_is_tested_but_said() -> None:
    findings = found(*(record(n) for n in range(60)))
    assert {"feedback.order_unknown", "feedback.no_times"} <= set(findings)
    assert not {"feedback.position", "feedback.drift", "feedback.constant_raters"} & set(findings)


# Judges of the system's own family


def by_judge(judge: str, *systems: str, kind: str = "model") -> list[Record]:
    """One comparison of each pair of systems by a judge."""
    return [
        record(
            number,
            id=f"{judge} {number}",
            candidates=[{"output": "4", "system": first}, {"output": "22", "system": second}],
            rater={"id": judge, "kind": kind},
        )
        for number, (first, second) in enumerate(itertools.combinations(systems, 2))
    ]


def test_a_judge_of_its_own_family_is_named() -> None:
    finding = found(*by_judge("openai/gpt-4-turbo", "gpt-3.5", "claude-2", "llama-2"))["feedback.own_family"]
    assert finding.examples == ("openai/gpt-4-turbo: gpt-3.5",)
    assert finding.count == 1


def test_other_judges_are_not() -> None:
    others = by_judge("gpt-4", "claude-2", "llama-2")
    all_of_one = by_judge("gpt-4", "gpt-3.5", "gpt-4o")
    people = by_judge("gpt fan", "gpt-3.5", "claude-2", kind="person")
    short = by_judge("m1", "m1", "m2", "m3")
    for records in (others, all_of_one, people, short):
        assert "feedback.own_family" not in found(*records)
