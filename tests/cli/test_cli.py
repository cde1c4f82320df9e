"""The command as a person uses it: whole processes, exit codes, files left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import heedful
from heedful.cli.app import app
from heedful.core import UsageError
from heedful.loops.asking import LEAST
from heedful.preference.people import Groups

COMMANDS = "run", "check", "fit", "rank", "ask", "pick", "plan", "convert", "report"


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """An arena of five systems of known order a > b > c > d > e."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 600)
    second = (first + rng.integers(1, 5, 600)) % 5
    wins = rng.random(600) < 1 / (1 + np.exp((first - second) * 0.8))
    names = np.array(list("abcde"))
    frame = pl.DataFrame(
        {
            "model_a": names[first],
            "model_b": names[second],
            "winner": np.where(wins, "model_a", "model_b"),
            "judge": [f"judge-{n}" for n in rng.integers(0, 40, 600)],
        }
    )
    frame.write_csv(tmp_path / "votes.csv")
    return tmp_path / "votes.csv"


def invoke(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_run_writes_the_report(votes: Path, tmp_path: Path) -> None:
    code, out, err = invoke("run", votes, "--out", tmp_path / "report", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert [row["item"] for row in summary["ranking"]] == list("abcde")
    assert summary["feedback"]["read"] == summary["feedback"]["accepted"] == 600
    assert summary == json.loads((tmp_path / "report" / "summary.json").read_text("utf-8"))
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000
    assert not [path.name for path in (tmp_path / "report").iterdir() if path.name.startswith(".")]


def test_run_repeats_with_its_seed(votes: Path, tmp_path: Path) -> None:
    def run(folder: str) -> dict[str, object]:
        summary = json.loads(invoke("run", votes, "--out", tmp_path / folder, "--seed", 3, "--json")[1])
        return {name: value for name, value in summary.items() if name != "seconds"}

    assert run("once") == run("again")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    code, out, _ = invoke(command, "--help")
    assert code == 0
    assert f"Example: heedful {command}" in " ".join(out.split())


def test_steps_stand_alone(votes: Path, tmp_path: Path) -> None:
    candidates = tmp_path / "candidates.jsonl"
    candidates.write_text('{"candidates": [{"system": "e"}, {"system": "a"}]}\n')
    posterior = tmp_path / "posterior"
    steps = {
        "check": ("check", votes),
        "fit": ("fit", votes, "--out", posterior),
        "rank": ("rank", votes),
        "ask": ("ask", votes, "-n", 3),
        "pick": ("pick", "--posterior", posterior, "--candidates", candidates),
        "plan": ("plan", votes, "--width", 0.05),
        "convert": ("convert", votes, "--out", tmp_path / "votes.parquet"),
    }
    for name, arguments in steps.items():
        code, out, err = invoke(*arguments, "--json")
        assert code == 0, (name, err)
        json.loads(out)
        assert invoke(*arguments)[0] == 0, name
    picked = json.loads(invoke(*steps["pick"], "--json")[1])["picks"][0]
    assert picked["best_index"] == 1
    converted = json.loads(invoke("check", tmp_path / "votes.parquet", "--json")[1])
    assert converted["feedback"]["accepted"] == 600


def test_heads_and_groups_are_fitted_and_kept(votes: Path, tmp_path: Path) -> None:
    """Of two prompts' answers the longer won; a head then picks the longer of answers it has not seen."""
    rows = [
        {"prompt": f"q{row % 12}", "chosen": "Yes, it is. " * (2 + row % 3), "rejected": "No, not so. " * (1 + row % 2)}
        for row in range(60)
    ]
    texts, candidates = tmp_path / "texts.jsonl", tmp_path / "candidates.jsonl"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    candidates.write_text(json.dumps({"context": "q", "candidates": [{"output": "No."}, {"output": "It is so. " * 4}]}))
    fit = ("fit", texts, "--utility", "features", "--out", tmp_path / "head")
    code, out, err = invoke(*fit, "--head", "process", "--json")
    assert code == 0, err
    assert json.loads(out)["model"]["prior"] == "that of the head (process)"
    code, out, err = invoke("pick", "--posterior", tmp_path / "head", "--candidates", candidates, "--json")
    assert code == 0, err
    assert json.loads(out)["picks"][0]["best_index"] == 1

    code, out, err = invoke("fit", votes, "--groups", 2, "--out", tmp_path / "groups")
    assert code == 0, err
    assert "of people" in out
    assert isinstance(heedful.load(tmp_path / "groups"), Groups)
    code, _, err = invoke("pick", "--posterior", tmp_path / "groups", "--candidates", candidates)
    assert code == 2
    assert "Groups were saved" in err
    for wrong in (("--head", "process", "--groups", 2), ("--head", "linear", "--utility", "items")):
        assert invoke("fit", texts, "--out", tmp_path / "x", *wrong)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("run", "nowhere.csv", "--out", "x"), "nowhere.csv"),
        (("run",), "FEEDBACK"),
        (("rank", "--bogus"), "--bogus"),
        (("pick", "--candidates", "x.jsonl"), "either feedback"),
        (("plan", "--width", "2"), "--width"),
    ],
)
def test_wrong_use_is_exit_code_2(arguments: tuple[str, ...], says: str) -> None:
    code, _, err = invoke(*arguments)
    assert code == 2
    assert says in err


def test_unknown_criterion_and_utility_say_what_there_is(votes: Path, tmp_path: Path) -> None:
    code, _, err = invoke("run", votes, "--out", tmp_path / "r", "--criterion", "beauty")
    assert code == 2
    assert "overall" in err
    code, _, err = invoke("run", votes, "--out", tmp_path / "r", "--utility", "magic")
    assert code == 2
    assert "features" in err


def test_nothing_to_fit_is_exit_code_1(tmp_path: Path) -> None:
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"prompt": "Say hello.", "completion": "Hello."}\n')
    code, _, err = invoke("run", file, "--out", tmp_path / "report")
    assert code == 1
    assert "comparison" in err
    assert not (tmp_path / "report" / "report.html").exists()


def test_project_file_gives_the_flags(votes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("heedful.toml").write_text('[run]\nfeedback = ["votes.csv"]\nout = "from-project"\nseed = 5\n')
    code, out, err = invoke("run", "--json")
    assert code == 0, err
    assert json.loads(out)["seed"] == 5
    assert Path("from-project/report.html").exists()
    assert json.loads(invoke("run", "--json", "--seed", "6")[1])["seed"] == 6


@pytest.mark.parametrize(
    ("content", "says"),
    [("[run]\nsed = 5\n", "sed"), ("[fly]\nseed = 5\n", "fly"), ("[run\n", "TOML"), ("seed = 5\n", "seed")],
)
def test_wrong_project_file(content: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("heedful.toml").write_text(content)
    code, _, err = invoke("run", "x.csv", "--out", "r")
    assert code == 2
    assert says in err


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("check", "-h")])
def test_help_does_not_need_a_sound_project_file(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("heedful.toml").write_text("[run\n")
    code, out, _ = invoke(*arguments)
    assert code == 0
    assert "Usage" in out


def test_the_project_may_be_named_before_or_after_the_command(votes: Path, tmp_path: Path) -> None:
    project = tmp_path / "other.toml"
    project.write_text(f"[check]\nfeedback = {str(votes)!r}\n")
    named = [("--project", project), (f"--project={project}",)]
    for words in named:
        before, after = invoke(*words, "check", "--json"), invoke("check", "--json", *words)
        assert before == after
        assert json.loads(after[1])["feedback"]["read"] == 600
    assert invoke("check", "--project", tmp_path / "none.toml")[0] == 2
    code, _, err = invoke("check", "--project")
    assert code == 2
    assert "--project" in err


def test_check_tells_how_many_were_rejected_for_each_reason(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text("model_a,model_b,winner\na,b,model_a\na,b,perhaps\na,b,\nb,a,\n")
    told = [line.split() for line in invoke("check", file)[1].splitlines()]
    assert ["2", "no", "winner", "is", "given", f"{file},", "line", "4"] in told
    assert [line[:3] for line in told if line[:2] == ["1", "winner"]] == [["1", "winner", "is"]]


def test_a_wrong_utility_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    code, _, err = invoke("run", tmp_path / "absent.csv", "--out", tmp_path / "r", "--utility", "magic")
    assert (code, "utility" in err, "absent" in err) == (2, True, False)
    with pytest.raises(UsageError, match="magic"):
        heedful.run(str(tmp_path / "absent.csv"), utility="magic")


def test_what_is_read_is_not_overwritten(votes: Path, tmp_path: Path) -> None:
    before = votes.read_bytes()
    code, _, err = invoke("check", votes, "--rejects", votes)
    assert (code, "a file that is read" in err) == (2, True)
    mended = tmp_path / "rejects.jsonl"
    rows = ({"model_a": "a", "model_b": "b", "winner": "model_a"} for _ in range(9))
    mended.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = invoke("run", mended, "--out", tmp_path)
    assert (code, "a file that is read" in err) == (2, True)
    assert votes.read_bytes() == before
    assert len(mended.read_text("utf-8").splitlines()) == 9


def test_run_puts_its_posterior_in_the_place_of_no_other_files(votes: Path, tmp_path: Path) -> None:
    own = tmp_path / "posterior" / "notes.txt"
    own.parent.mkdir()
    own.write_text("kept")
    code, _, err = invoke("run", votes, "--out", tmp_path)
    assert (code, "notes.txt" in err) == (2, True)
    assert own.read_text() == "kept"


def test_a_file_is_no_saved_posterior(votes: Path, tmp_path: Path) -> None:
    code, _, err = invoke("pick", "--posterior", votes, "--candidates", votes)
    assert (code, "there is no posterior here" in err) == (2, True)


def test_report_is_drawn_again(votes: Path, tmp_path: Path) -> None:
    invoke("run", votes, "--out", tmp_path / "report")
    page = tmp_path / "report" / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert invoke("report", tmp_path / "report")[0] == 0
    assert page.read_bytes() == before


def test_interruption_leaves_nothing_half_written(votes: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "heedful", "run", str(votes), "--out", str(tmp_path / "report")]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if "Fitting" in line:
            break
    os.kill(child.pid, signal.SIGINT)
    rest = child.stderr.read()
    assert child.wait(30) == 130, rest
    assert "interrupted" in rest
    assert not (tmp_path / "report").exists() or not list((tmp_path / "report").iterdir())


def test_interruption_of_the_imports_leaves_no_traceback() -> None:
    program = """
import runpy, sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "heedful.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
runpy.run_module("heedful", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_read(
    votes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    code, _, err = invoke("run", votes, "--out", tmp_path / "new" / "report")
    assert code == 2
    assert "may not be written to" in err
    assert "Reading" not in err
    assert not (tmp_path / "new").exists()


def test_progress_is_plain_lines_off_a_terminal(votes: Path, tmp_path: Path) -> None:
    _, _, err = invoke("run", votes, "--out", tmp_path / "report")
    assert "Reading feedback" in err
    assert "\x1b" not in err


def texts_of(votes: Path) -> Path:
    """The votes, each with what its systems wrote."""
    frame = pl.read_csv(votes)
    said = [pl.format("={} says", pl.col(f"model_{side}")).alias(f"response_{side}") for side in "ab"]
    prompts = pl.format("question {}", pl.int_range(pl.len()) % 30).alias("question")
    frame.with_columns(prompts, *said).write_csv(votes.with_name("texts.csv"))
    return votes.with_name("texts.csv")


def test_questions_are_asked_answered_and_read_back(votes: Path, tmp_path: Path) -> None:
    votes, file = texts_of(votes), tmp_path / "questions.csv"
    (tmp_path / "raters.csv").write_text("rater,cost,capacity\nann,2,3\nbob,1,2\n")
    asking = ("ask", votes, "--utility", "items", "--budget", 6, "--raters", tmp_path / "raters.csv", "--out", file)
    code, out, err = invoke(*asking, "--rule", "uncertainty", "--json")
    assert code == 0, err
    asked = json.loads(out)
    assert [row["rater"] for row in asked["ask"]] == ["bob", "bob", "ann", "ann"]
    assert {row["rule"] for row in asked["ask"]} == {"uncertainty"}
    assert asked["file"] == str(file)
    code, _, err = invoke(*asking)
    assert (code, "may hold answers" in err) == (2, True)

    rows = pl.read_csv(file, infer_schema=False)
    assert (rows["output_a"].str.starts_with("'=")).all()
    choices = ["first", "second", "", "nonsense"]
    rows.with_columns(choice=pl.Series(choices)).write_csv(tmp_path / "answered.csv")
    code, out, err = invoke("run", votes, tmp_path / "answered.csv", "--out", tmp_path / "report", "--json")
    assert code == 0, err
    told = json.loads(out)["feedback"]
    assert (told["read"], told["accepted"], told["rejected"]) == (604, 602, 2)
    assert {row["reason"].split(":")[0] for row in told["reject_reasons"]} == {"not answered yet", "column choice"}


def test_nothing_left_to_ask_is_an_answer(votes: Path, tmp_path: Path) -> None:
    arguments = ("ask", votes, "--least", 0.6, "--out", tmp_path / "none.csv")
    code, out, err = invoke(*arguments)
    assert code == 0, err
    assert "Nothing left is worth asking" in out
    assert json.loads(invoke(*arguments, "--json")[1])["ask"] == []
    assert not (tmp_path / "none.csv").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--rule", "magic"), "information"),
        (("--budget", "-1"), "budget"),
        (("--raters", "absent.csv"), "absent.csv"),
        (("--out", "questions.xlsx"), ".csv"),
        (("--least", "-1"), "--least"),
        (("--candidates", "absent.jsonl"), "absent.jsonl"),
    ],
)
def test_wrong_wishes_are_refused_before_votes_are_read(flags: tuple[str, str], says: str) -> None:
    code, _, err = invoke("ask", "votes-absent.csv", *flags)
    assert (code, says in err, "votes-absent" in err) == (2, True, False)


def test_the_least_gain_is_told_by_help() -> None:
    told = " ".join(invoke("ask", "--help")[1].split())
    assert f"default: {LEAST:g}" in told or f"[default: {LEAST:g}]" in told
