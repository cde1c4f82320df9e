"""`heedful judge`: a served judge of known utility, votes on disk, and what reads them back."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest

from heedful.core import Item
from heedful.feedback import Question, read, write_questions
from heedful.worlds import ChatServer, SimulatedJudge

from .test_cli import invoke

pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
UTILITY = {"bad": -1.0, "fair": 0.0, "good": 1.0}
PROMPTS = [f"question {row}" for row in range(8)]


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    outputs = [{"output": text, "system": f"s-{text}"} for text in UTILITY]
    path.write_text("".join(json.dumps({"context": own, "outputs": outputs}) + "\n" for own in PROMPTS))
    return path


@pytest.fixture
def server():
    with ChatServer(SimulatedJudge(UTILITY.__getitem__, bias=0.5)) as made:
        yield made


def asked(server: ChatServer, path: Path, *more: object) -> list[object]:
    return ["judge", path, "--model", server.url, "--served", "gpt", *more]


def test_votes_are_written_and_read_back(server: ChatServer, candidates: Path, tmp_path: Path) -> None:
    out = tmp_path / "votes.jsonl"
    code, shown, err = invoke(*asked(server, candidates, "--out", out, "--json"))
    assert code == 0, err
    told = json.loads(shown)
    assert (told["judged"], told["votes"], told["missing"], told["cost"]["calls"]) == (24, 48, 0, 48)
    assert told["criteria"][0]["position_bias"]["value"] == pytest.approx(0.1, abs=0.12)
    table = read(out).table
    assert set(table.column("rater_kind").to_list()) == {"model"}
    assert set(table.column("rater").to_list()) == {"gpt"}
    code, ranked, err = invoke("rank", out, "--json")
    assert code == 0, err
    assert [row["item"] for row in json.loads(ranked)["ranking"]] == ["s-good", "s-fair", "s-bad"]
    code, plain, _ = invoke(*asked(server, candidates, "--pairs", 5, "--out", out))
    assert code == 0
    assert "10 votes of gpt on 5 pairs" in plain
    assert "position bias" in plain


def test_a_run_that_was_stopped_by_its_cap_goes_on(server: ChatServer, candidates: Path, tmp_path: Path) -> None:
    out = tmp_path / "votes.jsonl"
    ask = [*asked(server, candidates, "--out", out, "--journal", tmp_path / "run.journal"), "--json"]
    code, _, err = invoke(*ask, "--calls", 10)
    assert code == 2
    assert "calls" in err
    assert not out.exists()
    code, shown, err = invoke(*ask, "--calls", 48)
    assert code == 0, err
    assert json.loads(shown)["cost"]["calls"] == 38
    assert len(server.calls) == 48
    before = out.read_bytes()
    assert json.loads(invoke(*ask, "--calls", 48)[1])["cost"]["calls"] == 0
    assert out.read_bytes() == before


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(
    server: ChatServer, candidates: Path, tmp_path: Path
) -> None:
    for out, what in ((tmp_path, "is a folder"), (tmp_path / "no" / "votes.jsonl", "does not exist")):
        code, _, err = invoke(*asked(server, candidates, "--out", out))
        assert code == 2
        assert what in err
    assert not server.calls


def test_questions_asked_of_people_can_be_asked_of_a_judge(server: ChatServer, tmp_path: Path) -> None:
    about = {"criterion": "overall", "rule": "random", "posterior": "p", "expected_gain": 0.1}
    pairs = [(Item.of(own, a), Item.of(own, b)) for own in PROMPTS[:2] for a, b in combinations(UTILITY, 2)]
    questions = [Question.ordered(pair, **about) for pair in pairs]
    votes = []
    for name in ("questions.csv", "questions.jsonl"):
        write_questions(questions, tmp_path / name)
        out = tmp_path / f"votes of {name}.jsonl"
        code, shown, err = invoke(*asked(server, tmp_path / name, "--out", out, "--json"))
        assert code == 0, err
        assert json.loads(shown)["judged"] == 6
        votes.append(out.read_text())
    assert votes[0] == votes[1]
    again = tmp_path / "again.jsonl"  # feedback is judged once more, each pair once
    code, shown, _ = invoke(*asked(server, tmp_path / "votes of questions.csv.jsonl", "--out", again, "--json"))
    assert (code, json.loads(shown)["judged"]) == (0, 6)


@pytest.mark.parametrize("kind", ["lists", "scores"])
def test_lists_and_scores(kind: str, server: ChatServer, candidates: Path, tmp_path: Path) -> None:
    rubric, out = tmp_path / "rubric.toml", tmp_path / "votes.jsonl"
    rubric.write_text('[[criterion]]\nname = "true"\ndescription = "Is it right?"\nscale = [0, 1]\n')
    more = ["--criterion", "clear=Is it easy to follow?", "--criteria", rubric, "--kind", kind, "--votes", 2]
    once = ["--at-once"] if kind == "scores" else []
    code, shown, err = invoke(*asked(server, candidates, *more, *once, "--out", out, "--json"))
    assert code == 0, err
    told, table = json.loads(shown), read(out).table
    expected = {"lists": (8, 32, 32), "scores": (24, 96, 48)}[kind]
    assert (told["judged"], told["votes"], told["cost"]["calls"]) == expected
    assert set(table.column("criterion").to_list()) == {"clear", "true"}
    kinds = {"lists": {"ranking"}, "scores": {"rating", "label"}}[kind]
    assert set(table.column("kind").cast(str).to_list()) == kinds
    assert invoke(*asked(server, candidates, *more, "--out", out))[0] == 0


def test_a_plan_says_the_most_calls(server: ChatServer, candidates: Path) -> None:
    code, shown, _ = invoke(*asked(server, candidates, "--votes", 3, "--plan", "--json"))
    assert code == 0
    assert json.loads(shown)["plan"] == {"judged": 24, "calls": 24 * 2 * 3 * 2}
    assert server.calls == []


def test_wrong_use_is_said(server: ChatServer, candidates: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "votes.jsonl"]
    assert "--out" in invoke(*asked(server, candidates))[2]
    assert "--served" in invoke("judge", candidates, "--model", server.url, *out)[2]
    assert "what to judge by" in invoke(*asked(server, candidates, *out, "--criterion", "clear"))[2]
    assert "no two prices" in invoke(*asked(server, candidates, *out, "--prices", "1"))[2]
    assert "needs prices" in invoke(*asked(server, candidates, *out, "--money", "1"))[2]
    assert "of scores alone" in invoke(*asked(server, candidates, *out, "--at-once"))[2]
    assert "this is a file that is read" in invoke(*asked(server, candidates, "--out", candidates))[2]
    single = tmp_path / "single.jsonl"
    single.write_text('{"context": "q", "outputs": ["a"]}\n')
    assert "nothing to judge" in invoke(*asked(server, single, *out))[2]
    assert "of servers" in invoke("judge", candidates, "--model", tmp_path, "--calls", 1, *out)[2]
    assert server.calls == []


def test_a_model_in_a_folder_that_cannot_judge_gives_no_vote(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from models.tiny import llama, tokenizer

    tokenizer(tmp_path / "model")
    out, single = tmp_path / "votes.jsonl", tmp_path / "one.jsonl"
    single.write_text('{"context": "sun", "outputs": ["ab", "cd"]}\n')
    ask = [
        "judge",
        single,
        "--model",
        llama(tmp_path / "model", max_position_embeddings=2048),
        "--max-tokens",
        2,
        "--out",
        out,
        "--json",
    ]
    code, shown, err = invoke(*ask)
    assert code == 0, err
    assert (json.loads(shown)["missing"], json.loads(shown)["votes"]) == (2, 0)
    assert out.read_text() == ""
