"""What the guides show runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from heedful.core import Item
from heedful.elicitation import RULES
from heedful.evidence.sandbox.isolation import why_not
from heedful.feedback import Table
from heedful.models import StyleFeatures
from heedful.preference import fit
from heedful.worlds import ChainWorld, ChatServer, SimulatedRaters, marks, outcomes

DOCS = Path(__file__).parents[1] / "docs"


def votes(n: int = 600) -> Table:
    """Comparisons of six systems by twelve raters, each with texts, and two critiques."""
    rng = np.random.default_rng(0)
    first = rng.integers(6, size=n)
    second = (first + rng.integers(1, 6, size=n)) % 6
    won = rng.random(n) < 1 / (1 + np.exp((second - first) / 2))
    outcome = np.where(rng.random(n) < 0.15, "tie", np.where(won, "first", "second"))
    told = [
        [f"Answer {row}. " + "More. " * int(k) for k in pair]
        for row, pair in enumerate(zip(first, second, strict=True))
    ]
    columns = {
        "id": [str(row) for row in range(n)],
        "kind": ["comparison"] * (n - 2) + ["critique"] * 2,
        "context": [f"question {row % 60}" for row in range(n)],
        "outputs": [*told[:-2], ["Much too long. " * 9], ["Short."]],
        "systems": [*([f"s{a}", f"s{b}"] for a, b in zip(first[:-2], second[:-2], strict=True)), ["s1"], ["s2"]],
        "choice": [*outcome[:-2], None, None],
        "text": [None] * (n - 2) + ["too long", "fine"],
        "rater": [f"r{row % 12}" for row in range(n)],
    }
    return Table.shaped(pl.DataFrame(columns))


def test_python_of_the_guide_to_preferences_runs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(5, size=500)
    chains = ChainWorld(steps=3)
    solutions = chains.draw(60, rng=rng)
    scope: dict[str, object] = {
        "marks": marks(chains, solutions, raters=SimulatedRaters(5), certainty=2.0, rng=rng),
        "outcomes": outcomes(chains, solutions, rng=rng),
        "encoder": StyleFeatures(),
        "votes": votes(),
        "first": first,
        "second": (first + rng.integers(1, 5, size=500)) % 5,
        "outcome": rng.integers(-1, 2, size=500),
        "names": list("abcde"),
        "length_first": rng.integers(10, 200, size=500),
        "length_second": rng.integers(10, 200, size=500),
        "shown_first": rng.choice([-1, 1], size=500),
        "prompt": np.arange(500) // 5,
        "design": rng.normal(size=(80, 3)),
        "rows_first": np.arange(0, 80, 2),
        "rows_second": np.arange(1, 80, 2),
        "share": rng.integers(0, 2, size=40).astype(float),
        "folder": tmp_path,
    }
    assert run("preference.md", scope) == 13


def test_python_of_the_guide_to_formats_runs() -> None:
    scope: dict[str, Any] = {}
    assert run("formats.md", scope) == 2
    assert scope["found"].reactions == {"corrected": 1}


def test_python_of_the_guide_to_asking_runs() -> None:
    rng = np.random.default_rng(2)
    first = rng.integers(5, size=500)
    scope: dict[str, object] = {
        "votes": votes(),
        "posterior": fit(votes()),
        "items": [Item(system=f"s{number}") for number in range(6)],
        "rng": rng,
        "first": first,
        "second": (first + rng.integers(1, 5, size=500)) % 5,
        "outcome": rng.integers(-1, 2, size=500),
        "propensity": rng.uniform(0.1, 1.0, 500),
    }
    assert run("elicitation.md", scope, by_section=True) >= 8


def test_python_of_the_guide_to_sampling_runs() -> None:
    pytest.importorskip("regex", reason="the extra `forms` is not installed")
    assert run("sampling.md", {}) == 13


def test_python_of_the_guide_to_programs_runs() -> None:
    if why_not():
        pytest.skip(f"programs cannot be isolated here: {why_not()}")
    scope: dict[str, Any] = {}
    assert run("programs.md", scope) == 2
    assert "it gave 5" in scope["in_words"](scope["found"][1])
    assert scope["best"].items[0].output[0].text == scope["RIGHT"]


def test_python_of_the_guide_to_judges_runs() -> None:
    scope: dict[str, Any] = {}
    assert run("judges.md", scope) == 6
    assert scope["world"].success(scope["engine"]) > scope["world"].best_of(30) + 0.3
    assert 0.05 < scope["verdicts"].position_bias.value < 0.3


def test_python_of_the_guide_to_language_models_runs() -> None:
    pytest.importorskip("transformers", reason="the extra `lm` is not installed")
    assert run("language_models.md", {}) == 5


def test_python_of_the_guide_to_endpoints_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai", reason="the extra `endpoint` is not installed")
    monkeypatch.setenv("MY_API_KEY", "a key")
    with ChatServer(lambda messages, parameters: f"yes, {parameters['seed']}", key="a key") as server:
        scope: dict[str, Any] = {"url": server.url, "folder": tmp_path}
        assert run("endpoints.md", scope) == 5
        assert scope["spending"].outcomes == {"answered": 20 + 8, "cut at max_tokens": 5}
        assert all(answer.whole for answer in scope["answers"])
        assert [vote.text for vote in scope["votes"]] == ["yes,"] * 5
        scope["model"].close()


def run(page: str, scope: dict[str, object], *, by_section: bool = False) -> int:
    """Run the Python of a page, block by block; how many there were. `by_section`: each begins with the scope anew."""
    text = (DOCS / page).read_text("utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE) if by_section else [text]
    found = [re.findall(r"```python\n(.*?)```", part, re.DOTALL) for part in parts]
    for blocks in found:
        own = dict(scope) if by_section else scope
        for block in blocks:
            exec(compile(block, page, "exec"), own)
    return sum(map(len, found))


def test_links_between_documents_lead_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_guide_to_asking_names_every_rule() -> None:
    guide = (DOCS / "elicitation.md").read_text()
    assert [name for name in RULES if f"`{name}`" not in guide] == []


def test_python_of_the_guide_to_training_runs(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra `lm` is not installed")
    from heedful.evidence import Rule
    from heedful.feedback import Record
    from heedful.models.texts import joined
    from heedful.worlds import exercises
    from heedful.worlds.exercises import right_answer
    from heedful.worlds.small_model import FOLDER, small_model

    asked = exercises(60, seed=0, held_out=False)
    pairs = [(joined(own.context), own.worked(), own.worked() + "a") for own in asked]
    right = Rule(lambda item: float(right_answer(item)), "right")
    scope: dict[str, Any] = {
        "model": str(FOLDER),
        "votes": Table.of(
            [
                Record(
                    kind="comparison",
                    context=context,
                    candidates=[{"output": good}, {"output": bad}],  # type: ignore[list-item]
                    value={"choice": "first"},  # type: ignore[arg-type]
                )
                for context, good, bad in pairs
            ]
        ),
        "folder": tmp_path / "trained",
        "evidence": 2.0 * right,
        "worth": right,
        "policy": small_model(),
        "prompts": [own.context for own in asked],
        "probe": [own.context for own in exercises(40, seed=1)],
    }
    assert run("training.md", scope) == 3
    assert scope["summary"]["held_out"]["change"]["value"] < 0
    assert len(scope["learnt"].told) == 3


def test_python_of_the_guide_to_rewriting_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from heedful.models.marked import context_text
    from heedful.rewriting import ModelCritic
    from heedful.worlds.played import as_writer
    from heedful.worlds.rule_models import rule_models
    from heedful.worlds.rule_world import RuleWorld

    monkeypatch.chdir(tmp_path)
    world = RuleWorld()
    models = rule_models(world)
    task, critic, editor = (as_writer(models, name) for name in ("task", "critic", "editor"))
    scope: dict[str, Any] = {
        "task": task,
        "editor": editor,
        "critic_model": critic,
        "critic": ModelCritic(critic),
        "evidence": world.reward(),
        "questions": [context_text(own) for own in world.contexts(300, rng=np.random.default_rng(0))],
    }
    for topic in world.topics:
        scope[topic] = [{"question": world.question(topic, number)} for number in range(30)]
    scope["names_year"] = lambda item: float("1969" in item.output[0].text)
    scope["score"] = lambda values: 1 - ((values["rate"] - 0.8) ** 2 + (values["share"] - 0.3) ** 2) / 2
    scope["prompts"] = [f"Answer. {world.best()[:cut]}" for cut in (0, 20, 40, 60, 100)]
    scope["ask_people"] = lambda pairs: ["first" if len(one) > len(other) else "second" for one, other in pairs]
    scope["ask_which"] = lambda pairs: [
        "first" if one > other else "second" for one, other in (world.reward()(list(pair)).mean for pair in pairs)
    ]
    plain, hedged = Item.of("q", "The year is 1969. It rained."), Item.of("q", "Perhaps 1969. It may be so.")
    scope["training"] = [plain] * 60, [hedged] * 60, np.ones(60)
    scope["held_out"] = [hedged] * 40, [plain] * 40, np.arange(40) % 2 == 0
    assert run("rewriting.md", scope) == 15
    assert max(own.mean for own in scope["tried"]) > 0.99
    assert "hedges less" in scope["constitution"].told()
    done: Any = scope["done"]
    assert done.claim.n == 90
    assert done.counts["kept"] > 0
    assert scope["cheap"].front
    assert scope["cheap"].spent["runs"] <= 3000
    assert scope["votes"].asked > 0
