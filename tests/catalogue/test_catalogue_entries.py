"""Every entry runs in its quick form, gives what it declares, and its committed result is what it says."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from heedful.catalogue import Check, Entry, entry, ids, listing, page, result, run, write_result
from heedful.catalogue.shares import LONGEST
from heedful.cli.catalogue import catalogue
from heedful.core import HeedfulError

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HEEDFUL_DATA", ROOT.parent / "shared" / "data"))
VERDICTS = {"reproduced", "not reproduced", "inconclusive"}


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    if DATA.is_dir():
        monkeypatch.setenv("HEEDFUL_DATA", str(DATA))


@pytest.mark.parametrize("identity", ids())
def test_the_quick_form_gives_every_measure(identity: str) -> None:
    own = entry(identity)
    if reason := own.missing():
        pytest.skip(reason)
    done = run(own, quick=True)
    assert done.verdict is None
    assert done.figures.keys() == own.measures.keys()
    assert [check["check"] for check in done.checks] == [str(check) for check in own.checks]


@pytest.mark.slow
@pytest.mark.parametrize("identity", ids())
def test_the_full_form_gives_the_committed_verdict(identity: str) -> None:
    own, known = entry(identity), result(identity)
    if reason := own.missing():
        pytest.skip(reason)
    assert known is not None
    assert run(own).verdict == known["verdict"]


@pytest.mark.parametrize("identity", ids())
def test_an_entry_says_who_what_and_how(identity: str) -> None:
    own = entry(identity)
    assert own.id == identity
    assert own.area.split("/")[0] in {"feedback", "preference", "elicitation", "training", "sampling", "rewriting"}
    assert len(own.claim) > 80
    assert len(own.configuration) > 40
    assert set(own.seeds) == set(range(len(own.seeds)))
    assert len(own.seeds) >= 30, "fewer seeds give no interval"


@pytest.mark.parametrize("identity", ids())
def test_a_committed_result_follows_from_its_own_checks(identity: str) -> None:
    own, known = entry(identity), result(identity)
    assert known is not None, "run it in full and commit the result"
    outcomes = [check["outcome"] for check in known["checks"]]
    expected = "not reproduced" if "fails" in outcomes else "inconclusive" if "open" in outcomes else "reproduced"
    assert known["verdict"] == expected
    assert known["figures"].keys() == own.measures.keys()
    assert [check["check"] for check in known["checks"]] == [str(check) for check in own.checks]
    assert known["seconds"] <= LONGEST
    for check, stated in zip(own.checks, known["checks"], strict=True):
        second = 0.0 if check.second is None else check.factor * known["figures"][check.second]["mean"]
        assert stated["mean"] == pytest.approx(known["figures"][check.first]["mean"] - second, rel=1e-3, abs=1e-4)


def test_the_same_seed_gives_the_same_figures() -> None:
    own = entry("004-032")
    assert own.miniature(3, True) == own.miniature(3, True)
    assert own.miniature(3, True) != own.miniature(4, True)


def test_the_page_is_that_of_the_committed_results() -> None:
    assert (ROOT / "docs" / "catalogue.md").read_text("utf-8") == page()


def test_the_page_promises_a_joint_level_of_checks_alone() -> None:
    """The checks of an entry share 5 %; its figures are at 95 % each."""
    said = " ".join(page().split())
    assert "all checks of one entry together miss at most 5 %" in said
    assert "the intervals of one entry together" not in said
    for known in map(result, ids()):
        checks = [own["level"] for own in known["checks"] if own["level"] is not None]
        assert sum(1 - level for level in checks) <= 0.05 + 1e-5  # written to six digits
        assert {own["level"] for own in known["figures"].values()} <= {0.95, None}


def toy(effect: float) -> Entry:
    def miniature(seed: int, quick: bool) -> dict[str, float]:
        noise = np.random.default_rng(seed).normal(size=2)
        return {"new": effect + float(noise[0]), "old": float(noise[1])}

    measures = {"new": "score of the new", "old": "score of the old"}
    return Entry(
        "000-000", "toy", "preference", "", "new > old", "", measures, (Check("new", "old", above=0.0),), miniature
    )


def test_verdicts_of_a_toy_whose_truth_is_known(tmp_path: Path) -> None:
    assert run(toy(2.0)).verdict == "reproduced"
    assert run(toy(-2.0)).verdict == "not reproduced"
    done = run(toy(2.0))
    written = json.loads(write_result(done, tmp_path).read_text("utf-8"))
    assert written["verdict"] == "reproduced"
    assert written["figures"]["new"]["n"] == len(done.seeds)
    with pytest.raises(HeedfulError, match="no result"):
        write_result(run(toy(2.0), quick=True), tmp_path)


def test_an_entry_that_cannot_run_says_why() -> None:
    own = toy(1.0)
    lacking = Entry(*[getattr(own, name) for name in list(Entry.__slots__)[:11]], missing=lambda: "no data")
    with pytest.raises(HeedfulError, match="no data"):
        run(lacking)
    with pytest.raises(HeedfulError, match="no entry"):
        entry("999-999")


def test_a_verdict_that_is_not_the_committed_one_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heedful.catalogue.entry", lambda identity: toy(2.0))
    for committed, code in (("reproduced", 0), ("inconclusive", 2)):
        monkeypatch.setattr("heedful.catalogue.result", lambda identity, own=committed: {"verdict": own})
        ran = CliRunner().invoke(catalogue, ["run", "000-000", "--check"])
        assert ran.exit_code == code
    assert "the verdict is reproduced, and inconclusive was committed" in ran.stderr


def test_checks_are_of_declared_measures() -> None:
    with pytest.raises(HeedfulError, match="are of no measure"):
        Entry("0", "t", "preference", "", "c", "", {"a": ""}, (Check("b", above=0.0),), lambda seed, quick: {})


def test_the_command_lists_shows_and_runs() -> None:
    call = CliRunner().invoke
    listed = json.loads(call(catalogue, ["list", "--json"]).stdout)
    assert listed == json.loads(json.dumps(listing()))
    assert {"id", "title", "area", "claim", "verdict", "seeds", "figures", "seconds"} == listed[0].keys()
    assert {row["verdict"] for row in listed} <= VERDICTS
    assert "Verdict" in call(catalogue, ["show", "004-032"]).stdout
    begin = time.process_time()
    ran = call(catalogue, ["run", "004-032", "--quick", "--json"])
    assert ran.exit_code == 0
    assert json.loads(ran.stdout)[0]["verdict"] is None
    assert time.process_time() - begin < 10
    assert call(catalogue, ["run"]).exit_code == 2
    both = call(catalogue, ["run", "004-032", "--check", "--quick"])
    assert both.exit_code == 2
    assert "no verdict to check" in both.stderr
    area = json.loads(call(catalogue, ["list", "--json", "--area", listed[0]["area"].split("/")[0]]).stdout)
    assert listed[0] in area
    assert json.loads(call(catalogue, ["list", "--json", "--area", listed[0]["area"][:3]]).stdout) == []
    assert call(catalogue, ["show", "999-999"]).exit_code == 2
