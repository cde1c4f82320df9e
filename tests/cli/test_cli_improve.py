"""`heedful improve`: prompts in files, the rule world behind a server, prompts and a report on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedful.feedback import write
from heedful.models.marked import context_text
from heedful.worlds import ChatServer
from heedful.worlds.rule_models import rule_models
from heedful.worlds.rule_people import RulePeople
from heedful.worlds.rule_players import RuleCritic
from heedful.worlds.rule_world import RuleWorld
from heedful.worlds.served import Trouble

from .test_cli import invoke

pytest.importorskip("openai")

WORLD = RuleWorld()
SOURCE = "(?s).*Source: the city archive.*"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(rule_models(WORLD)) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> Path:
    texts = {"retrieve": "You look things up.\n\nStep: retrieve\n{question}\nSo far:\n"}
    texts["draft"] = "You write the answer.\n\nStep: draft\n{question}\nSo far:\n{retrieve}\n"
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, "utf-8")
    contexts = WORLD.contexts(100, rng=np.random.default_rng(0))
    lines = [json.dumps({"question": context_text(own), "answer": "yes"}) for own in contexts]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines), "utf-8")
    return tmp_path


def command(files: Path, server: ChatServer, *more: Any) -> list[Any]:
    prompts = ["--prompt", files / "retrieve.txt", "--prompt", files / "draft.txt"]
    names = ["--served", "task", "--critic", "critic", "--rewriter", "editor"]
    shown = ["--examples", files / "examples.jsonl", "--model", server.url, "--out", files / "better"]
    return ["improve", *prompts, *names, *shown, *(more or ("--matching", SOURCE)), "--rounds", 2, "--json"]


def test_a_prompt_is_rewritten_and_going_on_buys_nothing_again(files: Path, server: ChatServer) -> None:
    code, shown, err = invoke(*command(files, server))
    assert code == 0, err
    result = json.loads(shown)
    assert result["claim"]["interval"]["low"] > 0.3
    assert "Give a source." in result["prompts"]["retrieve"]["after"]
    assert (files / "better/prompts/retrieve.txt").read_text("utf-8") == result["prompts"]["retrieve"]["after"]
    assert (files / "retrieve.txt").read_text("utf-8") == result["prompts"]["retrieve"]["before"]
    page = (files / "better/report.html").read_text("utf-8")
    assert "<ins>" in page
    assert "What rewriting gained" in page
    assert json.loads((files / "better/summary.json").read_text("utf-8")) == result
    asked = len(server.calls)
    assert result["spent"]["calls"] == asked
    code, again, _ = invoke(*command(files, server))
    assert code == 0
    assert len(server.calls) == asked
    assert json.loads(again)["prompts"] == result["prompts"]
    events = [json.loads(line)["event"] for line in (files / "better/audit.jsonl").read_text("utf-8").splitlines()]
    assert events.count("begun") == events.count("ended") == 2


def test_killed_it_goes_on_and_pays_only_for_what_was_under_way(files: Path, server: ChatServer) -> None:
    words = [str(own) for own in command(files, server, "--matching", SOURCE, "--concurrency", 4)]
    process = subprocess.Popen([sys.executable, "-m", "heedful", *words], stdout=subprocess.DEVNULL)
    while len(server.calls) < 60:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    code, shown, err = invoke(*words)
    assert code == 0, err
    seen = {json.dumps([own.messages, own.parameters], sort_keys=True) for own in server.calls}
    assert len(server.calls) - len(seen) <= 4
    assert json.loads(shown)["spent"]["calls"] >= len(server.calls)


def test_a_cap_on_calls_is_never_exceeded(files: Path, server: ChatServer) -> None:
    """It ends the search: what is held out is paid from what was held back, or needs nothing."""
    code, shown, err = invoke(*command(files, server, "--matching", SOURCE, "--calls", 200))
    assert code == 0, err
    assert len(server.calls) <= 200
    result = json.loads(shown)
    assert (result["claim"]["value"], result["claim"]["n"]) == (0, 0)
    assert "calls held back for what is held out" in result["stopped"]
    assert "Nothing was proven better" in (files / "better/report.html").read_text("utf-8")


@pytest.mark.parametrize("cap", [["--calls", 500], ["--money", 0.04, "--prices", "0.5,1.5"]])
def test_the_claim_is_within_the_cap(files: Path, server: ChatServer, cap: list[Any]) -> None:
    code, shown, err = invoke(*command(files, server, "--matching", SOURCE, *cap), "--rounds", 30)
    assert code == 0, err
    result = json.loads(shown)
    assert "held back for what is held out" in result["stopped"]
    assert result["claim"]["n"] == 30
    assert result["claim"]["interval"]["low"] > 0.3
    assert result["spent"][cap[0].strip("-")] <= cap[1]
    _, again, _ = invoke(*command(files, server, "--matching", SOURCE, *cap), "--rounds", 30)
    assert json.loads(again)["claim"]["value"] == result["claim"]["value"]
    assert json.loads(again)["spent"][cap[0].strip("-")] <= cap[1]


def test_a_cap_that_cannot_pay_the_claim_is_refused_before_a_call(files: Path, server: ChatServer) -> None:
    code, _, err = invoke(*command(files, server, "--matching", SOURCE, "--calls", 119))
    assert code == 2
    assert "what is held out may take 120 calls, and the cap is 119" in err
    for words, said in [
        (["--money", 1], "'task' has no prices"),
        (["--prices", "a=1,2"], "no model is named 'a'"),
        (["--prices", "cheap"], "are no two prices"),
    ]:
        code, _, err = invoke(*command(files, server, "--matching", SOURCE, *words))
        assert code == 2
        assert said in err
    assert not server.calls


def test_what_was_kept_when_the_server_ends_is_saved_and_its_claim_is_made_later(files: Path) -> None:
    gone = Trouble(401, b'{"error": {"message": "your credit ended"}}')
    with ChatServer(rule_models(WORLD), trouble=lambda number, _: gone if number >= 230 else None) as server:
        code, shown, err = invoke(*command(files, server))
    assert code == 2
    assert "your credit ended" in err
    result = json.loads(shown)
    assert not result["claim"]["identified"]
    assert "your credit ended" in result["error"]
    assert "Give a source." in (files / "better/prompts/retrieve.txt").read_text("utf-8")
    page = (files / "better/report.html").read_text("utf-8")
    assert "Nothing is claimed" in page
    assert "your credit ended" in page


def test_what_is_kept_is_written_as_it_is_kept(files: Path) -> None:
    seen: list[str] = []

    def look(number: int, _: Any) -> None:
        path = files / "better/prompts/retrieve.txt"
        seen.append(path.read_text("utf-8") if path.exists() else "")

    with ChatServer(rule_models(WORLD), trouble=look) as server:
        code, _, err = invoke(*command(files, server), "--rounds", 1)
    assert code == 0, err
    assert seen[0] == ""
    assert "Give a source." in seen[-1]
    assert "Round 1: 1 proposed" in err
    assert "of 40 examples: kept" in err


def test_limits_and_a_shorter_prompt(files: Path, server: ChatServer) -> None:
    code, shown, err = invoke(*command(files, server, "--matching", SOURCE, "--longest", 50))
    assert code == 0, err
    assert json.loads(shown)["counts"]["too_long"] > 0
    (files / "better").rename(files / "before")
    code, _, err = invoke(*command(files, server, "--matching", SOURCE, "--shorter", 3))
    assert code == 2
    assert "share and loss lie between 0 and 1" in err
    code, shown, err = invoke(*command(files, server, "--matching", SOURCE, "--shorter", 0.9, "--dearer", 9))
    assert code == 0, err
    assert json.loads(shown)["front"]


def test_thumbs_and_comments_of_people(files: Path, server: ChatServer) -> None:
    """Comments alone say what to change; the records that say something else are counted."""
    people = RulePeople(WORLD, {"now": dict.fromkeys(("retrieve", "draft", "check"), "")})
    comments = people.comments(10, RuleCritic(WORLD), rng=np.random.default_rng(1))
    write(comments, files / "comments.jsonl")
    more = ("--matching", SOURCE, "--comments", files / "comments.jsonl")
    code, shown, err = invoke(*command(files, server, *more))
    assert code == 0, err
    assert json.loads(shown)["records_without_comment"] == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no field at all", "a prompt has one field"),
        ("{question", "the braces of this prompt"),
        ("{question} {0}", "each a name"),
        ("{other}", "this example has no 'other'"),
    ],
)
def test_prompts_that_cannot_be(files: Path, server: ChatServer, text: str, words: str) -> None:
    (files / "retrieve.txt").write_text(text, "utf-8")
    code, _, err = invoke(*command(files, server))
    assert code == 2
    assert words in err
    assert not server.calls


def test_what_a_server_refuses_of_one_example_fails_that_run_alone(files: Path) -> None:
    lines = (files / "examples.jsonl").read_text("utf-8").splitlines()[:30]
    (files / "examples.jsonl").write_text("\n".join(lines), "utf-8")
    with ChatServer(rule_models(WORLD), trouble=lambda number, _: Trouble(400) if number == 10 else None) as server:
        code, shown, err = invoke(*command(files, server))
        assert code == 0, err
        assert json.loads(shown)["counts"]["failed"] == 1
    for status, words in ((400, "refused what each of the first 9 runs asked"), (401, "Fix: check the key")):
        with ChatServer(rule_models(WORLD), trouble=lambda *_, status=status: Trouble(status)) as server:
            code, _, err = invoke(*command(files, server))
            assert code != 0
            assert words in err


def test_names_that_no_prompt_can_hold(files: Path, server: ChatServer) -> None:
    (files / "retrieve.txt").rename(files / "re-trieve.txt")
    words = [files / "re-trieve.txt" if own == files / "retrieve.txt" else own for own in command(files, server)]
    code, _, err = invoke(*words)
    assert code == 2
    assert "no prompt behind 're-trieve' can name it" in err
    (files / "draft.txt").write_text("{class}", "utf-8")
    (files / "examples.jsonl").write_text(json.dumps({"class": "a"}), "utf-8")
    code, _, err = invoke("improve", *words[3:])
    assert code == 2
    assert "text 'draft': 'class' cannot be the name of a field" in err


def test_a_project_file_says_it_all(files: Path, server: ChatServer) -> None:
    prompts, rows = [str(files / name) for name in ("retrieve.txt", "draft.txt")], str(files / "examples.jsonl")
    said: dict[str, Any] = {"prompt": prompts, "examples": rows, "matching": SOURCE, "rounds": 1, "model": server.url}
    said |= {"served": "task", "critic": "critic", "rewriter": "editor", "out": str(files / "better")}
    lines = [f"{name} = {json.dumps(own)}" for name, own in said.items()]
    (files / "project.toml").write_text("\n".join(["[improve]", *lines]), "utf-8")
    code, shown, err = invoke("improve", files / "project.toml", "--json")
    assert code == 0, err
    assert json.loads(shown)["counts"]["proposed"] == 1


def test_what_goes_nowhere_is_refused(files: Path, server: ChatServer) -> None:
    (files / "draft.txt").write_text("Step: draft\n{question}", "utf-8")
    code, _, err = invoke(*command(files, server))
    assert code == 2
    assert "gives goes nowhere" in err


def test_what_is_read_is_not_written(files: Path, server: ChatServer) -> None:
    moved = files / "better/prompts/retrieve.txt"
    moved.parent.mkdir(parents=True)
    (files / "retrieve.txt").rename(moved)
    words = [moved if own == files / "retrieve.txt" else own for own in command(files, server)]
    code, _, err = invoke(*words)
    assert code == 2
    assert "this is a file that is read" in err
    assert not server.calls


@pytest.mark.parametrize("flag", ["--json-schema", "--tests"])
def test_what_evidence_is_read_from_is_not_written(files: Path, server: ChatServer, flag: str) -> None:
    (files / "better").mkdir()
    held = {"--json-schema": files / "better/summary.json", "--tests": files / "better/prompts/draft.txt"}[flag]
    held.parent.mkdir(exist_ok=True)
    held.write_text('{"prompt": "x", "tests": ["assert True"]}', "utf-8")
    code, _, err = invoke(*command(files, server, "--matching", SOURCE, flag, held))
    assert code == 2
    assert "this is a file that is read" in err
    assert "assert True" in held.read_text("utf-8")


def test_evidence_is_needed(files: Path, server: ChatServer) -> None:
    code, _, err = invoke(*command(files, server, "--seed", 1))
    assert code == 2
    assert "there is no evidence" in err
    code, _, err = invoke(*command(files, server, "--answers"))
    assert code == 0, err


def test_a_prompt_that_shows_what_is_right_is_refused(files: Path, server: ChatServer) -> None:
    (files / "draft.txt").write_text("Say {answer}.\n\nStep: draft\n{question}\n{retrieve}\n", "utf-8")
    code, _, err = invoke(*command(files, server, "--answers"))
    assert code == 2
    assert "a prompt with the field {answer} would be told what is right" in err
    assert not server.calls


def test_what_an_earlier_run_proved_is_not_replaced_by_the_start(files: Path, server: ChatServer) -> None:
    proven = files / "better/prompts/draft.txt"
    proven.parent.mkdir(parents=True)
    proven.write_text("Proven.", "utf-8")
    code, shown, err = invoke(*command(files, server, "--matching", SOURCE, "--longest", 1))
    assert code == 0, err
    assert not json.loads(shown)["counts"].get("kept")
    assert "were left as they are" in shown
    assert "were left as they are" in (files / "better/report.html").read_text("utf-8")
    assert proven.read_text("utf-8") == "Proven."
