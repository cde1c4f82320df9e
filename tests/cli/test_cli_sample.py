"""`heedful sample`: a tiny random model, a posterior of texts, answers on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from heedful.cli.sample import EngineName
from heedful.core import Item, UsageError
from heedful.feedback import Candidate, Record, Table, Value
from heedful.loops import ENGINES, Sampling, evidence_of, planned_cost, sample
from heedful.models import LocalModel
from heedful.preference import fit, load
from heedful.worlds import ChatServer

from .posteriors import shorter_is_better
from .test_cli import invoke

pytest.importorskip("transformers")

CONTEXTS = tuple(Item.of(text).context for text in ("sun", "the rain"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from models.tiny import llama, tokenizer

    folder = tmp_path_factory.mktemp("model")
    tokenizer(folder)
    return llama(folder)


@pytest.fixture(scope="module")
def posterior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shorter is better."""
    texts = ["a", "ab cd", "ab cd ef", "ab cd ef gh ij", "ab cd ef gh ij kl mn op"]
    return shorter_is_better(texts, tmp_path_factory.mktemp("fit") / "posterior")


def test_answers_are_written_with_what_they_cost(model: Path, posterior: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    asked = ["sample", "--model", model, "--evidence", f"{posterior}=2", "--prompt", "sun", "--prompt", "the rain"]
    code, shown, err = invoke(*asked, "-n", 4, "--max-tokens", 6, "--out", out, "--json")
    assert code == 0, err
    told = json.loads(shown)
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["context"] for row in rows] == ["sun", "the rain"]
    assert [row["output"] for row in rows] == [row["output"] for row in told["samples"]]
    assert told["honesty"] == "maximiser"
    read = LocalModel(str(model), max_tokens=6).reading(CONTEXTS)
    assert told["plan"] == {"samples": 8, "scores": 8, "tokens": 2 * 4 * 5 + read}  # the last of six is not read again
    assert all(told["cost"][unit] <= most for unit, most in told["plan"].items())
    assert told["cost"]["samples"] == 8
    potential = 2 * load(posterior).potential()
    items = [Item.of(row["context"], row["output"], row["system"]) for row in rows]
    assert [row["score"] for row in rows] == pytest.approx(potential(items).mean.tolist())
    code, plain, _ = invoke(*asked, "-n", 4, "--max-tokens", 6)
    assert code == 0
    assert "> sun" in plain
    assert "tokens" in plain


@pytest.mark.parametrize("engine", ["best-of-n", "soft", "particles"])
def test_evidence_moves_the_answers(engine: str, model: Path, posterior: Path) -> None:
    base, evidence = LocalModel(str(model), max_tokens=6), evidence_of([f"{posterior}=3"])
    plain = sample(base, CONTEXTS * 4, evidence, Sampling(n=1, seed=1))
    tilted = sample(base, CONTEXTS * 4, evidence, Sampling(engine, n=8, seed=1))
    score = [sum(row["score"] for row in result["samples"]) for result in (plain, tilted)]
    assert score[1] > score[0] + 1
    assert len(tilted["samples"]) == 8
    if engine == "particles":  # of each context one of eight, whose law is not the target's, nor its divergence
        assert tilted["honesty"] == "consistent"
        assert not any("kl" in row for row in tilted["samples"])
    else:
        assert all(row["kl"]["value"] >= 0 for row in tilted["samples"])


def test_a_plan_and_a_budget(model: Path, posterior: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "sun"}\n{"prompt": "rain"}\n', "utf-8")
    asked = ["sample", "--model", model, "--evidence", posterior, "--prompts", prompts, "--max-tokens", 8, "-n", 4]
    code, shown, _ = invoke(*asked, "--plan", "--json")
    assert code == 0
    read = LocalModel(str(model), max_tokens=8).reading([Item.of(text).context for text in ("sun", "rain")])
    assert json.loads(shown)["plan"] == {"samples": 8, "tokens": 56 + read, "scores": 8}
    code, _, err = invoke(*asked, "--budget", 55 + read)
    assert code == 2
    assert "tokens" in err


def test_answers_of_a_server_are_planned_and_bought_once(posterior: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    out = tmp_path / "answers.jsonl"
    with ChatServer(lambda messages, parameters: f"ab {parameters['seed'] % 7}") as server:
        asked = [
            "sample",
            "--model",
            server.url,
            "--served",
            "gpt",
            "--evidence",
            posterior,
            "--prompt",
            "sun",
            "-n",
            4,
        ]
        code, shown, err = invoke(*asked, "--plan", "--json")
        assert code == 0, err
        plan = json.loads(shown)["plan"]
        assert (plan["calls"], plan["samples"]) == (4, 4)
        assert not server.calls
        told = []
        for _ in range(2):
            code, shown, err = invoke(*asked, "--out", out, "--json")
            assert code == 0, err
            assert "At most: 4 samples" in err
            told.append(json.loads(shown))
        assert len(server.calls) == 4
        assert told[0]["samples"] == told[1]["samples"]
        assert 0 < told[0]["cost"]["tokens"] <= plan["tokens"]
        assert (tmp_path / "answers.jsonl.journal").exists()
    ask = ["sample", "--model", tmp_path, "--evidence", posterior, "--prompt", "a"]
    assert "of a server's answers" in invoke(*ask, "--journal", tmp_path / "j")[2]


def test_wrong_use_is_said(model: Path, posterior: Path, tmp_path: Path) -> None:
    ask = ["sample", "--model", model, "--evidence", posterior]
    assert "no prompt" in invoke(*ask)[2]
    assert "is a folder" in invoke(*ask, "--prompt", "a", "--out", tmp_path)[2]
    assert "no such folder" in invoke("sample", "--model", tmp_path / "no", "--evidence", posterior, "--prompt", "a")[2]
    assert "no strength" in invoke(*ask[:-1], f"{posterior}=lots", "--prompt", "a")[2]
    votes = tmp_path / "votes.jsonl"
    votes.write_text('{"text": "a"}\n', "utf-8")
    assert "has no context" in invoke(*ask, "--prompts", votes)[2]
    votes.write_text('{"prompt": "a"}\n', "utf-8")
    assert "this is a file that is read" in invoke(*ask, "--prompts", votes, "--out", votes)[2]
    assert votes.read_text("utf-8") == '{"prompt": "a"}\n'
    assert "--pessimism: soft has" in invoke(*ask, "--prompt", "a", "--engine", "soft", "--pessimism", 1)[2]
    assert "--bound: rejection needs it" in invoke(*ask, "--prompt", "a", "--engine", "rejection")[2]
    assert "-n: guided has" in invoke(*ask, "--prompt", "a", "--engine", "guided", "-n", 2)[2]
    assert "does not exist" in invoke(*ask, "--prompt", "a", "--out", tmp_path / "no" / "x.jsonl")[2]
    assert "backslash" in invoke(*ask, "--prompt", "a", "--matching", "a(")[2]


def test_a_posterior_of_systems_says_nothing_of_texts(model: Path, tmp_path: Path) -> None:
    votes = [
        Record(kind="comparison", candidates=[Candidate(system=a), Candidate(system=b)], value=Value(choice="first"))
        for a, b in ("ab", "bc", "ca") * 3
    ]
    fit(Table.of(votes)).save(tmp_path / "systems")
    _, _, err = invoke("sample", "--model", model, "--evidence", tmp_path / "systems", "--prompt", "a")
    assert "of systems" in err


def test_a_server_is_drawn_from(posterior: Path) -> None:
    pytest.importorskip("openai")

    def answer(messages: object, parameters: object) -> str:
        return "ab cd"

    with ChatServer(answer) as server:
        ask = ["sample", "--model", server.url, "--evidence", posterior, "--prompt", "sun", "--prompt", "rain", "-n", 3]
        code, shown, err = invoke(*ask, "--served", "any", "--json")
        assert code == 0, err
        told = json.loads(shown)
        assert [row["output"] for row in told["samples"]] == ["ab cd"] * 2
        assert told["cost"]["calls"] == 6 == len(server.calls)
        assert told["cost"]["tokens"] == 6 * (1 + 2)
        assert "--served" in invoke(*ask)[2]
        assert "tokens" in invoke(*ask, "--served", "any", "--budget", 5)[2]
        assert "token by token" in invoke(*ask, "--served", "any", "--engine", "particles")[2]


def test_a_plan_for_a_server_is_of_calls_and_tokens_and_bounds_the_run(posterior: Path, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    from heedful.worlds import ChatServer

    with ChatServer(lambda messages, parameters: "ab " * 9) as server:
        ask = ["sample", "--model", server.url, "--served", "any", "--evidence", posterior, "--prompt", "sun"]
        ask += ["--prompt", "the rain", "-n", 3, "--max-tokens", 5, "--json"]
        code, shown, err = invoke(*ask, "--plan", "--out", tmp_path / "a.jsonl")
        assert code == 0, err
        plan = json.loads(shown)["plan"]
        assert not server.calls
        assert not list(tmp_path.iterdir())
        told = json.loads(invoke(*ask)[1])
        assert told["plan"] == plan
        assert plan["calls"] == told["cost"]["calls"] == 6
        assert told["cost"]["tokens"] == 3 * (1 + 2) + 6 * 5 <= plan["tokens"]
        _, _, err = invoke(*ask, "--budget", plan["tokens"] - 1)
        assert "tokens needed" in err
        assert len(server.calls) == 6  # none was bought of what does not fit
        assert invoke(*ask, "--budget", plan["tokens"])[0] == 0


def test_a_killed_run_goes_on_from_its_journal_and_buys_nothing_twice(
    model: Path, posterior: Path, tmp_path: Path
) -> None:
    """Of twelve calls six are answered before the kill; the others hang, and are the only ones asked again."""
    pytest.importorskip("openai")
    from heedful.worlds import ChatServer, Trouble, answering

    def hangs(number: int, parameters: object) -> Trouble | None:
        return Trouble(503, delay=3.0) if 6 <= number < 12 else None

    small = answering(LocalModel(str(model), max_tokens=4))
    with ChatServer(small, trouble=hangs) as server:
        ask = ["sample", "--model", server.url, "--served", "small", "--evidence", posterior, "--prompt", "sun"]
        ask += ["--prompt", "rain", "-n", 6, "--max-tokens", 4]
        whole = [*map(str, ask), "--out", str(tmp_path / "answers.jsonl"), "--json"]
        with subprocess.Popen([sys.executable, "-m", "heedful", *whole], stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            assert run.stderr.readline().startswith("At most: 12 samples, 12 calls, ")
            until = time.monotonic() + 60
            while len(server.calls) < 6 and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.5)  # for the answers to be recorded
            run.kill()
        code, shown, err = invoke(*whole)
        assert code == 0, err
        told = json.loads(shown)
        assert told["cost"]["calls"] == 6
        answered = [call for call in server.calls if call.status == 200]
        assert len(answered) == 12
        assert len({call.parameters["seed"] for call in answered}) == 12
        asked = len(server.calls)
        again = json.loads(invoke(*whole)[1])
        assert again["samples"] == told["samples"]
        assert again["cost"]["calls"] == again["cost"]["tokens"] == 0
        assert len(server.calls) == asked
        elsewhere = tmp_path / "other.journal"
        assert json.loads(invoke(*whole, "--journal", elsewhere)[1])["samples"] == told["samples"]
        assert elsewhere.is_file()
    assert "--journal" in invoke("sample", "--model", model, "--prompt", "a", "--journal", elsewhere)[2]


def test_outputs_that_fail_their_tests_are_told_as_such(model: Path, tmp_path: Path) -> None:
    tests = tmp_path / "tests.py"
    tests.write_text("assert add(1, 2) == 3\n", "utf-8")
    asked = ["sample", "--model", model, "--tests", tests, "--prompt", "sun", "-n", 2, "--max-tokens", 4]
    code, shown, err = invoke(*asked, "--json")
    assert code == 0, err
    assert json.loads(shown)["samples"][0]["score"] in (None, float("-inf"))
    code, plain, _ = invoke(*asked)
    assert code == 0
    assert "> sun" in plain
    assert "no evidence" in invoke("sample", "--model", model, "--prompt", "sun")[2]
    assert "this is a file that is read" in invoke(*asked, "--out", tests)[2]


ASKED = {
    "best-of-n": {"pessimism": 1.0},
    "early": {"price": 0.1, "n": 6},
    "soft": {},
    "rejection": {"bound": 60.0, "n": 3},
    "metropolis": {"n": 6},
    "tempered": {"n": 4, "moves": 1},
    "particles": {"n": 6, "prefixes": True},
    "particle-gibbs": {"n": 3, "moves": 2, "prefixes": True},
    "guided": {"width": 5},
    "beam": {"n": 3, "width": 5},
}


def test_the_command_offers_the_engines_there_are() -> None:
    assert get_args(EngineName) == tuple(ENGINES) == tuple(ASKED)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_answers_within_its_plan(engine: str, model: Path, posterior: Path) -> None:
    base, how = LocalModel(str(model), max_tokens=5), Sampling(engine, **ASKED[engine])
    evidence = evidence_of([str(posterior)], prefixes=how.reads_prefixes)
    told = sample(base, CONTEXTS, evidence, how)
    plan = planned_cost(base, CONTEXTS, how)
    assert told["plan"] == plan
    assert all(told["cost"][unit] <= most for unit, most in plan.items())
    assert set(told["cost"]) == {*plan, "seconds"}
    assert len(told["samples"]) + told["missing"] == 2
    declared = how.made(base, evidence).honesty
    assert told["honesty"] == ("consistent" if declared == "proper" else declared)
    assert (told["missing"] > 0) == (engine == "rejection")  # accepted once in e^60 draws
    assert [row["context"] for row in told["samples"]] == ["sun", "the rain"][: len(told["samples"])]


@pytest.mark.parametrize("engine", ["best-of-n", "soft", "metropolis", "tempered", "particles", "particle-gibbs"])
def test_the_plan_is_what_outputs_of_one_token_cost(engine: str, model: Path) -> None:
    base, how = LocalModel(str(model), max_tokens=1), Sampling(engine, n=3)
    told = sample(base, CONTEXTS, evidence_of([], matching=["(?s).*"]), how)
    assert told["cost"]["tokens"] == told["plan"]["tokens"] == base.reading(CONTEXTS)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"engine": "early"}, "price"),
        ({"engine": "rejection"}, "bound"),
        ({"engine": "guided", "n": 4}, "n"),
        ({"engine": "soft", "pessimism": 1.0}, "pessimism"),
        ({"engine": "best-of-n", "price": 0.0}, "price"),
        ({"engine": "particles", "bound": 1.0}, "bound"),
        ({"engine": "metropolis", "moves": 3}, "moves"),
        ({"engine": "tempered", "width": 3}, "width"),
        ({"engine": "best-of-n", "prefixes": True}, "prefixes"),
        ({"engine": "sometimes"}, "engine"),
    ],
)
def test_options_that_an_engine_has_no_use_for_are_refused(options: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as error:
        Sampling(**options)
    assert error.value.where == where
    assert error.value.fix


def test_outputs_of_a_form(model: Path, posterior: Path, tmp_path: Path) -> None:
    ask = ["sample", "--model", model, "--prompt", "sun", "--max-tokens", 6, "--json"]
    code, shown, err = invoke(*ask, "--matching", "[^b]*", "--engine", "particles", "--evidence", posterior)
    assert code == 0, err
    (row,) = json.loads(shown)["samples"]
    assert "b" not in row["output"]
    assert not row["ruled_out"]
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}', "utf-8")
    code, shown, err = invoke(*ask, "--json-schema", schema, "-n", 3)
    assert code == 0, err
    assert json.loads(shown)["samples"][0]["ruled_out"]  # a random model writes no JSON
    schema.write_text("{", "utf-8")
    assert "cannot be read" in invoke(*ask, "--json-schema", schema)[2]
    assert "no regular expression" in invoke(*ask, "--matching", "(")[2]
    assert "no evidence" in invoke(*ask)[2]
    _, plain, _ = invoke(*ask[:-1], "--evidence", posterior, "--engine", "rejection", "--bound", 60, "-n", 2)
    assert "No output was accepted for 1 of the prompts" in plain
